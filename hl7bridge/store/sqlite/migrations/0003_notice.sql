-- What the programme told recipients: alerts and summaries, one row for each subject. The subject is a keyed hash, its words lie in
-- data, whose first byte names the format. number counts how often it was told anew after it was taken back; state is
-- 1 told, 2 withdrawn; content is a digest of what was said; message_id is the message that said so last.
CREATE TABLE notice (
    patient INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    subject INTEGER NOT NULL,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    content INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (patient, recipient, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_message ON notice (recipient, message_id);

-- How many times facts came: a look counts only for those that it has seen.
ALTER TABLE look ADD COLUMN news INTEGER NOT NULL DEFAULT 0;

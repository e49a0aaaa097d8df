-- name: parts
-- When the last message of each part came.
SELECT id >> 14, max(last_us) FROM slice GROUP BY 1;

-- name: mark
-- All messages up to this one are in the index.
SELECT value FROM setting WHERE name = 'control';

-- name: set_mark
-- A sweep has come round.
INSERT OR REPLACE INTO setting (name, value) VALUES ('control', ?);

-- name: unmarked
-- Messages that may not be in the index yet.
SELECT id, control_id, sender, fingerprint FROM message WHERE id > ? AND status <> 3 ORDER BY id;

-- name: highest
-- The highest message.
SELECT coalesce(max(id), -1) FROM message;

-- name: insert
-- An entry; after a crash it may be there already.
INSERT OR IGNORE INTO control (part, key, fingerprint, message_id) VALUES (?, ?, ?, ?);

-- name: any
-- Whether a key is there at all: for most messages it is not.
SELECT 1 FROM control WHERE part = ? AND key = ? LIMIT 1;

-- name: exact
-- The newest messages with this key and content; of some of them retention may have left only this.
SELECT message_id FROM control WHERE part = ? AND key = ? AND fingerprint = ? ORDER BY message_id DESC LIMIT 50;

-- name: others
-- Some messages with this key and other content; a sender that always says the same control ID must not make every
-- look-up longer.
SELECT message_id FROM control WHERE part = ? AND key = ? AND fingerprint <> ? LIMIT 200;

-- name: message
-- What is compared and answered.
SELECT control_id, sender, fingerprint, answer, status, received_us FROM message WHERE id = ?;

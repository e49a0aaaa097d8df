-- What messages said of a patient (affiliation/facts/facts.py), under the key of the identifier that the message bore. A fact is known
-- by its content, so that saying it again changes nothing. The first byte of data names its format.
CREATE TABLE fact (
    patient INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (patient, digest)
) STRICT, WITHOUT ROWID;

-- Identifiers of one patient: borne together by a message, or joined by a merge. Each pair stands both ways.
CREATE TABLE alias (
    patient INTEGER NOT NULL,
    other INTEGER NOT NULL,
    merged INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (patient, other)
) STRICT, WITHOUT ROWID;

-- When a patient is to be looked at again: at once where facts came, else on the day that the last look named.
CREATE TABLE look (patient INTEGER PRIMARY KEY, due_us INTEGER NOT NULL) STRICT;
CREATE INDEX look_due ON look (due_us);

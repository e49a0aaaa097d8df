-- What a person settled of two identifiers: they are one patient (same = 1) whatever messages contradict, or they are two. Each pair
-- stands both ways, an identifier with itself once. message_id is the newest message of then.
CREATE TABLE verdict (
    patient INTEGER NOT NULL,
    other INTEGER NOT NULL,
    same INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    operator TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (patient, other)
) STRICT, WITHOUT ROWID;

-- Patients of whom nothing is concluded until a person settles who they are, as the last look found them; under one of their keys.
CREATE TABLE held_patient (patient INTEGER PRIMARY KEY, since_us INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE INDEX held_patient_since ON held_patient (since_us);

-- Files of lists whose content was published: a delta is applied once, and a full list is not read again.
CREATE TABLE roster_file (
    id INTEGER PRIMARY KEY,
    affiliate TEXT NOT NULL,
    digest TEXT NOT NULL,
    is_full INTEGER NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX roster_file_affiliate ON roster_file (affiliate, id);

-- How many rows of a list cover days before it was loaded that were not covered.
ALTER TABLE roster_load ADD COLUMN dated_back INTEGER NOT NULL DEFAULT 0;

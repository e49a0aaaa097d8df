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

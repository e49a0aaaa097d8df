-- The audit trail, a chain of hashes: a row holds the records of one transaction (store/rows/audit.py says how they are written, and what is
-- hashed). Rows are never changed, and go only at the lower end.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    data BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- The last row that retention took away; the first that is left continues its hash.
CREATE TABLE audit_anchor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- Which rows tell of a patient, in runs of consecutive rows (see trail.py); the newest rows are in no run yet.
CREATE TABLE audit_run (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE audit_patient (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (run, key, sequence)
) STRICT, WITHOUT ROWID;

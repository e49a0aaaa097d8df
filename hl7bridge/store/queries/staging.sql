-- name: table
-- A list while it is being read, in a temporary database of its own. valid_from -1: every row of the patient.
CREATE TABLE staged (
    key INTEGER NOT NULL, valid_from INTEGER NOT NULL, valid_through INTEGER NOT NULL, npi TEXT,
    opt_out INTEGER NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (key, valid_from)
) WITHOUT ROWID;

-- name: unsafe
-- It need not survive anything.
PRAGMA synchronous = OFF;

-- name: unjournaled
-- Nor be undone.
PRAGMA journal_mode = OFF;

-- name: insert
-- The last word of the list counts.
INSERT OR REPLACE INTO staged (key, valid_from, valid_through, npi, opt_out, ended) VALUES (?, ?, ?, ?, ?, ?);

-- name: forget_patient
-- Everything said about a patient so far is overruled.
DELETE FROM staged WHERE key = ?;

-- name: page
-- A run of the list in the order of keys.
SELECT key, valid_from, valid_through, npi, opt_out, ended FROM staged
WHERE (key, valid_from) > (?, ?) ORDER BY key, valid_from LIMIT ?;

-- name: listed
-- Whether the list names this row, and whether to end it.
SELECT ended FROM staged WHERE key = ? AND valid_from = ?;

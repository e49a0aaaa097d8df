-- name: head
-- The newest row of the chain.
SELECT sequence, at_us, hash FROM audit WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1;

-- name: anchor
-- The last row that retention took away.
SELECT sequence, at_us, hash FROM audit_anchor;

-- name: last_delivery
-- How far the deliveries had gone when a trail begins.
SELECT coalesce(max(last_delivery), 0) FROM slice;

-- name: insert
-- A row of the chain.
INSERT INTO audit (sequence, at_us, data, hash) VALUES (?, ?, ?, ?);

-- name: rows
-- A page of the chain.
SELECT sequence, at_us, data, hash FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?;

-- name: row
-- One row of the chain.
SELECT sequence, at_us, data, hash FROM audit WHERE sequence = ?;

-- name: oldest
-- The oldest rows, without their data.
SELECT sequence, at_us, hash FROM audit WHERE sequence > 0 ORDER BY sequence LIMIT ?;

-- name: delete
-- The rows up to one.
DELETE FROM audit WHERE sequence <= ?;

-- name: set_anchor
-- Rows were taken away.
INSERT OR REPLACE INTO audit_anchor (id, sequence, at_us, hash) VALUES (1, ?, ?, ?);

-- name: insert_patient
-- A row tells of a patient; after a crash the entry may be there already.
INSERT OR IGNORE INTO audit_patient (run, key, sequence) VALUES (?, ?, ?);

-- name: insert_run
-- A run is whole.
INSERT INTO audit_run (first, last) VALUES (?, ?);

-- name: runs
-- The whole runs, the oldest first.
SELECT first, last FROM audit_run ORDER BY first;

-- name: indexed
-- The last row that is in a whole run.
SELECT max(last) FROM audit_run;

-- name: of_patient
-- The rows of a run that tell of a patient.
SELECT sequence FROM audit_patient WHERE run = ? AND key = ? AND sequence > ? ORDER BY sequence LIMIT ?;

-- name: run
-- A whole run.
SELECT key, sequence FROM audit_patient WHERE run = ? ORDER BY key, sequence;

-- name: old_run
-- The oldest run, if none of its rows is left; the newest stays, since it says where the next one begins.
SELECT first FROM audit_run WHERE last <= ? AND last < (SELECT max(last) FROM audit_run)
ORDER BY first LIMIT 1;

-- name: run_step
-- Where some entries of a run end.
SELECT max(key) FROM (SELECT key FROM audit_patient WHERE run = ? ORDER BY key LIMIT ?);

-- name: delete_entries
-- Some entries of a run.
DELETE FROM audit_patient WHERE run = ? AND key <= ?;

-- name: delete_run
-- A run without entries.
DELETE FROM audit_run WHERE first = ?;

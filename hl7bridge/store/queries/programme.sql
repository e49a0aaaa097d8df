-- name: insert_fact
-- A fact that is not known yet.
INSERT INTO fact (patient, digest, message_id, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_alias
-- One way of a pair; what a merge has joined stays merged.
INSERT INTO alias (patient, other, merged, message_id) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET merged = 1 WHERE excluded.merged AND NOT merged;

-- name: look_soon
-- Facts came: the patient is looked at when they did, or before.
INSERT INTO look (patient, due_us) VALUES (?, ?)
ON CONFLICT DO UPDATE SET due_us = excluded.due_us WHERE excluded.due_us < due_us;

-- name: look_again
-- After a look, if nothing came since.
UPDATE look SET due_us = ? WHERE patient = ? AND due_us = ?;

-- name: look_no_more
-- After a look that named no day, if nothing came since.
DELETE FROM look WHERE patient = ? AND due_us = ?;

-- name: facts
-- What is known of a patient.
SELECT patient, message_id, data FROM fact WHERE patient = ? ORDER BY digest;

-- name: aliases
-- The other identifiers of a patient.
SELECT other, merged FROM alias WHERE patient = ? ORDER BY other;

-- name: looks
-- Those that are due.
SELECT patient, due_us FROM look WHERE due_us <= ? ORDER BY due_us, patient LIMIT ?;

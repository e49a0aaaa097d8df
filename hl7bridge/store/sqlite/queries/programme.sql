-- name: insert_fact
-- A fact that is not known yet.
INSERT INTO fact (patient, digest, message_id, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_alias
-- One way of a pair; what a merge has joined stays merged.
INSERT INTO alias (patient, other, merged, message_id) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET merged = 1, message_id = excluded.message_id WHERE excluded.merged AND NOT merged;

-- name: look_soon
-- Facts came: the patient is looked at when they did, or before.
INSERT INTO look (patient, due_us) VALUES (?, ?)
ON CONFLICT DO UPDATE SET due_us = min(due_us, excluded.due_us), news = news + 1;

-- name: look_again
-- After a look, if nothing came since.
UPDATE look SET due_us = ? WHERE patient = ? AND news = ?;

-- name: look_no_more
-- After a look that named no day, if nothing came since.
DELETE FROM look WHERE patient = ? AND news = ?;

-- name: facts
-- What is known of a patient.
SELECT patient, message_id, data FROM fact WHERE patient = ? ORDER BY digest;

-- name: aliases
-- The other identifiers of a patient.
SELECT other, merged FROM alias WHERE patient = ? ORDER BY other;

-- name: joined
-- What joined two identifiers directly.
SELECT merged, message_id FROM alias WHERE patient = ? AND other = ?;

-- name: upsert_verdict
-- One way of what a person settled; the last word counts.
INSERT INTO verdict (patient, other, same, message_id, at_us, operator, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET same = excluded.same, message_id = excluded.message_id, at_us = excluded.at_us,
    operator = excluded.operator, reason = excluded.reason;

-- name: verdicts
-- What a person settled of an identifier.
SELECT patient, other, same, message_id, at_us, operator, reason FROM verdict WHERE patient = ? ORDER BY other;

-- name: hold_patient
-- A look found that a patient must be settled.
INSERT OR REPLACE INTO held_patient (patient, since_us, reason) VALUES (?, ?, ?);

-- name: let_patient
-- A look found nothing to settle.
DELETE FROM held_patient WHERE patient = ?;

-- name: held_patient
-- Whether an identifier is one of a patient to be settled.
SELECT patient, since_us, reason FROM held_patient WHERE patient = ?;

-- name: held_patients
-- Those to be settled, the longest held first.
SELECT patient, since_us, reason FROM held_patient ORDER BY since_us, patient LIMIT ?;

-- name: looks
-- Those that are due.
SELECT patient, due_us, news FROM look WHERE due_us <= ? ORDER BY due_us, patient LIMIT ?;

-- name: upsert_notice
-- What was told last of a subject.
INSERT INTO notice (patient, recipient, subject, number, state, content, message_id, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET number = excluded.number, state = excluded.state, content = excluded.content,
    message_id = excluded.message_id, data = excluded.data;

-- name: notices
-- What was told of a patient.
SELECT patient, recipient, subject, number, state, content, message_id, data FROM notice WHERE patient = ?
ORDER BY recipient, subject;

-- name: notices_to
-- What a recipient was told by messages of a span, oldest first.
SELECT patient, recipient, subject, number, state, content, message_id, data FROM notice
WHERE recipient = ? AND message_id > ? ORDER BY message_id, patient, subject LIMIT ?;

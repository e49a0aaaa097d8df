-- name: insert_mark
-- How far the counter stands on a day; the first word of the day counts. A clock that was set back says nothing of what came since.
INSERT INTO day_mark (day, message)
SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM day_mark WHERE day > ?1) ON CONFLICT DO NOTHING;

-- name: mark
-- The last day before another that was marked.
SELECT day, message FROM day_mark WHERE day < ? ORDER BY day DESC LIMIT 1;

-- name: delete_marks
-- Marks before a day, which nobody asks for any more.
DELETE FROM day_mark WHERE day < ?;

-- name: facts
-- A page of all facts.
SELECT message_id, patient, digest FROM fact WHERE (patient, digest) > (?, ?) ORDER BY patient, digest LIMIT ?;

-- name: spoken_of
-- Whether anything is known of a patient that was said after a mark.
SELECT 1 FROM fact WHERE patient = ?1 AND message_id & ?2 > ?3 LIMIT 1;

-- name: notices
-- A page of all that was told.
SELECT message_id, patient, recipient, subject FROM notice WHERE (patient, recipient, subject) > (?, ?, ?)
ORDER BY patient, recipient, subject LIMIT ?;

-- name: delete_fact
-- One fact.
DELETE FROM fact WHERE patient = ? AND digest = ?;

-- name: delete_notice
-- One thing that was told.
DELETE FROM notice WHERE patient = ? AND recipient = ? AND subject = ?;

-- name: look_at_the_held
-- Patients whom a person must settle: what contradicted may have gone.
INSERT INTO look (patient, due_us) SELECT patient, ? FROM held_patient WHERE true
ON CONFLICT DO UPDATE SET due_us = min(due_us, excluded.due_us), news = news + 1;

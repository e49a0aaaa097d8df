-- name: last_old_slice
-- The last slice that has a message from before a time.
SELECT coalesce(max(id), -1) FROM slice WHERE first_us < ?;

-- name: oldest
-- The oldest messages between two marks, with whether one of their deliveries keeps them.
SELECT m.id, m.received_us, m.first_delivery, m.last_delivery, EXISTS (
    SELECT 1 FROM delivery d NOT INDEXED
    WHERE d.id BETWEEN m.first_delivery AND m.last_delivery AND d.message_id = m.id
        AND (d.status < 2 OR (d.status = 3 AND NOT ?3))
)
FROM message m WHERE m.id > ?1 AND m.id <= ?2 ORDER BY m.id LIMIT ?4;

-- name: body_bytes
-- How long the rows of some messages' bodies are.
SELECT coalesce(sum(length(data)), 0) FROM body WHERE id BETWEEN ?1 AND ?2;

-- name: delete_bodies
-- The bodies of messages that go.
DELETE FROM body WHERE id BETWEEN ?1 AND ?2;

-- name: delete_attempts
-- What happened to the deliveries of messages that go.
DELETE FROM attempt WHERE delivery_id BETWEEN ?1 AND ?2
    AND EXISTS (SELECT 1 FROM delivery d NOT INDEXED WHERE d.id = delivery_id AND d.message_id BETWEEN ?3 AND ?4);

-- name: several_keys
-- Deliveries that have several order keys, of messages that go.
SELECT id, more_keys FROM delivery NOT INDEXED
WHERE id BETWEEN ?1 AND ?2 AND message_id BETWEEN ?3 AND ?4 AND more_keys IS NOT NULL;

-- name: delete_several_keys
-- An order key of a delivery that goes.
DELETE FROM several_keys WHERE key = ?1 AND delivery_id = ?2;

-- name: delete_deliveries
-- The deliveries of messages that go.
DELETE FROM delivery NOT INDEXED WHERE id BETWEEN ?1 AND ?2 AND message_id BETWEEN ?3 AND ?4;

-- name: delete_messages
-- Messages that go.
DELETE FROM message WHERE id BETWEEN ?1 AND ?2;

-- name: slices
-- Slices between two marks, with whether a message is left of them; the newest is not among them, for the counters.
SELECT s.id, EXISTS (SELECT 1 FROM message m WHERE m.id BETWEEN s.id << 8 AND (s.id << 8) + 255)
FROM slice s WHERE s.id > ?1 AND s.id <= ?2 AND s.id < (SELECT max(id) FROM slice) ORDER BY s.id LIMIT ?3;

-- name: delete_search
-- What a slice's messages were searched by.
DELETE FROM search WHERE slice = ?;

-- name: delete_slice
-- A slice of which nothing is left.
DELETE FROM slice WHERE id = ?;

-- name: old_part
-- The oldest part of the control IDs, if none of its messages is left.
SELECT part FROM control WHERE part < (SELECT min(id) FROM slice) >> 14 ORDER BY part LIMIT 1;

-- name: part_step
-- Where some entries of a part end.
SELECT max(key) FROM (SELECT key FROM control WHERE part = ?1 ORDER BY key LIMIT ?2);

-- name: delete_control
-- Some entries of a part of which no message is left.
DELETE FROM control WHERE part = ? AND key <= ?;

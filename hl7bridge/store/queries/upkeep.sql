-- name: last_old_slice
-- The last message identifier of the last slice that has a message from before a time.
SELECT coalesce(max(id), -1) * 256 + 255 FROM slice WHERE first_us < ?;

-- name: oldest
-- The oldest messages between two marks, with whether one of their deliveries keeps them.
SELECT m.id, m.received_us, m.first_delivery, m.last_delivery, EXISTS (
    SELECT 1 FROM delivery d
    WHERE d.id BETWEEN m.first_delivery AND m.last_delivery AND d.message_id = m.id
        AND (d.status < 2 OR (d.status = 3 AND NOT ?3))
)
FROM message m WHERE m.id > ?1 AND m.id <= ?2 ORDER BY m.id LIMIT ?4;

-- name: delete_attempts
-- What happened to the deliveries of a message that goes.
DELETE FROM attempt WHERE delivery_id BETWEEN ?1 AND ?2
    AND EXISTS (SELECT 1 FROM delivery d WHERE d.id = delivery_id AND d.message_id = ?3);

-- name: delete_several_keys
-- The order keys of a delivery that goes.
DELETE FROM several_keys WHERE delivery_id = ?2 AND key = ?1;

-- name: several_keys
-- Deliveries of a message that have several order keys.
SELECT id, more_keys FROM delivery
WHERE id BETWEEN ?1 AND ?2 AND message_id = ?3 AND more_keys IS NOT NULL;

-- name: delete_deliveries
-- The deliveries of a message that goes.
DELETE FROM delivery WHERE id BETWEEN ?1 AND ?2 AND message_id = ?3;

-- name: body_bytes
-- How long the rows of a message's bodies are.
SELECT coalesce(sum(length(data)), 0) FROM body WHERE id BETWEEN ?1 AND ?2;

-- name: delete_bodies
-- The bodies of a message that goes.
DELETE FROM body WHERE id BETWEEN ?1 AND ?2;

-- name: delete_message
-- A message that goes.
DELETE FROM message WHERE id = ?;

-- name: empty_slices
-- Slices between two marks of which no message is left; the newest slice stays, for the counters.
SELECT s.id FROM slice s WHERE s.id >= ?1 AND s.id < ?2 AND s.id < (SELECT max(id) FROM slice)
    AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id BETWEEN s.id << 8 AND (s.id << 8) + 255)
ORDER BY s.id LIMIT ?3;

-- name: delete_search
-- What a slice's messages were searched by.
DELETE FROM search WHERE slice = ?;

-- name: oldest_control
-- The first entry of the oldest part, if the part holds no message any more.
SELECT part FROM control WHERE part < (SELECT min(id) FROM message) >> 22 ORDER BY part LIMIT 1;

-- name: control_step
-- Where some entries of a part end.
SELECT max(key) FROM (SELECT key FROM control WHERE part = ?1 ORDER BY key LIMIT ?2);

-- name: delete_control
-- Some entries of a part of which no message is left.
DELETE FROM control WHERE part = ? AND key <= ?;

-- name: delete_slice
-- A slice of which nothing is left.
DELETE FROM slice WHERE id = ?;

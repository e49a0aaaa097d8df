-- name: setting
-- One value of the store itself.
SELECT value FROM setting WHERE name = ?;

-- name: name_by_text
-- The identifier of a word that recurs.
SELECT id FROM name WHERE text = ?;

-- name: name_by_id
-- The word behind an identifier.
SELECT text FROM name WHERE id = ?;

-- name: names
-- The words known so far, the oldest first: enough of them to fill a cache.
SELECT text, id FROM name ORDER BY id LIMIT 20000;

-- name: last_name
-- The highest identifier of a word.
SELECT coalesce(max(id), 0) FROM name;

-- name: queued_by_destination
-- How many deliveries wait at each destination.
SELECT destination, count(*) FROM delivery INDEXED BY delivery_queued WHERE status = 0 GROUP BY destination;

-- name: sending_by_destination
-- How many deliveries are being sent to each destination.
SELECT destination, count(*) FROM delivery INDEXED BY delivery_sending WHERE status = 1 GROUP BY destination;

-- name: open_count
-- How many deliveries of one destination wait or are being sent.
SELECT
    (SELECT count(*) FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND destination = ?1)
    + (SELECT count(*) FROM delivery INDEXED BY delivery_sending WHERE status = 1 AND destination = ?1);

-- name: failed_count
-- How many deliveries of one destination have failed and wait for a person.
SELECT count(*) FROM delivery INDEXED BY delivery_failed WHERE status = 3 AND destination = ?;

-- name: open_deliveries
-- A page of a queue, in the order in which it will be sent.
WITH page (id, position) AS (
    SELECT id, position FROM (
        SELECT id, position FROM delivery INDEXED BY delivery_queued
        WHERE status = 0 AND destination = ?1 AND position > ?2 ORDER BY position LIMIT ?3
    )
    UNION ALL
    SELECT id, position FROM (
        SELECT id, position FROM delivery INDEXED BY delivery_sending
        WHERE status = 1 AND destination = ?1 AND position > ?2 ORDER BY position LIMIT ?3
    )
    ORDER BY 2 LIMIT ?3
)
SELECT
    d.id, d.position, d.message_id, d.channel, d.scope, d.key, d.more_keys, d.status, d.attempts,
    d.possible_duplicate, d.payload, d.size, d.first_us, d.next_us,
    m.received_us, m.source, m.type, m.control_id, m.version, m.event_date, m.patient_keys
FROM page p CROSS JOIN delivery d ON d.id = p.id CROSS JOIN message m ON m.id = d.message_id
ORDER BY p.position;

-- name: queued_of_key
-- A page of what waits under one order key, in the order in which it will be sent. Parts are 1024 positions; CROSS
-- JOIN asks them one after the other, so the first rows found are the first in the queue and LIMIT may end it there.
WITH RECURSIVE part (number, last) AS (
    SELECT (?2 + 1) >> 10, (
        SELECT max(position) FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND destination = ?1
    ) >> 10
    UNION ALL
    SELECT number + 1, last FROM part WHERE number < last
),
page (id, position) AS (
    SELECT id, position FROM (
        SELECT d.id, d.position FROM part p CROSS JOIN delivery d INDEXED BY delivery_key
        WHERE d.status = 0 AND d.destination = ?1 AND d.position >> 10 = p.number AND d.key = ?4 AND d.position > ?2
        LIMIT ?3
    )
    UNION ALL
    SELECT d.id, d.position FROM several_keys s CROSS JOIN delivery d ON d.id = s.delivery_id
    WHERE s.key = ?4 AND d.status = 0 AND d.destination = ?1 AND d.position > ?2
    ORDER BY 2 LIMIT ?3
)
SELECT
    d.id, d.position, d.message_id, d.channel, d.scope, d.key, d.more_keys, d.status, d.attempts,
    d.possible_duplicate, d.payload, d.size, d.first_us, d.next_us,
    m.received_us, m.source, m.type, m.control_id, m.version, m.event_date, m.patient_keys
FROM page p CROSS JOIN delivery d ON d.id = p.id CROSS JOIN message m ON m.id = d.message_id
ORDER BY p.position;

-- name: body
-- Bytes by their own row.
SELECT data FROM body WHERE id = ?;

-- name: held
-- The destinations that an operator holds.
SELECT destination FROM hold;

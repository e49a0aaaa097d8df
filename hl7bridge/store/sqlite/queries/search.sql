-- name: messages
-- Messages in a range of identifiers; conditions and order are appended.
SELECT
    m.id, m.received_us, m.source, m.status, m.type, m.control_id, m.answer, m.version, m.event_date,
    m.patient_keys, m.outcomes, m.flags, m.original, m.operator, m.size
FROM message m WHERE m.id BETWEEN :low AND :high

-- name: messages_by_key
-- Messages of one patient, or with one control ID, through the slices' parts of the search table.
SELECT
    m.id, m.received_us, m.source, m.status, m.type, m.control_id, m.answer, m.version, m.event_date,
    m.patient_keys, m.outcomes, m.flags, m.original, m.operator, m.size
FROM slice s CROSS JOIN search p ON p.slice = s.id AND p.key = :key CROSS JOIN message m ON m.id = p.message_id
WHERE s.id BETWEEN :low >> 8 AND :high >> 8 AND m.id BETWEEN :low AND :high

-- name: messages_of_original
-- Messages that repeat or replay another.
SELECT
    m.id, m.received_us, m.source, m.status, m.type, m.control_id, m.answer, m.version, m.event_date,
    m.patient_keys, m.outcomes, m.flags, m.original, m.operator, m.size
FROM message m INDEXED BY message_original WHERE m.original = :original AND m.id BETWEEN :low AND :high

-- name: messages_unfinished
-- Messages with a delivery that is queued, being sent or failed: few among many, found by those indexes.
SELECT
    m.id, m.received_us, m.source, m.status, m.type, m.control_id, m.answer, m.version, m.event_date,
    m.patient_keys, m.outcomes, m.flags, m.original, m.operator, m.size
FROM (
    SELECT message_id FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND :queued
    UNION SELECT message_id FROM delivery INDEXED BY delivery_sending WHERE status = 1 AND :sending
    UNION SELECT message_id FROM delivery INDEXED BY delivery_failed WHERE status = 3 AND :failed
) q CROSS JOIN message m ON m.id = q.message_id
WHERE m.id BETWEEN :low AND :high

-- name: message
-- One message.
SELECT
    m.id, m.received_us, m.source, m.status, m.type, m.control_id, m.answer, m.version, m.event_date,
    m.patient_keys, m.outcomes, m.flags, m.original, m.operator, m.size
FROM message m WHERE m.id = ?

-- name: slices
-- A run of slices that may hold messages of a time, the newest first.
SELECT id FROM slice WHERE id BETWEEN :low AND :high AND last_us >= :since_us AND first_us < :until_us
ORDER BY id DESC LIMIT :run

-- name: slices_oldest_first
-- A run of slices that may hold messages of a time, the oldest first.
SELECT id FROM slice WHERE id BETWEEN :low AND :high AND last_us >= :since_us AND first_us < :until_us
ORDER BY id LIMIT :run

-- name: outcome_names
-- The distinct outcomes, to find those in which a channel takes part.
SELECT id, text FROM name WHERE text LIKE '[[%'

-- name: deliveries
-- Deliveries in a range of identifiers; conditions and order are appended.
SELECT
    d.id, d.message_id, d.position, d.destination, d.channel, d.scope, d.key, d.more_keys, d.status, d.attempts,
    d.possible_duplicate, d.payload, d.at_us, d.first_us, d.next_us, d.code, d.reason, m.received_us
FROM delivery d NOT INDEXED CROSS JOIN message m ON m.id = d.message_id WHERE d.id BETWEEN :low AND :high

-- name: count_unfinished
-- How many deliveries an index would lead to; with very many of them walking is faster.
SELECT
    (SELECT count(*) FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND :queued)
    + (SELECT count(*) FROM delivery INDEXED BY delivery_sending WHERE status = 1 AND :sending)
    + (SELECT count(*) FROM delivery INDEXED BY delivery_failed WHERE status = 3 AND :failed)

-- name: deliveries_unfinished
-- Deliveries that are queued, being sent or failed, found by those indexes.
SELECT
    d.id, d.message_id, d.position, d.destination, d.channel, d.scope, d.key, d.more_keys, d.status, d.attempts,
    d.possible_duplicate, d.payload, d.at_us, d.first_us, d.next_us, d.code, d.reason, m.received_us
FROM (
    SELECT id FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND :queued
    UNION ALL SELECT id FROM delivery INDEXED BY delivery_sending WHERE status = 1 AND :sending
    UNION ALL SELECT id FROM delivery INDEXED BY delivery_failed WHERE status = 3 AND :failed
) q CROSS JOIN delivery d ON d.id = q.id CROSS JOIN message m ON m.id = d.message_id
WHERE d.id BETWEEN :low AND :high

-- name: deliveries_unfinished_of
-- The same for one destination.
SELECT
    d.id, d.message_id, d.position, d.destination, d.channel, d.scope, d.key, d.more_keys, d.status, d.attempts,
    d.possible_duplicate, d.payload, d.at_us, d.first_us, d.next_us, d.code, d.reason, m.received_us
FROM (
    SELECT id FROM delivery INDEXED BY delivery_queued WHERE status = 0 AND :queued AND destination = :destination
    UNION ALL
    SELECT id FROM delivery INDEXED BY delivery_sending WHERE status = 1 AND :sending AND destination = :destination
    UNION ALL
    SELECT id FROM delivery INDEXED BY delivery_failed WHERE status = 3 AND :failed AND destination = :destination
) q CROSS JOIN delivery d ON d.id = q.id CROSS JOIN message m ON m.id = d.message_id
WHERE d.id BETWEEN :low AND :high

-- name: delivery_run
-- Where a run of deliveries ends, upwards.
SELECT max(id) FROM (SELECT id FROM delivery WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)

-- name: delivery_run_down
-- Where a run of deliveries ends, downwards.
SELECT min(id) FROM (SELECT id FROM delivery WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3)

-- name: delivery_range
-- Between which identifiers the deliveries of a message lie.
SELECT first_delivery, last_delivery FROM message WHERE id = ?

-- name: attempts
-- What happened to the deliveries of a message.
SELECT a.delivery_id, a.at_us, a.status, a.attempts, a.code, a.reason, a.answer
FROM attempt a INDEXED BY attempt_delivery JOIN delivery d ON d.id = a.delivery_id
WHERE a.delivery_id BETWEEN ?1 AND ?2 AND d.message_id = ?3 ORDER BY a.id

-- name: body_sizes
-- The heads of a message's bodies, and how long their rows are.
SELECT id, substr(data, 1, 300), length(data) FROM body WHERE id BETWEEN ?1 AND ?2 ORDER BY id

-- name: acts
-- What operators did.
SELECT at_us, operator, verb, detail FROM act WHERE at_us >= ? ORDER BY at_us, id LIMIT ?

-- name: configuration
-- When a version was first kept, and the names of its secrets.
SELECT at_us, secret_names FROM configuration WHERE version = ?

-- name: configuration_files
-- The files of a version.
SELECT f.path, c.data FROM configuration_file f JOIN configuration_content c ON c.hash = f.hash
WHERE f.version = ? ORDER BY f.path

-- name: versions
-- Every version, oldest first.
SELECT version, at_us FROM configuration ORDER BY at_us, rowid

-- name: message_counts
-- Messages of a run of slices by source and status (in one number: eight to a source).
SELECT source * 8 + status AS both, count(*), min(first_delivery), max(last_delivery) FROM message
WHERE id BETWEEN :low AND :high AND received_us >= :since_us GROUP BY both

-- name: earlier
-- Whether some message of a run of slices came before a time.
SELECT EXISTS (SELECT 1 FROM message WHERE id BETWEEN :low AND :high AND received_us < :since_us)

-- name: delivery_counts
-- Deliveries of a run of messages, all of which count, by destination and status.
SELECT destination * 8 + status AS both, count(*) FROM delivery NOT INDEXED
WHERE id BETWEEN :first AND :last AND message_id BETWEEN :low AND :high GROUP BY both

-- name: delivery_counts_since
-- The same where not all of the messages count: dearer.
SELECT d.destination * 8 + d.status AS both, count(*) FROM message m
CROSS JOIN delivery d NOT INDEXED
    ON d.id BETWEEN m.first_delivery AND m.last_delivery AND d.message_id = m.id
WHERE m.id BETWEEN :low AND :high AND m.received_us >= :since_us GROUP BY both

-- name: first_open
-- When the message at the head of a queue was received.
SELECT m.received_us FROM delivery d CROSS JOIN message m ON m.id = d.message_id WHERE d.id = (
    SELECT id FROM (
        SELECT * FROM (
            SELECT id, position FROM delivery INDEXED BY delivery_queued
            WHERE status = 0 AND destination = ?1 ORDER BY position LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT id, position FROM delivery INDEXED BY delivery_sending
            WHERE status = 1 AND destination = ?1 ORDER BY position LIMIT 1
        )
    ) ORDER BY position LIMIT 1
)

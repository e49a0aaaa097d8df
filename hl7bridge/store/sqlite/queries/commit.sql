-- name: make_key
-- The store's secret: made once.
INSERT OR IGNORE INTO setting (name, value) VALUES ('key', ?);

-- name: insert_name
-- Keep a word that recurs, under the identifier that rows will carry.
INSERT INTO name (id, text) VALUES (?, ?);

-- name: insert_message
-- One accepted message, without its bodies.
INSERT INTO message (
    id, received_us, source, status, type, control_id, sender, fingerprint, answer, version, event_date,
    patient_keys, outcomes, flags, first_delivery, last_delivery, original, operator, size
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_body
-- Bytes of a message; several small ones may share a row.
INSERT INTO body (id, data) VALUES (?, ?);

-- name: insert_long_body
-- Room for a body that is then written in place.
INSERT INTO body (id, data) VALUES (?, zeroblob(?));

-- name: insert_delivery
-- One delivery of an accepted message. at_us and first_us hold the time of receipt until there is an attempt.
INSERT INTO delivery (
    id, message_id, position, destination, channel, scope, key, more_keys, status, attempts, possible_duplicate,
    payload, size, at_us, first_us, reason
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?);

-- name: insert_several_keys
-- One of the order keys of a delivery that has several.
INSERT OR IGNORE INTO several_keys (key, delivery_id) VALUES (?, ?);

-- name: insert_search
-- A message can be searched by some keys (as many VALUES as it has); it may have one twice.
INSERT OR IGNORE INTO search (slice, key, message_id) VALUES (?, ?, ?);

-- name: upsert_slice
-- How far a slice has gone.
INSERT INTO slice (id, first_us, last_us, last_message, last_delivery, last_position)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    first_us = min(first_us, excluded.first_us),
    last_us = max(last_us, excluded.last_us),
    last_message = max(last_message, excluded.last_message),
    last_delivery = max(last_delivery, excluded.last_delivery),
    last_position = max(last_position, excluded.last_position);

-- name: claim
-- A queued delivery is about to be sent.
UPDATE delivery SET status = 1 WHERE id = ? AND status = 0;

-- name: change
-- A delivery's new state. Once it was a possible duplicate it stays one; first_us is set by the first attempt.
UPDATE delivery SET
    status = ?1,
    first_us = iif(attempts = 0, ?2, first_us),
    attempts = ?3,
    at_us = ?2,
    code = ?4,
    reason = ?5,
    possible_duplicate = possible_duplicate | ?6,
    next_us = ?7
WHERE id = ?8;

-- name: accepted
-- The commonest change: the first attempt was accepted.
UPDATE delivery SET
    status = 2,
    first_us = iif(attempts = 0, ?1, first_us),
    attempts = 1,
    at_us = ?1,
    code = ?2,
    reason = NULL,
    next_us = NULL
WHERE id = ?3;

-- name: move
-- A delivery goes to another place in its queue.
UPDATE delivery SET position = ?2 WHERE id = ?1;

-- name: more_keys
-- The order keys of a delivery that has several.
SELECT more_keys FROM delivery WHERE id = ?;

-- name: delete_several_keys
-- One of the several order keys of a delivery goes.
DELETE FROM several_keys WHERE key = ?1 AND delivery_id = ?2;

-- name: replace_keys
-- A delivery that goes to another place in its queue has other order keys there.
UPDATE delivery SET key = ?2, more_keys = ?3 WHERE id = ?1;

-- name: raise_position
-- The position counter has gone this far though no new delivery shows it.
INSERT INTO setting (name, value) VALUES ('position', ?1)
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value);

-- name: insert_attempt
-- What happened to a delivery.
INSERT INTO attempt (delivery_id, at_us, status, attempts, code, reason, answer) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_hold
-- An operator holds a destination.
INSERT OR REPLACE INTO hold (destination, operator, at_us) VALUES (?, ?, ?);

-- name: delete_hold
-- An operator releases a destination.
DELETE FROM hold WHERE destination = ?;

-- name: insert_act
-- What an operator did.
INSERT INTO act (at_us, operator, verb, detail) VALUES (?, ?, ?, ?);

-- name: insert_configuration
-- A configuration version; the same content has the same version.
INSERT OR IGNORE INTO configuration (version, at_us, secret_names) VALUES (?, ?, ?);

-- name: insert_configuration_content
-- A file's content, once.
INSERT OR IGNORE INTO configuration_content (hash, data) VALUES (?, ?);

-- name: insert_configuration_file
-- A file of a version.
INSERT OR IGNORE INTO configuration_file (version, path, hash) VALUES (?, ?, ?);

-- name: recover
-- What was being sent may have arrived: queue it again and say so.
UPDATE delivery INDEXED BY delivery_sending SET status = 0, possible_duplicate = 1, at_us = ? WHERE status = 1;

-- name: counters
-- How far the three counters have gone.
SELECT coalesce(max(last_message), 0), coalesce(max(last_delivery), 0), max(
    coalesce(max(last_position), 0), coalesce((SELECT value FROM setting WHERE name = 'position'), 0)
) FROM slice;

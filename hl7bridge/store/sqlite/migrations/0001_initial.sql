-- The first tables of a store; every store, new or old, has had each step of this folder.
-- Times are microseconds since 1970-01-01 UTC, dates YYYYMMDD, keys 64-bit keyed hashes.
-- No table but body, attempt, configuration and fact (0002) holds text of a message.

-- One value each: the secret key of the hashes, and counters that no row shows any more.
CREATE TABLE setting (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- Words that recur in rows (sources, destinations, channels, reasons, outcomes), kept once.
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- 256 consecutive message identifiers each: when they came and how far the counters had gone.
-- It bounds searches by time, and divides what is searched so that new rows lie together.
CREATE TABLE slice (
    id INTEGER PRIMARY KEY,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    last_message INTEGER NOT NULL,
    last_delivery INTEGER NOT NULL,
    last_position INTEGER NOT NULL
) STRICT;

CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    received_us INTEGER NOT NULL,
    source INTEGER NOT NULL,
    status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 4),
    type TEXT NOT NULL,
    control_id TEXT NOT NULL,
    sender INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    answer TEXT NOT NULL,
    version INTEGER NOT NULL,
    event_date INTEGER,
    patient_keys BLOB,
    outcomes INTEGER,
    flags INTEGER,
    first_delivery INTEGER,
    last_delivery INTEGER,
    original INTEGER,
    operator INTEGER,
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX message_original ON message (original) WHERE original IS NOT NULL;

-- What a message can be searched by: its patients' keys, and a number made of its control ID. By slice, so that new
-- rows lie together.
CREATE TABLE search (
    slice INTEGER NOT NULL,
    key INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (slice, key, message_id)
) STRICT, WITHOUT ROWID;

-- Which messages were processed under a control ID; written in the order of keys, some time after the message (see
-- control.py). A part is 2^22 messages.
CREATE TABLE control (
    part INTEGER NOT NULL,
    key INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (part, key, fingerprint, message_id)
) STRICT, WITHOUT ROWID;

-- Bytes. id is message_id << 16 | n, the first byte of data names the format (see bodies.py).
CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- key holds a single order key; several lie in more_keys. code '---' is "no answer yet": as long as what replaces
-- it together with the status, so that the update that marks a delivery as SENT writes in place.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    scope INTEGER,
    key INTEGER,
    more_keys BLOB,
    status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 4),
    attempts INTEGER NOT NULL,
    possible_duplicate INTEGER NOT NULL,
    payload INTEGER NOT NULL,
    size INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    next_us INTEGER,
    code TEXT NOT NULL DEFAULT '---',
    reason INTEGER
) STRICT;
-- Three small indexes of what is not finished: a delivery that is accepted as SENDING passes through one of them.
CREATE INDEX delivery_queued ON delivery (destination, position) WHERE status = 0;
-- The order keys of what waits, by 1024 positions at a time, so that new entries lie together: a patient's place in a
-- long queue is found by asking each of its parts.
CREATE INDEX delivery_key ON delivery (destination, position >> 10, key, position) WHERE status = 0;
CREATE INDEX delivery_sending ON delivery (destination, position) WHERE status = 1;
CREATE INDEX delivery_failed ON delivery (destination, id) WHERE status = 3;

-- The order keys of deliveries that have several (a merge waits for both patients).
CREATE TABLE several_keys (
    key INTEGER NOT NULL,
    delivery_id INTEGER NOT NULL,
    PRIMARY KEY (key, delivery_id)
) STRICT, WITHOUT ROWID;

-- What happened to a delivery, but for first attempts that were plainly accepted.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    code TEXT,
    reason INTEGER,
    answer BLOB
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery_id);

CREATE TABLE hold (destination TEXT PRIMARY KEY, operator TEXT NOT NULL, at_us INTEGER NOT NULL) STRICT;

CREATE TABLE act (
    id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    operator TEXT NOT NULL,
    verb TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- Configurations that decided messages; a file that did not change between versions is kept once.
CREATE TABLE configuration (version TEXT PRIMARY KEY, at_us INTEGER NOT NULL, secret_names TEXT NOT NULL) STRICT;
CREATE TABLE configuration_content (hash BLOB PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE configuration_file (
    version TEXT NOT NULL,
    path TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (version, path)
) STRICT, WITHOUT ROWID;

-- Every list of patients that was loaded. It counts once it has a generation; until then its rows are invisible.
CREATE TABLE roster_load (
    id INTEGER PRIMARY KEY,
    affiliate TEXT NOT NULL,
    is_full INTEGER NOT NULL,
    staged_us INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    generation INTEGER UNIQUE,
    published_us INTEGER,
    before INTEGER NOT NULL,
    added INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    unchanged INTEGER NOT NULL
) STRICT;
CREATE INDEX roster_load_affiliate ON roster_load (affiliate, id);
CREATE INDEX roster_published ON roster_load (affiliate, generation) WHERE generation IS NOT NULL;
CREATE INDEX roster_unpublished ON roster_load (id) WHERE generation IS NULL;

-- Rows are never overwritten: recorded_from and recorded_through are the loads that brought and ended a row.
-- valid_from 0 and valid_through 99999999 are "unbounded".
CREATE TABLE roster (
    key INTEGER NOT NULL,
    affiliate INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    recorded_from INTEGER NOT NULL,
    recorded_through INTEGER,
    valid_through INTEGER NOT NULL,
    npi TEXT,
    opt_out INTEGER NOT NULL,
    PRIMARY KEY (key, affiliate, valid_from, recorded_from)
) STRICT, WITHOUT ROWID;
CREATE INDEX roster_affiliate ON roster (affiliate, key);

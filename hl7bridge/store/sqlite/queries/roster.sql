-- name: unpublished
-- The loads that do not count (yet).
SELECT id FROM roster_load INDEXED BY roster_unpublished WHERE generation IS NULL;

-- name: rows
-- All rows of a patient, also those of lists that do not count.
SELECT affiliate, valid_from, valid_through, npi, opt_out, recorded_from, recorded_through FROM roster
WHERE key = ? ORDER BY affiliate, valid_from;

-- name: generation
-- How many lists were published.
SELECT coalesce(max(generation), 0) FROM roster_load;

-- name: begin_load
-- A list begins to be staged; its identifier is the load's number.
INSERT INTO roster_load (affiliate, is_full, staged_us, complete, before, added, ended, changed, unchanged)
VALUES (?, ?, ?, 0, ?, 0, 0, 0, 0);

-- name: before
-- How many rows the published lists of an affiliate have: what the newest found, and what it changed.
SELECT coalesce((
    SELECT before + added - ended FROM roster_load INDEXED BY roster_published
    WHERE affiliate = ? AND generation IS NOT NULL ORDER BY generation DESC LIMIT 1
), 0);

-- name: affiliate
-- The number of an affiliate's name.
SELECT id FROM name WHERE text = ?;

-- name: rows_of_affiliate
-- All rows of a patient at one affiliate, also those of lists that do not count.
SELECT key, valid_from, recorded_from, valid_through, npi, opt_out, recorded_through FROM roster
WHERE key = ? AND affiliate = ?;

-- name: any_row
-- Whether an affiliate has a row of any list.
SELECT 1 FROM roster INDEXED BY roster_affiliate WHERE affiliate = ? LIMIT 1;

-- name: rows_of_range
-- The same for a range of patients.
SELECT key, valid_from, recorded_from, valid_through, npi, opt_out, recorded_through
FROM roster INDEXED BY roster_affiliate WHERE affiliate = ? AND key BETWEEN ? AND ?;

-- name: insert_file
-- A file whose content counts from now on.
INSERT INTO roster_file (affiliate, digest, is_full, at_us) VALUES (?, ?, ?, ?);

-- name: files
-- The files of an affiliate whose content was published, in that order.
SELECT affiliate, digest, is_full FROM roster_file INDEXED BY roster_file_affiliate WHERE affiliate = ? ORDER BY id;

-- name: patients
-- A run of an affiliate's patients in the order of their keys, by published rows.
SELECT DISTINCT key FROM roster INDEXED BY roster_affiliate
WHERE affiliate = ?1 AND key >= ?2
    AND recorded_from NOT IN (SELECT id FROM roster_load INDEXED BY roster_unpublished WHERE generation IS NULL)
    AND (
        recorded_through IS NULL
        OR recorded_through IN (SELECT id FROM roster_load INDEXED BY roster_unpublished WHERE generation IS NULL)
    )
ORDER BY key LIMIT ?3;

-- name: insert_row
-- A row that a list brings; the last word of the list counts.
INSERT OR REPLACE INTO roster (
    key, affiliate, valid_from, recorded_from, recorded_through, valid_through, npi, opt_out
) VALUES (?, ?, ?, ?, NULL, ?, ?, ?);

-- name: end_row
-- A list ends a row that an earlier list brought.
UPDATE roster SET recorded_through = ?1 WHERE key = ?2 AND affiliate = ?3 AND valid_from = ?4 AND recorded_from = ?5;

-- name: complete_load
-- A list is wholly staged.
UPDATE roster_load SET complete = 1, added = ?2, ended = ?3, changed = ?4, unchanged = ?5, dated_back = ?6 WHERE id = ?1;

-- name: load
-- A list that may be published.
SELECT affiliate, before, added, ended, changed, unchanged, dated_back, complete, generation FROM roster_load WHERE id = ?;

-- name: newer_load
-- A list of the same affiliate that was staged after this one.
SELECT 1 FROM roster_load INDEXED BY roster_load_affiliate WHERE affiliate = ?1 AND id > ?2 AND is_full < 2
LIMIT 1;

-- name: publish
-- From now on the list counts.
UPDATE roster_load SET generation = (SELECT coalesce(max(generation), 0) + 1 FROM roster_load), published_us = ?2
WHERE id = ?1;

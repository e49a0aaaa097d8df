-- name: insert
-- Something that had not been seen.
INSERT INTO seen (source, type, place, kind, value, at_us, message_id, learned, concern) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: watch
-- How far messages were looked at.
INSERT OR REPLACE INTO watched (id, through, told_day) VALUES (1, ?, ?);

-- name: watched
-- How far messages were looked at.
SELECT through, told_day FROM watched;

-- name: of_feed
-- All that a source's messages of one type have shown.
SELECT source, type, place, kind, value, at_us, message_id, learned, concern FROM seen WHERE source = ? AND type = ?;

-- name: news
-- What was news in a span of time, the oldest first.
SELECT source, type, place, kind, value, at_us, message_id, learned, concern FROM seen
WHERE NOT learned AND at_us >= ? AND at_us < ?
ORDER BY at_us, source, type, place, kind, value LIMIT ?;

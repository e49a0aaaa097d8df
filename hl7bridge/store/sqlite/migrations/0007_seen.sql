-- What feeds have shown, each thing with the message that showed it first. See store/rows/seen.py for what the columns mean.
CREATE TABLE seen (
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    place TEXT NOT NULL,
    kind INTEGER NOT NULL,
    value INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    learned INTEGER NOT NULL,
    concern TEXT,
    PRIMARY KEY (source, type, place, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_news ON seen (at_us) WHERE NOT learned;

-- How far messages were looked at for it.
CREATE TABLE watched (id INTEGER PRIMARY KEY CHECK (id = 1), through INTEGER NOT NULL, told_day INTEGER NOT NULL) STRICT;

-- How far the counter of messages stood on a day (days since 1970-01-01, UTC): what an older message told is older than the day's end.
CREATE TABLE day_mark (day INTEGER PRIMARY KEY, message INTEGER NOT NULL) STRICT;

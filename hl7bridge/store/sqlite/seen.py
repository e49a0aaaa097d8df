"""What feeds have shown, in the tables of an SQLite store.

Writing is within the writer's transaction. Raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from hl7bridge.store.rows.seen import SeenRow, Watched
from hl7bridge.store.sqlite import sql

_SEEN = sql.load("seen.sql")


def see(conn: sqlite3.Connection, rows: Iterable[SeenRow], watched: Watched | None) -> None:
    """Keeps what was seen for the first time; what is there stays as it is."""
    conn.executemany(_SEEN["insert"], rows)
    if watched is not None:
        conn.execute(_SEEN["watch"], watched)


def seen_of(conn: sqlite3.Connection, source: str, type_: str) -> list[SeenRow]:
    """All that a source's messages of one type have shown."""
    return _rows(conn.execute(_SEEN["of_feed"], (source, type_)))


def news_between(conn: sqlite3.Connection, since_us: int, until_us: int, limit: int) -> list[SeenRow]:
    """What was news in a span of time."""
    return _rows(conn.execute(_SEEN["news"], (since_us, until_us, limit)))


def watched_of(conn: sqlite3.Connection) -> Watched | None:
    """How far messages were looked at."""
    row = conn.execute(_SEEN["watched"]).fetchone()
    return None if row is None else Watched(*row)


def _rows(found: sqlite3.Cursor) -> list[SeenRow]:
    return [SeenRow._make((*row[:7], bool(row[7]), row[8])) for row in found.fetchall()]

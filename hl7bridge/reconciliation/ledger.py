"""What a reconciliation has found so far, in a temporary file of SQLite that vanishes with it: a busy day does not lie in memory.

It holds control IDs, numbers, keyed hashes of patients and reasons, and nothing else of a message. Refuses to know the
store. Raises nothing of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self

from hl7bridge.reconciliation.ends import End, Piece, Try
from hl7bridge.store.base import DeliveryStatus, MessageRow

_TABLES: Final = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY, received_us INTEGER, source TEXT, type TEXT, control_id TEXT, patient TEXT, answer TEXT, end TEXT,
    reason TEXT, pieces INTEGER, delivered INTEGER
);
CREATE TABLE try (
    delivery INTEGER PRIMARY KEY, original INTEGER, piece INTEGER, channel TEXT, sent TEXT, status INTEGER, at_us INTEGER,
    attempts INTEGER, doubtful INTEGER, replay INTEGER
);
CREATE TABLE accepted (delivery INTEGER PRIMARY KEY, message INTEGER, at_us INTEGER);
CREATE TABLE theirs (id TEXT, line INTEGER);
"""
_INDEXES: Final = """
CREATE INDEX IF NOT EXISTS try_sent ON try (sent);
CREATE INDEX IF NOT EXISTS try_original ON try (original);
CREATE INDEX IF NOT EXISTS theirs_id ON theirs (id);
CREATE INDEX IF NOT EXISTS message_control ON message (control_id);
"""
_MORE: Final = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TRY: Final = "INSERT OR REPLACE INTO try VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SENT: Final = int(DeliveryStatus.SENT)


class Ledger:
    """Close it, or use it in a `with`."""

    def __init__(self) -> None:
        self._conn = sqlite3.connect("", isolation_level=None)
        self._conn.executescript(_TABLES)
        self._conn.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._conn.close()

    def indexed(self) -> None:
        """All is in it: it can be asked."""
        self._conn.execute("COMMIT")
        self._conn.executescript(_INDEXES)

    def message(self, row: MessageRow, whole: Piece, pieces: Iterable[Piece]) -> None:
        """A message that was received for the destination, with what was made of it."""
        made = [piece for piece in pieces if piece.tries]
        delivered = sum(piece.end is End.DELIVERED for piece in made)
        patient = ",".join(map(str, row.patient_keys))
        values = (row.received_us, row.source, row.type, row.control_id, patient, row.answer)
        self._conn.execute(_MORE, (row.id, *values, str(whole.end), whole.reason, len(made), delivered))
        self.tries(row.id, made)

    def tries(self, original: int, pieces: Iterable[Piece]) -> None:
        """The deliveries of a message and of its replays."""
        for number, piece in enumerate(pieces):
            for row, sent in piece.tries:
                state = (int(row.status), row.at_us, row.attempts, row.possible_duplicate)
                replay = row.message_id if row.message_id != original else None
                self._conn.execute(_TRY, (row.id, original, number, piece.channel, sent, *state, replay))

    def carried(self, original: int, piece: int, each: Try) -> None:
        """A delivery of a message of another day; `piece` is its number among those that were made of it."""
        row = each.row
        state = (int(row.status), row.at_us, row.attempts, row.possible_duplicate)
        replay = row.message_id if row.message_id != original else None
        self._conn.execute(_TRY, (row.id, original, piece, row.channel, each.sent, *state, replay))

    def accepted(self, delivery: int, message: int, at_us: int) -> None:
        """The audit trail says that the destination accepted a delivery on the day."""
        self._conn.execute("INSERT OR REPLACE INTO accepted VALUES (?, ?, ?)", (delivery, message, at_us))

    def theirs(self, lines: Iterable[tuple[int, str]]) -> int:
        """The hospital's list, as (line, control ID); gives how many it holds."""
        return self._conn.executemany(
            "INSERT INTO theirs VALUES (?, ?)", ((id_, line) for line, id_ in lines)
        ).rowcount

    def ask(self, statement: str, **values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, as they are read."""
        yield from self._conn.execute(statement, values)

    def named(self, statement: str) -> Iterator[dict[str, Any]]:
        """The same, each row by the names of its columns."""
        cursor = self._conn.execute(statement)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def one(self, statement: str, **values: Any) -> tuple[Any, ...]:
        """The only row of a query."""
        row: tuple[Any, ...] = self._conn.execute(statement, values).fetchone()
        return row

    def change(self, statement: str, **values: Any) -> int:
        """Changes rows; gives how many."""
        return self._conn.execute(statement, values).rowcount

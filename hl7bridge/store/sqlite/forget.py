"""Retention of what the programme knows: facts and what was told, by the age of the message that said so.

Neither bears a time: a mark for each day tells how far the messages had come, so that the message's number is enough. A pass goes
through both tables in the order of their keys, a page in each step, and begins again when another day has lapsed. Which numbers are
one patient, and what a person settled of them, stays: these are keyed hashes.

A patient's facts go together, when nothing younger is known under any number of the patient: who is told of every month is still the
person who was told of first, early refills reach far ahead, and whoever has died has died.

Refuses to know what a fact means. Raises sqlite3.Error, and the store's errors through the transaction that it was given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from hl7bridge.store.base import COUNTER_BITS, DAY_US, Removed
from hl7bridge.store.checks import AT_ONCE
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.upkeep import Transact

_FORGET = sql.load("forget.sql")
_ALIASES = sql.load("programme.sql")["aliases"]
#: More numbers than this are no patient (see affiliation.people).
_MOST_NUMBERS: Final = 64
_COUNTER: Final = (1 << COUNTER_BITS) - 1
_FIRST: Final = -(1 << 63)


class _Table(NamedTuple):
    """How a table is gone through: the statements, and a key before all others."""

    page: str
    delete: str
    begin: tuple[Any, ...]


_TABLES: Final = (
    _Table(_FORGET["facts"], _FORGET["delete_fact"], (_FIRST, _FIRST)),
    _Table(_FORGET["notices"], _FORGET["delete_notice"], (_FIRST, "", _FIRST)),
)


class Forgetting:
    """For one writer's connection; `counter` tells how far the counter of messages stands."""

    def __init__(self, conn: sqlite3.Connection, transaction: Transact, counter: Callable[[], int]) -> None:
        self._conn = conn
        self._transaction = transaction
        self._counter = counter
        # Days: the last that was marked, and the one before which nothing is left.
        self._marked = self._done = -1
        self._begin()

    def _begin(self) -> None:
        self._table, self._after, self._gone = 0, _TABLES[0].begin, 0

    def step(self, before_us: int, at_us: int, limit: int) -> Removed:
        """One page, in one transaction."""
        before, today = before_us // DAY_US, at_us // DAY_US
        if today == self._marked and before == self._done:
            return Removed(0, 0, False)
        try:
            return cast("Removed", self._transaction(self._page, before, today, limit))
        except BaseException:
            self._begin()  # what was undone is found again
            self._marked = -1
            raise

    def _page(self, before: int, today: int, limit: int) -> Removed:
        execute = self._conn.execute
        if today != self._marked:
            execute(_FORGET["insert_mark"], (today, self._counter()))
            self._marked = today
        found = execute(_FORGET["mark"], (before,)).fetchone()
        rows: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        if found is not None:
            table = _TABLES[self._table]
            rows = execute(table.page, (*self._after, limit)).fetchall()
            old = list(self._old(rows, found[1]))
            self._conn.executemany(table.delete, old)
            self._gone += len(old)
        if len(rows) == limit:
            self._after = rows[-1][1:]
        elif found is not None and self._table + 1 < len(_TABLES):
            self._table += 1
            self._after = _TABLES[self._table].begin
        else:
            self._end(before, None if found is None else found[0])
            return Removed(len(old), 0, False)
        return Removed(len(old), 0, True)

    def _old(self, rows: Sequence[tuple[Any, ...]], mark: int) -> Iterator[tuple[Any, ...]]:
        """The keys of those rows that go."""
        spoken_of: dict[int, bool] = {}
        for message_id, patient, *rest in rows:
            if message_id & _COUNTER > mark:
                continue
            if self._table == 0:
                if patient not in spoken_of:
                    spoken_of[patient] = self._spoken_of(patient, mark)
                if spoken_of[patient]:
                    continue
            yield patient, *rest

    def _spoken_of(self, patient: int, mark: int) -> bool:
        """Whether anything younger is known under a number, or under any that is the same patient."""
        found, open_ = {patient}, [patient]
        while open_ and len(found) <= _MOST_NUMBERS:
            at = open_.pop()
            if self._conn.execute(_FORGET["spoken_of"], (at, _COUNTER, mark)).fetchone() is not None:
                return True
            near = {other for other, _ in self._conn.execute(_ALIASES, (at,)).fetchall()} - found
            found |= near
            open_ += near
        return False

    def _end(self, before: int, day: int | None) -> None:
        if day is not None:
            self._conn.execute(_FORGET["delete_marks"], (day,))
        if self._gone:
            self._conn.execute(_FORGET["look_at_the_held"], (AT_ONCE,))
        self._done = before
        self._begin()

"""Checkpoints and retention of an SQLite store, in steps short enough to run between two commits.

A checkpoint copies the WAL's pages into the file and syncs it. Retention goes in passes of three phases:
delete the oldest messages; delete what they were searched by; move pages from the end of the file into the
holes and cut it. Each step is one transaction, measures itself, and chooses the size of the next by the
time it may take.

Refuses to know what a message is worth and how long it must be kept. Raises sqlite3.Error from
`checkpoint`, and the store's errors from `expire` through the transaction it was given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Protocol

from hl7bridge.store.base import BODY_BITS, Removed
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.rows import SLICE_BITS, unpacked_keys

_UPKEEP = sql.load("upkeep.sql")
_LAST_BODY = (1 << BODY_BITS) - 1
_LAST_IN_SLICE = (1 << SLICE_BITS) - 1
#: WAL pages after which a checkpoint is due, and after which a commit makes one itself.
DUE_PAGES, OVERDUE_PAGES = 500, 2_000
#: Holes that stay in the file at the end, in pages and as a share of it: the next messages will fill them.
KEPT_PAGES, KEPT_SHARE = 256, 0.02
#: Holes above which pages are given back before more are made: SQLite looks through the list of holes for
#: each.
MOST_HOLES = 4_096
#: Messages looked at in one step for each that may go, since some have to stay.
_LOOKED_AT = 4
#: Slices looked at in one step, and those of them that are deleted.
_SLICES, _EMPTY_SLICES = 500, 4
#: Entries of control IDs deleted in one step.
_ENTRIES = 500


class Transact(Protocol):
    """One durable transaction around a callable, as `SqliteStore.transaction`."""

    def __call__(self, work: Any, *args: Any) -> Any: ...


class Pace:
    """How many of something fit into a time, learnt from how long some took; never more than doubles at
    once.
    """

    def __init__(self, start: int) -> None:
        self.amount = float(start)

    def learn(self, amount: int, took_us: float, budget_us: float) -> None:
        """`amount` took that long; two fifths of the budget are aimed at, since the next may be dearer."""
        if amount > 0:
            fitting = amount * budget_us * 0.4 / max(took_us, 1.0)
            self.amount = max(1.0, min(fitting, self.amount * 2))


class Upkeep:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection, transaction: Transact) -> None:
        self._conn = conn
        self._transaction = transaction
        self._pages = 0.0
        self._scale = 1.0
        self._pass: Iterator[None] | None = None
        self._messages = Pace(20)
        self._moves = Pace(20)
        self._step = _Step(0, 0, 0, False)

    # Checkpoints

    def wrote(self, pages: float) -> None:
        """A transaction wrote about so many pages; how long the WAL is, SQLite says only at a checkpoint."""
        self._pages += pages * self._scale

    @property
    def due(self) -> bool:
        """Whether the WAL is long enough."""
        return self._pages > DUE_PAGES

    @property
    def overdue(self) -> bool:
        """Whether it is too long."""
        return self._pages > OVERDUE_PAGES

    def checkpoint(self) -> None:
        """Copy the WAL into the file and sync it."""
        _, pages, _ = self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self._pages > DUE_PAGES / 2 and pages > 0:
            # A reader may have kept the WAL from beginning again: then it is longer than what was written
            # since.
            self._scale = min(4.0, max(0.25, self._scale * (0.7 + 0.3 * pages / self._pages)))
        self._pages = 0.0

    # Retention

    def expire(self, before_us: int, limit: int, budget_us: int, failed_too: bool) -> Removed:
        """One step of a pass. The last step of a pass says that there is no more to do."""
        self._step = step = _Step(before_us, limit, budget_us, failed_too)
        if self._pass is None:
            self._pass = self._phases()
        began = perf_counter()
        try:
            more = self._transaction(self._advance, self._pass)
        except BaseException:
            # What was undone is found again by the next pass.
            self._pass = None
            raise
        took_us = (perf_counter() - began) * 1e6
        self._messages.learn(step.messages, took_us, budget_us)
        self._moves.learn(step.moved, took_us, budget_us)
        self.wrote(10 + step.messages / 2 + step.size / 4_000 + step.moved * 2 + step.slices * 8)
        if not more:
            self._pass = None
        return Removed(step.messages, step.size, more)

    @staticmethod
    def _advance(phases: Iterator[None]) -> bool:
        try:
            next(phases)
        except StopIteration:
            return False
        return True

    def _phases(self) -> Iterator[None]:
        """One pass; what lies between two yields is one transaction."""
        # Clocks are set back, so the order of messages proves nothing: the last slice with an old message
        # does.
        (last_slice,) = self._conn.execute(_UPKEEP["last_old_slice"], (self._step.before_us,)).fetchone()
        if last_slice >= 0:
            yield from self._delete_messages(last_slice << SLICE_BITS | _LAST_IN_SLICE)
            yield from self._delete_slices(last_slice)
            yield from self._delete_control()
        yield from self._give_back()

    def _delete_messages(self, last: int) -> Iterator[None]:
        after = -1
        while True:
            if (holes := self._number("freelist_count")) > MOST_HOLES:
                self._move(holes - MOST_HOLES // 2)
                yield
                continue
            step = self._step
            count = max(1, min(step.limit, int(self._messages.amount)))
            asked = (after, last, step.failed_too, count * _LOOKED_AT)
            rows = self._conn.execute(_UPKEEP["oldest"], asked).fetchall()
            run: list[tuple[int, int, int | None, int | None, int]] = []
            for row in rows:
                message_id, received_us, _, _, stays = row
                if step.messages + len(run) == count:
                    break
                after = message_id
                if not stays and received_us < step.before_us:
                    run.append(row)
                else:
                    self._delete_run(run)
                    run = []
            else:
                if len(rows) < count * _LOOKED_AT:
                    self._delete_run(run)
                    return
            self._delete_run(run)
            yield

    def _delete_run(self, run: list[tuple[int, int, int | None, int | None, int]]) -> None:
        """Delete messages between which there is none that stays."""
        if not run:
            return
        execute = self._conn.execute
        low, high = run[0][0], run[-1][0]
        bodies = (low << BODY_BITS, high << BODY_BITS | _LAST_BODY)
        self._step.size += execute(_UPKEEP["body_bytes"], bodies).fetchone()[0]
        self._step.messages += len(run)
        execute(_UPKEEP["delete_bodies"], bodies)
        firsts = [first for _, _, first, _, _ in run if first is not None]
        lasts = [last for _, _, _, last, _ in run if last is not None]
        if firsts and lasts:
            theirs = (min(firsts), max(lasts), low, high)
            execute(_UPKEEP["delete_attempts"], theirs)
            for delivery_id, more_keys in execute(_UPKEEP["several_keys"], theirs).fetchall():
                for key in unpacked_keys(more_keys):
                    execute(_UPKEEP["delete_several_keys"], (key, delivery_id))
            execute(_UPKEEP["delete_deliveries"], theirs)
        execute(_UPKEEP["delete_messages"], (low, high))

    def _delete_slices(self, last: int) -> Iterator[None]:
        """What is searched goes by whole slices, when their last message has gone."""
        after = -1
        while True:
            yield
            rows = self._conn.execute(_UPKEEP["slices"], (after, last, _SLICES)).fetchall()
            for slice_id, stays in rows:
                if self._step.slices == _EMPTY_SLICES:
                    break
                after = slice_id
                if not stays:
                    self._conn.execute(_UPKEEP["delete_search"], (slice_id,))
                    self._conn.execute(_UPKEEP["delete_slice"], (slice_id,))
                    self._step.slices += 1
            else:
                if len(rows) < _SLICES:
                    return

    def _delete_control(self) -> Iterator[None]:
        """Old control IDs go by parts."""
        while (row := self._conn.execute(_UPKEEP["old_part"]).fetchone()) is not None:
            (key,) = self._conn.execute(_UPKEEP["part_step"], (row[0], _ENTRIES)).fetchone()
            self._conn.execute(_UPKEEP["delete_control"], (row[0], key))
            yield

    def _give_back(self) -> Iterator[None]:
        """Cut free pages off the file, but for some that the next messages will fill."""
        while True:
            yield
            spare = self._number("freelist_count")
            spare -= max(KEPT_PAGES, int(self._number("page_count") * KEPT_SHARE))
            if spare <= 0:
                return
            self._move(spare)

    def _move(self, most: int) -> None:
        """Cut up to so many pages off, as many as fit into a step; their content moves into holes."""
        for _ in range(min(most, int(self._moves.amount))):
            # One at a time: the sqlite3 module takes but the first step of a statement that gives no columns.
            self._conn.execute("PRAGMA incremental_vacuum(1)")
            self._step.moved += 1

    def _number(self, pragma: str) -> int:
        return int(self._conn.execute(f"PRAGMA {pragma}").fetchone()[0])


class _Step:
    """One step: what it may do, and what it has done."""

    def __init__(self, before_us: int, limit: int, budget_us: int, failed_too: bool) -> None:
        self.before_us = before_us
        self.limit = limit
        self.budget_us = budget_us
        self.failed_too = failed_too
        self.messages = self.size = self.slices = self.moved = 0

"""Checkpoints and retention of an SQLite store, in steps short enough to run between two commits.

A checkpoint copies the WAL's pages into the file and syncs it. Retention deletes the oldest messages; once
none is left that may go, further steps move pages from the end of the file into the holes and cut it. Each
step measures itself and chooses the size of the next by the time it may take.

Refuses to know what a message is worth and how long it must be kept. Raises sqlite3.Error from
`checkpoint`, and the store's errors from `expire` through the transaction it was given.
"""

from __future__ import annotations

import sqlite3
from time import perf_counter
from typing import Any, Protocol

from hl7bridge.store import sql
from hl7bridge.store.base import BODY_BITS, Removed
from hl7bridge.store.sqlite_rows import SLICE_BITS, unpacked_keys

_UPKEEP = sql.load("upkeep.sql")
_LAST_BODY = (1 << BODY_BITS) - 1
#: WAL pages after which a checkpoint is due, and after which a commit makes one itself.
DUE_PAGES, OVERDUE_PAGES = 500, 2_000
#: Holes that stay in the file, in pages and as a share of it: the next messages will fill them.
KEPT_PAGES, KEPT_SHARE = 256, 0.02
#: Messages looked at in one step, though they may have to stay.
_LOOKED_AT = 2_000
#: Slices deleted in one step.
_SLICES = 2
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
        """`amount` took that long; half the budget is aimed at, since the next may be dearer."""
        if amount > 0:
            fitting = amount * budget_us / 2 / max(took_us, 1.0)
            self.amount = max(1.0, min(fitting, self.amount * 2))


class Upkeep:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection, transaction: Transact) -> None:
        self._conn = conn
        self._transaction = transaction
        self._pages = 0.0
        self._scale = 1.0
        self._after = -1
        self._last = -1
        self._slice = 0
        self._messages = Pace(20)
        self._freed = Pace(20)

    # Checkpoints

    def wrote(self, messages: int, changes: int, size: int) -> None:
        """A transaction of this size was committed; how long the WAL is, SQLite says only at a checkpoint."""
        self._pages += (12 + messages + changes / 8 + size / 7_500) * self._scale

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
        """Delete some old messages, or, when there are none, give some pages back."""
        count = max(1, min(limit, int(self._messages.amount)))
        began = perf_counter()
        messages, size, more = self._transaction(self._delete, before_us, count, failed_too)
        took_us = (perf_counter() - began) * 1e6
        if messages:
            self._messages.learn(messages, took_us, budget_us)
        if not more:
            more = self._give_back(budget_us - took_us)
        return Removed(messages, size, more)

    def _delete(self, before_us: int, count: int, failed_too: bool) -> tuple[int, int, bool]:
        execute = self._conn.execute
        if self._after < 0:
            # Once a pass: the last slice with a message that old. Clocks are set back, so order proves
            # nothing.
            (self._last,) = execute(_UPKEEP["last_old_slice"], (before_us,)).fetchone()
        removed = size = 0
        looked_at = min(_LOOKED_AT, count * 4)
        rows = execute(_UPKEEP["oldest"], (self._after, self._last, failed_too, looked_at)).fetchall()
        ended = len(rows) < looked_at
        for message_id, received_us, first, last, stays in rows:
            if removed == count:
                ended = False
                break
            self._after = message_id
            if not stays and received_us < before_us:
                size += self._delete_message(message_id, first, last)
                removed += 1
        self._delete_slices()
        if ended:
            # Begin again at the oldest next time: what had to stay may have been finished by then.
            self._after, self._slice = -1, 0
        return removed, size, not ended

    def _delete_message(self, message_id: int, first: int | None, last: int | None) -> int:
        execute = self._conn.execute
        low = message_id << BODY_BITS
        (size,) = execute(_UPKEEP["body_bytes"], (low, low | _LAST_BODY)).fetchone()
        execute(_UPKEEP["delete_bodies"], (low, low | _LAST_BODY))
        if first is not None:
            mine = (first, last, message_id)
            execute(_UPKEEP["delete_attempts"], mine)
            for delivery_id, more_keys in execute(_UPKEEP["several_keys"], mine).fetchall():
                for key in unpacked_keys(more_keys):
                    execute(_UPKEEP["delete_several_keys"], (key, delivery_id))
            execute(_UPKEEP["delete_deliveries"], mine)
        execute(_UPKEEP["delete_message"], (message_id,))
        return int(size)

    def _delete_slices(self) -> None:
        """What is searched goes by whole slices, when their last message has gone; so do old control IDs."""
        mark = self._after >> SLICE_BITS
        asked = (self._slice, mark, _SLICES)
        found = self._conn.execute(_UPKEEP["empty_slices"], asked).fetchall()
        for (slice_id,) in found:
            self._conn.execute(_UPKEEP["delete_search"], (slice_id,))
            self._conn.execute(_UPKEEP["delete_slice"], (slice_id,))
        part = self._conn.execute(_UPKEEP["oldest_control"]).fetchone()
        if part is not None:
            (key,) = self._conn.execute(_UPKEEP["control_step"], (part[0], _ENTRIES)).fetchone()
            self._conn.execute(_UPKEEP["delete_control"], (part[0], key))
        self._slice = found[-1][0] + 1 if len(found) == _SLICES else max(self._slice, mark)

    def _give_back(self, budget_us: float) -> bool:
        """Cut some free pages off the file. Returns whether there are more to cut."""
        free = self._number("freelist_count")
        spare = free - max(KEPT_PAGES, int(self._number("page_count") * KEPT_SHARE))
        if spare <= 0 or budget_us <= 0:
            return spare > 0
        count = min(spare, int(self._freed.amount))
        began = perf_counter()
        self._transaction(self._vacuum, count)
        self._freed.learn(count, (perf_counter() - began) * 1e6, budget_us)
        return spare > count

    def _vacuum(self, pages: int) -> None:
        # Each row that the statement gives is one page; they must all be fetched for it to do its work.
        self._conn.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def _number(self, pragma: str) -> int:
        return int(self._conn.execute(f"PRAGMA {pragma}").fetchone()[0])

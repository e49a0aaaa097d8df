"""Which messages came before under the same control ID: an index that is written in order, though IDs come
in any.

Every message that is processed must be found by its control ID and sender within microseconds, for a day
and more. An index in the usual way costs one page of the WAL for nearly each message, since IDs of many
senders lie apart; it was a third of a commit. So new entries wait in memory, in buckets by key, and a
sweep over the buckets carries them into the table in the order of keys, a few with each commit: many then
share a page. What waits is not lost by a crash: messages above the `mark` are read again at opening.
Entries are grouped in parts of 2^22 messages, which a search passes over when they are too old, and which
retention removes from one end to the other.

Copies (status DUPLICATE) are not entered: what is sought is the message that was processed.
Refuses to know transactions: it prepares rows and is told `settle` or `forget`. Raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from hl7bridge.store import sql
from hl7bridge.store.base import COUNTER_BITS, Earlier, MessageStatus, NewMessage
from hl7bridge.store.sqlite_rows import SLICE_BITS

_CONTROL = sql.load("control.sql")
_DUPLICATE = int(MessageStatus.DUPLICATE)
PART_BITS = 22
#: Entries that wait in memory when as many are carried on as come in.
WAITING = 32_768
#: Buckets of a sweep; one is sorted at a time.
BUCKETS = 256
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_HALF = 1 << 63

Entry = tuple[int, int, int, int]


def control_key(control_id: str, sender: int) -> int:
    """One number for a control ID of a sender, evenly spread; unequal ones may share it, so rows are
    compared.
    """
    return ((sender ^ (crc32(control_id.encode()) + 1) * _SPREAD) & _MASK) - _HALF


class ControlIndex:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._buckets: list[list[Entry]] = [[] for _ in range(BUCKETS)]
        #: What waits, by key and fingerprint in one number, and by key: the newest message each.
        self._exact: dict[int, int] = {}
        self._any: dict[int, int] = {}
        self._waiting = 0
        self._bucket = 0
        self._carrying: list[Entry] = []
        self._carried = 0
        self._taken = 0
        self._adding: list[Entry] = []
        self._mark: int | None = None
        self._parts: dict[int, int] = dict(conn.execute(_CONTROL["parts"]).fetchall())
        row = conn.execute(_CONTROL["mark"]).fetchone()
        begun = -1 if row is None else row[0]
        for message_id, control_id, sender, fingerprint in conn.execute(_CONTROL["unmarked"], (begun,)):
            key = control_key(control_id, sender)
            self._adding.append((message_id >> PART_BITS, key, fingerprint, message_id))
        self._wait()
        #: The highest message when this sweep began: at its end all up to there are in the table.
        self._sweep = self._highest = conn.execute(_CONTROL["highest"]).fetchone()[0]

    # Writing, within a transaction

    def add(self, messages: Iterable[NewMessage]) -> list[Entry]:
        """Take in the messages of a batch. Returns the rows that go into the table in this transaction."""
        adding: list[Entry] = []
        late: list[Entry] = []
        sweep = self._sweep
        for m in messages:
            if m.status != _DUPLICATE:
                message_id = m.id
                entry = (
                    message_id >> PART_BITS,
                    control_key(m.control_id, m.sender),
                    m.fingerprint,
                    message_id,
                )
                # What comes after its own sweep has begun would not be read again after a crash.
                (adding if message_id > sweep else late).append(entry)
        self._adding = adding
        return late + self._carry(len(adding) * (self._waiting + len(adding)) // WAITING)

    def _carry(self, count: int) -> list[Entry]:
        rows: list[Entry] = []
        self._taken = 0
        while self._taken < count:
            left = len(self._carrying) - self._carried - self._taken
            if left <= 0:
                if rows or not self._next_bucket():
                    break
                continue
            some = min(left, count - self._taken)
            start = self._carried + self._taken
            rows += self._carrying[start : start + some]
            self._taken += some
        return rows

    def _next_bucket(self) -> bool:
        """Begin with the next bucket; False where the sweep has come round."""
        if self._bucket == BUCKETS:
            self._mark, self._sweep, self._bucket = self._sweep, self._highest, 0
            return False
        self._carrying = sorted(self._buckets[self._bucket])
        self._buckets[self._bucket] = []
        self._carried = 0
        self._bucket += 1
        return True

    @property
    def mark(self) -> int | None:
        """All messages up to this one are in the table, if that is news."""
        return self._mark

    def settle(self, slices: Iterable[Sequence[int]]) -> None:
        """The transaction is durable, with these rows of the table of slices."""
        self._mark = None
        if self._taken:
            self._drop()
        if self._adding:
            self._wait()
        for slice_id, _, last_us, last_message, *_ in slices:
            # A row tells the message's counter; the slice tells its node.
            message_id = slice_id >> (COUNTER_BITS - SLICE_BITS) << COUNTER_BITS | last_message
            self._highest = max(self._highest, message_id)
            part = slice_id >> (PART_BITS - SLICE_BITS)
            if last_us > self._parts.get(part, -_HALF):
                self._parts[part] = last_us

    def forget(self) -> None:
        """The transaction did not happen."""
        self._adding = []
        self._taken = 0

    def _drop(self) -> None:
        """What was carried into the table waits no more."""
        start = self._carried
        self._carried += self._taken
        self._waiting -= self._taken
        self._taken = 0
        exact, by_key = self._exact, self._any
        for _, key, fingerprint, message_id in self._carrying[start : self._carried]:
            if exact.get(key ^ fingerprint) == message_id:
                del exact[key ^ fingerprint]
            if by_key.get(key) == message_id:
                del by_key[key]

    def _wait(self) -> None:
        """What was added waits."""
        exact, by_key, buckets = self._exact, self._any, self._buckets
        for entry in self._adding:
            _, key, fingerprint, message_id = entry
            buckets[(key + _HALF) >> 56].append(entry)
            exact[key ^ fingerprint] = message_id
            by_key[key] = message_id
        self._waiting += len(self._adding)
        self._adding = []

    # Asking

    def find(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest exact copy since a time, else one of the newer messages with other bytes, else None."""
        key = control_key(control_id, sender)
        parts = [part for part in sorted(self._parts, reverse=True) if self._parts[part] >= since_us]
        known = key in self._any
        execute = self._conn.execute
        if not known and all(execute(_CONTROL["any"], (part, key)).fetchone() is None for part in parts):
            return None
        waiting = self._exact.get(key ^ fingerprint)
        exact = [] if waiting is None else [waiting]
        for part in parts:
            exact += [row[0] for row in execute(_CONTROL["exact"], (part, key, fingerprint))]
        found = self._first(exact, control_id, sender, fingerprint, since_us)
        if found is not None:
            return found
        others = [self._any[key]] if known else []
        for part in parts:
            others += [row[0] for row in execute(_CONTROL["others"], (part, key, fingerprint))]
        return self._first(others, control_id, sender, None, since_us)

    def _first(
        self, candidates: list[int], control_id: str, sender: int, fingerprint: int | None, since_us: int
    ) -> Earlier | None:
        for message_id in sorted(candidates, reverse=True):
            row: tuple[Any, ...] | None = self._conn.execute(_CONTROL["message"], (message_id,)).fetchone()
            if row is None or row[:2] != (control_id, sender) or row[5] < since_us:
                continue
            if fingerprint is None or row[2] == fingerprint:
                return Earlier(message_id, fingerprint is not None, row[3], MessageStatus(row[4]), row[5])
        return None

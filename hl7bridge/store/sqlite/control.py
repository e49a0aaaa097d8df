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
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zlib import crc32

from hl7bridge.store.base import COUNTER_BITS, Earlier, MessageStatus, NewMessage
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.rows import SLICE_BITS

_CONTROL = sql.load("control.sql")
_DUPLICATE = int(MessageStatus.DUPLICATE)
PART_BITS = 22
#: Entries that wait in memory when as many are carried on as come in.
WAITING = 32_768
#: Fewer are not carried: neighbours share a page.
_AT_ONCE = 32
#: Buckets, by the highest bits of the key; a few entries each, so that they can be looked through.
BUCKET_BITS = 12
_BUCKETS = 1 << BUCKET_BITS
_SHIFT = 64 - BUCKET_BITS
_LONGEST = 3 * 64
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_HALF = 1 << 63

#: Part, key, fingerprint, message.
Entry = tuple[int, int, int, int]


def control_key(control_id: str, sender: int) -> int:
    """One number for a control ID of a sender, evenly spread; unequal ones may share it, so rows are
    compared.
    """
    return ((sender ^ (crc32(control_id.encode()) + 1) * _SPREAD) & _MASK) - _HALF


def _entries(bucket: array[int]) -> Iterator[tuple[int, int, int]]:
    """Key, fingerprint and message of each entry of a bucket."""
    return zip(bucket[::3], bucket[1::3], bucket[2::3], strict=True)


class ControlIndex:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        #: Key, fingerprint, message; key, fingerprint, message ...: arrays, since objects would cost more
        #: than the work.
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._waiting = 0
        self._adding: list[Entry] = []
        #: The next bucket of the sweep; what is being carried from the one before, and how much of that is
        #: settled.
        self._bucket = 0
        self._carrying: list[Entry] = []
        self._carried = 0
        #: In the transaction under way: up to where carried, and buckets emptied on the way.
        self._taken = 0
        #: How many are to be carried on, so that no more and more wait.
        self._owed = 0.0
        self._mark: int | None = None
        self._parts: dict[int, int] = dict(conn.execute(_CONTROL["parts"]).fetchall())
        row = conn.execute(_CONTROL["mark"]).fetchone()
        begun = -1 if row is None else row[0]
        for message_id, control_id, sender, fingerprint in conn.execute(_CONTROL["unmarked"], (begun,)):
            key = control_key(control_id, sender)
            self._buckets[(key + _HALF) >> _SHIFT].extend((key, fingerprint, message_id))
            self._waiting += 1
        #: The highest message when this sweep began: at its end all up to there are in the table.
        self._sweep = self._highest = int(conn.execute(_CONTROL["highest"]).fetchone()[0])

    def overdue(self) -> list[Entry]:
        """At opening: all that waits, if that is much. Restarts that come before a sweep has come round
        would make it more and more; so it is put into the table at once, and `caught_up` says that this is
        durable.
        """
        if self._waiting < WAITING:
            return []
        buckets = self._buckets
        return sorted((m >> PART_BITS, k, f, m) for each in buckets for k, f, m in _entries(each))

    def caught_up(self) -> None:
        """What was overdue is in the table."""
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._waiting = 0

    @property
    def highest(self) -> int:
        """The highest message that is durable."""
        return self._highest

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
        self._owed += len(adding) * self._waiting / WAITING
        return late + self._carry(int(self._owed))

    def _carry(self, count: int) -> list[Entry]:
        """About `count` entries in the order of keys, the rest of a bucket and then whole ones."""
        self._taken = 0
        if count < _AT_ONCE:
            return []
        if self._carried == len(self._carrying):
            self._next_buckets(count)
        self._taken = min(count, len(self._carrying) - self._carried)
        return self._carrying[self._carried : self._carried + self._taken]

    def _next_buckets(self, count: int) -> None:
        """Empty buckets until there is enough to carry, or the sweep has come round."""
        self._carrying, self._carried = [], 0
        while len(self._carrying) < count:
            if self._bucket == _BUCKETS:
                if not self._carrying:
                    self._mark, self._sweep, self._bucket = self._sweep, self._highest, 0
                return
            bucket = self._buckets[self._bucket]
            if bucket:
                self._buckets[self._bucket] = array("q")
                self._carrying += sorted((m >> PART_BITS, k, f, m) for k, f, m in _entries(bucket))
            self._bucket += 1

    @property
    def mark(self) -> int | None:
        """All messages up to this one are in the table, if that is news."""
        return self._mark

    def settle(self, slices: Iterable[Sequence[int]]) -> None:
        """The transaction is durable, with these rows of the table of slices."""
        self._mark = None
        self._carried += self._taken
        self._owed = max(0.0, self._owed - self._taken)
        self._waiting += len(self._adding) - self._taken
        self._taken = 0
        buckets = self._buckets
        for _, key, fingerprint, message_id in self._adding:
            buckets[(key + _HALF) >> _SHIFT].extend((key, fingerprint, message_id))
        self._adding = []
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

    # Asking

    def find(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest exact copy since a time, else one of the newer messages with other bytes, else None."""
        key = control_key(control_id, sender)
        waiting = self._waiting_under(key)
        execute = self._conn.execute
        parts = [part for part, last_us in self._parts.items() if last_us >= since_us]
        if not waiting:
            parts = [part for part in parts if execute(_CONTROL["any"], (part, key)).fetchone() is not None]
            if not parts:
                return None
        exact = {message_id for other, message_id in waiting if other == fingerprint}
        for part in parts:
            exact.update([row[0] for row in execute(_CONTROL["exact"], (part, key, fingerprint)).fetchall()])
        found = self._first(exact, control_id, sender, fingerprint, since_us)
        if found is not None:
            return found
        others = {message_id for other, message_id in waiting if other != fingerprint}
        for part in parts:
            others.update(
                [row[0] for row in execute(_CONTROL["others"], (part, key, fingerprint)).fetchall()]
            )
        return self._first(others, control_id, sender, None, since_us)

    def _waiting_under(self, key: int) -> list[tuple[int, int]]:
        """Fingerprint and message of what waits under a key."""
        found: list[tuple[int, int]] = []
        bucket = self._buckets[(key + _HALF) >> _SHIFT]
        if key in bucket:
            found = [(f, m) for k, f, m in _entries(bucket) if k == key]
        for entry in self._carrying[self._carried :]:
            if entry[1] == key:
                found.append(entry[2:])
        return found

    def _first(
        self, candidates: set[int], control_id: str, sender: int, fingerprint: int | None, since_us: int
    ) -> Earlier | None:
        for message_id in sorted(candidates, reverse=True):
            row: tuple[Any, ...] | None = self._conn.execute(_CONTROL["message"], (message_id,)).fetchone()
            if row is None or row[:2] != (control_id, sender) or row[5] < since_us:
                continue
            if fingerprint is None or row[2] == fingerprint:
                return Earlier(message_id, fingerprint is not None, row[3], MessageStatus(row[4]), row[5])
        return None

"""The audit trail of an SQLite store as its writer has it: the chain, and an index by patient that is written in order.

Rows are chained in the transaction that they tell of. The index is written later: an entry put at once where its key belongs would
cost a page of the WAL. Entries wait in memory until there are many (`RUN_ENTRIES`); then they are carried into the table, a few with
each transaction and in the order of keys, as one *run*, while the next ones wait. A run counts when it is whole. What is in none is
read in the chain itself, by whoever asks and, after a restart, by the writer.

Refuses to know transactions: it writes within the one that is under way, and is told `settle` or `forget`. A row that somebody has
tampered with stops nothing: who checks the chain finds it. Raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable
from typing import Final

from hl7bridge.store.rows.audit import AuditHead, AuditRow, Gathering, patients_of
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.audit import anchor_of, head_of

_AUDIT = sql.load("audit.sql")
#: Entries after which those that wait become a run.
RUN_ENTRIES = 65_536
#: Buckets by the highest bits of the key: one is sorted and carried at once.
BUCKET_BITS = 8
_BUCKETS: Final = 1 << BUCKET_BITS
_SHIFT: Final = 64 - BUCKET_BITS
_HALF: Final = 1 << 63
#: Entries that come in for each bucket more that is carried: runs must end before the next ones begin.
_PER_BUCKET = 64
#: Rows read at a time, and entries deleted in one step.
_PAGE, _ENTRIES = 500, 2_000


def _buckets() -> list[array[int]]:
    return [array("q") for _ in range(_BUCKETS)]


class Trail:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._head = self._next = head_of(conn)
        self._begin: int | None = None
        if self._head.sequence == 0:
            self._begin = int(conn.execute(_AUDIT["last_delivery"]).fetchone()[0])
        #: Entries that wait (key, row, key, row ...), how many, and the first row that they are of.
        self._waiting, self._count = _buckets(), 0
        indexed = conn.execute(_AUDIT["indexed"]).fetchone()[0]
        self._first = (indexed or 0) + 1
        #: The run that is being carried: its buckets, the next of them, its first and last row.
        self._run, self._bucket, self._span = _buckets(), _BUCKETS, (0, 0)
        #: In the transaction under way: rows added with their patients' keys, buckets carried.
        self._added: list[tuple[int, set[int]]] = []
        self._carried = 0
        after = self._first - 1
        while page := conn.execute(_AUDIT["rows"], (after, _PAGE)).fetchall():
            for row in map(AuditRow._make, page):
                self._wait(row.sequence, patients_of(row))
            after = page[-1][0]

    @property
    def head(self) -> AuditHead:
        """The newest row of the chain, that of the transaction under way among them."""
        return self._next

    def gathering(self) -> Gathering:
        """For the records of a transaction."""
        return Gathering(self._begin)

    # Within a transaction

    def keep(self, gathered: Gathering) -> int:
        """Chains what was gathered, and carries the index on. Gives the bytes written, about."""
        size = 0
        for row, keys in gathered.rows(self._next):
            self._conn.execute(_AUDIT["insert"], row)
            self._next = AuditHead(row.sequence, row.at_us, row.hash)
            self._added.append((row.sequence, keys))
            size += len(row.data) + 60
        if self._bucket < _BUCKETS:
            size += self._carry(1 + sum(len(keys) for _, keys in self._added) // _PER_BUCKET)
        return size

    def _carry(self, count: int) -> int:
        """Some buckets of the run go into the table."""
        entries: list[tuple[int, int, int]] = []
        first, last = self._span
        end = min(self._bucket + self._carried + count, _BUCKETS)
        for bucket in self._run[self._bucket + self._carried : end]:
            entries += [
                (first, key, sequence)
                for key, sequence in sorted(zip(bucket[::2], bucket[1::2], strict=True))
            ]
        self._conn.executemany(_AUDIT["insert_patient"], entries)
        self._carried = end - self._bucket
        if end == _BUCKETS:
            self._conn.execute(_AUDIT["insert_run"], (first, last))
        return 20 * len(entries)

    def cut(self, before_us: int, at_us: int, limit: int) -> int:
        """Takes the oldest rows away, as many as are from before a time and no more than `limit`; never the newest. Gives how many."""
        rows = [AuditHead(*row) for row in self._conn.execute(_AUDIT["oldest"], (limit + 1,)).fetchall()]
        gone: list[AuditHead] = []
        for row in rows[:limit]:
            if row.at_us >= min(before_us, at_us) or row.sequence >= self._next.sequence:
                break
            gone.append(row)
        if gone:
            self._conn.execute(_AUDIT["delete"], (gone[-1].sequence,))
            self._conn.execute(_AUDIT["set_anchor"], gone[-1])
            gathered = self.gathering()
            gathered.cut(gone[-1], at_us)
            self.keep(gathered)
        return len(gone)

    def forget_index(self) -> bool:
        """One step of taking away what is indexed of rows that have gone; False if there is nothing."""
        row = self._conn.execute(_AUDIT["old_run"], (anchor_of(self._conn).sequence,)).fetchone()
        if row is None:
            return False
        (key,) = self._conn.execute(_AUDIT["run_step"], (row[0], _ENTRIES)).fetchone()
        if key is None:
            self._conn.execute(_AUDIT["delete_run"], row)
        else:
            self._conn.execute(_AUDIT["delete_entries"], (row[0], key))
        return True

    # After it

    def settle(self) -> None:
        """The transaction is durable."""
        if self._carried:
            for place in range(self._bucket, self._bucket + self._carried):
                self._run[place] = array("q")
            self._bucket += self._carried
            self._carried = 0
        if self._added:
            self._begin = None
            self._head = self._next
            for sequence, keys in self._added:
                self._wait(sequence, keys)
            self._added = []
            if self._count >= RUN_ENTRIES and self._bucket == _BUCKETS:
                self._run, self._waiting = self._waiting, _buckets()
                self._span = self._first, self._head.sequence
                self._bucket, self._count, self._first = 0, 0, self._head.sequence + 1

    def forget(self) -> None:
        """The transaction did not happen."""
        self._next = self._head
        self._added = []
        self._carried = 0

    def _wait(self, sequence: int, keys: Iterable[int]) -> None:
        buckets = self._waiting
        for key in keys:
            buckets[(key + _HALF) >> _SHIFT].extend((key, sequence))
            self._count += 1

"""Lists of patients for an SQLite store: staged invisibly in bounded steps, published in one small
transaction.

A list is first sorted into parts by patient, in a temporary file, and then compared with the published rows part by part; only
differences are written, each as a row of the load that brings it or as the end of an earlier one. The first list of an affiliate is
compared with nothing. Rows are never overwritten, so the roster of any past load can be seen again. A load that was begun and never
published (a crash, a list that was refused) leaves rows that nobody sees.

Refuses to know who may receive what. Raises StoreFault, StoreFull, and the store's errors through the transaction it
was given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from pathlib import Path
from time import perf_counter
from typing import Any

from hl7bridge.store.base import AssignmentRow, RosterEntry, RosterFile, RosterReport, StoreFault, StoreFull
from hl7bridge.store.roster_list import UNBOUNDED, Assigned, Assignments, apply, difference, keep_up
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.names import Names
from hl7bridge.store.sqlite.sorting import PARTS, Sorting, keys_of
from hl7bridge.store.sqlite.upkeep import Pace, Transact

_ROSTER = sql.load("roster.sql")
#: How long one step may write, in microseconds; where large steps are asked for, nobody waits.
_STEP_US = 5_000
_LARGE, _LARGE_STEP_US = 10_000, 200_000
#: Rows of a step at least, since each must be synced.
_FEWEST = 300
_ROWS_A_PAGE = 100
#: In place of whether a load is a full list: it is what one message said, and outdates no list that is being staged.
_OF_MESSAGE = 2


class RosterLoads:
    """For one writer's connection."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        names: Names,
        transaction: Transact,
        wrote: Callable[[float], None],
        folder: Path,
    ) -> None:
        self._conn = conn
        self._folder = folder
        self._names = names
        self._transaction = transaction
        self._wrote = wrote
        self._pace = Pace(50)

    def stage(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int
    ) -> Iterator[RosterReport]:
        """Load a list; a step reads at most `chunk` rows, or writes as many as fit into its time. The last
        report is the whole.
        """
        report = self._transaction(self._begin, affiliate, full, at_us)
        with _room(), Sorting(self._folder) as sorting:
            entries = iter(rows)
            while some := list(islice(entries, chunk)):
                sorting.add(some)
                yield report
            compare = _Comparison(self._conn, sorting, report, full, _day(at_us))
            budget_us = _LARGE_STEP_US if chunk >= _LARGE else _STEP_US
            while not compare.ended:
                count = min(chunk, max(_FEWEST, int(self._pace.amount)))
                began = perf_counter()
                written = self._transaction(compare.step, count)
                self._pace.learn(compare.seen, (perf_counter() - began) * 1e6, budget_us)
                self._wrote(5 + written / _ROWS_A_PAGE)
                report = compare.report
                yield report
            self._transaction(self._complete, report)
        yield report

    def publish(
        self, loads: Sequence[int], at_us: int, files: Sequence[RosterFile] = ()
    ) -> list[RosterReport]:
        """Make staged lists those that count; runs within a transaction."""
        for file in files:
            self._conn.execute(_ROSTER["insert_file"], (file.affiliate, file.digest, file.full, at_us))
        return [self._publish(load, at_us) for load in loads]

    def _publish(self, load: int, at_us: int) -> RosterReport:
        row = self._conn.execute(_ROSTER["load"], (load,)).fetchone()
        if row is None or not row[7] or row[8] is not None:
            raise StoreFault("there is no complete staged list of this number", hint="load the list again")
        if self._conn.execute(_ROSTER["newer_load"], (row[0], load)).fetchone() is not None:
            raise StoreFault("a newer list of this affiliate has been staged", hint="publish the newer one")
        self._conn.execute(_ROSTER["publish"], (load, at_us))
        return RosterReport(load, *row[:7])

    def assign(self, rows: Iterable[AssignmentRow], at_us: int) -> None:
        """What messages say of lists, published with them; runs within their transaction."""
        for row in rows:
            kept = _published(self._conn, row.affiliate, row.patient)
            before = {start: assigned for start, (_, assigned) in kept.items()}
            after = dict(before)
            keep_up(after, row.day, row.npi, row.ended)
            if after == before:
                continue
            found = difference(before, after, _day(at_us))
            report = self._begin(row.affiliate, _OF_MESSAGE, at_us)
            number, load = self._names[row.affiliate], report.load
            for start in (*found.ended, *found.changed):
                self._conn.execute(_ROSTER["end_row"], (load, row.patient, number, start, kept[start][0]))
            for start in (*found.added, *found.changed):
                self._conn.execute(_ROSTER["insert_row"], (row.patient, number, start, load, *after[start]))
            counts = (len(found.added), len(found.ended), len(found.changed))
            unchanged = report.before - counts[1] - counts[2]
            self._conn.execute(_ROSTER["complete_load"], (load, *counts, unchanged, found.dated_back))
            self._conn.execute(_ROSTER["publish"], (load, at_us))

    def _begin(self, affiliate: str, full: int, at_us: int) -> RosterReport:
        # The name must be in its table before rows refer to it, even where this load brings none.
        number = self._names[affiliate]
        assert number is not None
        (before,) = self._conn.execute(_ROSTER["before"], (affiliate,)).fetchone()
        values = (affiliate, full, at_us, before)
        load = self._conn.execute(_ROSTER["begin_load"], values).lastrowid
        assert load is not None
        return RosterReport(load, affiliate, before, 0, 0, 0, 0)

    def _complete(self, report: RosterReport) -> None:
        self._conn.execute(
            _ROSTER["complete_load"],
            (report.load, report.added, report.ended, report.changed, report.unchanged, report.dated_back),
        )


def unpublished(conn: sqlite3.Connection) -> frozenset[int]:
    """The loads that do not count: under way, left, or refused."""
    return frozenset(row[0] for row in conn.execute(_ROSTER["unpublished"]).fetchall())


def counts_now(recorded_through: int | None, recorded_from: int, not_published: frozenset[int]) -> bool:
    """Whether a row is one of the published lists: a published load brought it and none has ended it."""
    return recorded_from not in not_published and (
        recorded_through is None or recorded_through in not_published
    )


def _published(conn: sqlite3.Connection, affiliate: str, key: int) -> dict[int, tuple[int, Assigned]]:
    """What counts of a patient at an affiliate, by first day: the load that brought it, and the row."""
    number = conn.execute(_ROSTER["affiliate"], (affiliate,)).fetchone()
    if number is None:
        return {}
    left_out = unpublished(conn)
    rows = conn.execute(_ROSTER["rows_of_affiliate"], (key, number[0])).fetchall()
    return {
        start: (load, Assigned(through, npi, bool(opt_out)))
        for _, start, load, through, npi, opt_out, ended in rows
        if counts_now(ended, load, left_out)
    }


def _day(at_us: int) -> int:
    day = datetime.fromtimestamp(at_us / 1e6, UTC)
    return day.year * 10_000 + day.month * 100 + day.day


@contextmanager
def _room() -> Iterator[None]:
    """A temporary file that cannot be written is a disk without room."""
    try:
        yield
    except OSError as error:
        raise StoreFull(f"the list cannot be sorted: {error.strerror}") from None


class _Comparison:
    """A sorted list against the published rows, some parts of it at each step. `seen` rows were looked at by the last."""

    def __init__(
        self, conn: sqlite3.Connection, sorting: Sorting, report: RosterReport, full: bool, today: int
    ) -> None:
        self._conn = conn
        self._sorting = sorting
        self._affiliate: int = conn.execute(_ROSTER["affiliate"], (report.affiliate,)).fetchone()[0]
        self._unpublished = unpublished(conn)
        # A message may have brought rows since the load began, so its count of them is not asked.
        self._any = conn.execute(_ROSTER["any_row"], (self._affiliate,)).fetchone() is not None
        self._full = full
        self._today = today
        self._next = 0
        self._each = report.before / PARTS if full else 0.0
        self.report = report
        self.ended = False
        self.seen = 0

    def step(self, limit: int) -> int:
        """One run of parts, in a transaction of its own. Returns how many rows were written."""
        first, count = self._next, 0.0
        while self._next < PARTS and (count == 0 or count < limit):
            count += self._sorting.size(self._next) + self._each
            self._next += 1
        self.ended = self._next == PARTS
        listed: dict[int, list[RosterEntry]] = {}
        for part in range(first, self._next):
            for entry in self._sorting.part(part) if self._sorting.size(part) else ():
                mine = listed.get(entry[0])
                if mine is None:
                    listed[entry[0]] = [entry]
                else:
                    mine.append(entry)
        before = self._published(*keys_of(first, self._next - 1), listed)
        self.seen = max(1, len(listed) + len(before))
        return self._write(listed, before)

    def _published(self, low: int, high: int, listed: Iterable[int]) -> dict[int, dict[int, tuple[Any, ...]]]:
        """What counts of these patients: of all in the range for a full list, of those that a delta names."""
        found: dict[int, dict[int, tuple[Any, ...]]] = {}
        if not self._any:
            return found
        if self._full:
            rows: Iterable[Any] = self._conn.execute(_ROSTER["rows_of_range"], (self._affiliate, low, high))
        else:
            question = _ROSTER["rows_of_affiliate"]
            rows = [row for key in listed for row in self._conn.execute(question, (key, self._affiliate))]
        for key, *row, through in rows:
            if counts_now(through, row[1], self._unpublished):
                found.setdefault(key, {})[row[0]] = tuple(row)
        return found

    def _write(
        self, listed: dict[int, list[RosterEntry]], before: dict[int, dict[int, tuple[Any, ...]]]
    ) -> int:
        load, affiliate = self.report.load, self._affiliate
        new: list[tuple[Any, ...]] = []
        gone: list[tuple[int, int, int, int, int]] = []
        added = ended = changed = back = 0
        for key, entries in listed.items():
            had = before.pop(key, None)
            if len(entries) == 1 and not entries[0][5] and (had is None or len(had) == 1):
                # Nearly all are so.
                _, first, through, npi, opt_out, _ = entries[0]
                start, assigned = first or 0, (through or UNBOUNDED, npi, bool(opt_out))
                if had is None:
                    new.append((key, affiliate, start, load, *assigned))
                    added += 1
                    back += start < self._today and not opt_out
                    continue
                if start in had and had[start][2:] == assigned:
                    continue
            kept: Assignments = {
                start: Assigned(row[2], row[3], bool(row[4])) for start, row in (had or {}).items()
            }
            after = {} if self._full else dict(kept)
            apply(after, entries)
            if after == kept:
                continue
            found = difference(kept, after, self._today)
            gone += [
                (load, key, affiliate, start, had[start][1])
                for start in (*found.ended, *found.changed)
                if had
            ]
            new += [(key, affiliate, start, load, *after[start]) for start in (*found.added, *found.changed)]
            added += len(found.added)
            ended += len(found.ended)
            changed += len(found.changed)
            back += found.dated_back
        if self._full:  # who is left is on the published list and not on this one
            gone += [
                (load, key, affiliate, row[0], row[1]) for key, had in before.items() for row in had.values()
            ]
            ended += sum(map(len, before.values()))
        if gone:
            self._conn.executemany(_ROSTER["end_row"], gone)
        if new:
            new.sort(key=itemgetter(0, 2))
            self._conn.executemany(_ROSTER["insert_row"], new)
        self._count(added, ended, changed, back)
        return len(new) + len(gone)

    def _count(self, added: int, ended: int, changed: int, back: int) -> None:
        had = self.report
        ended, changed = had.ended + ended, had.changed + changed
        self.report = replace(
            had,
            added=had.added + added,
            ended=ended,
            changed=changed,
            unchanged=had.before - ended - changed,
            dated_back=had.dated_back + back,
        )

"""Lists of patients for an SQLite store: staged invisibly in bounded steps, published in one small
transaction.

A list is first read into a private temporary database, sorted there by patient, and then compared with the
published rows run by run; only differences are written, each as a row of the load that brings it or as the
end of an earlier one. Rows are never overwritten, so the roster of any past load can be seen again. A load
that was begun and never published (a crash, a list that was refused) leaves rows that nobody sees.

Refuses to know who may receive what. Raises StoreFault, and the store's errors through the transaction it
was given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import Any

from hl7bridge.store import sql
from hl7bridge.store.base import RosterEntry, RosterReport, StoreFault
from hl7bridge.store.names import Names
from hl7bridge.store.sqlite_rows import UNBOUNDED
from hl7bridge.store.sqlite_upkeep import Pace, Transact

_ROSTER = sql.load("roster.sql")
_STAGING = sql.load("staging.sql")
#: In place of a date: every row of the patient.
_ALL = -1
#: How long one step may write, in microseconds.
_STEP_US = 5_000
_BEFORE_ALL = (-(1 << 63), _ALL - 1, 0)


class RosterLoads:
    """For one writer's connection."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        names: Names,
        transaction: Transact,
        wrote: Callable[[float], None],
    ) -> None:
        self._conn = conn
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
        with closing(sqlite3.connect("", isolation_level=None)) as staging:
            for statement in ("table", "unsafe", "unjournaled"):
                staging.execute(_STAGING[statement])
            entries = iter(rows)
            while some := list(islice(entries, chunk)):
                _stage(staging, some)
                yield report
            compare = _Comparison(self._conn, staging, report, full)
            while not compare.ended:
                count = min(chunk, int(self._pace.amount))
                began = perf_counter()
                written = self._transaction(compare.step, count)
                self._pace.learn(count, (perf_counter() - began) * 1e6, _STEP_US)
                self._wrote(5 + written)
                report = compare.report
                yield report
            self._transaction(self._complete, report)
        yield report

    def publish(self, loads: Sequence[int], at_us: int) -> list[RosterReport]:
        """Make staged lists those that count; runs within a transaction."""
        return [self._publish(load, at_us) for load in loads]

    def _publish(self, load: int, at_us: int) -> RosterReport:
        row = self._conn.execute(_ROSTER["load"], (load,)).fetchone()
        if row is None or not row[6] or row[7] is not None:
            raise StoreFault("there is no complete staged list of this number", hint="load the list again")
        if self._conn.execute(_ROSTER["newer_load"], (row[0], load)).fetchone() is not None:
            raise StoreFault("a newer list of this affiliate has been staged", hint="publish the newer one")
        self._conn.execute(_ROSTER["publish"], (load, at_us))
        return RosterReport(load, *row[:6])

    def _begin(self, affiliate: str, full: bool, at_us: int) -> RosterReport:
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
            (report.load, report.added, report.ended, report.changed, report.unchanged),
        )


def unpublished(conn: sqlite3.Connection) -> frozenset[int]:
    """The loads that do not count: under way, left, or refused."""
    return frozenset(row[0] for row in conn.execute(_ROSTER["unpublished"]).fetchall())


def counts_now(recorded_through: int | None, recorded_from: int, not_published: frozenset[int]) -> bool:
    """Whether a row is one of the published lists: a published load brought it and none has ended it."""
    return recorded_from not in not_published and (
        recorded_through is None or recorded_through in not_published
    )


def _stage(staging: sqlite3.Connection, entries: list[RosterEntry]) -> None:
    """Entries into the temporary database; what a list says last about a patient's row counts."""
    staging.execute("BEGIN")
    for entry in entries:
        if entry.ended and entry.valid_from is None:
            staging.execute(_STAGING["forget_patient"], (entry.key,))
            start = _ALL
        else:
            start = entry.valid_from or 0
        through = UNBOUNDED if entry.valid_through is None else entry.valid_through
        row = (entry.key, start, through, entry.npi, bool(entry.opt_out), bool(entry.ended))
        staging.execute(_STAGING["insert"], row)
    staging.execute("COMMIT")


class _Comparison:
    """A staged list against the published rows: first what the list says, then (a full list) what it left
    out.
    """

    def __init__(
        self, conn: sqlite3.Connection, staging: sqlite3.Connection, report: RosterReport, full: bool
    ) -> None:
        self._conn = conn
        self._staging = staging
        self._affiliate: int = conn.execute(_ROSTER["affiliate"], (report.affiliate,)).fetchone()[0]
        self._unpublished = unpublished(conn)
        self._full = full
        self.report = report
        self.ended = False
        self._listed = True
        self._after: tuple[int, ...] = _BEFORE_ALL

    def step(self, limit: int) -> int:
        """One run of rows, in a transaction of its own. Returns how many rows were written."""
        counts = {"added": 0, "ended": 0, "changed": 0}
        if self._listed:
            rows = self._staging.execute(_STAGING["page"], (*self._after[:2], limit)).fetchall()
            for row in rows:
                self._one_listed(row, counts)
        else:
            page = (self._affiliate, *self._after, limit)
            rows = self._conn.execute(_ROSTER["published_page"], page).fetchall()
            for row in rows:
                self._one_published(row, counts)
        had = self.report
        ended, changed = had.ended + counts["ended"], had.changed + counts["changed"]
        added, unchanged = had.added + counts["added"], had.before - ended - changed
        self.report = replace(had, added=added, ended=ended, changed=changed, unchanged=unchanged)
        if len(rows) == limit:
            self._after = rows[-1][:3]
        else:
            self.ended = not (self._listed and self._full)
            self._listed = False
            self._after = _BEFORE_ALL
        return sum(counts.values())

    def _one_listed(self, entry: tuple[Any, ...], counts: dict[str, int]) -> None:
        key, start, through, npi, opt_out, ended = entry
        rows = self._conn.execute(_ROSTER["rows_of_affiliate"], (key, self._affiliate)).fetchall()
        have = [row for row in rows if counts_now(row[5], row[1], self._unpublished)]
        if ended:
            for row in have:
                if (start == _ALL and not self._relisted(key, row[0])) or row[0] == start:
                    self._end(key, row, counts)
            return
        for row in have:
            if row[0] != start:
                continue
            if row[2:5] == (through, npi, opt_out):
                return
            self._conn.execute(_ROSTER["end_row"], (self.report.load, key, self._affiliate, start, row[1]))
            counts["changed"] += 1
            break
        else:
            counts["added"] += 1
        self._conn.execute(
            _ROSTER["insert_row"], (key, self._affiliate, start, self.report.load, through, npi, opt_out)
        )

    def _one_published(self, row: tuple[Any, ...], counts: dict[str, int]) -> None:
        key, start, recorded_from, recorded_through = row
        if recorded_through != self.report.load and not self._relisted(key, start):
            self._end(key, (start, recorded_from), counts)

    def _relisted(self, key: int, start: int) -> bool:
        row = self._staging.execute(_STAGING["listed"], (key, start)).fetchone()
        return row is not None and not row[0]

    def _end(self, key: int, row: tuple[Any, ...], counts: dict[str, int]) -> None:
        self._conn.execute(_ROSTER["end_row"], (self.report.load, key, self._affiliate, row[0], row[1]))
        counts["ended"] += 1

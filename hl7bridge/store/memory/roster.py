"""The rosters of the store that lives in memory.

Holds each affiliate's published list and the lists that are being staged. Refuses to know who may receive
what. Raises StoreFault where a list that is not ready (or not the newest) is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from hl7bridge.store.base import AssignmentRow, RosterEntry, RosterFile, RosterMatch, RosterReport, StoreFault
from hl7bridge.store.roster_list import UNBOUNDED, Assignments, apply, difference, keep_up

_Rows = dict[int, Assignments]


@dataclass
class _Staged:
    rows: _Rows
    report: RosterReport
    today: int
    complete: bool = False


class MemoryRosters:
    """Published and staged lists; `generation` counts the lists published."""

    def __init__(self) -> None:
        self.generation = 0
        self.files: list[RosterFile] = []
        self._loads = 0
        self._newest: dict[str, int] = {}
        self._published: dict[str, _Rows] = {}
        self._staged: dict[int, _Staged] = {}

    def copy(self) -> MemoryRosters:
        """What a restart finds: the published lists, and those wholly staged."""
        fresh = MemoryRosters()
        fresh.generation, fresh._loads = self.generation, self._loads
        fresh.files = list(self.files)
        fresh._newest = dict(self._newest)
        fresh._published = dict(self._published)
        fresh._staged = {load: staged for load, staged in self._staged.items() if staged.complete}
        return fresh

    def stage(
        self, affiliate: str, entries: Iterable[RosterEntry], full: bool, at_us: int, chunk: int
    ) -> Iterator[RosterReport]:
        """Load a list beside the published one, `chunk` entries at each step."""
        before = self._published.get(affiliate, {})
        self._loads += 1
        count = sum(map(len, before.values()))
        today = int(datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y%m%d"))
        staged = _Staged(
            {} if full else {key: dict(rows) for key, rows in before.items()},
            RosterReport(self._loads, affiliate, count, 0, 0, 0, 0),
            today,
        )
        self._staged[self._loads] = staged
        self._newest[affiliate] = self._loads
        return self._steps(staged, before, iter(entries), chunk)

    def _steps(
        self, staged: _Staged, before: _Rows, entries: Iterator[RosterEntry], chunk: int
    ) -> Iterator[RosterReport]:
        while some := list(islice(entries, chunk)):
            for entry in some:
                apply(staged.rows.setdefault(entry[0], {}), [entry])
            yield _compared(staged, before)
        staged.report = _compared(staged, before)
        staged.complete = True
        yield staged.report

    def publish(self, loads: Sequence[int], files: Sequence[RosterFile] = ()) -> list[RosterReport]:
        """Make wholly staged lists those that count: all of them, or none."""
        ready: dict[str, _Staged] = {}
        for load in loads:
            staged = self._staged.get(load)
            if staged is None or not staged.complete or staged.report.affiliate in ready:
                raise StoreFault(
                    "there is no complete staged list of this number", hint="load the list again"
                )
            name = staged.report.affiliate
            if self._newest[name] > load:
                raise StoreFault(
                    "a newer list of this affiliate has been staged", hint="publish the newer one"
                )
            ready[name] = staged
        self._published |= {name: staged.rows for name, staged in ready.items()}
        self.files += files
        self._staged = {n: s for n, s in self._staged.items() if s.report.affiliate not in ready}
        self.generation += len(ready)
        return [staged.report for staged in ready.values()]

    def assign(self, rows: Iterable[AssignmentRow]) -> None:
        """What a message says of lists, published with it."""
        for row in rows:
            before = self._published.get(row.affiliate, {}).get(row.patient, {})
            after = dict(before)
            keep_up(after, row.day, row.npi, row.ended)
            if after != before:
                lists = {**self._published.get(row.affiliate, {}), row.patient: after}
                self._published = {**self._published, row.affiliate: lists}
                self._loads += 1
                self.generation += 1

    def rows(self, keys: Sequence[int]) -> list[RosterMatch]:
        """Published rows of these patients, of all affiliates."""
        return [
            RosterMatch(
                key,
                name,
                first or None,
                None if row.through == UNBOUNDED else row.through,
                row.npi,
                row.opt_out,
            )
            for key in dict.fromkeys(keys)
            for name, lists in self._published.items()
            for first, row in lists.get(key, {}).items()
        ]

    def patients(self, affiliate: str, from_key: int, limit: int) -> list[int]:
        """A page of an affiliate's patients."""
        lists = self._published.get(affiliate, {})
        return sorted(key for key, rows in lists.items() if rows and key >= from_key)[:limit]


def _compared(staged: _Staged, before: _Rows) -> RosterReport:
    added = ended = changed = back = 0
    for key in staged.rows.keys() | before.keys():
        found = difference(before.get(key, {}), staged.rows.get(key, {}), staged.today)
        added += len(found.added)
        ended += len(found.ended)
        changed += len(found.changed)
        back += found.dated_back
    unchanged = staged.report.before - ended - changed
    return replace(
        staged.report, added=added, ended=ended, changed=changed, unchanged=unchanged, dated_back=back
    )

"""The rosters of the store that lives in memory.

Holds each affiliate's published list and the lists that are being staged. Refuses to know who may receive
what. Raises StoreFault where a list that is not ready (or not the newest) is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from hl7bridge.store.base import RosterEntry, RosterMatch, RosterReport, StoreFault

_Rows = dict[tuple[int, int | None], RosterEntry]


@dataclass
class _Staged:
    rows: _Rows
    report: RosterReport
    complete: bool = False


class MemoryRosters:
    """Published and staged lists; `generation` counts the lists published."""

    def __init__(self) -> None:
        self.generation = 0
        self._loads = 0
        self._newest: dict[str, int] = {}
        self._published: dict[str, _Rows] = {}
        self._staged: dict[int, _Staged] = {}

    def copy(self) -> MemoryRosters:
        """What a restart finds: the published lists, and those wholly staged."""
        fresh = MemoryRosters()
        fresh.generation, fresh._loads = self.generation, self._loads
        fresh._newest = dict(self._newest)
        fresh._published = {name: dict(rows) for name, rows in self._published.items()}
        fresh._staged = {load: staged for load, staged in self._staged.items() if staged.complete}
        return fresh

    def stage(
        self, affiliate: str, entries: Iterable[RosterEntry], full: bool, chunk: int
    ) -> Iterator[RosterReport]:
        """Load a list beside the published one, `chunk` entries at each step."""
        before = self._published.get(affiliate, {})
        self._loads += 1
        staged = _Staged(
            {} if full else dict(before), RosterReport(self._loads, affiliate, len(before), 0, 0, 0, 0)
        )
        self._staged[self._loads] = staged
        self._newest[affiliate] = self._loads
        return self._steps(staged, before, iter(entries), chunk)

    def _steps(
        self, staged: _Staged, before: _Rows, entries: Iterator[RosterEntry], chunk: int
    ) -> Iterator[RosterReport]:
        while some := list(islice(entries, chunk)):
            for entry in some:
                if not entry.ended:
                    staged.rows[entry.key, entry.valid_from] = entry
                    continue
                for at in [at for at in staged.rows if at[0] == entry.key]:
                    if entry.valid_from in (None, at[1]):
                        del staged.rows[at]
            yield _compared(staged, before)
        staged.report = _compared(staged, before)
        staged.complete = True
        yield staged.report

    def publish(self, loads: Sequence[int]) -> list[RosterReport]:
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
        self._published |= {name: dict(staged.rows) for name, staged in ready.items()}
        self._staged = {n: s for n, s in self._staged.items() if s.report.affiliate not in ready}
        self.generation += len(ready)
        return [staged.report for staged in ready.values()]

    def rows(self, keys: Sequence[int]) -> list[RosterMatch]:
        """Published rows of these patients, of all affiliates."""
        return [
            RosterMatch(e.key, name, e.valid_from, e.valid_through, e.npi, e.opt_out)
            for key in dict.fromkeys(keys)
            for name, rows in self._published.items()
            for e in rows.values()
            if e.key == key
        ]

    def patients(self, affiliate: str, from_key: int, limit: int) -> list[int]:
        """A page of an affiliate's patients."""
        keys = {entry.key for entry in self._published.get(affiliate, {}).values() if entry.key >= from_key}
        return sorted(keys)[:limit]


def _compared(staged: _Staged, before: _Rows) -> RosterReport:
    both = staged.rows.keys() & before.keys()
    changed = sum(staged.rows[at] != before[at] for at in both)
    return replace(
        staged.report,
        added=len(staged.rows.keys() - before.keys()),
        ended=len(before.keys() - staged.rows.keys()),
        changed=changed,
        unchanged=len(both) - changed,
    )

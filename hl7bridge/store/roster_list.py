"""What a list of patients says of one patient, entry by entry, and how that differs from what counted before.

The one meaning of entries for every store. Refuses to know where rows are kept. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.store.rows.roster import RosterEntry

#: In place of the last day of a row without an end; the first day of one without a beginning is 0.
UNBOUNDED: Final = 99_999_999


class Assigned(NamedTuple):
    """A patient's row: its last day, the provider, and whether the patient opted out."""

    through: int
    npi: str | None
    opt_out: bool


#: A patient's rows at one affiliate, by their first day.
Assignments = dict[int, Assigned]


def keep_up(rows: Assignments, day: int, npi: str | None, ended: bool) -> None:
    """What a message makes of a patient's rows: on the list from a day on, with a provider, or `ended` with that day.

    A row that covers the day stays, with the provider that the message names; an opt-out stays an opt-out.
    """
    if ended:
        apply(rows, [RosterEntry(0, None, day, ended=True)])
        return
    covering = [start for start, row in rows.items() if start <= day <= row.through]
    for start in covering:
        rows[start] = rows[start]._replace(npi=npi or rows[start].npi)
    if not covering:
        rows[day] = Assigned(UNBOUNDED, npi, False)


class Difference(NamedTuple):
    """First days of the rows that are new, gone and different. `dated_back`: how many of them cover a day that was not covered."""

    added: list[int]
    ended: list[int]
    changed: list[int]
    dated_back: int


def apply(rows: Assignments, entries: Iterable[RosterEntry]) -> None:
    """What these entries make of a patient's rows; the last word counts.

    An entry that ends names one row by its first day, or all. With a last day it closes what would go on behind that day, and without
    one the rows are gone, as if they had been a mistake.
    """
    for _, first, through, npi, opt_out, ended in entries:
        if not ended:
            rows[first or 0] = Assigned(UNBOUNDED if through is None else through, npi, bool(opt_out))
            continue
        for start in [start for start in rows if first is None or start == first]:
            row = rows[start]
            if through is None or start > through:
                del rows[start]
            elif row.through > through:
                rows[start] = row._replace(through=through)


def difference(before: Assignments, after: Assignments, today: int) -> Difference:
    """What changed. `today` is YYYYMMDD of the load."""
    added = [start for start in after if start not in before]
    ended = [start for start in before if start not in after]
    changed = [start for start, row in after.items() if start in before and before[start] != row]
    back = sum(start < today and not after[start].opt_out for start in added)
    back += sum(_opened(before[start], after[start], start, today) for start in changed)
    return Difference(added, ended, changed, back)


def _opened(before: Assigned, after: Assigned, start: int, today: int) -> bool:
    if after.opt_out or start >= today:
        return False
    return before.opt_out or before.through < min(after.through, today - 1)

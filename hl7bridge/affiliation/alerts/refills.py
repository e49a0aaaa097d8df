"""The rule of the late refill: the supply on hand ran out, and a refill that was expected did not come.

Refuses to know messages, affiliates and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from hl7bridge.affiliation.alerts.case import ELSEWHERE, Alert, Case, Kind, subject_of_fill
from hl7bridge.affiliation.facts.facts import FillKey, PrescriptionKey
from hl7bridge.affiliation.history.history import Dose, lay_out, use_up
from hl7bridge.affiliation.history.stays import LAST_DAY


class _Refill(NamedTuple):
    """A refill that is expected from `since` (an ordinal) on, and what is known of it."""

    since: int
    prescription: PrescriptionKey
    told: str
    fills: tuple[FillKey, ...]


def late_refills(case: Case) -> Iterator[Alert]:
    """Medicines whose supply on hand ended `thresholds.late` days ago, while a refill was expected.

    Supply is laid out as for adherence, over all that was ever taken home of an ingredient. The clock does not run in hospital, nor
    before the expected refill's prescription was written. There is none where a fill of an ingredient has no known days' supply
    or may have been taken home, nor after a switch to another medicine of the class.
    """
    ends: dict[str, int] = {}
    unknown: set[str] = set()
    last: dict[frozenset[str], Dose] = {}
    for dose in case.doses:
        if not dose.ingredients:
            continue
        if dose.certain:
            last[dose.ingredients] = dose
        if dose.days_supply is None:
            unknown |= dose.ingredients
            continue
        use_up(ends, dose.ingredients, dose.day, dose.days_supply, case.known.stays)
    signs = set(_signs(case))
    for ingredients, dose in last.items():
        if not unknown.isdisjoint(ingredients) or _switched(case, signs, ingredients, dose.day):
            continue
        end = max(ends[each] for each in ingredients)
        refill = min(_expected(case, ingredients, dose.day, end), default=None)
        if refill is None:
            continue
        due = lay_out(max(end, refill.since) + 1, max(case.thresholds.late, 1), case.known.stays)[-1].end
        if due <= LAST_DAY:
            yield _alert(case, dose, end, due, refill)


def _alert(case: Case, dose: Dose, end: int, due: int, refill: _Refill) -> Alert:
    return Alert(
        Kind.REFILL_LATE,
        subject_of_fill(Kind.REFILL_LATE, dose.fill.key),
        date.fromordinal(due),
        (dose.fill.key, *refill.fills),
        f"The supply known here ran out on {date.fromordinal(end)}; {refill.told}, and none was picked up here within "
        f"{case.thresholds.late} days (days in hospital not counted). {ELSEWHERE}",
        medicine=dose.fill.medicine,
        prescription=refill.prescription,
        medicines=case.concerned((*_behind(case, dose), *refill.fills), (refill.prescription,)),
    )


def _behind(case: Case, dose: Dose) -> list[FillKey]:
    """The fills that the end of supply rests on: of an ingredient of it, or of one that shared a product with that, and so on."""
    shared = set(dose.ingredients)
    mine: list[Dose] = []
    rest = case.doses
    while True:
        more = [each for each in rest if not shared.isdisjoint(each.ingredients)]
        if not more:
            return [each.fill.key for each in mine]
        mine += more
        rest = [each for each in rest if shared.isdisjoint(each.ingredients)]
        shared.update(*(each.ingredients for each in more))


def _expected(case: Case, ingredients: frozenset[str], last: int, end: int) -> Iterator[_Refill]:
    """The refills of a medicine that are expected, last taken home on `last` and used up on `end`.

    Of a prescription that is neither ended nor on hold: one that was dispensed and has refills left, or a fill that waits; or one
    that renews it and was not dispensed yet (a renewal, or a new order while there still was supply).
    """
    for each in case.known.prescriptions:
        if case.ingredients[each.key] != ingredients or each.ended is not None or each.held:
            continue
        dispensed = any(dose.fill.key.prescription == each.key for dose in case.doses)
        waiting = [fill for fill in case.known.fills if fill.key.prescription == each.key and fill.waiting]
        since = each.since.toordinal() if each.since is not None else 0
        if dispensed and waiting:
            yield _Refill(since, each.key, "a refill is ready", tuple(fill.key for fill in waiting))
        elif dispensed and each.refills is not None and each.refills > 0:
            yield _Refill(since, each.key, f"refills left: {each.refills}", ())
        elif not dispensed and last < since and (not each.new or since <= end):
            yield _Refill(since, each.key, f"it was prescribed again on {each.since}", ())


def _switched(
    case: Case, signs: Iterable[tuple[frozenset[str], int]], ingredients: frozenset[str], last: int
) -> bool:
    """Whether another medicine that may stand for this one came into use after `last`, or may have.

    Into use: ordered, filled or taken home, and not taken home in the `thresholds.new` days before, as when two of a class are
    taken side by side.
    """
    for other, day in signs:
        if day <= last or other == ingredients or not case.related(other, ingredients):
            continue
        if not any(
            dose.ingredients == other and last - case.thresholds.new <= dose.day <= last
            for dose in case.doses
        ):
            return True
    return False


def _signs(case: Case) -> Iterator[tuple[frozenset[str], int]]:
    """The ingredients of what came into the patient's use, and the days."""
    for dose in case.doses:
        yield dose.ingredients, dose.day
    for fill in case.known.fills:
        if fill.waiting and fill.filled is not None:
            made_of = case.medicines.ingredients(fill.medicine) or case.ingredients[fill.key.prescription]
            yield made_of, fill.filled.toordinal()
    for each in case.known.prescriptions:
        if each.since is not None and each.ended is None and not each.held:
            yield case.ingredients[each.key], each.since.toordinal()

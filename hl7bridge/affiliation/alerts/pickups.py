"""Rules about medicine that did not reach the patient: a fill not picked up, a new prescription never dispensed.

Both rest on knowing what is sold: fills and prescriptions of a feed that does not say so raise neither. Refuses to know messages,
affiliates and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from hl7bridge.affiliation.alerts.case import ELSEWHERE, Alert, Case, Kind, subject, subject_of_fill
from hl7bridge.affiliation.facts.facts import Dispensed, PrescriptionKey
from hl7bridge.affiliation.history.fills import Fill, Prescription
from hl7bridge.affiliation.history.history import Dose, lay_out
from hl7bridge.affiliation.history.stays import LAST_DAY


def not_picked_up(case: Case) -> Iterator[Alert]:
    """Fills that were ready for `thresholds.ready` days, or went back to stock (the earlier day counts).

    Not of a prescription that was cancelled by then, and no longer once the same medicine is sold, be it by another fill, on the day
    it was filled or later. A return alone says nothing: it waits for its fill. Prescriptions of a discharge count too
    (`_discharge_not_picked_up`).
    """
    yield from _discharge_not_picked_up(case)
    ended = {each.key: each.ended for each in case.known.prescriptions}
    for fill in case.known.fills:
        if not fill.knows_sold or fill.filled is None or fill.standing is Dispensed.SOLD:
            continue
        due = fill.filled.toordinal() + case.thresholds.ready
        if fill.standing is Dispensed.RETURNED and fill.returned is not None:
            back = fill.returned.toordinal()
            due = back if fill.sold is not None else min(due, back)
        end = ended[fill.key.prescription]
        if due > LAST_DAY or (end is not None and end.toordinal() <= due) or _sold_since(case, fill):
            continue
        yield Alert(
            Kind.NOT_PICKED_UP,
            subject_of_fill(Kind.NOT_PICKED_UP, fill.key),
            date.fromordinal(due),
            (fill.key,),
            f"Not picked up here: {_story(case, fill)}. {ELSEWHERE}",
            medicine=fill.medicine,
            prescription=fill.key.prescription,
            medicines=case.concerned((fill.key,)),
        )


def _discharge_not_picked_up(case: Case) -> Iterator[Alert]:
    """Prescriptions for the time after a stay of which nothing was picked up for `thresholds.ready` days at home.

    The hospital sends them to the chain, which may have filled nothing yet. The days begin after the prescription was written, and
    those in hospital do not count, so that the discharge starts them. Not where a store has a prescription or a fill of the medicine
    or its class since: that one has its own clock.
    """
    for each in case.known.prescriptions:
        ingredients = case.ingredients[each.key]
        if not each.discharge or each.since is None or each.held or not (each.knows_sold and ingredients):
            continue
        begin = each.since.toordinal()
        due = lay_out(begin + 1, case.thresholds.ready, case.known.stays)[-1].end
        if due > LAST_DAY or (each.ended is not None and each.ended.toordinal() <= due):
            continue
        ordered = [(other.since, other.key) for other in case.known.prescriptions if not other.discharge]
        dispensed = [(fill.filled or fill.sold, fill.key.prescription) for fill in case.known.fills]
        if any(
            day is not None and day.toordinal() >= begin and case.related(case.ingredients[key], ingredients)
            for day, key in (*ordered, *dispensed)
        ):
            continue
        yield Alert(
            Kind.NOT_PICKED_UP,
            subject(Kind.NOT_PICKED_UP, *each.key),
            date.fromordinal(due),
            (),
            f"Prescribed at discharge on {each.since}; neither it nor another medicine of its class was picked up here within "
            f"{case.thresholds.ready} days at home. {ELSEWHERE}",
            medicine=each.medicine,
            prescription=each.key,
            medicines=case.concerned((), (each.key,)),
        )


def _story(case: Case, fill: Fill) -> str:
    if fill.standing is not Dispensed.RETURNED:
        return f"filled on {fill.filled}, ready for {case.thresholds.ready} days and not sold"
    if fill.sold is not None:
        return (
            f"filled on {fill.filled}, recorded as sold on {fill.sold}, returned to stock on {fill.returned}"
        )
    return f"filled on {fill.filled}, not sold, returned to stock on {fill.returned}"


def _sold_since(case: Case, fill: Fill) -> bool:
    ingredients = case.medicines.ingredients(fill.medicine) or case.ingredients[fill.key.prescription]
    return any(
        dose.certain
        and fill.filled is not None
        and dose.day >= fill.filled.toordinal()
        and (
            dose.fill.key.prescription == fill.key.prescription
            or (dose.ingredients == ingredients if ingredients else dose.fill.medicine == fill.medicine)
        )
        for dose in case.doses
    )


def primary_non_adherence(case: Case) -> Iterator[Alert]:
    """PQA's primary medication non-adherence: newly prescribed, and nothing dispensed within `thresholds.primary` days.

    Newly: nothing that shares an ingredient was dispensed in the `thresholds.new` days before. Dispensed: taken home, or perhaps so;
    of the prescription itself, of its ingredients, or of its class (an appropriate alternative). It became true on the day after the
    last of those days, and stays so. Not of an order that was cancelled by that last day or is on hold, and not where
    the site's table does not hold the medicine: an alternative could not be told. Not of a discharge, which has a clock of its own.
    """
    for each in case.known.prescriptions:
        since = each.since
        ingredients = case.ingredients[each.key]
        if since is None or not (each.new and each.knows_sold and ingredients) or each.held or each.discharge:
            continue
        begin = since.toordinal()
        due = begin + case.thresholds.primary + 1
        if due > LAST_DAY or (each.ended is not None and each.ended.toordinal() < due):
            continue
        if any(
            _of(case, dose, each.key, ingredients)
            if dose.day >= begin
            else not dose.ingredients.isdisjoint(ingredients)
            for dose in case.doses
            if begin - case.thresholds.new <= dose.day < due
        ):
            continue
        doses = (dose for dose in case.doses if dose.certain and dose.day >= due)
        late = next((dose for dose in doses if _of(case, dose, each.key, ingredients)), None)
        fills = tuple(fill.key for fill in case.known.fills if fill.key.prescription == each.key)
        yield Alert(
            Kind.PRIMARY,
            subject(Kind.PRIMARY, *each.key),
            date.fromordinal(due),
            fills,
            _unfilled(case, each, late),
            medicine=each.medicine,
            prescription=each.key,
            medicines=case.concerned(fills if late is None else (*fills, late.fill.key), (each.key,)),
        )


def _of(case: Case, dose: Dose, key: PrescriptionKey, ingredients: frozenset[str]) -> bool:
    return dose.fill.key.prescription == key or case.related(dose.ingredients, ingredients)


def _unfilled(case: Case, each: Prescription, late: Dose | None) -> str:
    told = (
        f"Newly prescribed on {each.since}; neither it nor another medicine of its class was picked up here within "
        f"{case.thresholds.primary} days."
    )
    if late is not None:
        told += f" Dispensed later, on {date.fromordinal(late.day)}."
    return f"{told} {ELSEWHERE}"

"""Which alerts are in force on a day, and when that must be asked again.

An alert says what is known here and what is not; it judges nobody. What is unknown raises nothing: how long a supply lasts, whether
something was taken home, what a product is made of. After death there are none.

Two kinds tell how things stand and end when they change: a fill *not picked up*, a *refill late*. The others tell of something that
stays true: *primary non-adherence* even if the medicine is dispensed later, which its reason then says; *adherence falling* in a
calendar year, PQA's measurement year, when that year is over; an *interaction* of the day on which both medicines were active; an
*intervention*, which was made. Facts that arrive late may still take any of them back.

Refuses to know messages, affiliates, what was sent, and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from hl7bridge.affiliation.alerts.adherence import Course, course, low_spans, percentage, tally
from hl7bridge.affiliation.alerts.case import ELSEWHERE, Alert, Case, Kind, Thresholds, subject
from hl7bridge.affiliation.alerts.interactions import interactions
from hl7bridge.affiliation.alerts.interventions import pharmacist_interventions
from hl7bridge.affiliation.alerts.pickups import not_picked_up, primary_non_adherence
from hl7bridge.affiliation.alerts.refills import late_refills
from hl7bridge.affiliation.facts.facts import Fact
from hl7bridge.affiliation.history.history import Dose, history
from hl7bridge.affiliation.tables.interactions import NO_LIST, Interactions
from hl7bridge.affiliation.tables.medicines import Medicines

__all__ = ["Alert", "Assessment", "Kind", "Thresholds", "assess", "assess_case"]

_RULES = {
    Kind.NOT_PICKED_UP: not_picked_up,
    Kind.PRIMARY: primary_non_adherence,
    Kind.REFILL_LATE: late_refills,
    Kind.INTERVENTION: pharmacist_interventions,
}


class Assessment(NamedTuple):
    """The alerts in force, sorted by subject; and the day on which to ask again though no fact came, None if never.

    Until the day before `next_day` the alerts stay exactly as they are, unless a fact is added. Of one who is `dead` nothing is
    said any more, nor taken back.
    """

    alerts: tuple[Alert, ...]
    next_day: date | None
    dead: bool = False


def assess(
    facts: Iterable[Fact],
    medicines: Medicines,
    thresholds: Thresholds,
    today: date,
    enrolled_through: date | None = None,
    listed: Interactions = NO_LIST,
) -> Assessment:
    """The alerts in force on `today`, by what the facts say had happened by then.

    Neither the order of the facts nor repeats make a difference. `enrolled_through` ends the period of adherence. `listed` is the
    list by which interactions are screened; without one nothing is.
    """
    facts = list(facts)
    case = Case(history(facts, today), medicines, thresholds)
    return assess_case(case, facts, today, enrolled_through, listed)


def assess_case(
    case: Case,
    facts: Iterable[Fact],
    today: date,
    enrolled_through: date | None = None,
    listed: Interactions = NO_LIST,
) -> Assessment:
    """`assess`, where the case that the facts make on `today` is there already."""
    known, thresholds = case.known, case.thresholds
    if known.life.dead:
        return Assessment((), known.next_day, dead=True)
    found = [alert for kind, rule in _RULES.items() if kind in thresholds.kinds for alert in rule(case)]
    again = [] if known.next_day is None else [known.next_day]
    if Kind.ADHERENCE in thresholds.kinds:
        for alert, ends in adherence_falling(case, today, enrolled_through):
            found.append(alert)
            again += [] if ends is None else [ends]
    if Kind.INTERACTION in thresholds.kinds:
        found += interactions(facts, case.medicines, listed, today)
    in_force = sorted((alert for alert in found if alert.day <= today), key=lambda alert: alert.subject)
    again += [alert.day for alert in found if alert.day > today]
    return Assessment(tuple(in_force), min(again, default=None))


def adherence_falling(
    case: Case, today: date, enrolled_through: date | None
) -> Iterator[tuple[Alert, date | None]]:
    """Proportion of days covered under the class's threshold and counted, from a year's first fill to `today` or that year's end.

    For each class and year the alert that is in force, with the day on which supply in hand ends it (None: it lasts), or else the next
    one to come if nothing more is dispensed. The value is that of the day on which it fell.
    """
    for (class_, year), taken in _by_class_and_year(case).items():
        last = min(date(year, 12, 31), enrolled_through or date.max)
        found = course(
            taken,
            case.known.stays,
            case.medicines,
            class_,
            date(year, 1, 1).toordinal(),
            last.toordinal(),
            case.thresholds.measures,
        )
        if found is None:
            continue
        percent = case.thresholds.measures.threshold(class_)
        at = min(today, last).toordinal()
        for span in low_spans(found, percent):
            if span.end >= at:
                ends = date.fromordinal(span.end + 1) if span.begin <= at and span.end < found.last else None
                yield _falling(case, class_, year, found, span.begin, percent), ends
                break


def _by_class_and_year(case: Case) -> dict[tuple[str, int], list[Dose]]:
    """The doses that each figure rests on, in the order of their days: of its class, or of one that excludes from it."""
    measured = case.thresholds.measured
    excluded: dict[str, list[str]] = {}
    for class_, by in case.thresholds.measures.excluded_by.items():
        excluded.setdefault(by, []).append(class_)
    found: dict[tuple[str, int], list[Dose]] = {}
    for dose in case.doses:
        classes = set(case.classes(dose.ingredients))
        for by in classes & excluded.keys():
            classes.update(excluded[by])
        for class_ in classes:
            if measured is None or class_ in measured:
                found.setdefault((class_, date.fromordinal(dose.day).year), []).append(dose)
    return found


def _falling(case: Case, class_: str, year: int, found: Course, day: int, percent: int) -> Alert:
    covered, days, in_hospital = tally(found.pieces, day)
    begin, end = date.fromordinal(found.first), date.fromordinal(day)
    told = f"Of the {days} days from the first fill on {begin} through {end}, {covered} were covered by {class_} dispensed here"
    if in_hospital:
        told += f"; {in_hospital} days in hospital are not counted"
    return Alert(
        Kind.ADHERENCE,
        subject(Kind.ADHERENCE, class_, str(year)),
        end,
        found.fills,
        f"{told}. The threshold is {percent} %. {ELSEWHERE}",
        value=percentage(covered, days),
        class_=class_,
        medicines=case.concerned(found.fills),
    )

"""A patient's history as it is known on a day: fills, prescriptions, days in hospital, death, out of the set of facts.

What a fact dates after that day has not happened yet. So the same facts give the history of any day, and the history of a day
does not change until the next fact's day (`next_day`) or a fact is added.

`doses` sees the fills with a site's medicine tables. Refuses to know messages, rosters and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Fact,
    FillFact,
    InterventionFact,
    ObservationFact,
    OrderFact,
    PersonFact,
    PrescriptionKey,
    StayFact,
    VisitFact,
)
from hl7bridge.affiliation.history.fills import Fill, Prescription, fills, order_of, prescriptions
from hl7bridge.affiliation.history.stays import Life, Span, days_in_hospital, life
from hl7bridge.affiliation.tables.medicines import Medicines

#: The kinds of facts that a history is made of.
EVENTS: Final = (FillFact, OrderFact, StayFact, DeathFact, InterventionFact)


@dataclass(frozen=True, slots=True)
class History:
    """What is known on a day. `next_day` is the first later day on which something already told of happens, None if none.

    `interventions` are as they were told, each once.
    """

    fills: tuple[Fill, ...]
    prescriptions: tuple[Prescription, ...]
    stays: tuple[Span, ...]
    life: Life
    next_day: date | None
    interventions: tuple[InterventionFact, ...] = ()


class Dose(NamedTuple):
    """A fill that was taken home, or may have been, from `day` (an ordinal) on.

    `ingredients` are those of its code or, where the table does not hold that, of the medicine ordered: a store may dispense another
    maker's product. `days_supply` is None where it is not known how long it lasts: the feed does not say, the table does not hold
    the code, or it is not `certain` that it was taken home.
    """

    day: int
    fill: Fill
    ingredients: frozenset[str]
    days_supply: int | None
    certain: bool


def history(facts: Iterable[Fact], today: date) -> History:
    """The history that the facts tell on `today`; neither their order nor repeats make a difference."""
    orders: list[OrderFact] = []
    dispensed: list[FillFact] = []
    stays: list[StayFact] = []
    deaths: list[DeathFact] = []
    made: list[InterventionFact] = []
    later: list[date] = []
    for fact in facts:
        if isinstance(fact, PersonFact | VisitFact | ObservationFact):
            continue
        if isinstance(fact, StayFact):
            stays.append(fact)
            later += [on for on in (fact.admitted, fact.discharged) if on is not None and on > today]
        elif fact.on is not None and fact.on > today:
            later.append(fact.on)
        elif isinstance(fact, FillFact):
            dispensed.append(fact)
        elif isinstance(fact, OrderFact):
            orders.append(fact)
        elif isinstance(fact, InterventionFact):
            made.append(fact)
        else:
            deaths.append(fact)
    standing = fills(dispensed)
    return History(
        fills=standing,
        prescriptions=prescriptions(orders, dispensed, standing),
        stays=days_in_hospital(stays, today),
        life=life(deaths, today),
        next_day=min(later, default=None),
        interventions=tuple(sorted(set(made), key=repr)),
    )


def ingredients_of(known: History, medicines: Medicines) -> dict[PrescriptionKey, frozenset[str]]:
    """The ingredients of each prescription: of its order, else of those of its fills whose code the table holds."""
    found = {each.key: medicines.ingredients(each.medicine) for each in known.prescriptions}
    for fill in known.fills:
        key = fill.key.prescription
        if not found[key]:
            found[key] = medicines.ingredients(fill.medicine)
    return found


def doses(
    known: History, medicines: Medicines, ordered: Mapping[PrescriptionKey, frozenset[str]]
) -> list[Dose]:
    """The fills that were taken home or may have been, in the order of their days, those of one day by key.

    `ordered` are the ingredients of the prescriptions (`ingredients_of`).
    """
    found = []
    for fill in known.fills:
        day = fill.taken or fill.perhaps_taken
        if day is not None:
            certain = fill.taken is not None
            mine = medicines.ingredients(fill.medicine)
            found.append(
                Dose(
                    day.toordinal(),
                    fill,
                    mine or ordered[fill.key.prescription],
                    fill.days_supply if certain and mine else None,
                    certain,
                )
            )
    found.sort(key=lambda dose: (dose.day, order_of(dose.fill.key)))
    return found


def use_up(
    ends: dict[str, int], ingredients: frozenset[str], day: int, days: int, stays: Sequence[Span]
) -> list[Span]:
    """The days on which a supply of `days`, taken home on `day`, is used: after what is left of any of its ingredients.

    `ends` holds the last day of supply of each ingredient so far, and is brought up to date.
    """
    for each in ingredients:
        if ends.get(each, 0) >= day:
            day = ends[each] + 1
    spans = lay_out(day, days, stays)
    for each in ingredients:
        ends[each] = spans[-1].end
    return spans


def lay_out(begin: int, days: int, stays: Iterable[Span]) -> list[Span]:
    """`days` days of supply from `begin` on, moved past the days in hospital (CMS: inpatient stays use none of it).

    `days` is at least 1. The spans come in order; the last one's end is the last day of the supply.
    """
    spans = []
    for stay in stays:
        if stay.end < begin:
            continue
        if stay.begin > begin:
            room = stay.begin - begin
            if days <= room:
                break
            spans.append(Span(begin, stay.begin - 1))
            days -= room
        begin = stay.end + 1
    spans.append(Span(begin, begin + days - 1))
    return spans

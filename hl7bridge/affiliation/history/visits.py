"""Visits to a clinic that have ended, out of a patient's facts.

Events of a visit are put in the order in which its sender recorded them, never in that of their arrival, so that the same facts give
the same visits however often and in whatever order they are told. Refuses to know messages, stores and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Concept,
    Fact,
    Medicine,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
    in_order,
)

#: Says whether an item with these codes must not leave.
Withheld = Callable[[Sequence[Coded | Medicine]], bool]

_RANK: Final = {
    VisitEvent.BEGUN: 0,
    VisitEvent.TOLD: 1,
    VisitEvent.ENDED: 2,
    VisitEvent.REOPENED: 3,
    VisitEvent.WITHDRAWN: 4,
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that has ended.

    `marks` are all the codes that any message said of where and under what protection it took place: where they are withheld, so is
    the whole visit (`is_withheld`).
    """

    key: VisitKey
    ended: When
    began: When | None
    facility: str
    place: str
    attending: Clinician | None
    primary_care: Clinician | None
    reason: Concept
    diagnoses: tuple[Concept, ...]
    marks: Concept = ()


def visits(facts: Iterable[Fact], today: date, since: date = date.min) -> tuple[Visit, ...]:
    """The visits that have ended by `today` and not before `since`, and were not withdrawn, sorted by key."""
    told: dict[VisitKey, list[VisitFact]] = {}
    late: set[VisitKey] = set()
    for fact in facts:
        if isinstance(fact, VisitFact):
            told.setdefault(fact.visit, []).append(fact)
            if fact.ended is not None and since <= fact.ended.day <= today:
                late.add(
                    fact.visit
                )  # it may have ended in time; of the others nothing needs to be put together
    found = (_visit(key, told[key]) for key in sorted(late))
    return tuple(each for each in found if each is not None and since <= each.ended.day <= today)


def next_end(facts: Iterable[Fact], today: date) -> date | None:
    """The first later day on which a visit ends, as far as it is told: `visits` may find more on that day. None if there is none."""
    if today == date.max:
        return None
    later = visits(facts, date.max, today + timedelta(days=1))
    return min((found.ended.day for found in later), default=None)


def _visit(key: VisitKey, facts: list[VisitFact]) -> Visit | None:
    facts = in_order(facts, _visit_order)
    ended: When | None = None
    is_over = False
    withdrawn = False
    for fact in facts:
        if fact.event is VisitEvent.BEGUN:
            withdrawn = False
        elif fact.event is VisitEvent.ENDED:
            is_over, ended = True, fact.ended or ended
        elif fact.event is VisitEvent.REOPENED:
            is_over = False
        elif fact.event is VisitEvent.WITHDRAWN:
            is_over, withdrawn = False, True
    if ended is None or not is_over or withdrawn:
        return None

    # The last that anybody said of each: what a message leaves out takes nothing back.
    last_first = facts[::-1]
    return Visit(
        key,
        ended,
        next((fact.began for fact in last_first if fact.began), None),
        next((fact.facility for fact in last_first if fact.facility), ""),
        next((fact.place for fact in last_first if fact.place), ""),
        next((fact.attending for fact in last_first if fact.attending), None),
        next((fact.primary_care for fact in last_first if fact.primary_care), None),
        next((fact.reason for fact in last_first if fact.reason), ()),
        next((fact.diagnoses for fact in last_first if fact.diagnoses), ()),
        tuple(sorted({code for fact in facts for code in fact.marks})),
    )


def is_withheld(visit: Visit, withheld: Withheld) -> bool:
    """Whether the whole visit must not be told of, by where it took place or how it is protected: then it has no summary."""
    return bool(visit.marks) and withheld(visit.marks)


def _visit_order(fact: VisitFact) -> tuple[datetime, int]:
    return fact.told, _RANK[fact.event]

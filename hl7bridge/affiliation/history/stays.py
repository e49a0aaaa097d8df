"""Days in hospital and the day of death, out of a patient's facts.

A stay runs from the day of admission through the day of discharge, both of them days in hospital. One without a discharge goes
on; of one without an admission the day of discharge alone is known. Stays of several visits that touch are one span.

Days are ordinals (`date.toordinal`), so that supply may be laid out beyond the last day that a date can hold. Refuses to know
medicines, messages and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import DeathFact, StayFact

#: The last day there is; a stay that goes on ends here.
LAST_DAY: Final = date.max.toordinal()


class Span(NamedTuple):
    """Days from `begin` through `end`, as ordinals."""

    begin: int
    end: int


class Life(NamedTuple):
    """Whether the patient has died, and on which day; `died` is None where that is not known."""

    dead: bool
    died: date | None


ALIVE: Final = Life(False, None)


def days_in_hospital(facts: Iterable[StayFact], today: date) -> tuple[Span, ...]:
    """The spans in hospital as they are known on `today`, in order, none touching another.

    Of several admissions of one visit the first counts, of several discharges the last. A cancelled fact that names a discharge
    alone (A13) takes back the discharges that were told before it, or, where one of the two does not say when it was told, those of
    that day; any other cancelled fact (A11) takes back all that was told of the visit before it. What is dated after `today` has
    not happened yet; a discharge before its admission is none.
    """
    visits: dict[str, list[StayFact]] = {}
    for fact in facts:
        visits.setdefault(fact.visit, []).append(fact)
    spans = sorted(span for each in visits.values() if (span := _stay(each, today)) is not None)
    merged: list[Span] = []
    for span in spans:
        if merged and span.begin <= merged[-1].end + 1:
            merged[-1] = Span(merged[-1].begin, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _stay(facts: list[StayFact], today: date) -> Span | None:
    cancelled = [fact for fact in facts if fact.cancelled]
    reopened = [fact for fact in cancelled if _is_of_discharge(fact)]
    withdrawn = [fact.at for fact in cancelled if not _is_of_discharge(fact)]
    if 0 in withdrawn:
        return None
    begun = max(withdrawn, default=-1)
    stand = [fact for fact in facts if not fact.cancelled and fact.at > begun]
    admissions = [fact.admitted for fact in stand if fact.admitted is not None and fact.admitted <= today]
    discharges = [
        fact.discharged
        for fact in stand
        if fact.discharged is not None
        and fact.discharged <= today
        and not any(_takes_back(each, fact) for each in reopened)
    ]
    if not admissions:
        return Span(max(discharges).toordinal(), max(discharges).toordinal()) if discharges else None
    begin = min(admissions)
    if not discharges or max(discharges) < begin:
        return Span(begin.toordinal(), LAST_DAY)
    return Span(begin.toordinal(), max(discharges).toordinal())


def _is_of_discharge(cancelled: StayFact) -> bool:
    return cancelled.admitted is None and cancelled.discharged is not None


def _takes_back(reopened: StayFact, fact: StayFact) -> bool:
    """Whether a cancelled discharge is this one."""
    if reopened.at and fact.at:
        return fact.at <= reopened.at
    return reopened.discharged == fact.discharged


def life(facts: Iterable[DeathFact], today: date) -> Life:
    """Whether the patient is dead on `today`.

    A withdrawal takes back the deaths of its own day and before; one without a day all of them, as does any withdrawal a death
    of an unknown day. Of several deaths that stand the first counts, and a known day counts before an unknown one.
    """
    known = [fact for fact in facts if fact.on is None or fact.on <= today]
    withdrawals = [fact.on for fact in known if fact.withdrawn]
    deaths = [fact.on for fact in known if not fact.withdrawn]
    if withdrawals:
        if None in withdrawals:
            return ALIVE
        last = max(on for on in withdrawals if on is not None)
        deaths = [on for on in deaths if on is not None and on > last]
    if not deaths:
        return ALIVE
    return Life(True, min((on for on in deaths if on is not None), default=None))

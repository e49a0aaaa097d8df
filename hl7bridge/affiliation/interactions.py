"""Warnings of interactions: a new order or fill, screened against the patient's other active medicines by a list.

A warning says which list and version, which two active medicines, by which prescriptions and fills, and since which day both were
active. It never says that there is no interaction, judges no dose and claims no completeness; who reads it decides.

A warning tells of a day, the first on which both medicines were active (`regimen` says what that is), in the words of what was known
of that day. So it stays true when one of them ends, is used up or is returned later: what somebody was told rightly is not taken
back. It goes only if facts arrive that change that day itself, as when an order proves to have been cancelled on the day it was
written. There is one warning for each group of the list and two prescriptions, however often these are filled; a new prescription is
a new order and is screened anew. Ingredients of one prescription are not held against each other: a combination product, and what is
dispensed in its place, were put together on purpose.

What the site's table of medicines does not hold is not screened (`regimen.not_screened`). Refuses to know affiliates, messages and
clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from hl7bridge.affiliation.case import Alert, Kind, named, subject
from hl7bridge.affiliation.facts import Fact, FillFact, FillKey, OrderFact, PrescriptionKey, StayFact
from hl7bridge.affiliation.interactionlist import Found, Interactions
from hl7bridge.affiliation.medicines import Medicines
from hl7bridge.affiliation.regimen import Active, active_on


@dataclass(slots=True)
class _Told:
    """What is ever said of a prescription: its events, their days, and every ingredient."""

    facts: list[OrderFact | FillFact] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    ingredients: set[str] = field(default_factory=set)


class _Pair:
    """Two prescriptions that the list may have something on; `open_` are the groups of which nothing was said yet."""

    __slots__ = ("days", "keys", "open_")

    def __init__(
        self,
        one: PrescriptionKey,
        other: PrescriptionKey,
        known: dict[PrescriptionKey, _Told],
        groups: set[str],
    ) -> None:
        self.keys = (one, other)
        self.open_ = groups
        mine, its = known[one].days, known[other].days
        begin = max(min(mine), min(its))
        #: Both become active by an event of the one or of the other.
        self.days = {day for day in mine | its if day >= begin}


def interactions(
    facts: Iterable[Fact], medicines: Medicines, listed: Interactions, today: date
) -> Iterator[Alert]:
    """The warnings of all days through `today`, by the facts that are not dated later; neither their order nor repeats matter."""
    told = list(facts)
    known = _prescriptions(told, medicines, listed, today)
    pairs = []
    for one, other in combinations(sorted(known), 2):
        mine, its = frozenset(known[one].ingredients), frozenset(known[other].ingredients)
        groups = {found.group.number for found in listed.between(mine, its)}
        if groups:
            pairs.append(_Pair(one, other, known, groups))
    if not pairs:
        return
    concerned = {key for pair in pairs for key in pair.keys}
    rest: list[Fact] = [fact for fact in told if isinstance(fact, StayFact)]
    for key in concerned:
        rest += known[key].facts
    for day in sorted({day for pair in pairs for day in pair.days}):
        asked = [pair for pair in pairs if pair.open_ and day in pair.days]
        if asked:
            active: dict[PrescriptionKey, list[Active]] = {}
            for each in active_on(day, rest, medicines):
                active.setdefault(each.prescription, []).append(each)
            for pair in asked:
                yield from _warnings(pair, active, known, listed, day)


def _prescriptions(
    facts: Iterable[Fact], medicines: Medicines, listed: Interactions, today: date
) -> dict[PrescriptionKey, _Told]:
    """The prescriptions that have to do with the list."""
    found: dict[PrescriptionKey, _Told] = {}
    for fact in facts:
        if not isinstance(fact, OrderFact | FillFact) or fact.on > today:
            continue
        key = fact.prescription if isinstance(fact, OrderFact) else fact.fill.prescription
        if key.number:
            told = found.setdefault(key, _Told())
            told.facts.append(fact)
            told.days.add(fact.on)
            told.ingredients |= medicines.ingredients(fact.medicine)
    return {key: told for key, told in found.items() if listed.holds(told.ingredients)}


def _warnings(
    pair: _Pair,
    active: dict[PrescriptionKey, list[Active]],
    known: dict[PrescriptionKey, _Told],
    listed: Interactions,
    day: date,
) -> Iterator[Alert]:
    one, other = pair.keys
    for mine in active.get(one, ()):
        for its in active.get(other, ()):
            for found in listed.between(mine.ingredients, its.ingredients):
                if found.group.number in pair.open_:
                    pair.open_.discard(found.group.number)
                    newer = max(
                        (mine, its),
                        key=lambda each: (
                            day in known[each.prescription].days,
                            min(known[each.prescription].days),
                            each.prescription,
                        ),
                    )
                    yield _warning(found, (mine, its), newer, listed, day)


def _warning(found: Found, both: Sequence[Active], newer: Active, listed: Interactions, day: date) -> Alert:
    one, other = both
    fills: tuple[FillKey, ...] = (*one.fills, *other.fills)
    return Alert(
        Kind.INTERACTION,
        subject(Kind.INTERACTION, found.group.number, *one.prescription, *other.prescription),
        day,
        fills,
        f"{listed.called}, names {_and(found.ones)} with {_and(found.others)} ({found.group.title}). Both were active here on {day}: "
        f"{_of(one)}; and {_of(other)}. The list is not complete, and doses are not looked at.",
        medicine=newer.medicine,
        prescription=newer.prescription,
        medicines=named(each.medicine for each in both),
    )


def _of(each: Active) -> str:
    name = each.medicine.text or each.medicine.code
    return f"{name} (prescription {each.prescription.number} of {each.prescription.store}: {each.told})"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)

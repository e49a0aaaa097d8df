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
from datetime import date
from itertools import combinations

from hl7bridge.affiliation.alerts.case import Alert, Kind, named, subject
from hl7bridge.affiliation.facts.facts import Fact, FillFact, OrderFact, PrescriptionKey
from hl7bridge.affiliation.history.regimen import Active, Regimen
from hl7bridge.affiliation.tables.interactions import Found, Interactions
from hl7bridge.affiliation.tables.medicines import Medicines


def interactions(
    facts: Iterable[Fact], medicines: Medicines, listed: Interactions, today: date
) -> Iterator[Alert]:
    """The warnings of all days through `today`, by the facts that are not dated later; neither their order nor repeats matter."""
    facts = list(facts)
    if not listed.groups or not _concerns(listed, medicines, facts):
        return
    regimen = Regimen(facts, medicines, today)
    ingredients = {key: regimen.ingredients(key) for key in regimen.keys}
    concerned = [key for key in regimen.keys if listed.holds(ingredients[key])]
    for one, other in combinations(concerned, 2):
        groups = {found.group.number for found in listed.between(ingredients[one], ingredients[other])}
        if groups:
            yield from _of_pair(regimen, one, other, listed, groups)


def _concerns(listed: Interactions, medicines: Medicines, facts: Iterable[Fact]) -> bool:
    """Whether any two of all that was ever ordered or dispensed are on the list: of most patients none are."""
    told = {fact.medicine for fact in facts if isinstance(fact, OrderFact | FillFact)}
    everything = frozenset[str]().union(*map(medicines.ingredients, told))
    return any(listed.between(everything, everything))


def _of_pair(
    regimen: Regimen, one: PrescriptionKey, other: PrescriptionKey, listed: Interactions, open_: set[str]
) -> Iterator[Alert]:
    """The first warning of each group that two prescriptions may be in: `open_` are the groups of which nothing was said yet."""
    mine, its = set(regimen.days(one)), set(regimen.days(other))
    begin = max(min(mine), min(its))
    for day in sorted(day for day in mine | its if day >= begin):
        # Who has no event that day was worked out before, and is mostly what is not active any more.
        first, second = (other, one) if day in mine else (one, other)
        if not regimen.active(first, day) or not regimen.active(second, day):
            continue
        for a in regimen.active(one, day):
            for b in regimen.active(other, day):
                for found in listed.between(a.ingredients, b.ingredients):
                    if found.group.number in open_:
                        open_.remove(found.group.number)
                        newer = max((day in mine, min(mine), one), (day in its, min(its), other))[-1]
                        yield _warning(found, (a, b), a if newer == one else b, listed, day)
        if not open_:
            return


def _warning(found: Found, both: Sequence[Active], newer: Active, listed: Interactions, day: date) -> Alert:
    one, other = both
    fills = (*one.fills, *other.fills)
    return Alert(
        Kind.INTERACTION,
        subject(Kind.INTERACTION, found.group.number, *one.prescription, *other.prescription),
        day,
        fills,
        f"{listed.called}, names {_and(found.ones)} with {_and(found.others)} ({found.group.title}). Both were active here on {day}: "
        f"{_of(one)}; and {_of(other)}. The list is not complete, and doses are not looked at.",
        medicine=newer.medicine,
        prescription=newer.prescription,
        medicines=named((*one.behind, *other.behind)),
    )


def _of(each: Active) -> str:
    name = each.medicine.text or each.medicine.code
    return f"{name} (prescription {each.prescription.number} of {each.prescription.store}: {each.told})"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)

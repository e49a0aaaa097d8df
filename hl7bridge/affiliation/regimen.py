"""A patient's active medicines on a day, as a pharmacist reviews them.

A medicine is active while any of this holds:

- its prescription is *in force*: ordered, neither ended nor on hold, written or renewed less than `ORDER_DAYS` ago (most states let a
  prescription be filled for a year), and either nothing of it was dispensed since, or it is known to have refills left. One that
  was dispensed and is not known to have refills has said what it had to say: a course of ten days is over after ten days;
- its *supply* is not known to be used up: filled and waiting, or taken home, or perhaps so. Early refills of the same ingredients are
  used after what came before, and days in hospital use none. A fill whose days' supply nobody says counts for
  `UNKNOWN_DAYS` days. The end of a prescription undoes no fill: what is at home is at home. A fill that was returned is not active.

All of it as known on that day: what happened later does not change what was active then. Refuses to know messages, interactions and
clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts import Fact, FillKey, Medicine, Ordered, OrderFact, PrescriptionKey
from hl7bridge.affiliation.fills import Fill, Prescription, order_of
from hl7bridge.affiliation.history import History, history, use_up
from hl7bridge.affiliation.medicines import Medicines

#: How long a prescription is good for after it was written or renewed.
ORDER_DAYS: Final = 365
#: How long a fill counts whose days' supply is not known: a month, as most are.
UNKNOWN_DAYS: Final = 30


class Active(NamedTuple):
    """An active medicine of a prescription; `ingredients` are empty where the site's table does not hold it.

    `fills` are those with supply at hand, none where it is active by its order alone. `told`: since when and by what, in words.
    """

    prescription: PrescriptionKey
    medicine: Medicine
    ingredients: frozenset[str]
    fills: tuple[FillKey, ...]
    told: str


class _Supply(NamedTuple):
    """What is there of a fill: from `begin` through `end` (ordinals)."""

    fill: Fill
    ingredients: frozenset[str]
    begin: int
    end: int


def active_on(day: date, facts: Iterable[Fact], medicines: Medicines) -> list[Active]:
    """The medicines that are active on a day, by the facts that are not dated later, sorted by prescription and code."""
    told = list(facts)
    known = history(told, day)
    supplies: dict[PrescriptionKey, list[_Supply]] = {}
    for supply in _supplies(known, medicines):
        supplies.setdefault(supply.fill.key.prescription, []).append(supply)
    renewed = _renewed(told, day)
    found: list[Active] = []
    for each in known.prescriptions:
        mine = supplies.get(each.key, [])
        found += _active(each, mine, renewed.get(each.key), medicines, day)
    return found


def _renewed(facts: Iterable[Fact], day: date) -> Mapping[PrescriptionKey, date]:
    found: dict[PrescriptionKey, date] = {}
    for fact in facts:
        if isinstance(fact, OrderFact) and fact.event is Ordered.RENEWED and fact.on <= day:
            found[fact.prescription] = max(fact.on, found.get(fact.prescription, fact.on))
    return found


def _active(
    each: Prescription, supplies: list[_Supply], renewed: date | None, medicines: Medicines, day: date
) -> Iterator[Active]:
    """One for each product of a prescription that is active: mostly one, two where another maker's is mapped otherwise."""
    products: dict[frozenset[str], list[_Supply]] = {}
    for supply in supplies:
        if supply.end >= day.toordinal():
            products.setdefault(supply.ingredients, []).append(supply)
    written = _in_force(each, supplies, renewed, day)
    if written is not None:
        products.setdefault(medicines.ingredients(each.medicine) or _single(supplies), [])
    for ingredients in sorted(products, key=sorted):
        mine = products[ingredients]
        said = [] if each.ordered is None or each.ordered > day else [f"ordered on {each.ordered}"]
        if each.ended is not None:
            said.append(f"ended on {each.ended}")
        said += [_said(supply) for supply in mine]
        medicine = mine[-1].fill.medicine if mine else each.medicine
        yield Active(
            each.key, medicine, ingredients, tuple(supply.fill.key for supply in mine), "; ".join(said)
        )


def _single(supplies: Iterable[_Supply]) -> frozenset[str]:
    """What the fills are made of, where the order's own code is not mapped and they agree."""
    found = {supply.ingredients for supply in supplies}
    return found.pop() if len(found) == 1 else frozenset()


def _in_force(
    each: Prescription, supplies: Iterable[_Supply], renewed: date | None, day: date
) -> date | None:
    """The day on which a prescription that is in force was written or renewed; None of one that is not."""
    if each.since is None or each.ended is not None or each.held:
        return None
    written = max(each.since, renewed or each.since)
    if (day - written).days >= ORDER_DAYS:
        return None
    dispensed = any(supply.begin >= written.toordinal() for supply in supplies)
    return written if each.refills or not dispensed else None


def _supplies(known: History, medicines: Medicines) -> Iterator[_Supply]:
    """The supplies of a patient in the order of their days, laid out one behind the other where they share an ingredient."""
    ordered = {each.key: medicines.ingredients(each.medicine) for each in known.prescriptions}
    begun = [
        (begin.toordinal(), order_of(fill.key), fill)
        for fill in known.fills
        if (begin := fill.taken or fill.perhaps_taken or (fill.filled if fill.waiting else None)) is not None
    ]
    ends: dict[str, int] = {}
    for day, _, fill in sorted(begun, key=lambda each: each[:2]):
        ingredients = medicines.ingredients(fill.medicine) or ordered[fill.key.prescription]
        if fill.days_supply is None:
            end = day + UNKNOWN_DAYS - 1
        else:
            names = ingredients or frozenset(("/".join(fill.key.prescription),))
            end = use_up(ends, names, day, fill.days_supply, known.stays)[-1].end
        yield _Supply(fill, ingredients, day, end)


def _said(supply: _Supply) -> str:
    fill = supply.fill
    day = date.fromordinal(supply.begin)
    if fill.taken is not None:
        said = f"fill {fill.key.number} taken home on {day}"
    elif fill.waiting:
        said = f"fill {fill.key.number} filled on {day}, not yet picked up"
    else:
        said = f"fill {fill.key.number} filled on {day}, it is not known whether it was picked up"
    if fill.days_supply is None:
        return f"{said}, days' supply not known and taken to be {UNKNOWN_DAYS}"
    return f"{said}, a supply of {fill.days_supply} days"


def not_screened(active: Iterable[Active]) -> tuple[Medicine, ...]:
    """The active medicines that no list can be asked about: the site's table does not hold them."""
    return tuple(sorted({each.medicine for each in active if not each.ingredients}))

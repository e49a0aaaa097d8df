"""A patient's active medicines on a day, as a pharmacist reviews them.

A medicine is active while any of this holds:

- its prescription is *in force*: ordered, neither ended nor on hold, written or renewed less than `ORDER_DAYS` ago (most states let a
  prescription be filled for a year), and either nothing of it was dispensed since, or it is known to have refills left. One that
  was dispensed and is not known to have refills has said what it had to say: a course of ten days is over after ten days;
- its *supply* is not known to be used up: filled and waiting, or taken home, or perhaps so. Early refills of the prescription are
  used after what came before, and days in hospital use none. A fill whose days' supply nobody says counts for `UNKNOWN_DAYS` days.
  The end of a prescription undoes no fill: what is at home is at home. A fill that was returned is not active.

All of it as it stood on that day: what happens to a prescription later does not change what was active then. Refuses to know messages,
interactions and clocks. Raises nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import (
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PrescriptionKey,
    StayFact,
)
from hl7bridge.affiliation.history.fills import Fill, Prescription, fills, order_of, prescriptions
from hl7bridge.affiliation.history.history import use_up
from hl7bridge.affiliation.history.stays import Span, days_in_hospital
from hl7bridge.affiliation.tables.medicines import Medicines

#: How long a prescription is good for after it was written or renewed.
ORDER_DAYS: Final = 365
#: How long a fill counts whose days' supply is not known: a month, as most are.
UNKNOWN_DAYS: Final = 30


class Active(NamedTuple):
    """An active medicine of a prescription; `ingredients` are empty where the site's table does not hold it.

    `fills` are those with supply at hand, none where it is active by its order alone. `told`: since when and by what, in words.
    `behind`: all that was ordered or dispensed by the prescription so far, whose codes may differ.
    """

    prescription: PrescriptionKey
    medicine: Medicine
    ingredients: frozenset[str]
    fills: tuple[FillKey, ...]
    told: str
    behind: tuple[Medicine, ...]


class _Supply(NamedTuple):
    """What is there of a fill: from `begin` through `end` (ordinals)."""

    fill: Fill
    ingredients: frozenset[str]
    begin: int
    end: int


class _State(NamedTuple):
    """A prescription as it stood after some of its events; `renewed` is its last renewal."""

    prescription: Prescription
    supplies: tuple[_Supply, ...]
    renewed: date | None


class Regimen:
    """A patient's prescriptions through `today`, each of which can be asked what of it was active on a day.

    `keys` are the prescriptions in order. How one stood is worked out when somebody asks, once for each of its events.
    """

    def __init__(self, facts: Iterable[Fact], medicines: Medicines, today: date) -> None:
        stays: list[StayFact] = []
        told: dict[PrescriptionKey, list[OrderFact | FillFact]] = {}
        for fact in facts:
            if isinstance(fact, StayFact):
                stays.append(fact)
            elif isinstance(fact, OrderFact | FillFact) and fact.on <= today:
                key = fact.prescription if isinstance(fact, OrderFact) else fact.fill.prescription
                if key.number:
                    told.setdefault(key, []).append(fact)
        for mine in told.values():
            mine.sort(key=lambda fact: fact.on)
        self.keys = tuple(sorted(told))
        self._told = told
        self._days = {key: [fact.on for fact in mine] for key, mine in told.items()}
        self._stays = days_in_hospital(stays, today)
        self._medicines = medicines
        self._states: dict[tuple[PrescriptionKey, int], _State] = {}

    def days(self, key: PrescriptionKey) -> list[date]:
        """The days of a prescription's events, in order: on none but these does it become active."""
        return self._days[key]

    def ingredients(self, key: PrescriptionKey) -> frozenset[str]:
        """All that was ever ordered or dispensed by a prescription."""
        return frozenset().union(*(self._medicines.ingredients(fact.medicine) for fact in self._told[key]))

    def active(self, key: PrescriptionKey, day: date) -> list[Active]:
        """What of a prescription was active: mostly one medicine, two where another product of it is made of something else."""
        count = bisect_right(self._days[key], day)
        if not count:
            return []
        state = self._states.get((key, count))
        if state is None:
            state = self._states[key, count] = _state(self._told[key][:count], self._medicines, self._stays)
        return list(_active(state, self._medicines, day))


def active_on(day: date, facts: Iterable[Fact], medicines: Medicines) -> list[Active]:
    """The medicines that are active on a day, by the facts that are not dated later, sorted by prescription."""
    regimen = Regimen(facts, medicines, day)
    return [each for key in regimen.keys for each in regimen.active(key, day)]


def _state(facts: Iterable[OrderFact | FillFact], medicines: Medicines, stays: tuple[Span, ...]) -> _State:
    told = set(facts)
    orders = [fact for fact in told if isinstance(fact, OrderFact)]
    dispensed = [fact for fact in told if isinstance(fact, FillFact)]
    standing = fills(dispensed)
    [prescription] = prescriptions(orders, dispensed, standing)
    renewals = [fact.on for fact in orders if fact.event is Ordered.RENEWED]
    supplies = tuple(_supplies(standing, medicines.ingredients(prescription.medicine), medicines, stays))
    return _State(prescription, supplies, max(renewals, default=None))


def _active(state: _State, medicines: Medicines, day: date) -> Iterator[Active]:
    each, supplies, _ = state
    products: dict[frozenset[str], list[_Supply]] = {}
    for supply in supplies:
        if supply.end >= day.toordinal():
            products.setdefault(supply.ingredients, []).append(supply)
    if _in_force(state, day):
        products.setdefault(medicines.ingredients(each.medicine) or _single(supplies), [])
    behind = (each.medicine, *(supply.fill.medicine for supply in supplies))
    for ingredients in sorted(products, key=sorted):
        mine = products[ingredients]
        said = [] if each.ordered is None else [f"ordered on {each.ordered}"]
        if each.ended is not None:
            said.append(f"ended on {each.ended}")
        said += [_said(supply) for supply in mine]
        medicine = mine[-1].fill.medicine if mine else each.medicine
        yield Active(
            each.key,
            medicine,
            ingredients,
            tuple(supply.fill.key for supply in mine),
            "; ".join(said),
            behind,
        )


def _single(supplies: Iterable[_Supply]) -> frozenset[str]:
    """What the fills are made of, where the order's own code is not mapped and they agree."""
    found = {supply.ingredients for supply in supplies}
    return found.pop() if len(found) == 1 else frozenset()


def _in_force(state: _State, day: date) -> bool:
    each, supplies, renewed = state
    if each.since is None or each.ended is not None or each.held:
        return False
    written = max(each.since, renewed or each.since)
    if (day - written).days >= ORDER_DAYS:
        return False
    return bool(each.refills) or not any(supply.begin >= written.toordinal() for supply in supplies)


def _supplies(
    standing: Iterable[Fill], ordered: frozenset[str], medicines: Medicines, stays: tuple[Span, ...]
) -> Iterator[_Supply]:
    """The supplies of a prescription in the order of their days, laid out one behind the other where they share an ingredient."""
    begun = [
        (begin.toordinal(), order_of(fill.key), fill)
        for fill in standing
        if (begin := fill.taken or fill.perhaps_taken or (fill.filled if fill.waiting else None)) is not None
    ]
    ends: dict[str, int] = {}
    for day, _, fill in sorted(begun, key=lambda each: each[:2]):
        ingredients = medicines.ingredients(fill.medicine) or ordered
        if fill.days_supply is None:
            end = day + UNKNOWN_DAYS - 1
        else:
            end = use_up(ends, ingredients or frozenset(("",)), day, fill.days_supply, stays)[-1].end
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

"""Prescriptions and fills, out of a patient's facts.

Events are put in the order of their own days, so that the order in which messages arrived never matters. On one day a fill comes
before its return and a return before a sale: what was filled and put back on one day is back in stock, and what was put back and
sold on one day is sold. Of orders, a new one comes first on its day and a cancellation last.

Partial fills and their completion are fills of their own (FillKey.part), so that they add up. A fact without a prescription number
is no fact of a prescription and is left out.

Refuses to know messages, medicine tables and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import (
    Dispensed,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PrescriptionKey,
)

#: Days' supply is a number of three digits at most (NCPDP Telecommunication, field 405-D5); anything else is not believed.
MOST_DAYS_SUPPLY: Final = 999

_FILL_RANK: Final = {Dispensed.FILLED: 0, Dispensed.RETURNED: 1, Dispensed.SOLD: 2}
_ORDER_RANK: Final = {
    Ordered.NEW: 0,
    Ordered.RENEWED: 1,
    Ordered.RESUMED: 2,
    Ordered.HELD: 3,
    Ordered.DISCONTINUED: 4,
    Ordered.CANCELLED: 5,
}


class Fill(NamedTuple):
    """One fill as it stands.

    `standing` is the last word on it. `filled` and `sold` are of the round that it ends: after a return a fill may be filled and sold
    again, and counts from then. `returned` is its last return, which a later fill or sale has made good. `days_supply` is None
    where no fact says it or facts disagree. `knows_sold`: every fact of it came by a feed that says what is sold.
    """

    key: FillKey
    medicine: Medicine
    standing: Dispensed
    filled: date | None
    sold: date | None
    returned: date | None
    days_supply: int | None
    knows_sold: bool
    counts: bool

    @property
    def taken(self) -> date | None:
        """The day on which it counts as taken home: sold, or filled where the feed cannot say and is mapped to count."""
        if self.standing is Dispensed.SOLD:
            return self.sold
        if self.standing is Dispensed.FILLED and self.counts and not self.knows_sold:
            return self.filled
        return None

    @property
    def perhaps_taken(self) -> date | None:
        """The day from which nobody knows whether it was taken home: filled, by a feed that neither says so nor counts."""
        if self.standing is Dispensed.FILLED and not self.knows_sold and not self.counts:
            return self.filled
        return None

    @property
    def waiting(self) -> bool:
        """Filled, and known to be not sold and not returned."""
        return self.standing is Dispensed.FILLED and self.knows_sold


@dataclass(frozen=True, slots=True)
class Prescription:
    """One prescription as it stands.

    `ordered`: the day of its order, None if only fills tell of it. `new`: that order was a new one, no renewal. `ended`: the day of
    its cancellation or discontinuation, if no later order revived it; that undoes no fill. `refills`: those left by the latest
    fact that says so, the fewest of that day. `knows_sold`: the store's feed tells what is sold; at least one fact of the
    store says so and none denies it.
    """

    key: PrescriptionKey
    medicine: Medicine
    ordered: date | None
    new: bool
    ended: date | None
    held: bool
    resumed: date | None
    refills: int | None
    prescriber_npi: str | None
    discharge: bool
    knows_sold: bool

    @property
    def since(self) -> date | None:
        """The day from which it may be filled: ordered, or resumed after it was on hold."""
        if self.ordered is None or self.resumed is None:
            return self.ordered
        return max(self.ordered, self.resumed)


def order_of(key: FillKey) -> tuple[PrescriptionKey, str, date]:
    """What fills are sorted by: FillKey.part may be None and has no order of its own."""
    return key.prescription, key.number, key.part or date.min


def fills(facts: Iterable[FillFact]) -> tuple[Fill, ...]:
    """The fills that the facts tell of, sorted by key."""
    found: dict[FillKey, list[FillFact]] = {}
    for fact in facts:
        if fact.fill.prescription.number:
            found.setdefault(fact.fill, []).append(fact)
    return tuple(_fill(key, found[key]) for key in sorted(found, key=order_of))


def _fill(key: FillKey, facts: list[FillFact]) -> Fill:
    facts.sort(key=_fill_order)
    filled = sold = returned = None
    back = counts = False
    knows_sold = True
    supplies: set[int] = set()
    for fact in facts:
        if fact.event is Dispensed.FILLED:
            if filled is None or back:
                filled = fact.on
                sold = None if back else sold
            back = False
        elif fact.event is Dispensed.SOLD:
            if sold is None or back:
                sold = fact.on
            back = False
        elif not back:
            returned, back = fact.on, True
        if fact.days_supply and 0 < fact.days_supply <= MOST_DAYS_SUPPLY:
            supplies.add(fact.days_supply)
        knows_sold = knows_sold and fact.knows_sold
        counts = counts or fact.counts
    if back:
        standing = Dispensed.RETURNED
    else:
        standing = Dispensed.FILLED if sold is None else Dispensed.SOLD
    return Fill(
        key=key,
        medicine=_named(facts),
        standing=standing,
        filled=filled,
        sold=sold,
        returned=returned,
        days_supply=supplies.pop() if len(supplies) == 1 else None,
        knows_sold=knows_sold,
        counts=counts,
    )


def _fill_order(fact: FillFact) -> tuple[date, int, Medicine]:
    return fact.on, _FILL_RANK[fact.event], fact.medicine


def _order_order(fact: OrderFact) -> tuple[date, int, Medicine]:
    return fact.on, _ORDER_RANK[fact.event], fact.medicine


def _named(facts: Sequence[FillFact | OrderFact]) -> Medicine:
    """The medicine of the last fact that names a code, else of the last fact; `facts` are in order."""
    for fact in reversed(facts):
        if fact.medicine.code:
            return fact.medicine
    return facts[-1].medicine


def prescriptions(
    orders: Iterable[OrderFact], fill_facts: Iterable[FillFact], as_they_stand: Iterable[Fill]
) -> tuple[Prescription, ...]:
    """The prescriptions that orders and fills tell of, sorted by key.

    `as_they_stand` are the fills of `fill_facts`. The refills that a returned fill left are not believed: it gave its own back.
    """
    ordered: dict[PrescriptionKey, list[OrderFact]] = {}
    filled: dict[PrescriptionKey, list[FillFact]] = {}
    says: dict[str, set[bool]] = {}
    for order in orders:
        if order.prescription.number:
            ordered.setdefault(order.prescription, []).append(order)
            if order.knows_sold is not None:
                says.setdefault(order.prescription.store, set()).add(order.knows_sold)
    for fact in fill_facts:
        if fact.fill.prescription.number:
            filled.setdefault(fact.fill.prescription, []).append(fact)
            says.setdefault(fact.fill.prescription.store, set()).add(fact.knows_sold)
    back = {fill.key for fill in as_they_stand if fill.standing is Dispensed.RETURNED}
    return tuple(
        _prescription(key, ordered.get(key, []), filled.get(key, []), back, says.get(key.store, set()))
        for key in sorted(ordered.keys() | filled.keys())
    )


def _prescription(
    key: PrescriptionKey,
    orders: list[OrderFact],
    fill_facts: list[FillFact],
    back: set[FillKey],
    says: set[bool],
) -> Prescription:
    orders.sort(key=_order_order)
    fill_facts.sort(key=_fill_order)
    begun = ended = resumed = None
    new = held = False
    for order in orders:
        event = order.event
        if event is Ordered.NEW or event is Ordered.RENEWED:
            if begun is None or ended is not None:
                begun, ended, held, resumed = order.on, None, False, None
                new = event is Ordered.NEW
        elif event is Ordered.HELD:
            held = True
        elif event is Ordered.RESUMED:
            resumed = order.on if held else resumed
            held = False
        elif ended is None:
            ended = order.on
    left = [(order.on, -order.refills) for order in orders if order.refills is not None] + [
        (fact.on, -fact.refills)
        for fact in fill_facts
        if fact.refills is not None and (fact.event is Dispensed.RETURNED or fact.fill not in back)
    ]
    told: list[FillFact | OrderFact] = [*orders, *fill_facts]
    discharge = any(order.discharge for order in orders)
    prescribers = [(fact.on, fact.prescriber_npi) for fact in told if fact.prescriber_npi]
    return Prescription(
        key=key,
        medicine=_named(orders)
        if any(order.medicine.code for order in orders)
        else _named(fill_facts or orders),
        ordered=begun,
        new=new,
        ended=ended,
        held=held,
        resumed=resumed,
        refills=-max(left)[1] if left else None,
        prescriber_npi=max(prescribers)[1] if prescribers else None,
        discharge=discharge,
        # A hospital's own number of a prescription is of no store's: what any store dispensed of it counts.
        knows_sold=says == {True} or (discharge and not says),
    )

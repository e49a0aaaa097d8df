"""A site's table of medicines, prescriptions and fills, made of a few words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hl7bridge.affiliation.facts.data import packed
from hl7bridge.affiliation.facts.facts import (
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PrescriptionKey,
)
from hl7bridge.affiliation.tables.medicines import MedicineRow, Medicines
from hl7bridge.affiliation.who.known import Sayings
from hl7bridge.store.base import FactRow


def medicines(makeup: Mapping[str, Mapping[str, str]]) -> Medicines:
    """Medicines by name, each with its ingredients and their classes."""
    return Medicines(
        MedicineRow("NDC", name, ingredient, class_)
        for name, made_of in makeup.items()
        for ingredient, class_ in made_of.items()
    )


def said(*facts: Fact) -> Sayings:
    """Facts of one patient, each by a message of its own."""
    return Sayings(FactRow(5, number, packed(fact)) for number, fact in enumerate(facts, 1))


def on(month: int, day: int, year: int = 2026) -> date:
    """A day."""
    return date(year, month, day)


def rx(number: str, store: str = "0412") -> PrescriptionKey:
    """A prescription of a store."""
    return PrescriptionKey(store, number)


def order(event: Ordered, day: date, name: str = "simvastatin", number: str = "1", **more: Any) -> OrderFact:
    """An event of a prescription."""
    return OrderFact(rx(number), event, day, Medicine(name, "NDC", name), **more)


def prescribed(day: date, name: str, number: str = "1", refills: int = 3) -> OrderFact:
    """A new prescription at a store that says what is sold."""
    return order(Ordered.NEW, day, name, number, refills=refills, knows_sold=True)


def fill(
    event: Dispensed,
    day: date,
    name: str = "simvastatin",
    key: str = "1.1",
    days_supply: int | None = 30,
    knows: bool = True,
    counts: bool = False,
    refills: int | None = None,
    store: str = "0412",
) -> FillFact:
    """An event of a fill; `key` is the prescription's number and the fill's."""
    number, _, which = key.partition(".")
    medicine = Medicine(name, "NDC", name)
    return FillFact(
        FillKey(rx(number, store), which), event, day, medicine, days_supply, knows, counts, refills
    )

"""What the rules of alerts share: an alert, the thresholds, and a patient's case as the rules look at it.

A rule is a function of a case that yields alerts with the day from which they hold, perhaps a day to come. Refuses to know messages,
affiliates and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from hl7bridge.affiliation.alerts.adherence import Measures
from hl7bridge.affiliation.facts.facts import FillKey, Medicine, PrescriptionKey
from hl7bridge.affiliation.history.history import Dose, History, doses, ingredients_of
from hl7bridge.affiliation.tables.medicines import Medicines

#: What every alert adds: a store sees its own chain's fills and no others.
ELSEWHERE: Final = "It may have been filled elsewhere."


class Kind(StrEnum):
    """What an alert says."""

    NOT_PICKED_UP = "not-picked-up"
    PRIMARY = "primary-non-adherence"
    REFILL_LATE = "refill-late"
    ADHERENCE = "adherence-falling"
    INTERACTION = "interaction"
    INTERVENTION = "intervention"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When alerts are raised, in days; each affiliate may have its own.

    `ready`: a fill has waited so long (payers use 10 to 15). `primary`: nothing was dispensed within so long after the prescription,
    and `new`: nothing of it for so long before, so that it is newly prescribed (both PQA). `late`: the supply ran out so long ago,
    days in hospital not counted. `measured`: the classes whose adherence is watched, None for all that the site's table names.
    `kinds`: those that are wanted.
    """

    ready: int = 14
    primary: int = 30
    new: int = 180
    late: int = 5
    measures: Measures = field(default_factory=Measures)
    measured: frozenset[str] | None = None
    kinds: frozenset[Kind] = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `subject` is the same for as long as it is about the same thing, whatever becomes known of that meanwhile.

    `day`: the day it became true. `fills`: those that it rests on. `reason`: what is known and what is not, in sentences. `value`:
    percent, as of `day`, where the kind has one. `medicine` and `prescription` are None where it is about a class, `class_` is ""
    where it is not. `medicines`: every one that the alert names or rests on, sorted, so that an alert which would give away a
    withheld medicine can be withheld as a whole.
    """

    kind: Kind
    subject: str
    day: date
    fills: tuple[FillKey, ...]
    reason: str
    value: Decimal | None = None
    medicine: Medicine | None = None
    prescription: PrescriptionKey | None = None
    class_: str = ""
    medicines: tuple[Medicine, ...] = ()


class Case:
    """A patient's history with a site's tables and an affiliate's thresholds.

    `ingredients` are those of each prescription, `doses` what was taken home or may have been, in the order of days.
    """

    __slots__ = ("_classes", "doses", "ingredients", "known", "medicines", "thresholds")

    def __init__(self, known: History, medicines: Medicines, thresholds: Thresholds) -> None:
        self.known = known
        self.medicines = medicines
        self.thresholds = thresholds
        self.ingredients = ingredients_of(known, medicines)
        self.doses: list[Dose] = doses(known, medicines, self.ingredients)
        self._classes: dict[frozenset[str], frozenset[str]] = {}

    def classes(self, ingredients: frozenset[str]) -> frozenset[str]:
        """The classes of all of these ingredients."""
        found = self._classes.get(ingredients)
        if found is None:
            none: frozenset[str] = frozenset()
            found = self._classes[ingredients] = none.union(*map(self.medicines.classes, ingredients))
        return found

    def related(self, one: frozenset[str], other: frozenset[str]) -> bool:
        """Whether two medicines share an ingredient or a class, so that the one may stand for the other."""
        return not (one.isdisjoint(other) and self.classes(one).isdisjoint(self.classes(other)))

    def concerned(
        self, fills: Iterable[FillKey], prescriptions: Iterable[PrescriptionKey] = ()
    ) -> tuple[Medicine, ...]:
        """The medicines of these fills and prescriptions, as dispensed and as ordered: they may bear different codes."""
        dispensed = set(fills)
        ordered = {*prescriptions, *(fill.prescription for fill in dispensed)}
        return named(
            [
                *(fill.medicine for fill in self.known.fills if fill.key in dispensed),
                *(each.medicine for each in self.known.prescriptions if each.key in ordered),
            ]
        )


def named(medicines: Iterable[Medicine]) -> tuple[Medicine, ...]:
    """Medicines for `Alert.medicines`: each once, sorted."""
    return tuple(sorted(set(medicines)))


def subject(kind: str, *parts: str) -> str:
    """A name for what an alert or a summary is about: its kind and the parts of a key, in characters that HL7 leaves alone."""
    return "/".join((kind, *(quote(part, safe="").replace("~", "%7E") for part in parts)))


def subject_of_fill(kind: Kind, key: FillKey) -> str:
    """The name of an alert about one fill."""
    part = () if key.part is None else (key.part.isoformat(),)
    return subject(kind, *key.prescription, key.number, *part)

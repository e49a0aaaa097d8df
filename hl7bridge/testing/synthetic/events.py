"""What happens in made-up lives: the truth behind each message, whatever a dialect makes of it.

An event says what happened, to whom, when, and to which prescription, fill, visit or stay. Times are `at` of clock.py: the wall's
clock in the person's town. Knows no messages. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from hl7bridge.testing.synthetic.clock import DAY, moment
from hl7bridge.testing.synthetic.medicines import Product
from hl7bridge.testing.synthetic.population import Clinician, Person, Store


class Kind(StrEnum):
    """What happened. In brackets the message that tells it, if the dialect has one for it."""

    ADDED = "added"  # a new person (A28)
    ROSTER_CHANGED = "roster-changed"  # the health system's number of the person begins or ends (A31)
    MERGED = "merged"  # two of the chain's numbers are one person (A40)
    DIED = "died"  # (A31, or A03 of the hospital where it happened; PID-29 and PID-30)
    ORDERED = "ordered"  # a new prescription (RDE, ORC-1 = NW)
    REPLACED = "replaced"  # a prescription instead of another, which was discontinued (RDE, RO)
    CANCELLED = "cancelled"  # before anything was filled (RDE, CA)
    DISCONTINUED = "discontinued"  # nothing more is to be filled (RDE, DC)
    REFILLS_ASKED = "refills-asked"  # no refills are left; the pharmacy asks for more (RDE^O25, RF)
    FILLED = "filled"  # ready, not yet with the patient (RDS)
    PART_FILLED = "part-filled"  # there was too little in stock (RDS, RXD-33 = P or Q)
    COMPLETED = "completed"  # the rest of it, under the same fill number (RDS, RXD-33 = P or Q)
    SOLD = "sold"  # picked up (RDS)
    RETURNED = "returned"  # returned to stock (RDS, ORC-1 = CA)
    VISIT_BEGUN = "visit-begun"  # at a clinic (A04, A01 for what takes hours)
    VISIT_UPDATED = "visit-updated"  # (A08)
    RESULTED = "resulted"  # (ORU^R01)
    VISIT_ENDED = "visit-ended"  # (A03; many clinics send none)
    ADMITTED = "admitted"  # to a hospital (A01)
    DISCHARGED = "discharged"  # (A03)
    DISCHARGE_ORDERED = (
        "discharge-ordered"  # a prescription for the time after the stay (the hospital's RDE, ORC-29 = O)
    )


class Why(StrEnum):
    """Why a fill went back, in NCPDP's codes as ORC-16 has them."""

    NOT_PICKED_UP = "AK"
    PICKED_UP = "AH"
    PARTIAL = "AJ"


@dataclass(frozen=True, slots=True)
class Prescription:
    """A prescription as it was written. `days_supply` is one fill's; `refills` may follow the first fill."""

    number: bytes
    placer: bytes
    store: Store
    product: Product
    days_supply: int
    refills: int
    prescriber: Clinician
    ordered_at: int
    discharge: bool = False
    replaces: Prescription | None = None

    @property
    def quantity(self) -> int:
        """Units of one fill."""
        return self.days_supply * self.product.daily


class Fill(NamedTuple):
    """One fill, or a part of one. `number` counts from 1, whatever a dialect begins with; both parts of a fill share it.

    `part`: b"" for a whole fill, else the dispense type of table 0484: b"P" a part of a prescription's first fill, b"Q" of a refill.
    """

    number: int
    days_supply: int
    quantity: int
    refills_left: int
    filled_at: int
    part: bytes = b""


class Value(NamedTuple):
    """One OBX: OBX-3, -5, -6, -7, -8 and -2."""

    code: bytes
    value: bytes
    unit: bytes = b""
    range: bytes = b""
    flag: bytes = b""
    type: bytes = b"NM"


class Result(NamedTuple):
    """One order of a clinic's laboratory (OBR-4) and its values."""

    code: bytes
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit at a clinic. `ended_at` is the truth even where no message tells it."""

    number: bytes
    clinic: bytes
    clinician: Clinician
    begun_at: int
    ended_at: int
    infusion: bool
    diagnoses: tuple[bytes, ...]
    results: tuple[Result, ...]


class Stay(NamedTuple):
    """A stay in the hospital of the person's health system."""

    number: bytes
    admitted_at: int
    diagnosis: bytes
    clinician: Clinician
    discharged_at: int = 0


class Event(NamedTuple):
    """One thing that happened. `number` is the chain's number under which it is told.

    `days_supply` and `on` are what a programme that understood the message would know of it.
    """

    kind: Kind
    at: int
    person: Person
    number: bytes
    prescription: Prescription | None = None
    fill: Fill | None = None
    visit: Visit | None = None
    stay: Stay | None = None
    why: Why | None = None

    @property
    def on(self) -> date:
        """The day, by the clocks of the person's town."""
        return date.fromordinal(self.at // DAY)

    @property
    def moment(self) -> datetime:
        """When, with the zone of the person's town."""
        return moment(self.at, self.person.town.zone)

    @property
    def days_supply(self) -> int | None:
        """Days that the fill lasts, or one fill of the prescription; None where the event is of neither."""
        if self.fill is not None:
            return self.fill.days_supply
        return None if self.prescription is None else self.prescription.days_supply

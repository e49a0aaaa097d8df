"""What the programme knows: events of prescriptions, fills, stays, visits, lives and interventions, each under a key of its own.

A fact is what one message says about one thing. It is known by what happened (a fill by store, prescription and fill number), never
by the message that told it, so that repeats, late arrivals and whole replays come to the same set. Everything the programme
says is worked out of a patient's set of facts; nothing is counted up as messages come.

Days are of the event, in its source's zone. Refuses to know messages and stores. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class Medicine(NamedTuple):
    """A medicine as a feed names it: RXE-2 or RXD-2. `system` is CWE.3 ("NDC", "RXNORM", "L" ...)."""

    code: str
    system: str
    text: str


class PrescriptionKey(NamedTuple):
    """One prescription of one store: MSH-4 or the mapped store, and RXE-15 or RXD-7."""

    store: str
    number: str


class FillKey(NamedTuple):
    """One fill: its prescription, the fill number (RXD-1), and for a partial fill or its completion (RXD-33 = P or Q) its day."""

    prescription: PrescriptionKey
    number: str
    part: date | None = None


class Ordered(StrEnum):
    """What an order event does to a prescription (ORC-1, table 0119)."""

    NEW = "new"
    RENEWED = "renewed"
    CANCELLED = "cancelled"
    DISCONTINUED = "discontinued"
    HELD = "held"
    RESUMED = "resumed"


class Dispensed(StrEnum):
    """What a dispense event says of a fill."""

    FILLED = "filled"
    SOLD = "sold"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class OrderFact:
    """An event of a prescription. `refills` are those that remain, None if the message does not say.

    `knows_sold`: whether the store's feed says what is sold; None if this channel cannot tell, then the store's fills do. Where it
    is not known to, an order that nobody is seen to pick up raises nothing.
    """

    prescription: PrescriptionKey
    event: Ordered
    on: date
    medicine: Medicine
    refills: int | None = None
    prescriber_npi: str | None = None
    discharge: bool = False
    knows_sold: bool | None = None


@dataclass(frozen=True, slots=True)
class FillFact:
    """An event of a fill. `on` is the day of the event; `days_supply` None where the feed does not say or contradicts itself.

    `knows_sold`: the feed says what is sold, so that a fill which is not said to be sold is waiting. `counts`: a feed that does not
    know has its filled medicine counted as taken home (`filled: counts`).
    """

    fill: FillKey
    event: Dispensed
    on: date
    medicine: Medicine
    days_supply: int | None
    knows_sold: bool
    counts: bool = False
    refills: int | None = None
    prescriber_npi: str | None = None


@dataclass(frozen=True, slots=True)
class StayFact:
    """A stay in hospital, by its visit number: `admitted` or `discharged` or both are known."""

    visit: str
    admitted: date | None
    discharged: date | None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class DeathFact:
    """The patient has died, on a day that may be unknown; `withdrawn` where a later message takes it back."""

    on: date | None
    withdrawn: bool = False


class PatientNumber(NamedTuple):
    """An identifier of a patient as it is written: CX.1, the authority of CX.4 and the kind of CX.5."""

    number: str
    authority: str
    kind: str


@dataclass(frozen=True, slots=True)
class PersonFact:
    """Who a message says the patient is: PID-5, PID-7 and PID-8. It vetoes a match of numbers, and never makes one.

    `numbers` are those of PID-3 in their order: what is told of the patient later is told under them.
    """

    family: str
    given: str
    birth: date | None
    sex: str
    numbers: tuple[PatientNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class InterventionFact:
    """What a pharmacist did about a prescription or one fill of it (`fill` None: the order), such as consulting the prescriber.

    `code` and `text` are those of the site's table of interventions and nothing else: what a feed writes freely is never in them.
    """

    prescription: PrescriptionKey
    fill: FillKey | None
    on: date
    medicine: Medicine
    code: str
    text: str


Fact = OrderFact | FillFact | StayFact | DeathFact | PersonFact | InterventionFact

"""What the programme knows: events of prescriptions, fills, stays, visits, lives and interventions, each under a key of its own.

A fact is what one message says about one thing. It is known by what happened (a fill by store, prescription and fill number), never
by the message that told it, so that repeats, late arrivals and whole replays come to the same set. Everything the programme
says is worked out of a patient's set of facts; nothing is counted up as messages come.

Facts of two kinds are never equal: each kind has its own number of fields.

Days are of the event, in its source's zone. Refuses to know messages and stores. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar


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
    """One fill: its prescription, the fill number (RXD-1), and for one of several parts (RXD-33 = P, Q, T, B) its day."""

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


class OrderFact(NamedTuple):
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


class FillFact(NamedTuple):
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


class StayFact(NamedTuple):
    """A stay in hospital, by its visit number: `admitted` or `discharged` or both are known. `at` is when a patient was said to be
    admitted or discharged, or not to be, in seconds since 1970 UTC; 0 where that is not known, or was only mentioned.
    """

    visit: str
    admitted: date | None
    discharged: date | None
    cancelled: bool = False
    at: int = 0


class DeathFact(NamedTuple):
    """The patient has died, on a day that may be unknown; `withdrawn` where a later message takes it back."""

    on: date | None
    withdrawn: bool = False


class PatientNumber(NamedTuple):
    """An identifier of a patient as it is written: CX.1, the authority of CX.4 and the kind of CX.5."""

    number: str
    authority: str
    kind: str


class PersonFact(NamedTuple):
    """Who a message says the patient is: PID-5, PID-7 and PID-8. It vetoes a match of numbers, and never makes one.

    `numbers` are those of PID-3 in their order: what is told of the patient later is told under them.
    """

    family: str
    given: str
    birth: date | None
    sex: str
    numbers: tuple[PatientNumber, ...] = ()

    @property
    def name(self) -> str:
        """The name as lists have it, "FAMILY, GIVEN"; "" where it is not known."""
        return ", ".join(part for part in (self.family, self.given) if part)


class Coded(NamedTuple):
    """One code with its text, as a message writes it (CE.1 to CE.3); `system` is CE.3."""

    code: str
    system: str
    text: str


#: One thing said in one or more codes (CE.1-3 and its alternate CE.4-6), the sender's own first; () where nothing is said.
Concept = tuple[Coded, ...]


class When(NamedTuple):
    """A day and, where the message says it, the time "HH:MM", on the clock of the place where it happened; "" if it does not."""

    day: date
    time: str


class Clinician(NamedTuple):
    """A clinician as an XCN names one (XCN.2.1, XCN.3, XCN.7). `npi` is "" where no number of the field is an NPI."""

    npi: str
    family: str
    given: str = ""
    degree: str = ""

    @property
    def name(self) -> str:
        """The name as it is spoken, or "" where only the number is known."""
        spoken = " ".join(part for part in (self.given, self.family) if part)
        return f"{spoken}, {self.degree}" if spoken and self.degree else spoken


class VisitKey(NamedTuple):
    """A visit: who gave the number (PV1-19's authority, else MSH-4), and PV1-19."""

    place: str
    number: str


class VisitEvent(StrEnum):
    """What a message does to a visit.

    Begun: A01, A04. Ended: what the channel maps, A03 if nothing. Reopened: A13 cancels an end. Withdrawn: A11 cancels the visit.
    """

    TOLD = "told"
    BEGUN = "begun"
    ENDED = "ended"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"


class VisitFact(NamedTuple):
    """What one message says of a visit to a clinic (HL7 v2.5.1 chapter 3).

    `told`: when the sender recorded the event, in UTC (EVN-2, else MSH-7); of two that contradict each other the later is believed.
    `facility` MSH-4, `place` PV1-3 in words, `began` PV1-44, `ended` PV1-45 or, of an end, the event's own time (EVN-6, else
    EVN-2), `attending` PV1-7, `reason` PV2-3, `diagnoses` DG1-3. `primary_care` is the person in the role PP of table 0443 (ROL-3,
    ROL-4), which since version 2.4 takes the place of PD1-4, and otherwise PD1-4; PV1-8 is who referred, and no such person.
    `marks` are codes by which the whole visit may be withheld (PV1-3, PV1-10, PV1-16, PV2-22, PD1-12, ARV; `withheld` has the words
    that stand for their systems).
    """

    visit: VisitKey
    event: VisitEvent
    told: datetime
    facility: str = ""
    place: str = ""
    began: When | None = None
    ended: When | None = None
    attending: Clinician | None = None
    primary_care: Clinician | None = None
    reason: Concept = ()
    diagnoses: tuple[Concept, ...] = ()
    marks: Concept = ()


class ObservationFact(NamedTuple):
    """What one message says of one result of a visit (HL7 v2.5.1 chapter 7).

    It is known by the visit, `order` (OBR-3, else OBR-2, else the code of OBR-4), the first of `code` (OBX-3) and `sub_id` (OBX-4).
    `reported` is OBR-22, else MSH-7, and `sent` MSH-7, in UTC: by these the latest version is found. `value` is OBX-5 as text,
    `cut` where it was too long to be kept whole, `coded` its codes, `panel` OBR-4, `flag` OBX-8 (table 0078), `status` OBX-11
    (table 0085), `observed` OBX-14, else OBR-7. `marks` are further codes by which it may be withheld: OBR-31, OBR-44, ORC-16, ORC-28.
    """

    visit: VisitKey
    order: str
    code: Concept
    sub_id: str
    status: str
    reported: datetime
    sent: datetime
    value: str = ""
    cut: bool = False
    coded: Concept = ()
    units: str = ""
    reference: str = ""
    flag: str = ""
    observed: When | None = None
    panel: Concept = ()
    marks: Concept = ()


class InterventionFact(NamedTuple):
    """What a pharmacist did about a prescription or one fill of it (`fill` None: the order), such as consulting the prescriber.

    `code` and `text` are those of the site's table of interventions and nothing else: what a feed writes freely is never in them.
    """

    prescription: PrescriptionKey
    fill: FillKey | None
    on: date
    medicine: Medicine
    code: str
    text: str


Fact = (
    OrderFact | FillFact | StayFact | DeathFact | PersonFact | InterventionFact | VisitFact | ObservationFact
)

F = TypeVar("F", bound=Fact)


def in_order(facts: Iterable[F], key: Callable[[F], Any]) -> list[F]:
    """Facts sorted by `key`, those that it holds to be equal by all they say: so the order of arrival never makes a difference."""
    found = list(facts)
    if len(found) > 1:
        if len(set(map(key, found))) < len(found):
            found.sort(key=repr)
        found.sort(key=key)
    return found

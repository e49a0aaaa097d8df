"""From a message to what the programme knows by it: orders, fills, interventions, stays and deaths (see affiliation.facts.facts).

Read from the message as it came, order by order. Keys and places are the standard's (HL7 v2.5.1 chapters 4 and 4A), and where it
has none those of the channel's `programme`. What has no prescription number, no day or no medicine is no fact: it is kept and passed
on like any message, and counted as left out. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PatientNumber,
    PersonFact,
    PrescriptionKey,
    StayFact,
)
from hl7bridge.channel.feed.interventions import intervention_of
from hl7bridge.channel.feed.npi import says_npi
from hl7bridge.channel.feed.programme import ProgrammePlan
from hl7bridge.channel.feed.supply import days_of, days_of_quantity
from hl7bridge.channel.feed.visits import visit_facts
from hl7bridge.channel.rules.scope import Scope, runs
from hl7bridge.channel.rules.text import decoded
from hl7bridge.channel.rules.times import local_time
from hl7bridge.hl7.charset import Charset
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.identifiers import identifiers
from hl7bridge.hl7.message import Message, Segment

#: Order control codes (table 0119) of a new prescription, and of one that takes an older one's place.
_NEW: Final = frozenset({b"NW", b"OK", b"SN", b"RO", b"PY", b"RU", b"XO", b"XR"})
_RENEWED: Final = frozenset({b"RF", b"RE", b"FU", b"AF"})
_HELD: Final = frozenset({b"HD", b"OH", b"HR"})
_RESUMED: Final = frozenset({b"RL", b"OE", b"OR"})
#: Codes that end a prescription unless the channel says otherwise, and those of them that end all to come.
_ENDED: Final = frozenset({b"CA", b"OC", b"CR", b"DC", b"OD", b"DR"})
_DISCONTINUED: Final = frozenset({b"DC", b"OD", b"DR"})
#: RXD-33 of a fill that shares its number with others (table 0484): parts, and a trial with its balance; they add up.
_PARTS: Final = frozenset({"P", "Q", "T", "B"})
_ORDERS: Final = frozenset({"RDE^O11", "RDE^O01", "RDE^O49"})
_DISPENSES: Final = frozenset({"RDS^O13", "RDS^O01"})


class Facts(NamedTuple):
    """What one message says, and why orders in it say nothing (reasons of low variety, without its text)."""

    found: tuple[Fact, ...]
    left_out: tuple[str, ...]


NOTHING: Final = Facts((), ())


def facts_of(plan: ProgrammePlan, whole: Scope, type_: str) -> Facts:
    """The facts of a message of a canonical type; `whole` is the scope of all of it."""
    read = _Reading(whole.message, whole.work.zone)
    person = _person(read)
    said = NOTHING
    if type_ in _ORDERS:
        said = _orders(plan, read, whole, _Order)
    elif type_ in _DISPENSES:
        said = _orders(plan, read, whole, _Dispense)
    elif type_.startswith("ADT^"):
        said = Facts(tuple(_of_admission(read, type_)), ())
    if plan.visits:
        visits, why = visit_facts(plan, read, type_, whole)
        said = Facts((*said.found, *visits), (*said.left_out, *why))
    return said if person is None else Facts((person, *said.found), said.left_out)


def _text(value: bytes, delimiters: Delimiters, charset: Charset) -> str:
    return "" if value == b'""' else decoded(value, delimiters, charset).strip()


class _Reading:
    """Texts and days of a message, in its character set and on its source's calendar."""

    __slots__ = ("charset", "delimiters", "message", "zone")

    def __init__(self, message: Message, zone: ZoneInfo | None) -> None:
        self.message = message
        self.zone = zone
        self.delimiters: Delimiters = message.delimiters
        self.charset: Charset = message.charset

    def text(self, value: bytes) -> str:
        """One value; HL7's null is no text."""
        return _text(value, self.delimiters, self.charset)

    def parts(self, segment: Segment | None, number: int) -> list[bytes]:
        """The components of a field's first repetition."""
        value = b"" if segment is None else segment.field(number)
        delimiters = self.delimiters
        if delimiters.repetition and delimiters.repetition in value:
            value = value.split(delimiters.repetition, 1)[0]
        return value.split(delimiters.component) if delimiters.component else [value]

    def first(self, segment: Segment | None, number: int) -> str:
        """The first component of a field."""
        return self.text(self.parts(segment, number)[0])

    def day(self, segment: Segment | None, number: int) -> date | None:
        """The day of a time stamp."""
        value = b"" if segment is None else segment.field(number)
        found = local_time(value, self.zone) if value else None
        return None if found is None else found.date()

    def seconds(self, segment: Segment | None, number: int) -> int:
        """A time stamp in seconds since 1970 UTC; 0 for none, and for a day alone."""
        value = b"" if segment is None else segment.field(number)
        found = local_time(value, self.zone) if len(value) > len("20261103") else None
        return 0 if found is None else int(found.timestamp())


def _person(read: _Reading) -> PersonFact | None:
    """PID-3, 5, 7 and 8 of a message about one patient: a merge speaks of two."""
    found: Segment | None = None
    for segment in read.message.segments:
        if segment.name == b"PID":
            if found is not None:
                return None
            found = segment
    if found is None:
        return None
    return _person_of(
        found.field(3),
        found.field(5),
        found.field(7),
        found.field(8),
        read.delimiters,
        read.charset,
        read.zone,
    )


@lru_cache(maxsize=16_384)
def _person_of(
    numbers: bytes,
    name: bytes,
    born: bytes,
    sex: bytes,
    delimiters: Delimiters,
    charset: Charset,
    zone: ZoneInfo | None,
) -> PersonFact | None:
    """Remembered, since messages of one patient come together."""

    name = name.split(delimiters.repetition, 1)[0] if delimiters.repetition else name
    parts = name.split(delimiters.component) if delimiters.component else [name]
    family = parts[0].split(delimiters.subcomponent, 1)[0] if delimiters.subcomponent else parts[0]
    birth = local_time(born, zone) if len(born) >= 8 else None
    found = PersonFact(
        _text(family, delimiters, charset),
        _text(parts[1], delimiters, charset) if len(parts) > 1 else "",
        None if birth is None else birth.date(),
        _text(sex, delimiters, charset).upper(),
        tuple([PatientNumber(*map(charset.decode, each)) for each in identifiers(numbers, delimiters)]),
    )
    return found if found.family or found.birth or found.numbers else None


def _orders(plan: ProgrammePlan, read: _Reading, whole: Scope, kind: type[_Order] | type[_Dispense]) -> Facts:
    found: list[Fact] = []
    left_out: list[str] = []
    for head, run in runs(whole, b"ORC"):
        order = kind(plan, read, head, run)
        reason = order.lacks()
        if reason is None:
            found += order.facts()
            if plan.intervention is not None:
                made, missed = intervention_of(
                    plan.intervention, run, order.prescription, order.fill(), order.day(), order.medicine
                )
                found += [] if made is None else [made]
                left_out += [] if missed is None else [f"{plan.place}: {missed}"]
        else:
            left_out.append(f"{plan.place}: {reason}")
    return Facts(tuple(found), tuple(left_out))


class _Run:
    """One order of a message: ORC and what belongs to it."""

    #: The segment with the medicine.
    medicine_at: bytes

    def __init__(self, plan: ProgrammePlan, read: _Reading, orc: Segment, run: Scope) -> None:
        self.plan = plan
        self.read = read
        self.orc = orc
        self.run = run
        self.control = orc.field(1).strip().upper()
        self.rxe, self.rxd = run.first(b"RXE"), run.first(b"RXD")
        self.segment = self.rxe if self.medicine_at == b"RXE" else self.rxd
        self.medicine = self._medicine()
        self.prescription = PrescriptionKey(self._store(), self._number())

    def lacks(self) -> str | None:
        """Why there is no fact in it, or None."""
        if self.segment is None:
            return f"no {self.medicine_at.decode()} in an order"
        if not self.prescription.number:
            return "no prescription number (RXE-15, RXD-7)"
        if self.medicine is None:
            return f"no medicine in {self.medicine_at.decode()}-2"
        return None

    def _store(self) -> str:
        if self.plan.store is not None:
            return self.read.text(self.plan.store(self.run))
        return self.read.first(self.read.message.header, 4)

    def _number(self) -> str:
        """RXE-15 of an order and RXD-7 of a dispense; the other's where its own is empty."""
        own, other = (self.rxe, 15), (self.rxd, 7)
        if self.medicine_at == b"RXD":
            own, other = other, own
        return self.read.first(*own) or self.read.first(*other)

    def _medicine(self) -> Medicine | None:
        """The code of RXE-2 or RXD-2; the alternate one where the first is empty."""
        parts = self.read.parts(self.segment, 2)
        for first in (0, 3):
            code, text, system = [self.read.text(part) for part in (parts[first : first + 3] + [b""] * 3)[:3]]
            if code:
                return Medicine(code, system, text)
        return None

    def event_day(self) -> date | None:
        """When the event of this order happened: ORC-9, else ORC-15, else MSH-7."""
        day = self.read.day
        return day(self.orc, 9) or day(self.orc, 15) or day(self.read.message.header, 7)

    def days_supply(self) -> int | None:
        """What the channel's places say where they agree; without any, the amount by the daily dose where units are equal."""
        read = self.read
        if self.plan.days_supply:
            said = [read.text(place(self.run)) for place in self.plan.days_supply]
            days = {days_of(text) for text in said if text}
            return days.pop() if len(days) == 1 else None
        daily = [read.text(part) for part in read.parts(self.rxd, 12)]
        return days_of_quantity(
            read.first(self.rxd, 4), read.first(self.rxd, 5), daily[0], daily[1] if len(daily) > 1 else ""
        )

    def refills(self, *places: tuple[Segment | None, int]) -> int | None:
        """The first of these fields that is a number."""
        for segment, number in places:
            text = self.read.first(segment, number)
            if text.isdecimal() and len(text) < 5:
                return int(text)
        return None

    def prescriber(self) -> str | None:
        """The NPI among the repetitions of ORC-12 (XCN.13 = NPI, or the authority's OID)."""
        delimiters = self.read.delimiters
        field = self.orc.field(12)
        for repetition in field.split(delimiters.repetition) if delimiters.repetition else [field]:
            parts = repetition.split(delimiters.component) if delimiters.component else [repetition]
            if parts[0] and says_npi(parts):
                return self.read.text(parts[0])
        return None


class _Order(_Run):
    """RDE^O11: what becomes of a prescription."""

    medicine_at = b"RXE"

    def _number(self) -> str:
        """As of any order; a hospital's own number (ORC-2) of a prescription that no store has numbered yet."""
        return super()._number() or (self.read.first(self.orc, 2) if self.plan.discharge else "")

    def fill(self) -> FillKey | None:
        """An order is none."""
        return None

    def day(self) -> date | None:
        """The day of its event."""
        return self.event_day()

    def facts(self) -> Iterator[Fact]:
        """At most one."""
        day, event = self.event_day(), self._event()
        if day is None or event is None or self.medicine is None:
            return
        yield OrderFact(
            self.prescription,
            event,
            day,
            self.medicine,
            self.refills((self.rxe, 16), (self.rxe, 12)),
            self.prescriber(),
            self.plan.discharge,
            # A hospital says nothing of what the store's feed can tell.
            None if self.plan.discharge else self.plan.sold is not None,
        )

    def _event(self) -> Ordered | None:
        cancelled = self.plan.cancelled
        if cancelled(self.run) if cancelled is not None else self.control in _ENDED:
            return Ordered.DISCONTINUED if self.control in _DISCONTINUED else Ordered.CANCELLED
        if self.control in _NEW:
            return Ordered.NEW
        if self.control in _RENEWED:
            return Ordered.RENEWED
        if self.control in _HELD:
            return Ordered.HELD
        return Ordered.RESUMED if self.control in _RESUMED else None


class _Dispense(_Run):
    """RDS^O13: a fill, and whether it was sold or returned to stock."""

    medicine_at = b"RXD"

    def __init__(self, plan: ProgrammePlan, read: _Reading, orc: Segment, run: Scope) -> None:
        super().__init__(plan, read, orc, run)
        self.filled = read.day(self.rxd, 3)

    def lacks(self) -> str | None:
        reason = super().lacks()
        return "no day of dispensing (RXD-3)" if reason is None and self.filled is None else reason

    def fill(self) -> FillKey:
        """The fill, by RXD-1 and for a part of one (RXD-33) its day."""
        number = self.read.first(self.rxd, 1) or "1"
        part = self.filled if self.read.first(self.rxd, 33).upper() in _PARTS else None
        return FillKey(self.prescription, number.lstrip("0") or "0", part)

    def day(self) -> date | None:
        """The day of the fill."""
        return self.filled

    def facts(self) -> Iterator[Fact]:
        """That it was filled, and what the message says beyond."""
        filled, read = self.filled, self.read
        if filled is None or self.medicine is None:
            return
        fill = self.fill()
        events = [(Dispensed.FILLED, filled)]
        returned = self.plan.returned
        if returned(self.run) if returned is not None else self.control == b"CA":
            events.append((Dispensed.RETURNED, self.event_day() or filled))
        elif self.plan.sold is not None and self.plan.sold(self.run):
            sold = read.day(self.run.first(b"FT1"), 4) or self.event_day() or filled
            events.append((Dispensed.SOLD, max(sold, filled)))
        days = self.days_supply()
        refills, prescriber = self.refills((self.rxd, 8), (self.rxe, 16)), self.prescriber()
        for event, day in events:
            yield FillFact(
                fill,
                event,
                day,
                self.medicine,
                days,
                self.plan.sold is not None,
                self.plan.filled_counts,
                refills,
                prescriber,
            )


#: Events that say where a patient goes; others only mention where the patient is.
_TURNS: Final = frozenset(f"ADT^{trigger}" for trigger in ("A01", "A03", "A06", "A11", "A13"))


def _of_admission(read: _Reading, type_: str) -> Iterator[Fact]:
    """Stays of inpatients (PV1-2 = I) by PV1-19, and PID-29 and 30."""
    message = read.message
    visit, event, patient = message.first(b"PV1"), message.first(b"EVN"), message.first(b"PID")
    if visit is not None and visit.field(2) == b"I" and visit.field(19):
        happened = read.day(event, 6) or read.day(event, 2)
        admitted, discharged = read.day(visit, 44), None
        if type_ in ("ADT^A01", "ADT^A06"):
            admitted = admitted or happened
        elif type_ == "ADT^A03":
            discharged = read.day(visit, 45) or happened
        cancelled, at = type_ == "ADT^A11", 0
        if type_ in _TURNS:
            at = read.seconds(event, 2) or read.seconds(message.header, 7)
        if admitted or discharged or cancelled:
            yield StayFact(read.first(visit, 19), admitted, discharged, cancelled, at)
        if type_ == "ADT^A13" and (discharged := read.day(visit, 45) or happened) is not None:
            yield StayFact(read.first(visit, 19), None, discharged, True, at)
    if patient is not None:
        said = patient.field(30)
        if said == b"Y" or (not said and patient.field(29) not in (b"", b'""')):
            yield DeathFact(read.day(patient, 29))

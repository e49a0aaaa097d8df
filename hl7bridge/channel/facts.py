"""From a message to what the programme knows by it: orders, fills, stays and deaths (see affiliation.facts).

Read from the message as it came, order by order. Keys and places are the standard's (HL7 v2.5.1 chapters 4 and 4A), and where it
has none those of the channel's `programme`. What has no prescription number, no day or no medicine is no fact: it is kept and passed
on like any message, and counted as left out. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.affiliation.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PersonFact,
    PrescriptionKey,
    StayFact,
)
from hl7bridge.channel.programme import ProgrammePlan
from hl7bridge.channel.scope import Scope, Work, runs
from hl7bridge.channel.supply import days_of, days_of_quantity
from hl7bridge.channel.times import local_time
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.escape import unescape
from hl7bridge.hl7.message import Message, Segment

#: Order control codes (table 0119) of a new prescription, and of one that takes an older one's place.
_NEW: Final = frozenset({b"NW", b"OK", b"SN", b"RO", b"PY", b"RU", b"XO", b"XR"})
_RENEWED: Final = frozenset({b"RF", b"RE", b"FU", b"AF"})
_HELD: Final = frozenset({b"HD", b"OH", b"HR"})
_RESUMED: Final = frozenset({b"RL", b"OE", b"OR"})
#: Codes that end a prescription unless the channel says otherwise, and those of them that end all to come.
_ENDED: Final = frozenset({b"CA", b"OC", b"CR", b"DC", b"OD", b"DR"})
_DISCONTINUED: Final = frozenset({b"DC", b"OD", b"DR"})
_NPI: Final = b"2.16.840.1.113883.4.6"
_ORDERS: Final = frozenset({"RDE^O11", "RDE^O01", "RDE^O49"})
_DISPENSES: Final = frozenset({"RDS^O13", "RDS^O01"})


class Facts(NamedTuple):
    """What one message says, and why orders in it say nothing (reasons of low variety, without its text)."""

    found: tuple[Fact, ...]
    left_out: tuple[str, ...]


NOTHING: Final = Facts((), ())


def facts_of(
    plan: ProgrammePlan, message: Message, type_: str, zone: ZoneInfo | None, received: datetime
) -> Facts:
    """The facts of a message of a canonical type; `received` stands in for a day that nothing gives."""
    person = _person(message, zone)
    said = NOTHING
    if type_ in _ORDERS:
        said = _orders(plan, message, zone, received, _Order)
    elif type_ in _DISPENSES:
        said = _orders(plan, message, zone, received, _Dispense)
    elif type_.startswith("ADT^"):
        said = Facts(tuple(_of_admission(message, type_, zone)), ())
    return said if person is None else Facts((person, *said.found), said.left_out)


def _person(message: Message, zone: ZoneInfo | None) -> PersonFact | None:
    """PID-5, 7 and 8 of a message about one patient: a merge speaks of two."""
    found: Segment | None = None
    for segment in message.segments:
        if segment.name == b"PID":
            if found is not None:
                return None
            found = segment
    if found is None:
        return None
    return _person_of(found.field(5), found.field(7), found.field(8), message.delimiters, zone)


@lru_cache(maxsize=16_384)
def _person_of(
    name: bytes, born: bytes, sex: bytes, delimiters: Delimiters, zone: ZoneInfo | None
) -> PersonFact | None:
    """Remembered, since messages of one patient come together."""

    def text(value: bytes) -> str:
        return "" if value == b'""' else unescape(value, delimiters).decode("utf-8", "replace").strip()

    name = name.split(delimiters.repetition, 1)[0] if delimiters.repetition else name
    parts = name.split(delimiters.component) if delimiters.component else [name]
    family = parts[0].split(delimiters.subcomponent, 1)[0] if delimiters.subcomponent else parts[0]
    birth = local_time(born, zone) if len(born) >= 8 else None
    found = PersonFact(
        text(family).upper(),
        text(parts[1]).upper() if len(parts) > 1 else "",
        None if birth is None else birth.date(),
        text(sex).upper(),
    )
    return found if found.family or found.birth else None


def _orders(
    plan: ProgrammePlan,
    message: Message,
    zone: ZoneInfo | None,
    received: datetime,
    kind: type[_Order] | type[_Dispense],
) -> Facts:
    whole = Scope(message, Work(received, 0, zone))
    found: list[Fact] = []
    left_out: list[str] = []
    for head, run in runs(whole, b"ORC"):
        order = kind(plan, message, head, run, zone)
        reason = order.lacks()
        if reason is None:
            found += order.facts()
        else:
            left_out.append(f"{plan.place}: {reason}")
    return Facts(tuple(found), tuple(left_out))


class _Run:
    """One order of a message: ORC and what belongs to it."""

    #: The segment with the medicine, the field of its prescription number.
    medicine_at: bytes
    number_at: int

    def __init__(
        self, plan: ProgrammePlan, message: Message, orc: Segment, run: Scope, zone: ZoneInfo | None
    ) -> None:
        self.plan = plan
        self.message = message
        self.delimiters: Delimiters = message.delimiters
        self.orc = orc
        self.run = run
        self.zone = zone
        self.control = orc.field(1).strip().upper()
        self.segment = run.first(self.medicine_at)
        self.medicine = None if self.segment is None else self._medicine(self.segment)
        number = self._text(self.segment, self.number_at)
        if not number:
            rxe, rxd = run.first(b"RXE"), run.first(b"RXD")
            number = self._text(rxd, 7) or self._text(rxe, 15)
        self.prescription = PrescriptionKey(self._store(), number)

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
            return self._said(self.plan.store(self.run))
        return self._said(self.message.header_field(4)).partition(self._component())[0]

    def _said(self, value: bytes) -> str:
        return unescape(value, self.delimiters).decode("utf-8", "replace").strip()

    def _component(self) -> str:
        return self.delimiters.component.decode("utf-8", "replace") or "^"

    def _text(self, segment: Segment | None, number: int, component: int = 1) -> str:
        """A component of the first repetition of a field."""
        if segment is None:
            return ""
        value = segment.field(number)
        if self.delimiters.repetition:
            value = value.split(self.delimiters.repetition, 1)[0]
        parts = value.split(self.delimiters.component) if self.delimiters.component else [value]
        part = parts[component - 1] if component <= len(parts) else b""
        return "" if part == b'""' else self._said(part)

    def _medicine(self, segment: Segment) -> Medicine | None:
        for first in (1, 4):
            code = self._text(segment, 2, first)
            if code:
                return Medicine(code, self._text(segment, 2, first + 2), self._text(segment, 2, first + 1))
        return None

    def day(self, segment: Segment | None, number: int) -> date | None:
        """The day of a time stamp, on the source's own calendar."""
        value = b"" if segment is None else segment.field(number)
        found = local_time(value, self.zone) if value else None
        return None if found is None else found.date()

    def event_day(self) -> date | None:
        """When the event of this order happened: ORC-9, else ORC-15, else MSH-7."""
        return self.day(self.orc, 9) or self.day(self.orc, 15) or self.day(self.message.header, 7)

    def days_supply(self) -> int | None:
        """What the channel's places say where they agree; without any, the amount by the daily dose where units are equal."""
        if self.plan.days_supply:
            said = [self._said(read(self.run)) for read in self.plan.days_supply]
            days = {days_of(text) for text in said if text}
            return days.pop() if len(days) == 1 else None
        rxd = self.run.first(b"RXD")
        return days_of_quantity(
            self._text(rxd, 4), self._text(rxd, 5), self._text(rxd, 12), self._text(rxd, 12, 2)
        )

    def refills(self, *places: tuple[bytes, int]) -> int | None:
        """The first of these fields that is a number."""
        for name, number in places:
            text = self._text(self.run.first(name), number)
            if text.isdecimal() and len(text) < 5:
                return int(text)
        return None

    def prescriber(self) -> str | None:
        """The NPI among the repetitions of ORC-12 (XCN.13 = NPI, or the authority's OID)."""
        delimiters = self.delimiters
        field = self.orc.field(12)
        for repetition in field.split(delimiters.repetition) if delimiters.repetition else [field]:
            parts = repetition.split(delimiters.component) if delimiters.component else [repetition]
            typed = len(parts) > 12 and parts[12] == b"NPI"
            named = len(parts) > 8 and _NPI in parts[8]
            if parts[0] and (typed or named):
                return self._said(parts[0])
        return None


class _Order(_Run):
    """RDE^O11: what becomes of a prescription."""

    medicine_at = b"RXE"
    number_at = 15

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
            self.refills((b"RXE", 16), (b"RXE", 12)),
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
    number_at = 7

    def lacks(self) -> str | None:
        reason = super().lacks()
        if reason is None and self.day(self.segment, 3) is None:
            return "no day of dispensing (RXD-3)"
        return reason

    def facts(self) -> Iterator[Fact]:
        """That it was filled, and what the message says beyond."""
        filled = self.day(self.segment, 3)
        if filled is None or self.medicine is None:
            return
        number = self._text(self.segment, 1) or "1"
        part = filled if self._text(self.segment, 33).upper() in ("P", "Q") else None
        fill = FillKey(self.prescription, number.lstrip("0") or "0", part)
        events = [(Dispensed.FILLED, filled)]
        returned = self.plan.returned
        if returned(self.run) if returned is not None else self.control == b"CA":
            events.append((Dispensed.RETURNED, self.event_day() or filled))
        elif self.plan.sold is not None and self.plan.sold(self.run):
            sold = self.day(self.run.first(b"FT1"), 4) or self.event_day() or filled
            events.append((Dispensed.SOLD, max(sold, filled)))
        days = self.days_supply()
        for event, day in events:
            yield FillFact(
                fill,
                event,
                day,
                self.medicine,
                days,
                self.plan.sold is not None,
                self.plan.filled_counts,
                self.refills((b"RXD", 8), (b"RXE", 16)),
                self.prescriber(),
            )


def _of_admission(message: Message, type_: str, zone: ZoneInfo | None) -> Iterator[Fact]:
    """Stays of inpatients (PV1-2 = I) by PV1-19, and PID-29 and 30."""
    visit, patient = message.first(b"PV1"), message.first(b"PID")

    def day(segment: Segment | None, number: int) -> date | None:
        value = b"" if segment is None else segment.field(number)
        found = local_time(value, zone) if value else None
        return None if found is None else found.date()

    if visit is not None and visit.field(2) == b"I" and visit.field(19):
        number = visit.field(19).split(message.delimiters.component or b"^", 1)[0].decode("utf-8", "replace")
        admitted = day(visit, 44)
        if type_ in ("ADT^A01", "ADT^A06"):
            admitted = admitted or day(message.first(b"EVN"), 6) or day(message.first(b"EVN"), 2)
        discharged = None
        if type_ == "ADT^A03":
            event = message.first(b"EVN")
            discharged = day(visit, 45) or day(event, 6) or day(event, 2)
        cancelled = type_ == "ADT^A11"
        if admitted or discharged or cancelled:
            yield StayFact(number, admitted, discharged, cancelled)
    if patient is not None:
        said = patient.field(30)
        if said == b"Y" or (not said and patient.field(29) not in (b"", b'""')):
            yield DeathFact(day(patient, 29))

"""A pharmacy's events as its dialect tells them: RDE for orders, RDS for fills, pick-ups and returns.

What a dialect does not tell has no message. Knows dialects and events. Raises nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from hl7bridge.testing.synthetic.clock import DAY, day_text, from_utc, plain, stamp, to_utc
from hl7bridge.testing.synthetic.dialects import Dialect, PickUp, Supply
from hl7bridge.testing.synthetic.events import Event, Fill, Kind, Prescription, Why
from hl7bridge.testing.synthetic.medicines import Product
from hl7bridge.testing.synthetic.segments import HEAD_OFFICE, clinician, header, old_patient, patient, told_at

#: ORC-1 of each order event (table 0119).
_CONTROLS: Final = {
    Kind.ORDERED: b"NW",
    Kind.REPLACED: b"RO",
    Kind.CANCELLED: b"CA",
    Kind.DISCONTINUED: b"DC",
    Kind.REFILLS_ASKED: b"RF",
}
_DISPENSES: Final = frozenset({Kind.FILLED, Kind.PART_FILLED, Kind.COMPLETED, Kind.SOLD, Kind.RETURNED})
KINDS: Final = _DISPENSES | _CONTROLS.keys()
_REASONS: Final = {
    Why.NOT_PICKED_UP: b"AK^Not picked up^NCPDP",
    Why.PICKED_UP: b"AH^Picked up^NCPDP",
    Why.PARTIAL: b"AJ^Partial^NCPDP",
}
_SOLD, _FILLED = b"SOLD^Sold to the patient^99LAN", b"FILLED^Filled, waits for the patient^99LAN"
_RETURNED: Final = b"RTS^Returned to stock^99LAN"


def tells(dialect: Dialect, event: Event) -> bool:
    """Whether there is a message for it."""
    return event.kind is not Kind.SOLD or dialect.tells_pick_up


def write(dialect: Dialect, event: Event, sent_utc: int, control_id: bytes) -> bytes:
    """The message. `event` is of KINDS and has a prescription."""
    prescription = event.prescription
    assert prescription is not None
    old = dialect.old
    if event.kind in _DISPENSES:
        type_ = dialect.dispense
    elif event.kind is Kind.REFILLS_ASKED:
        type_ = b"RDE^O25" if old else b"RDE^O25^RDE_O11"
    else:
        type_ = dialect.order
    head = header(
        dialect.application,
        prescription.store.code,
        b"HL7BRIDGE",
        told_at(sent_utc, event, dialect.offsets),
        type_,
        control_id,
        dialect.version,
    ) + (old_patient(event) if old else patient(event))
    if event.fill is not None:
        return head + _dispense(dialect, event, prescription, event.fill)
    return head + _order(dialect, event, prescription)


def _time(dialect: Dialect, event: Event, at: int) -> bytes:
    zone = event.person.town.zone
    return stamp(at, zone) if dialect.offsets else plain(from_utc(to_utc(at, zone), HEAD_OFFICE))


def duration(days: int) -> bytes:
    """A duration in the letters of TQ.3 (chapter 4, the TQ data type): weeks where they come out even, else days."""
    return b"W%d" % (days // 7) if days % 28 == 0 else b"D%d" % days


@cache
def _dose(product: Product) -> int:
    """Units at a time."""
    return product.daily // {b"BID": 2, b"TID": 3}.get(product.pattern, 1)


def _quantity_timing(product: Product, length: bytes, day: int) -> bytes:
    """A TQ: quantity, pattern, duration, start, priority."""
    return b"%d^%b^%b^%b^^R" % (_dose(product), product.pattern, length, day_text(day))


def _timing(product: Product, days: int, day: int) -> bytes:
    """TQ1, with the duration where `days` is not 0."""
    if not days:
        return b"TQ1|1|%d|%b\r" % (_dose(product), product.pattern)
    length = b"%d^wk" % (days // 7) if days % 28 == 0 else b"%d^d" % days
    return b"TQ1|1|%d|%b|||%b|%b\r" % (_dose(product), product.pattern, length, day_text(day))


def _common(
    dialect: Dialect,
    event: Event,
    prescription: Prescription,
    control: bytes,
    days: int,
    status: bytes,
    last: bytes,
) -> bytes:
    """ORC, and for a dialect that keeps the days' supply there, its Z segment or TQ1. `last` is ORC-16 and what follows."""
    store, day = prescription.store.code[1:], event.at // DAY
    timing = b""
    if dialect.supply is Supply.ORC_7:
        timing = _quantity_timing(prescription.product, duration(days), day)
    begins = b"" if event.fill is not None else _time(dialect, event, event.at)
    return b"ORC|%b|%b^CLINICERX|%b-%b^%b||%b||%b||%b|||%b%b\r" % (
        control, prescription.placer, store, prescription.number, dialect.application, status, timing,
        _time(dialect, event, event.at), clinician(prescription.prescriber, b"old" if dialect.old else b""),
        b"|||" + begins + last if begins or last else b"",
    )  # fmt: skip


def _encoded(
    dialect: Dialect, prescription: Prescription, days: int, quantity: int, left: int, day: int
) -> bytes:
    """RXE with its TQ1 and RXR: the order as the pharmacy understood it."""
    product = prescription.product
    unit = product.unit
    timing = b""
    if dialect.supply is Supply.RXE_1:
        length = b"D%d" % days if dialect.letter else b"%d" % days
        timing = _quantity_timing(product, length, day)
    elif dialect.old:
        timing = _quantity_timing(product, b"", day)
    sig = product.sig + (b" for %d days" % days if dialect.supply is Supply.SIG else b"")
    if dialect.old:
        return b"RXE|%b|%b^%b^NDC|1||%b||^%b|||%d|%b|%d|||%b|%d\rRXR|%b\r" % (
            timing, product.ndc, product.name.upper(), unit, sig.upper(), quantity, unit, prescription.refills,
            prescription.number, left, product.route.split(b"^", 1)[0],
        )  # fmt: skip
    unit += b"^" + unit.lower() + b"^99LAN"
    return b"RXE|%b|%b|1||%b|%b|^%b||G|%d|%b|%d|||%b|%d\r%bRXR|%b\r" % (
        timing, product.code, unit, unit, sig, quantity, unit, prescription.refills, prescription.number, left,
        _timing(product, days if dialect.supply is Supply.TQ1_6 else 0, day), product.route,
    )  # fmt: skip


def _z_segment(dialect: Dialect, days: int) -> bytes:
    return b"ZRX|1|||EFILL|||%04d||N\r" % days if dialect.supply is Supply.ZRX_7 else b""


def _order(dialect: Dialect, event: Event, prescription: Prescription) -> bytes:
    control = _CONTROLS[event.kind]
    status = {b"CA": b"CA", b"DC": b"DC"}.get(control, b"SC")
    reason = b""
    if control in (b"CA", b"DC"):
        reason = b"|PRESCRIBER^Stopped by the prescriber^99LAN"
    elif not dialect.old:
        reason = b"||||||Lantern Pharmacy " + prescription.store.code[1:]
    days, quantity, left = prescription.days_supply, prescription.quantity, prescription.refills
    if event.kind is Kind.REFILLS_ASKED:
        left = 0
    return (
        _common(dialect, event, prescription, control, days, status, reason)
        + _encoded(dialect, prescription, days, quantity, left, event.at // DAY)
        + _z_segment(dialect, days)
    )


def _dispense(dialect: Dialect, event: Event, prescription: Prescription, fill: Fill) -> bytes:
    """An RDS. The days' supply is this fill's; RXD-3 is the day it was filled, ORC-9 the time of what is told."""
    kind, days, product = event.kind, fill.days_supply, prescription.product
    old, way = dialect.old, dialect.pick_up
    control, status, reason, modifier = b"RE", b"CM" if kind is Kind.SOLD else b"IP", b"", b""
    if kind is Kind.RETURNED:
        control, status = b"CA", b"CA"
        reason = _REASONS[event.why] if event.why is not None else b""
        modifier = b"" if old else _RETURNED
        if way is PickUp.ZD:
            control, modifier = b"ZD", b"RETURNED^Returned to stock^99PSO"
    elif way is PickUp.ORC_25:
        modifier = _SOLD if kind is Kind.SOLD else _FILLED
    elif way is PickUp.ZD and kind is Kind.SOLD:
        control, modifier = b"ZD", b"RELEASED^Released to the patient^99PSO"
    last = b""
    if modifier:
        last = b"|%b|||||Lantern Pharmacy %b||||%b" % (reason, prescription.store.code[1:], modifier)
    elif reason:
        last = b"|" + reason
    text = _common(dialect, event, prescription, control, days, status, last)
    day = fill.filled_at // DAY
    if dialect.supply in (Supply.RXE_1, Supply.SIG):
        text += _encoded(dialect, prescription, days, fill.quantity, fill.refills_left, day)
    elif dialect.supply is Supply.TQ1_6:
        text += _timing(product, days, day)
    note = b"SOLD" if way is PickUp.RXD_9 and kind is Kind.SOLD else b""
    dose = b"%d" % days if dialect.supply is Supply.RXD_12 else b""
    more = b"|%b|||%b|%b" % (note, dose, b"|" * 20 + fill.part)
    more = more.rstrip(b"|")
    drug, unit, route = product.code, product.unit + b"^" + product.unit.lower() + b"^99LAN", product.route
    if old:
        drug, unit, route = (
            product.ndc + b"^" + product.name.upper() + b"^NDC",
            product.unit,
            route.split(b"^", 1)[0],
        )
    text += b"RXD|%d|%b|%b|%d|%b||%b|%d%b\rRXR|%b\r" % (
        fill.number - 1 + dialect.first, drug, _time(dialect, event, fill.filled_at), fill.quantity, unit,
        prescription.number, fill.refills_left, more, route,
    )  # fmt: skip
    text += _z_segment(dialect, days)
    if way is PickUp.FT1 and kind is Kind.SOLD:
        text += b"FT1|1|||%b||CG|%b^Prescription %b fill %d^99LAN|||1\r" % (
            _time(dialect, event, event.at), prescription.number, prescription.number, fill.number,
        )  # fmt: skip
    return text

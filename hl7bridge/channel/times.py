"""The day on which an event happened, and times as a source's clock showed them.

Rules: RXD-3 of a dispense; ORC-9, else ORC-15 of an order; OBR-7 of a result; EVN-6, else EVN-2 of an
admission event; else MSH-7. Without an offset a time is in the zone of its source. More than a day ahead of
its arrival it is not believed. Raises nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import parse_ts

_PLACES: Final[dict[str, tuple[tuple[bytes, int], ...]]] = {
    "RDS": ((b"RXD", 3),),
    "RDE": ((b"ORC", 9), (b"ORC", 15)),
    "ORU": ((b"OBR", 7),),
    "ADT": ((b"EVN", 6), (b"EVN", 2)),
}
_HEADER: Final = ((b"MSH", 7),)
_DAY: Final = timedelta(days=1)


def local_time(value: bytes, zone: ZoneInfo | None) -> datetime | None:
    """The wall clock time in `zone` (UTC if None) that a timestamp writes, without its zone; None if it is
    none.
    """
    found = _instant(value, zone)
    if found is None:
        return None
    try:
        return found.astimezone(zone or UTC).replace(tzinfo=None)
    except (OverflowError, ValueError):  # the years 1 and 9999 have no neighbours
        return None


def _instant(value: bytes, zone: ZoneInfo | None) -> datetime | None:
    for mark in (b"~", b"^"):
        if mark in value:
            value = value[: value.index(mark)]
    return parse_ts(value, zone or UTC)


def event_date(
    message: Message, type_: str, zone: ZoneInfo | None, received: datetime
) -> tuple[date | None, bool]:
    """The event's date in the source's zone, and whether it was in the future so that the received date
    stands for it.
    """
    for name, number in (*_PLACES.get(type_[:3], ()), *_HEADER):
        segment = message.first(name)
        if segment is None:
            continue
        value = segment.field(number)
        if len(value) < 8:
            continue
        moment = _instant(value, zone)
        if moment is None:
            continue
        return _believed(moment, zone, received)
    return received.astimezone(zone or UTC).date(), False


def _believed(moment: datetime, zone: ZoneInfo | None, received: datetime) -> tuple[date, bool]:
    try:
        if moment - received > _DAY:
            return received.astimezone(zone or UTC).date(), True
        return moment.astimezone(zone or UTC).date(), False
    except (OverflowError, ValueError):
        return moment.date(), False

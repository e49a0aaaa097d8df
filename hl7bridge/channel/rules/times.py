"""The day on which an event happened, and times as a source's clock showed them.

Rules: RXD-3 of a dispense; ORC-9, else ORC-15 of an order; OBR-7 of a result; EVN-6, else EVN-2 of an
admission event; TXA-4 of a document; else MSH-7. Without an offset a time is in the zone of its source. More than a day ahead of
its arrival it is not believed. Raises nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import parse_ts

_HEADER: Final = ((b"MSH", 7),)
_PLACES: Final[dict[str, tuple[tuple[bytes, int], ...]]] = {
    "RDS": ((b"RXD", 3), *_HEADER),
    "RDE": ((b"ORC", 9), (b"ORC", 15), *_HEADER),
    "ORU": ((b"OBR", 7), *_HEADER),
    "MDM": ((b"TXA", 4), *_HEADER),
    "ADT": ((b"EVN", 6), (b"EVN", 2), *_HEADER),
}
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
    for name, number in _PLACES.get(type_[:3], _HEADER):
        segment = message.first(name)
        if segment is None:
            continue
        value = segment.field(number)
        if len(value) < 8:
            continue
        if value.isdigit():  # the usual one: the source's own clock, and not in the future
            day = _day(value[:8])
            if day is not None and day <= _today(received, zone):
                return day, False
        moment = _instant(value, zone)
        if moment is None:
            continue
        return _believed(moment, zone, received)
    return _today(received, zone), False


@lru_cache(maxsize=4096)
def _day(digits: bytes) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _today(received: datetime, zone: ZoneInfo | None) -> date:
    if zone is None and received.tzinfo is UTC:
        return received.date()
    return received.astimezone(zone or UTC).date()


def _believed(moment: datetime, zone: ZoneInfo | None, received: datetime) -> tuple[date, bool]:
    try:
        if moment - received > _DAY:
            return _today(received, zone), True
        return moment.astimezone(zone or UTC).date(), False
    except (OverflowError, ValueError):
        return moment.date(), False

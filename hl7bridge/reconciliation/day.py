"""A calendar day as microseconds: it begins at midnight of a zone, and has 23 or 25 hours where clocks are changed.

Raises HL7BridgeError for a zone that there is not, and for a day at either end of the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hl7bridge.errors import HL7BridgeError


@dataclass(frozen=True, slots=True)
class Day:
    """From `since_us` (inclusive) to `until_us` (exclusive). `zone` says in words whose midnight it is, and `tz`
    is it, None for the machine's.
    """

    date: date
    zone: str
    since_us: int
    until_us: int
    tz: tzinfo | None = None

    def clock(self, us: int) -> str:
        """A time by the clocks of its zone, to the second."""
        return datetime.fromtimestamp(us / 1e6, self.tz).strftime("%Y-%m-%d %H:%M:%S")


def zone_of(name: str) -> ZoneInfo:
    """A zone by its name, like America/New_York."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise HL7BridgeError(
            f"there is no time zone {name}", code="unknown-zone", hint="a name like America/New_York, or UTC"
        ) from None


def day_of(day: date, zone: tzinfo | None, words: str) -> Day:
    """A day of a zone; None is the machine's."""
    try:
        begin, end = (_midnight(each, zone) for each in (day, day + timedelta(days=1)))
    except (ValueError, OverflowError):
        raise HL7BridgeError(
            f"no clock has shown {day}", code="no-such-day", hint="a day like 2026-11-21"
        ) from None
    return Day(day, words, begin, end, zone)


def _midnight(day: date, zone: tzinfo | None) -> int:
    # A naive time's astimezone() is by the machine's zone, with the offset of that very day.
    naive = datetime.combine(day, time())
    moment = naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000

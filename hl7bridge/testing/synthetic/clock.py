"""Times of made-up messages: a local time is one whole number, and is written with and without its offset.

`at` is everywhere the wall's time in seconds since the day before 1 January of year 1 (`date.toordinal` times 86,400 and the
seconds of the day). A day has one offset, that of noon: nothing happens at two in the morning, when clocks change. Knows no
events. Raises ZoneInfoNotFoundError for a zone that is none.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = 86_400
HOUR: Final = 3_600
MINUTE: Final = 60


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(512)
def offset_s(zone: str, day: int) -> int:
    """How far a zone's clocks are ahead of UTC on a day (its ordinal), seconds."""
    noon = datetime.combine(date.fromordinal(day), datetime.min.time()).replace(hour=12, tzinfo=_zone(zone))
    ahead = noon.utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


@lru_cache(512)
def _offset_text(zone: str, day: int) -> bytes:
    minutes = offset_s(zone, day) // 60
    return b"%c%02d%02d" % (b"-+"[minutes >= 0], abs(minutes) // 60, abs(minutes) % 60)


@lru_cache(512)
def day_text(day: int) -> bytes:
    """YYYYMMDD."""
    return date.fromordinal(day).strftime("%Y%m%d").encode()


def to_utc(at: int, zone: str) -> int:
    """The same moment on UTC's clock."""
    return at - offset_s(zone, at // DAY)


def from_utc(utc: int, zone: str) -> int:
    """A moment of UTC's clock on the zone's."""
    return utc + offset_s(zone, (utc - 5 * HOUR) // DAY)


def plain(at: int) -> bytes:
    """YYYYMMDDHHMMSS, without an offset."""
    day, second = divmod(at, DAY)
    minute, second = divmod(second, 60)
    return b"%b%02d%02d%02d" % (day_text(day), minute // 60, minute % 60, second)


def stamp(at: int, zone: str) -> bytes:
    """YYYYMMDDHHMMSS+ZZZZ."""
    day, second = divmod(at, DAY)
    minute, second = divmod(second, 60)
    return b"%b%02d%02d%02d%b" % (day_text(day), minute // 60, minute % 60, second, _offset_text(zone, day))


def moment(at: int, zone: str) -> datetime:
    """The time with the offset that `stamp` writes, for those who compare."""
    day, second = divmod(at, DAY)
    local = datetime.combine(date.fromordinal(day), datetime.min.time()) + timedelta(seconds=second)
    return local.replace(tzinfo=timezone(timedelta(seconds=offset_s(zone, day))))

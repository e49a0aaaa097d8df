"""Dates and times of day in conditions: what a bound writes, and how a value of a message is compared with
it.

A value without an offset is in the zone of its source; one with an offset is converted to it. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.times import local_time
from hl7bridge.hl7.message import Segment

Match = Callable[[bytes, Segment, Scope], bool]
_BOUND = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2}))?)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Bound:
    """From when to when the text stretches: a day, a minute or a second; for a time of day, seconds since
    midnight.
    """

    begin: datetime | None
    end: datetime | None
    seconds: int = 0

    @property
    def of_day(self) -> bool:
        return self.begin is None


def read_moment(text: str) -> Bound | None:
    """The bound that `2026-12-01`, `20261201`, `2026-12-01 07:00` or `07:00` writes, or None."""
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        if hours > 24 or minutes > 59 or seconds > 59 or hours * 3600 + minutes * 60 + seconds > 86400:
            return None
        return Bound(None, None, hours * 3600 + minutes * 60 + seconds)
    match = _BOUND.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    try:
        begin = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        length = (
            timedelta(days=1)
            if hour is None
            else timedelta(minutes=1)
            if second is None
            else timedelta(seconds=1)
        )
        return Bound(begin, begin + length)
    except (ValueError, OverflowError):
        return None


def ordered(word: str, bounds: Sequence[Bound]) -> Match:
    """`before`, `after` or `between`, for values of messages."""
    first, last = bounds[0], bounds[-1]
    if first.of_day:
        return _of_day(word, first.seconds, last.seconds)

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        found = local_time(value, scope.work.zone)
        if found is None:
            return False
        assert first.begin is not None
        assert last.end is not None
        if word == "before":
            return found < first.begin
        if word == "after":
            return found >= last.end
        return first.begin <= found < last.end

    return match


def _of_day(word: str, first: int, last: int) -> Match:
    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        found = local_time(value, scope.work.zone)
        if found is None or len(value) < 10:  # a date alone has no time of day
            return False
        seconds = found.hour * 3600 + found.minute * 60 + found.second
        if word == "before":
            return seconds < first
        if word == "after":
            return seconds >= first
        if first <= last:
            return first <= seconds < last
        return seconds >= first or seconds < last  # 22:00 to 06:00 goes over midnight

    return match

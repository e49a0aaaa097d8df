"""Times as people and programs read them: an operator holds them against another system's clock, so the zone is never left out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple


class At(NamedTuple):
    """A time as a cell of a table, in microseconds; the table says its zone. `short`: without the date if it is today's."""

    us: int | None
    short: bool = False


def local(us: int | None) -> str:
    """A time in the local zone, to the second; '' for none."""
    return "" if us is None else datetime.fromtimestamp(us / 1e6).strftime("%Y-%m-%d %H:%M:%S")


def zoned(us: int | None) -> str:
    """`local` with its zone, for sentences."""
    return "" if us is None else f"{local(us)} {_zone(us)}"


def soon(us: int | None) -> str:
    """A time in the local zone: the time of day alone if it is today."""
    day, _, time_of_day = local(us).partition(" ")
    return time_of_day if day == local(int(time.time() * 1e6))[:10] else local(us)


def column(head: str, cells: Iterable[object]) -> tuple[str, list[object]]:
    """A column of a table with its times written: their zone stands in the head, or, where they lie in several, beside each."""
    found = list(cells)
    zones = {_zone(each.us) for each in found if isinstance(each, At) and each.us is not None}
    if not zones:
        return head, [None if isinstance(each, At) else each for each in found]
    said = f"{head} ({zones.pop()})" if len(zones) == 1 else head
    return said, [_written(each, said == head) if isinstance(each, At) else each for each in found]


def iso(us: int | None) -> str | None:
    """A time in UTC, for machines."""
    return None if us is None else datetime.fromtimestamp(us / 1e6, UTC).isoformat()


def _written(at: At, with_zone: bool) -> str:
    text = soon(at.us) if at.short else local(at.us)
    return f"{text} {_zone(at.us)}" if with_zone and at.us is not None else text


def _zone(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6).astimezone().tzname() or ""

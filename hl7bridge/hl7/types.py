"""Facts about message types: their names as channels know them, which of them merge patients, and times.

Holds `canonical`, `MERGES` and `parse_ts`. Refuses to know segments. Raises nothing.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from hl7bridge.hl7.message import Message

# : ADT events that say two numbers are one patient (HL7 v2.5.1 chapter 3; A18, A30, A34, A36 and A39 are of
# older versions).
MERGES: Final = frozenset(
    f"ADT^{trigger}" for trigger in ("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47")
)

# Before version 2.4 every order event was O01 and every order answer O02 (chapter 4, 4.5 and 4A.3).
_BEFORE_2_4: Final = {
    "RDE^O01": "RDE^O11",
    "RRE^O02": "RRE^O12",
    "RDS^O01": "RDS^O13",
    "RRD^O02": "RRD^O14",
    "RGV^O01": "RGV^O15",
    "RRG^O02": "RRG^O16",
    "RAS^O01": "RAS^O17",
    "RRA^O02": "RRA^O18",
}
_ZERO_FOR_O = re.compile(r"0([0-9]{2})")
# What is remembered of a type is bounded, whatever a sender writes there.
_TYPE_BYTES = 16


def canonical(type_code: bytes, trigger: bytes, lenient: bool = True) -> str:
    """A message type as channels name it: `RDE^O11`, or `ACK` where there is no trigger event.

    Lenient: small letters and blanks do not matter, a zero typed for the letter O counts as O, and the order
    events of versions before 2.4 count as today's (RDE^O01 as RDE^O11, RDS^O01 as RDS^O13).
    """
    return _canonical(type_code[:_TYPE_BYTES], trigger[:_TYPE_BYTES], lenient)


@lru_cache(maxsize=1024)
def _canonical(type_code: bytes, trigger: bytes, lenient: bool) -> str:
    kind = type_code.decode("ascii", "replace")
    event = trigger.decode("ascii", "replace")
    if lenient:
        kind, event = kind.strip().upper(), event.strip().upper()
        if kind != "ADT":
            event = _ZERO_FOR_O.sub(r"O\1", event) if _ZERO_FOR_O.fullmatch(event) else event
    name = f"{kind}^{event}" if event else kind
    return _BEFORE_2_4.get(name, name) if lenient else name


def of_message(message: Message, lenient: bool = True) -> str:
    """The canonical type of a message."""
    parts = message.header.field(9).split(message.delimiters.component or b"^", 2)
    return canonical(parts[0], parts[1] if len(parts) > 1 else b"", lenient)


_TIME = re.compile(
    rb"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?"
    rb"(?:([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)


def parse_ts(value: bytes, zone: tzinfo) -> datetime | None:
    """The instant that a TS or DTM value begins with (chapter 2.A, 2.A.22); None where it is no time.

    What is left out counts as its first (a date is its midnight, a year its first of January). Without an
    offset the time is that of `zone`. Of a composite only the first component should be passed.
    """
    found = _TIME.fullmatch(value.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, ahead, ahead_minutes = found.groups()
    if sign is not None:
        offset = timedelta(hours=int(ahead), minutes=int(ahead_minutes or 0))
        if offset >= timedelta(hours=24):
            return None
        zone = timezone(-offset if sign == b"-" else offset)
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or b"").ljust(6, b"0")),
            tzinfo=zone,
        )
    except ValueError:
        return None

"""What feeds have shown so far, one row for each thing that came for the first time; and how far they were watched.

A place is a path without a value (`PID-3.4`). Of a code only a keyed hash is kept; what stood there is in the message that showed it.
Raises nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

#: What the keyed hash of a code begins with, so that it is never that of something else.
CODE: Final = b"code"


class SeenKind(IntEnum):
    """What came: a type of messages, a segment, a field with a value, a code, a length, or more codes than are watched."""

    TYPE = 0
    SEGMENT = 1
    FIELD = 2
    CODE = 3
    LENGTH = 4
    MANY = 5


class SeenRow(NamedTuple):
    """One thing that a source's messages of one type had not shown before.

    A type of messages is shown by the source as such: its row has it as `place`, and "" for `type`. `value` is a code's keyed hash,
    and the number of binary digits of a length in bytes; else 0. `at_us` and `message_id` are of the message that showed it.
    `learned`: it came so soon after what it is a part of that it is no news. `concern` says which line of the configuration it
    concerns, None for none.
    """

    source: str
    type: str
    place: str
    kind: int
    value: int
    at_us: int
    message_id: int
    learned: bool
    concern: str | None = None


class Watched(NamedTuple):
    """The last message that was looked at, and the last day (days since 1970-01-01, UTC) whose digest was told."""

    through: int
    told_day: int

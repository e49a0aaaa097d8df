"""Segments as bytes in the standard delimiters and UTF-8: text in, escaped values out.

What the programme itself says is written with these. Refuses to know what segments mean. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from hl7bridge.affiliation.facts.facts import When
from hl7bridge.hl7.delimiters import STANDARD
from hl7bridge.hl7.escape import escape

#: A composite value: components, each a text or a sequence of subcomponents.
Written = Sequence["str | Sequence[str]"]
#: Halves of surrogate pairs stand for bytes that meant nothing in their message's character set; UTF-8 has no such thing.
_BROKEN = re.compile("[\ud800-\udfff]")


def text(value: str) -> bytes:
    """One value. Bytes that meant nothing where they came from become U+FFFD."""
    return escape(_BROKEN.sub("\ufffd", value).encode("utf-8"), STANDARD)


def written(components: Written) -> bytes:
    """A composite value; what is empty at its end is left off."""
    parts = [
        text(each) if isinstance(each, str) else b"&".join(map(text, each)).rstrip(b"&")
        for each in components
    ]
    return b"^".join(parts).rstrip(b"^")


def repeated(values: Sequence[bytes]) -> bytes:
    """Repetitions of one field."""
    return b"~".join(value for value in values if value)


def segment(name: str, fields: Sequence[str | bytes] | Mapping[int, str | bytes]) -> bytes:
    """A segment of fields from 1 on, or of numbered ones: text is escaped, bytes stand as they are. Not for MSH."""
    if isinstance(fields, Mapping):
        fields = [fields.get(number, b"") for number in range(1, max(fields) + 1)]
    values = [text(each) if isinstance(each, str) else each for each in fields]
    return b"|".join([name.encode("ascii"), *values]).rstrip(b"|")


def header(fields: Mapping[int, str | bytes]) -> bytes:
    """MSH; its fields from 3 on."""
    return segment("MSH", {**fields, 1: b"", 2: b"^~\\&"}).replace(b"MSH||", b"MSH|", 1)


def message(segments: Sequence[bytes]) -> bytes:
    """A message."""
    return b"".join(each + b"\r" for each in segments if each)


def stamp(moment: datetime) -> str:
    """A time stamp in UTC. `moment` has a zone."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def day(value: date | None) -> str:
    """A day, or "" for none."""
    return "" if value is None else value.strftime("%Y%m%d")


def when(value: When | None) -> str:
    """A day with its minute where that is known, without an offset: it is of the clock where it happened."""
    return "" if value is None else value.day.strftime("%Y%m%d") + value.time.replace(":", "")

"""Whether a message is what its version and structure say; for checks and tests, not for traffic.

Holds `check`, which compares a message with the tables of the standard that hl7apy carries (loaded lazily,
through `names`): required segments and fields, their order and repetition, data types, and the codes of HL7's
own tables. Refuses to know what a channel makes of it. Raises nothing; findings name places and rules, never
values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hl7bridge.hl7.access import repetitions
from hl7bridge.hl7.message import HEADERS, Message, Segment
from hl7bridge.hl7.names import Element, Standard, standard

_MOST_FINDINGS: Final = 100
_NULL: Final = b'""'
# Coding systems: HL7 adds to this table between versions, and some entries are patterns (99zzz, HL7nnnn).
_OPEN_TABLES: Final = frozenset({"0396"})

# MSH-9.3 where a message leaves it out and it is not simply type and event (table 0354).
_STRUCTURES: Final = {
    **dict.fromkeys(["ADT_A04", "ADT_A08", "ADT_A13"], "ADT_A01"),
    **dict.fromkeys(["ADT_A14", "ADT_A28", "ADT_A31"], "ADT_A05"),
    **dict.fromkeys(["ADT_A10", "ADT_A11"], "ADT_A09"),
    "ADT_A40": "ADT_A39",
    "ADT_A07": "ADT_A06",
    "ADT_A34": "ADT_A30",
    "ADT_A47": "ADT_A30",
}

_DATE: Final = rb"[0-9]{4}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])?)?"
_CLOCK: Final = rb"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,4})?)?)?"
_ZONE: Final = rb"(?:[+-][0-9]{4})?"
_MOMENT: Final = rb"[0-9]{4}(?:[0-9]{2}(?:[0-9]{2}(?:%b)?)?)?%b" % (_CLOCK, _ZONE)
_FORMS: Final = {
    "NM": re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"),
    "SI": re.compile(rb"[0-9]+"),
    "DT": re.compile(_DATE),
    "TM": re.compile(_CLOCK + _ZONE),
    "TS": re.compile(_MOMENT),
    "DTM": re.compile(_MOMENT),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One departure from the standard: a code of table 0357, where, and the rule."""

    code: str
    place: str
    what: str


def check(message: Message, version: str | None = None) -> list[Finding]:
    """All in which the message departs from `version` (by default its MSH-12); at most a hundred findings."""
    named = version or message.version.decode("ascii", "replace")
    tables = standard(named or "2.5.1")
    findings: list[Finding] = []
    if tables.version != named:
        findings.append(Finding("203", "MSH-12", f"the version is not known; checked as {tables.version}"))
    found = [*_structure(message, tables)]
    counts: dict[bytes, int] = {}
    for segment in message.segments:
        counts[segment.name] = counts.get(segment.name, 0) + 1
        place = _place(segment.name, counts[segment.name])
        for finding in _segment(segment, place, tables):
            found.append(finding)
        if len(found) >= _MOST_FINDINGS:
            break
    return (findings + found)[:_MOST_FINDINGS]


def _place(name: bytes, occurrence: int) -> str:
    text = name.decode("ascii", "replace") or "a line without a segment ID"
    return text if occurrence == 1 else f"{text}[{occurrence}]"


def _segment(segment: Segment, place: str, tables: Standard) -> Iterator[Finding]:
    name = segment.name.decode("ascii", "replace")
    if name.startswith("Z"):
        return
    fields = tables.fields(name)
    if not fields:
        yield Finding("100", place, f"version {tables.version} has no such segment")
        return
    for number, element in enumerate(fields, 1):
        value = segment.field(number)
        here = f"{place}-{number}"
        if not value:
            if element.least:
                yield Finding("101", here, f"{element.name} is required")
            continue
        if segment.name in HEADERS and number < 3:
            continue
        found = repetitions(value, segment.delimiters)
        if element.most is not None and len(found) > element.most:
            yield Finding("198", here, f"{element.name} may be there {element.most} times, not {len(found)}")
        if element.datatype == "varies":
            kind = segment.field(2).decode("ascii", "replace") if name == "OBX" else ""
            element = Element(element.name, kind, 0, None, None, ())
        for at, repetition in enumerate(found, 1):
            yield from _value(
                repetition, element, here if at == 1 else f"{here}[{at}]", segment, tables, depth=0
            )
    if segment.count > len(fields) and any(segment.split()[len(fields) + 1 :]):
        yield Finding(
            "199", f"{place}-{len(fields) + 1}", f"version {tables.version} ends the segment before"
        )


def _value(
    value: bytes, element: Element, place: str, segment: Segment, tables: Standard, depth: int
) -> Iterator[Finding]:
    """A repetition, component or subcomponent against its data type and its parts."""
    if not value or value == _NULL:
        return
    delimiters = segment.delimiters
    separator = (delimiters.component, delimiters.subcomponent, b"")[min(depth, 2)]
    if element.parts:
        pieces = value.split(separator) if separator else [value]
        for number, part in enumerate(element.parts, 1):
            piece = pieces[number - 1] if number <= len(pieces) else b""
            if not piece and part.least:
                yield Finding("101", f"{place}.{number}", f"{element.name}: {part.name} is required")
            yield from _value(piece, part, f"{place}.{number}", segment, tables, depth + 1)
        return
    # Only the first component of a simple value is one; what stands behind it is the sender's own.
    simple = value.split(separator)[0] if separator else value
    form = _FORMS.get(element.datatype)
    if form is not None and simple and not form.fullmatch(simple):
        yield Finding("102", place, f"{element.name} is no {element.datatype}")
    if element.datatype == "ID" and element.table and element.table not in _OPEN_TABLES:
        codes = tables.codes(element.table)
        if codes and simple.decode("ascii", "replace") not in codes:
            yield Finding("103", place, f"{element.name} is not in table {element.table}")


def _structure(message: Message, tables: Standard) -> Iterator[Finding]:
    """Segments that are missing or stand where the message structure has no place for them."""
    type_, trigger = (part.decode("ascii", "replace") for part in (message.type_code, message.trigger))
    guess = f"{type_}_{trigger}" if trigger else type_
    structure = message.structure.decode("ascii", "replace") or _STRUCTURES.get(guess, guess)
    messages: Any = tables.library.MESSAGES
    if structure not in messages:
        yield Finding("200", "MSH-9", f"version {tables.version} has no message structure of this name")
        return
    import hl7apy

    children = hl7apy.load_reference(structure, "Message", tables.version)[1]
    names = [
        name
        for segment in message.segments
        if (name := segment.name.decode("ascii", "replace")) and not name.startswith("Z")
    ]
    missing: list[str] = []
    for _ in range(_MOST_FINDINGS):
        missing = []
        end = _match(children, names, 0, missing)
        if end >= len(names):
            break
        yield Finding("100", names.pop(end), f"{structure} has no place for the segment here")
    for name in missing:
        yield Finding("100", name, f"{structure} requires the segment")


def _match(children: Any, names: list[str], at: int, missing: list[str]) -> int:
    """Walks a group along the segments: where it stopped; what it requires and lacks goes to `missing`."""
    for name, reference, (least, most), kind in children:
        count = 0
        while at < len(names) and (most < 0 or count < most):
            if kind == "SEG":
                if names[at] != name:
                    break
                at += 1
            else:
                if names[at] not in _beginnings(reference[1]):
                    break
                at = _match(reference[1], names, at, missing)
            count += 1
        if count < least:
            missing.append(name if kind == "SEG" else _first_required(reference[1], name))
    return at


def _beginnings(children: Any) -> set[str]:
    """The segments with which a group can begin."""
    found: set[str] = set()
    for name, reference, (least, _), kind in children:
        found |= {name} if kind == "SEG" else _beginnings(reference[1])
        if least:
            break
    return found


def _first_required(children: Any, group: str) -> str:
    for name, reference, (least, _), kind in children:
        if least:
            return str(name) if kind == "SEG" else _first_required(reference[1], group)
    return group

"""How far the standard goes in 2.1 to 2.8.2: how many fields a segment ever had, how often one repeats, how deep it divides.

Read from `extenttable`, so that neither an engine nor `check` loads hl7apy for it. What no version says is open (None): a site's
own segments, OBX-5 and other fields whose data type varies, the parameters of QPD and RDT that each query defines (chapter 5). Knows
paths by their numbers only. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from hl7bridge.hl7.extenttable import DATATYPES, SEGMENTS

#: The versions of which the table is the union. 2.9 has more (OBX-32), so nothing may be said of all versions.
VERSIONS: Final = "HL7 2.1 to 2.8.2"
_VARIES = "varies"
#: One value is what it is, however its version calls it; a time stamp is read whole.
_WHOLE = ("TS", "DTM")

#: How many subcomponents each component of a field may have; None for one that is open.
Parts = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Extent:
    """Of a field: its data types (that of 2.5.1 first, if `usual`), and how often it may repeat (None: without bound)."""

    datatypes: tuple[str, ...]
    most: int | None
    usual: bool


@cache
def _lines(text: str) -> dict[str, tuple[str, ...]]:
    entries = (entry.split() for entry in text.strip().replace("\n ", " ").splitlines())
    return {name: tuple(rest) for name, *rest in entries}


@cache
def extents(segment: str) -> tuple[Extent, ...]:
    """The fields of a segment from 1; empty for one of which the standard says nothing."""
    return tuple([_extent(token) for token in _lines(SEGMENTS).get(segment, ())])


def _extent(token: str) -> Extent:
    usual = not token.startswith("/")
    types, _, count = token.lstrip("/").removesuffix("*").partition(":")
    datatypes = tuple(types.split("/"))
    most = None if token.endswith("*") or _VARIES in datatypes else int(count or 1)
    return Extent(datatypes, most, usual)


@cache
def last_field(segment: str) -> int | None:
    """The number of the last field that a segment has in any of `VERSIONS`; None where it is open."""
    fields = extents(segment)
    return None if not fields or _VARIES in fields[-1].datatypes else len(fields)


def extent(segment: str, field: int) -> Extent | None:
    """A field; None where the standard has none, or says nothing."""
    fields = extents(segment)
    return fields[field - 1] if 1 <= field <= len(fields) else None


@cache
def parts(datatypes: tuple[str, ...]) -> Parts | None:
    """The components that a field of one of these data types may have; one for a single value, None where it is open."""
    if _VARIES in datatypes:
        return None
    composites = [_lines(DATATYPES)[each] for each in datatypes if each in _lines(DATATYPES)]
    found: list[int | None] = []
    for at in range(max(map(len, composites), default=1)):
        inner = [_count(token) for each in composites for token in each[at : at + 1]]
        found.append(None if None in inner else max([1, *(each for each in inner if each is not None)]))
    return tuple(found)


def _count(token: str) -> int | None:
    """How many components one of the data types of `token` has; None where it is open."""
    types = token.split("/")
    return None if _VARIES in types else max(len(_lines(DATATYPES).get(each, ("",))) for each in types)


def is_composite(segment: str, field: int) -> bool:
    """Whether 2.5.1 gives a field components. Time stamps, fields that it does not have, Z segments and OBX-5 count as text."""
    found = extent(segment, field)
    if found is None or not found.usual:
        return False
    usual = found.datatypes[0]
    return usual in _lines(DATATYPES) and usual not in _WHOLE

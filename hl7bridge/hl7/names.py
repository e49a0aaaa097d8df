"""What the standard calls segments, fields and components, by version; for people who read paths.

Holds `Standard`, the tables of one version as hl7apy carries them, and the names made from them. hl7apy is
imported when a version is first asked for, so that an engine that shows no names does not pay for it. Raises
nothing: what the standard does not know has no name (None).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from hl7bridge.hl7.path import Path, PathError

DEFAULT_VERSION: Final = "2.5.1"
_UNKNOWN_VERSION: Final = "2.8.2"

_SEGMENTS: Final = {
    "MSH": "Message Header",
    "SFT": "Software",
    "MSA": "Message Acknowledgment",
    "ERR": "Error",
    "EVN": "Event Type",
    "PID": "Patient Identification",
    "PD1": "Patient Additional Demographic",
    "MRG": "Merge Patient Information",
    "NK1": "Next of Kin",
    "PV1": "Patient Visit",
    "PV2": "Patient Visit - Additional",
    "ORC": "Common Order",
    "OBR": "Observation Request",
    "OBX": "Observation/Result",
    "NTE": "Notes and Comments",
    "TQ1": "Timing/Quantity",
    "TQ2": "Timing/Quantity Relationship",
    "RXO": "Pharmacy/Treatment Order",
    "RXE": "Pharmacy/Treatment Encoded Order",
    "RXD": "Pharmacy/Treatment Dispense",
    "RXG": "Pharmacy/Treatment Give",
    "RXA": "Pharmacy/Treatment Administration",
    "RXR": "Pharmacy/Treatment Route",
    "RXC": "Pharmacy/Treatment Component",
    "FT1": "Financial Transaction",
    "AL1": "Patient Allergy",
    "DG1": "Diagnosis",
    "IN1": "Insurance",
    "IN2": "Insurance - Additional",
    "GT1": "Guarantor",
    "SPM": "Specimen",
    "TXA": "Transcription Document Header",
    "FHS": "File Header",
    "FTS": "File Trailer",
    "BHS": "Batch Header",
    "BTS": "Batch Trailer",
}
_KEPT_WORDS: Final = frozenset(
    ["ID", "SSN", "DNA", "DEA", "VIP", "EI", "HL7", "UCID", "NPI", "NDC", "DRG", "POA", "UOM", *_SEGMENTS]
)
#: What hl7apy writes where a version names no table.
_NO_TABLE: Final = "HL79999"
_SMALL_WORDS: Final = frozenset(["of", "the", "and", "or", "to", "for", "in", "on", "by", "from", "with"])


@dataclass(frozen=True, slots=True)
class Element:
    """A field, component or subcomponent as a version defines it.

    `most` is None where it may repeat without bound; `table` is written like 0001.
    """

    name: str
    datatype: str
    least: int
    most: int | None
    table: str | None
    parts: tuple[Element, ...]


#: What stands at a number that a version no longer uses.
WITHDRAWN: Final = Element("", "", 0, None, None, ())


class Standard:
    """One version's segments. `version` is the one really used: the nearest for those hl7apy lacks."""

    def __init__(self, version: str) -> None:
        import hl7apy

        known = hl7apy.SUPPORTED_LIBRARIES
        if version not in known:
            version = DEFAULT_VERSION if version < "2.8" else _UNKNOWN_VERSION
        self.version = version
        self.library: Any = hl7apy.load_library(version)

    @property
    def segments(self) -> tuple[str, ...]:
        """The IDs of all segments, in alphabetical order."""
        return tuple(sorted(name for name in self.library.SEGMENTS if re.fullmatch("[A-Z][A-Z0-9]{2}", name)))

    def fields(self, segment: str) -> tuple[Element, ...]:
        """The fields of a segment from 1, `WITHDRAWN` among them; none for one the version does not have."""
        return _fields(self, segment)

    def codes(self, table: str) -> tuple[str, ...]:
        """The codes of a table such as 0001; none where the version lists none."""
        found = getattr(self.library, "TABLES", {}).get(f"HL7{table}")
        return tuple(found[1]) if found else ()

    def element(
        self, segment: str, field: int, component: int | None = None, subcomponent: int | None = None
    ) -> Element | None:
        """What stands at this place; None where the version has nothing there."""
        found: Element | None = None
        parts = self.fields(segment)
        for number in (field, component, subcomponent):
            if number is None:
                break
            if not 1 <= number <= len(parts):
                # The first component of a value that has none is the value itself.
                return found if number == 1 and found is not None else None
            found = parts[number - 1]
            parts = found.parts
        return None if found is WITHDRAWN else found

    def name(
        self,
        segment: str,
        field: int | None = None,
        component: int | None = None,
        subcomponent: int | None = None,
    ) -> str | None:
        """`Patient Identifier List: ID Number`; the name of the segment where no field is given."""
        if field is None:
            return segment_name(segment)
        names: list[str] = []
        for depth in ((field, None, None), (field, component, None), (field, component, subcomponent)):
            element = self.element(segment, *depth)
            if element is None:
                return None
            if not names or names[-1] != element.name:
                names.append(element.name)
        return ": ".join(names)


@cache
def standard(version: str = DEFAULT_VERSION) -> Standard:
    """The tables of a version, loaded once."""
    return Standard(version)


def field_name(path: str) -> str:
    """`Give Code: Identifier` for RXE-2.1, by 2.5.1; "" where the standard has no name for a path, or it is none."""
    try:
        read = Path.parse(path.removesuffix("[+]"))
    except PathError:
        return ""
    return standard().name(read.segment.decode(), read.field, read.component, read.subcomponent) or ""


def segment_name(segment: str) -> str | None:
    """The name of a segment, for those that feeds are made of."""
    return _SEGMENTS.get(segment)


@cache
def _fields(tables: Standard, segment: str) -> tuple[Element, ...]:
    found = tables.library.SEGMENTS.get(segment)
    if found is None:
        return ()
    import hl7apy

    try:
        children = hl7apy.load_reference(segment, "Segment", tables.version)[1]
    except (IndexError, ValueError):
        return ()  # some that a version has withdrawn hl7apy only names
    return _elements(children)


def _elements(children: Any) -> tuple[Element, ...]:
    """Each at the place that its own number says: what a version has withdrawn is left out of the tables."""
    placed: dict[int, Element] = {}
    for child in children:
        if len(child) != 4:  # an entry of the tables that is broken (ORO of 2.1)
            continue
        key, reference, (least, most), _ = child
        shape, parts, datatype, name, table, *_ = reference
        placed[int(key.rpartition("_")[2])] = Element(
            _readable(name or ""),
            datatype or "",
            least,
            None if most < 0 else most,
            table.removeprefix("HL7") if table and table != _NO_TABLE else None,
            _elements(parts) if shape == "sequence" and parts else (),
        )
    return tuple([placed.get(number, WITHDRAWN) for number in range(1, max(placed, default=0) + 1)])


def _readable(name: str) -> str:
    words: list[str] = []
    for word in re.sub("_S(?=_|$)", "'s", name).split("_"):
        if word in _KEPT_WORDS or re.search(r"[0-9]", word) or words == ["Set", "ID"]:
            words.append(word)
        elif word.lower() in _SMALL_WORDS and words:
            words.append(word.lower())
        else:
            words.append(word.capitalize())
    return " ".join(words)

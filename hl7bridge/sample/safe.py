"""One message made safe, field by field, by the data types of its version (HL7 v2.5.1 chapter 2A, and the same of other versions).

Names, numbers, addresses, telephones: a stand-in. Days: moved, all of a patient's by as much. Free text: its shape. Codes: kept where
the standard's table or many patients have them, and they name no area of an address; systems that the header names, too, and the
others have a stand-in. Quantities: kept, but for ages over 89.
What the version does not know (Z segments, fields behind the last) and what is no text (ED, RP) is left out. At last the whole is
searched for what it was to hide; a message that still holds any of it is refused.

Raises Refused, and Unreadable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.charset import UTF8
from hl7bridge.hl7.escape import escape, unescape
from hl7bridge.hl7.message import HEADERS, Message, Segment
from hl7bridge.hl7.names import Element, Standard, standard
from hl7bridge.sample import ages, header
from hl7bridge.sample.areas import NO_ZIP, Areas
from hl7bridge.sample.common import Common
from hl7bridge.sample.standins import StandIns

_NAMES: Final = frozenset({"XPN", "PN"})
_CLINICIANS: Final = frozenset({"XCN", "CN", "CNN", "NDL", "PPN"})
_NUMBERS: Final = frozenset({"CX", "CK", "CK_ACCOUNT_NO", "EI", "EIP", "DLN"})
#: What the first versions write as NM, and is no quantity: visits, cards and licences.
_NUMERIC: Final = frozenset({"PV1-19", "IN2-6", "IN2-8", "IN2-10", "RX1-23"})
_ADDRESSES: Final = frozenset({"XAD", "AD", "SAD"})
#: Places to which medicines are delivered; from their ninth component on they hold an address.
_DELIVERED: Final = frozenset({"LA1", "LA2", "CM_LA1"})
#: What versions call the fields and components that name an area smaller than a state. HIPAA's safe harbour (45 CFR
#: 164.514(b)(2)(i)(B)) lets none be told, however many live there: county, parish, census tract, place of birth.
_AREA: Final = re.compile(
    r"\b(County|Parish|Census Tract|City|Zip|Birth ?Place|Assigning Jurisdiction)\b", re.IGNORECASE
)
_PHONES: Final = frozenset({"XTN", "TN"})
_STAMPS: Final = frozenset({"TS", "DTM", "DT"})
_TEXTS: Final = frozenset({"ST", "TX", "FT"})
_CODES: Final = frozenset({"ID", "IS"})
#: Types of which every part is kept where it is common.
_CODED: Final = frozenset(
    {"CE", "CWE", "CNE", "CF", "HD", "PL", "XON", "TQ", "LA1", "LA2", "CQ", "FC", "AUI", "JCC"}
)
_TITLES: Final = frozenset(
    ("MR", "MRS", "MS", "DR", "JR", "SR", "II", "III", "MD", "DO", "RN", "NP", "PA", "PHD", "PHARMD", "RPH")
)
_QUANTITY: Final = re.compile(r"[+-]?\d{1,5}(\.\d{1,6})?")
#: What people write between the digits of one number.
_BETWEEN: Final = re.compile(r"[ ()./+-]")
_TIME: Final = re.compile(r"\d{4,6}(\.\d+)?([+-]\d{4})?")
#: What is shorter is in too many places to be looked for: words of names, and numbers.
_LEAST_WORD, _LEAST_NUMBER = 4, 5
_OLDEST_DAYS: Final = round(ages.OLDEST * 365.25)


class Refused(HL7BridgeError):
    """A message still held what it was to hide. Code: `still-there`."""


@dataclass(slots=True)
class Account:
    """What was left out of messages, by place, and how often."""

    left_out: Counter[str] = field(default_factory=Counter)


class Leaf(NamedTuple):
    """One value: where it stands (`PID-5.1.1`), and from its field inwards the data types, names and tables of codes."""

    field: str
    component: int
    below: int
    types: tuple[str, ...]
    names: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"{self.field}.{self.component}.{self.below}"

    @property
    def last(self) -> str:
        return self.types[-1]

    @property
    def address(self) -> int:
        """Which component of an address it is; 0 where it is of none."""
        if self.types[0] in _ADDRESSES:
            return self.component
        if len(self.types) > 1 and self.types[1] in _ADDRESSES:
            return self.below
        return max(self.component - 8, 0) if self.types[0] in _DELIVERED else 0

    @property
    def area(self) -> bool:
        """Whether it names an area, and is no part of an address."""
        return not self.address and _names_area(self.names)


@cache
def _names_area(names: tuple[str, ...]) -> bool:
    return any(map(_AREA.search, names))


class Safe:
    """Makes messages safe with one key. `today` bounds ages."""

    def __init__(self, standins: StandIns, common: Common, account: Account, today: date) -> None:
        self.standins = standins
        self.common = common
        self.account = account
        self.oldest = today - timedelta(days=_OLDEST_DAYS)

    def learn(self, message: Message, patient: str) -> None:
        """The first pass: which codes its patient has."""
        tables = _tables(message)
        for segment in message.segments:
            for number, element in _known(tables, segment):
                for leaf, value in _leaves(segment, number, element):
                    if leaf.last in _CODES or leaf.types[0] in _CODED or leaf.field in header.CODES:
                        self.common.add(leaf.path, value, patient)

    def made(self, message: Message, patient: str) -> bytes:
        """The safe message of a patient, who is named by what all of the patient's numbers have in common. Raises Refused."""
        one = _One(self, message, self.standins.weeks(patient))
        segments = [made for segment in message.segments if (made := one.segment(segment)) is not None]
        made = b"\r".join(segments) + b"\r"
        text = made.decode("utf-8", "replace").casefold()
        numbers = _BETWEEN.sub("", text)
        there = (place for hidden, place in one.hidden.items() if hidden in text or hidden in numbers)
        place = next(there, None) or one.areas.told(text)
        if place is not None:
            raise Refused(
                f"what stands in {place} stands where it is not looked for, too",
                code="still-there",
                place=place,
            )
        return made if made.isascii() else _named_utf8(made, message.delimiters.field)


class _One:
    """One message on its way; `hidden` and `areas` are what must not be found in the end, and where it stood."""

    def __init__(self, safe: Safe, message: Message, weeks: timedelta) -> None:
        self._safe = safe
        self._tables = _tables(message)
        self._weeks = weeks
        self.hidden: dict[str, str] = {}
        self.areas = _areas(message, self._tables)

    def segment(self, segment: Segment) -> bytes | None:
        """The segment made safe; None where the version does not know it."""
        name = segment.name.decode("ascii", "replace")
        known = dict(_known(self._tables, segment))
        if not self._tables.fields(name):
            self._safe.account.left_out[name or "a line without a name"] += 1
            return None
        fields = [segment.name]
        begin = 1
        if segment.name in HEADERS:
            # Beyond the characters that delimit, MSH-2 may hold anything.
            fields.append(segment.delimiters.encoding_characters)
            begin = 3
        for number in range(begin, segment.count + 1):
            value = segment.field(number)
            if value and number not in known:
                self._safe.account.left_out[f"{name}-{number}"] += 1
                value = b""
            fields.append(self._field(segment, number, known[number]) if value else b"")
        return segment.delimiters.field.join(fields).rstrip(segment.delimiters.field)

    def _field(self, segment: Segment, number: int, element: Element) -> bytes:
        marks = segment.delimiters
        a_year = _age_in(segment) if (segment.name, number) == (b"OBX", 5) else None
        made: list[list[list[bytes]]] = []
        for leaf, value, (at, component, below) in _placed(segment, number, element):
            while len(made) <= at:
                made.append([])
            while len(made[at]) < component:
                made[at].append([])
            while len(made[at][component - 1]) < below:
                made[at][component - 1].append(b"")
            safe = self._value(leaf, value, a_year) if value else ""
            if not safe and value:
                self._safe.account.left_out[f"{leaf.field}.{leaf.component}"] += 1
            # What the character set does not know is no letter.
            made[at][component - 1][below - 1] = escape(safe.encode("utf-8", "replace"), marks)
        return marks.repetition.join(
            marks.component.join(
                marks.subcomponent.join(parts).rstrip(marks.subcomponent) for parts in components
            ).rstrip(marks.component)
            for components in made
        )

    # -- by data type ------------------------------------------------------------------------------------------------------

    def _value(self, leaf: Leaf, value: str, a_year: int | None) -> str:
        """`a_year`: how many of its units a year has, where the value is an age; one that may not be told has no shape either."""
        outer, last, at = leaf.types[0], leaf.last, leaf.component
        standins = self._safe.standins
        if leaf.field in header.CODES:
            return self._header(leaf, value)
        if last in _STAMPS:
            return standins.moved(value, self._weeks, self._safe.oldest)
        if a_year is not None and (told := ages.told(value, a_year)) != value:
            return told
        if last == "TM":
            return value if _TIME.fullmatch(value) else ""
        if leaf.address:
            return self._address(leaf, value)
        if leaf.area:
            return self._area(leaf, value)
        if outer in _NAMES:
            return self._name(leaf, value) if at <= 3 else self._title_or_code(leaf, value)
        if outer in _CLINICIANS:
            if at == 1:
                return self._number(leaf, value)
            return self._name(leaf, value) if at <= 4 else self._title_or_code(leaf, value)
        if outer in _NUMBERS:
            first = leaf.below == 1 if outer == "EIP" else at == 1
            return self._number(leaf, value) if first else self._code(leaf, value)
        if outer in _PHONES:
            if at in (1, 12):
                self._hide(leaf, "".join(filter(str.isdigit, value)), 7)
                return standins.phone(value)
            return self._code(leaf, value) if last in _CODES else ""
        if last in ("NM", "SI"):
            if leaf.field in _NUMERIC:
                return self._number(leaf, value)
            return value if _QUANTITY.fullmatch(value) else ""
        if last in _CODES or outer in _CODED:
            return self._code(leaf, value)
        if last in _TEXTS:
            return self._text(leaf, value)
        return ""

    def _header(self, leaf: Leaf, value: str) -> str:
        """What names a system is kept as a code is, and else has a stand-in: a sample without it cannot be routed."""
        kept = value if header.fixed(leaf.field, leaf.component, value) else self._code(leaf, value)
        begins = header.SYSTEMS.get(leaf.field)
        if kept or begins is None or leaf.component > 2:
            return kept
        # Behind the name may stand an OID, or the name of a host.
        standins = self._safe.standins
        return standins.system(begins, value) if leaf.component == 1 else standins.number(value)

    def _name(self, leaf: Leaf, value: str) -> str:
        for word in re.split(r"[^\w]+", value):
            self._hide(leaf, word, _LEAST_WORD)
        return self._safe.standins.name(value)

    def _number(self, leaf: Leaf, value: str) -> str:
        self._hide(leaf, _BETWEEN.sub("", value), _LEAST_NUMBER)
        return self._safe.standins.number(value)

    def _address(self, leaf: Leaf, value: str) -> str:
        at = leaf.address
        if at == 1:
            self._hide(leaf, value, _LEAST_NUMBER)
            # Behind a street that is one value may stand its parts (SAD).
            first = leaf.types[0] not in _ADDRESSES or leaf.below == 1
            return self._safe.standins.name(value) + " STREET" if first else ""
        if at == 3:
            return self._safe.standins.name(value)
        if at == 5:
            return NO_ZIP
        return value if at in (4, 6) and re.fullmatch("[A-Z]{2,3}", value) else ""

    def _area(self, leaf: Leaf, value: str) -> str:
        """A field of its own has a stand-in; a component of one that is coded, or of a number, is left out."""
        if len(leaf.types) > 1:
            return ""
        standins = self._safe.standins
        return standins.number(value) if any(map(str.isdigit, value)) else standins.name(value)

    def _title_or_code(self, leaf: Leaf, value: str) -> str:
        if value.upper().strip(".") in _TITLES:
            return value
        return self._code(leaf, value) if leaf.last in _CODES or "HD" in leaf.types else ""

    def _code(self, leaf: Leaf, value: str) -> str:
        """Kept where the standard's table has it, or many patients, but for what names an area of the message's addresses. It is left
        out rather than refused: the pharmacies of a town bear its name, and no message of who lives there would remain.
        """
        if any(value in self._tables.codes(table) for table in leaf.tables):
            return value
        return value if self._safe.common.has(leaf.path, value) and not self.areas.told(value) else ""

    def _text(self, leaf: Leaf, value: str) -> str:
        """A number has a stand-in, so that it can be followed; of a text the shape is left."""
        if any(map(str.isdigit, value)) and not any(map(str.isspace, value)):
            return self._number(leaf, value)
        return self._safe.standins.words(value)

    def _hide(self, leaf: Leaf, value: str, least: int) -> None:
        if len(value) >= least:
            self.hidden.setdefault(value.casefold(), f"{leaf.field}.{leaf.component}")


def _named_utf8(made: bytes, separator: bytes) -> bytes:
    """With MSH-18 as it is written: whatever character set the message came in."""
    header, end, rest = made.partition(b"\r")
    fields = header.split(separator)
    fields += [b""] * (18 - len(fields))
    fields[17] = UTF8.name.encode()
    return separator.join(fields) + end + rest


# -- the message, value by value ----------------------------------------------------------------------------------------------


def _tables(message: Message) -> Standard:
    return standard(message.version.decode("ascii", "replace"))


def _known(tables: Standard, segment: Segment) -> Iterator[tuple[int, Element]]:
    """The fields that are there and that the version knows."""
    elements = tables.fields(segment.name.decode("ascii", "replace"))
    for number in range(3 if segment.name in HEADERS else 1, segment.count + 1):
        if segment.field(number) and number <= len(elements):
            yield number, elements[number - 1]


def _areas(message: Message, tables: Standard) -> Areas:
    """What the addresses of a message name: town, ZIP code, county, census tract, and areas that are fields of their own."""
    areas = Areas()
    for segment in message.segments:
        for number, element in _known(tables, segment):
            for leaf, value in _leaves(segment, number, element):
                if leaf.address in (3, 5, 8, 9, 10) or (leaf.area and len(leaf.types) == 1):
                    areas.add(value, f"{leaf.field}.{leaf.component}")
    return areas


def _leaves(segment: Segment, number: int, element: Element) -> Iterator[tuple[Leaf, str]]:
    for leaf, value, _ in _placed(segment, number, element):
        if value:
            yield leaf, value


def _placed(
    segment: Segment, number: int, element: Element
) -> Iterator[tuple[Leaf, str, tuple[int, int, int]]]:
    """Every value of a field with its place: repetition from 0, component and subcomponent from 1."""
    marks = segment.delimiters
    place = f"{segment.name.decode('ascii', 'replace')}-{number}"
    datatype = element.datatype
    if segment.name == b"OBX" and number == 5:  # the type that OBX-2 names
        datatype = segment.field(2).decode("ascii", "replace") or "?"
    for at, repetition in enumerate(_split(segment.field(number), marks.repetition)):
        for component, part in enumerate(_split(repetition, marks.component), 1):
            inner = element.parts[component - 1] if component <= len(element.parts) else None
            for below, raw in enumerate(_split(part, marks.subcomponent), 1):
                deep = inner.parts[below - 1] if inner is not None and below <= len(inner.parts) else None
                chain = [each for each in (inner, deep) if each is not None]
                types = (datatype or "?", *(each.datatype or "?" for each in chain))
                tables = tuple(each.table for each in (element, *chain) if each.table)
                names = tuple(each.name for each in (element, *chain))
                leaf = Leaf(place, component, below, types, names, tables)
                yield leaf, _text_of(segment, unescape(raw, marks)), (at, component, below)


def _age_in(segment: Segment) -> int | None:
    """How many of the units of an observation a year has, where it is of an age."""
    marks = segment.delimiters
    observed, unit = (
        [_text_of(segment, unescape(part, marks)) for part in _split(segment.field(number), marks.component)]
        for number in (3, 6)
    )
    return ages.in_a_year(observed, unit[0])


def _text_of(segment: Segment, value: bytes) -> str:
    return (segment.charset or UTF8).decode(value)


def _split(value: bytes, separator: bytes) -> list[bytes]:
    return value.split(separator) if separator else [value]

"""What one feed's messages of one type have shown so far, and what a message shows that is new.

A profile knows segments, fields that have a value, codes, and lengths by the power of two (1, 2 to 3, 4 to 7 bytes ...). What comes
soon after that of which it is a part (a field after its segment, a code after its field) is learned, and no news. Of a message's text
it keeps codes, in memory, and gives out places and keyed hashes. Refuses to know configurations and stores. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.drift.coded import CODES_IN, coded
from hl7bridge.hl7.message import HEADERS, Message, Segment
from hl7bridge.store.rows.seen import SeenKind, SeenRow

#: Different codes of one place, beyond which it has no list of codes and is watched for them no more.
MOST_CODES: Final = 5_000
#: The same of all places of a profile together, those that are watched no more among them: their rows are read with the others.
MOST_IN_ALL: Final = 100_000
#: What is longer is text, wherever it stands.
MOST_CODE_BYTES: Final = 200
#: Segments and fields of one profile, beyond which a sender makes them up.
MOST_PLACES: Final = 5_000
#: Fields of a segment that are told apart; those behind are one.
MOST_FIELDS: Final = 100
#: What segments are called that the standard does not have and that do not begin with Z, and types that have no type's form: they may
#: be a piece of text.
OTHER: Final = "???"
_SITE = re.compile("Z[A-Z0-9]{2}")
_TYPE = re.compile(r"[A-Z][A-Z0-9]{2}(\^([A-Z][0-9]{2}|Z[A-Z0-9]{2}))?")
_PLACE = re.compile(r"(...)(?:-(\d+)(?:\.(\d+))?)?")
#: Times, control ID and separators of the message itself: MSH-1, MSH-2, MSH-7, MSH-9, MSH-10 (type and time are not a feed's form).
_OF_THE_MESSAGE: Final = frozenset((1, 2, 7, 9, 10))
#: Components that hold codes, by segment and field.
Coded = Mapping[str, Mapping[int, tuple[int, ...]]]


class News(NamedTuple):
    """Something new. `field` and `component` are 0 where they do not matter; `code` is the raw code; `known` says how many codes there
    were before, or the longest length's binary digits.
    """

    kind: SeenKind
    place: str
    value: int
    learned: bool
    segment: str
    field: int = 0
    component: int = 0
    code: bytes = b""
    known: int = 0


class _Codes:
    """Codes of one place: `seen` as they stand, so that most need no hash."""

    __slots__ = ("hashes", "many", "seen", "since_us")

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.hashes: set[int] = set()
        self.seen: set[bytes] = set()
        self.many = False


class _Field:
    """`lengths` has a bit for each number of binary digits."""

    __slots__ = ("codes", "lengths", "since_us")

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.lengths = 0
        self.codes: dict[int, _Codes] = {}


class _Segment:
    __slots__ = ("coded", "fields", "name", "since_us")

    def __init__(self, name: str, since_us: int, coded: Mapping[int, tuple[int, ...]]) -> None:
        self.name = name
        self.since_us = since_us
        self.coded = coded
        self.fields: list[_Field | None] = [None] * (MOST_FIELDS + 1)


class Profile:
    """`since_us` is when the first message of the type came, `learn_us` how long what is new is learned. `hash_of` keys codes. `also`:
    places that hold codes beside those of the standard. `rows` are what was seen already, in any order.
    """

    def __init__(
        self,
        since_us: int,
        learn_us: int,
        hash_of: Callable[[bytes], int],
        also: Coded,
        rows: Iterable[SeenRow] = (),
    ) -> None:
        self._since_us = since_us
        self._learn_us = learn_us
        self._hash_of = hash_of
        self._also = also
        self._segments: dict[bytes, _Segment] = {}
        self._places = 0
        self._codes = 0
        for row in sorted(rows, key=lambda row: row.kind):
            self._recall(row)

    def goes_on(self, learn_us: int, also: Coded) -> bool:
        """Whether it knows all that one would which was made anew with these."""
        return (learn_us, also) == (self._learn_us, self._also)

    def news(self, message: Message, at_us: int) -> list[News]:
        """What a message shows for the first time; from then on it is known."""
        found: list[News] = []
        repetition = message.delimiters.repetition
        for segment in message.segments:
            if not segment.name:
                continue
            known = self._segments.get(segment.name)
            if known is None:
                known = self._new_segment(segment.name, at_us, found)
                if known is None:
                    continue
            fields, skipped = segment.split(), _OF_THE_MESSAGE if segment.name in HEADERS else ()
            for number in range(1, len(fields)):
                value = fields[number]
                if not value or number in skipped:
                    continue
                number = min(number, MOST_FIELDS)
                field = known.fields[number]
                if field is None:
                    field = self._new_field(known, number, at_us, found)
                    if field is None:
                        continue
                values = value.split(repetition) if repetition and repetition in value else (value,)
                for each in values:
                    if each and not field.lengths >> len(each).bit_length() & 1:
                        self._new_length(known, number, field, len(each).bit_length(), at_us, found)
                components = known.coded.get(number) or _by_type(segment, number)
                if components:
                    self._look_at_codes(known, number, field, components, values, segment, at_us, found)
        return found

    def _look_at_codes(
        self,
        known: _Segment,
        number: int,
        field: _Field,
        components: tuple[int, ...],
        values: Iterable[bytes],
        segment: Segment,
        at_us: int,
        found: list[News],
    ) -> None:
        component, subcomponent = segment.delimiters.component, segment.delimiters.subcomponent
        for value in values:
            parts = value.split(component) if component and component in value else (value,)
            for at in components:
                code = parts[at - 1] if at <= len(parts) else b""
                if subcomponent and subcomponent in code:
                    code = code[: code.index(subcomponent)]
                if not code or code == b'""' or len(code) > MOST_CODE_BYTES:
                    continue
                codes = field.codes.get(at)
                if codes is None or code not in codes.seen:
                    self._new_code(known, number, field, at, code, at_us, found)

    # -- what is new -----------------------------------------------------------------------------------------------------------

    def _learned(self, since_us: int, at_us: int) -> bool:
        # A clock that was set back teaches no longer than one that is right.
        return abs(at_us - since_us) < self._learn_us

    def _room(self) -> bool:
        self._places += 1
        return self._places <= MOST_PLACES

    def _new_segment(self, id_: bytes, at_us: int, found: list[News]) -> _Segment | None:
        name = _segment_called(id_)
        known = self._segments.get(name.encode())
        if known is None:
            if not self._room():
                return None
            known = self._segments[name.encode()] = self._segment(name, at_us)
            found.append(News(SeenKind.SEGMENT, name, 0, self._learned(self._since_us, at_us), name))
        return known

    def _new_field(self, known: _Segment, number: int, at_us: int, found: list[News]) -> _Field | None:
        if not self._room():
            return None
        field = known.fields[number] = _Field(at_us)
        learned = self._learned(known.since_us, at_us)
        found.append(News(SeenKind.FIELD, f"{known.name}-{number}", 0, learned, known.name, number))
        return field

    def _new_length(
        self, known: _Segment, number: int, field: _Field, digits: int, at_us: int, found: list[News]
    ) -> None:
        longest = field.lengths.bit_length() - 1
        field.lengths |= 1 << digits
        learned = self._learned(field.since_us, at_us)
        place = f"{known.name}-{number}"
        found.append(News(SeenKind.LENGTH, place, digits, learned, known.name, number, known=max(0, longest)))

    def _new_code(
        self,
        known: _Segment,
        number: int,
        field: _Field,
        component: int,
        code: bytes,
        at_us: int,
        found: list[News],
    ) -> None:
        codes = field.codes.get(component)
        learned = self._learned(field.since_us if codes is None else codes.since_us, at_us)
        if codes is None:
            codes = field.codes[component] = _Codes(at_us)
            # A place may be watched from today, since a table is, and have had its codes all the time.
            learned = learned or self._is_only_looked_up(known.name, number, component)
        if codes.many:
            return
        if len(codes.seen) < MOST_CODES:
            codes.seen.add(code)
        value = self._hash_of(code)
        if value in codes.hashes:
            return
        place = f"{known.name}-{number}" + ("" if known.coded.get(number) == (1,) else f".{component}")
        before = len(codes.hashes)
        if before == MOST_CODES or self._codes >= MOST_IN_ALL:
            self._too_many(codes)
            found.append(News(SeenKind.MANY, place, 0, learned, known.name, number, component))
            return
        codes.hashes.add(value)
        self._codes += 1
        found.append(News(SeenKind.CODE, place, value, learned, known.name, number, component, code, before))

    @staticmethod
    def _too_many(codes: _Codes) -> None:
        codes.many = True
        codes.hashes.clear()
        codes.seen.clear()

    def _is_only_looked_up(self, name: str, number: int, component: int) -> bool:
        also = component in self._also.get(name, {}).get(number, ())
        return also and component not in coded(name).get(number, ())

    # -- what was seen before --------------------------------------------------------------------------------------------------

    def _segment(self, name: str, since_us: int) -> _Segment:
        usual, also = coded(name), self._also.get(name, {})
        if not also:
            return _Segment(name, since_us, usual)
        both = {
            number: tuple(sorted({*usual.get(number, ()), *also.get(number, ())}))
            for number in {*usual, *also}
        }
        return _Segment(name, since_us, both)

    def _recall(self, row: SeenRow) -> None:
        """A row, of which those of what it is a part of came before."""
        read = _PLACE.fullmatch(row.place)
        if read is None:
            return
        name, number, component = read[1], int(read[2] or 0), int(read[3] or 1)
        segment = self._segments.get(name.encode())
        if segment is None:
            self._places += 1
            segment = self._segments[name.encode()] = self._segment(name, row.at_us)
        if not number:
            return
        field = segment.fields[number]
        if field is None:
            self._places += 1
            field = segment.fields[number] = _Field(row.at_us)
        if row.kind == SeenKind.LENGTH:
            field.lengths |= 1 << row.value
        elif row.kind in (SeenKind.CODE, SeenKind.MANY):
            codes = field.codes.setdefault(component, _Codes(row.at_us))
            codes.since_us = min(codes.since_us, row.at_us)
            if row.kind == SeenKind.MANY:
                self._too_many(codes)
            else:
                codes.hashes.add(row.value)
                self._codes += 1


def type_called(type_: str) -> str:
    """What a type of messages is called."""
    return type_ if _TYPE.fullmatch(type_) else OTHER


def _segment_called(id_: bytes) -> str:
    name = id_.decode("ascii", "replace")
    return name if name in SEGMENTS or _SITE.fullmatch(name) else OTHER


def _by_type(segment: Segment, number: int) -> tuple[int, ...]:
    """OBX-5 is of the type that OBX-2 names (HL7 v2.5.1, 7.4.2.5)."""
    if number != 5 or segment.name != b"OBX":
        return ()
    return CODES_IN.get(segment.field(2).decode("ascii", "replace"), ())

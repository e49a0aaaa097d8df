"""Paths: how a channel names a place in a message, such as `PID-3[4=MEDSTAR].1`.

Holds `Path`: what it means, read from its text with exact complaints, and its operations on segments,
compiled when it is parsed. Refuses to know the channel language around it. `Path.parse` raises `PathError`;
writing raises `BadValue`.

    PID-3.1                the first component of PID-3         PID-3[2].1        of its second repetition
    PID-3[5=MR].1          where component 5 is MR              PID-3[4.2=X]      where subcomponent 4.2 is X
    PID-3[4=A|B,5=MR]      A or B, and MR                       PID-3[*] / [+]    every repetition / one more
    OBX[2]-5               of the second OBX                    OBX[3.1=X]-5      of an OBX whose 3.1 is X
    ORC-7.2.2              a subcomponent                       NTE               the segment itself

Everything counts from 1. `PID.3.1` and the terser's `/PID-3-1` and `/PID-3(0)-1` (its repetitions count from
0) are read too. A value in a condition may be quoted ('A,B'), and may hold `${name}` to be put in with
`substitute`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import access, reading
from hl7bridge.hl7.access import Any, Append, Choice, Condition, Each, Index, Target, Where
from hl7bridge.hl7.delimiters import BadValue, Delimiters
from hl7bridge.hl7.message import HEADERS, Message, Segment

# No field of the standard has a number near this; a bound keeps a slip of the keyboard from making a million
# commas.
MOST = 9999
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_NUMBER = re.compile(r"[0-9]+")
_POSITION = re.compile(r"([0-9]+(?:\.[0-9]+)*)=")


class PathError(HL7BridgeError):
    """A path that cannot be read. `offset` counts characters from 0. Code: `bad-path`."""

    def __init__(self, text: str, offset: int, expected: str) -> None:
        super().__init__(
            f"the path {text!r} cannot be read: {expected}",
            code="bad-path",
            place=f"character {offset + 1}",
            hint="paths look like PID-3, PID-3.1, PID-3[2].1, PID-3[5=MR].1, OBX[2]-5",
        )
        self.offset = offset
        self.expected = expected


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """A place in a message, and what can be done there.

    The operations on one segment are functions of it and its delimiters:

    - `first(segment, delimiters) -> bytes`: the first value meant, raw; b"" if there is none;
    - `values(segment, delimiters) -> list[bytes]`: of every repetition meant (without brackets: of all);
    - `assign(segment, delimiters, value)`: writes, making repetitions and components as needed; a condition
      that no repetition meets appends one that does;
    - `assign_each(segment, delimiters, values)`: with `[*]`, value by value;
    - `remove(segment, delimiters)`: empties all fields or components meant, takes chosen repetitions out.

    For a bare segment (`field` is None) they do nothing and read as empty. Equality is that of the meaning.
    """

    text: str = dataclasses.field(compare=False)
    segment: bytes
    occurrence: Choice
    field: int | None
    repetition: Choice
    component: int | None
    subcomponent: int | None
    first: reading.First = dataclasses.field(compare=False, repr=False)
    values: reading.Values = dataclasses.field(compare=False, repr=False)
    assign: access.Assign = dataclasses.field(compare=False, repr=False)
    assign_each: access.AssignEach = dataclasses.field(compare=False, repr=False)
    remove: access.Remove = dataclasses.field(compare=False, repr=False)
    _matches: Callable[[Segment, Delimiters], bool] | None = dataclasses.field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Path:
        """The path that `text` writes. Raises `PathError`."""
        return _Reader(text).path()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the `${...}` in its conditions."""
        return tuple(
            name
            for choice in (self.occurrence, self.repetition)
            if isinstance(choice, Where)
            for condition in choice.conditions
            for value in condition.values
            for name in _VARIABLE.findall(value)
        )

    def substitute(self, value_of: Callable[[str], str]) -> Path:
        """The path with every `${name}` in its conditions replaced by a text, whatever that holds."""

        def put_in(choice: Choice) -> Choice:
            if not isinstance(choice, Where):
                return choice
            return Where(
                tuple(
                    Condition(
                        condition.position,
                        tuple(
                            _VARIABLE.sub(lambda found: value_of(found[1]), value)
                            for value in condition.values
                        ),
                    )
                    for condition in choice.conditions
                )
            )

        if not self.variables:
            return self
        return _compiled(
            self.text,
            self.segment,
            put_in(self.occurrence),
            self.field,
            put_in(self.repetition),
            self.component,
            self.subcomponent,
        )

    def select(self, segments: Sequence[Segment], delimiters: Delimiters) -> list[Segment]:
        """The segments meant, in order: all of that ID where the path says nothing more."""
        name, occurrence = self.segment, self.occurrence
        found = [segment for segment in segments if segment.name == name]
        if isinstance(occurrence, Index):
            return found[occurrence.number - 1 : occurrence.number]
        if self._matches is not None:
            matches = self._matches
            return [segment for segment in found if matches(segment, delimiters)]
        return found

    def select_first(self, segments: Sequence[Segment], delimiters: Delimiters) -> Segment | None:
        """The first segment meant."""
        name, matches = self.segment, self._matches
        left = self.occurrence.number if isinstance(self.occurrence, Index) else 1
        for segment in segments:
            if segment.name == name and (matches is None or matches(segment, delimiters)):
                left -= 1
                if not left:
                    return segment
        return None

    def get(self, message: Message) -> bytes:
        """The first value meant in the message, raw; b"" if there is none."""
        segment = self.select_first(message.segments, message.delimiters)
        return b"" if segment is None else self.first(segment, message.delimiters)

    def get_all(self, message: Message) -> list[bytes]:
        """Every value meant in the message, in order."""
        delimiters = message.delimiters
        return [
            value
            for segment in self.select(message.segments, delimiters)
            for value in self.values(segment, delimiters)
        ]

    def set(self, message: Message, value: bytes) -> None:
        """Writes to the first segment meant, with `[*]` to every one; a missing one is made at the end."""
        delimiters = message.delimiters
        if isinstance(self.occurrence, Each):
            for segment in self.select(message.segments, delimiters):
                self.assign(segment, delimiters, value)
            return
        found = self.select_first(message.segments, delimiters)
        if found is None:
            if not value:
                return
            found = self._new_segment(message)
        self.assign(found, delimiters, value)

    def delete(self, message: Message) -> None:
        """Takes out all that is meant: the segments of a bare segment, else what `remove` does, in each."""
        for segment in self.select(message.segments, message.delimiters):
            if self.field is None:
                message.remove(segment)
            else:
                self.remove(segment, message.delimiters)

    def _new_segment(self, message: Message) -> Segment:
        if self.segment in HEADERS:
            raise BadValue(
                "a header cannot be made inside a message",
                code="header-delimiters",
                place=self.segment.decode(),
            )
        missing = 1
        if isinstance(self.occurrence, Index):
            missing = self.occurrence.number - len(message.all(self.segment))
        for _ in range(missing):
            segment = Segment.make(self.segment, message.delimiters, message.charset)
            message.insert(len(message.segments) - 1, segment)
        if isinstance(self.occurrence, Where):
            for condition in self.occurrence.conditions:
                if len(condition.values) != 1:
                    raise BadValue(
                        "no segment meets the condition, and it leaves open what a new one should hold",
                        code="no-repetition",
                        place=self.segment.decode(),
                    )
                number, *position = condition.position
                old = segment.field(number)
                value = access.put_text(
                    old,
                    tuple(position) or (1,),
                    condition.values[0],
                    message.delimiters,
                    segment,
                )
                segment.set_field(number, value)
        return segment


def _compiled(
    text: str,
    segment: bytes,
    occurrence: Choice,
    number: int | None,
    repetition: Choice,
    component: int | None,
    subcomponent: int | None,
) -> Path:
    matches = _compile_segment_test(occurrence) if isinstance(occurrence, Where) else None
    head = (text, segment, occurrence, number, repetition, component, subcomponent)
    if number is None:
        return Path(*head, _no_first, _no_values, _nothing, _nothing, _nothing, matches)
    target = Target(segment, number, repetition, component, subcomponent)
    return Path(
        *head,
        reading.compile_first(target),
        reading.compile_values(target),
        access.compile_assign(target),
        access.compile_assign_each(target),
        access.compile_remove(target),
        matches,
    )


def _no_first(segment: Segment, delimiters: Delimiters) -> bytes:
    return b""


def _no_values(segment: Segment, delimiters: Delimiters) -> list[bytes]:
    return []


def _nothing(segment: Segment, delimiters: Delimiters, value: object = None) -> None:
    return None


def _compile_segment_test(where: Where) -> Callable[[Segment, Delimiters], bool]:
    """Whether in a segment some repetition of each named field holds one of the values."""
    tests = []
    for condition in where.conditions:
        number, *position = condition.position
        component, subcomponent = (*position, 1, 1)[:2]
        part = access.compile_part(component, subcomponent)
        tests.append((number, part, access.compile_equals(condition.values)))

    def matches(segment: Segment, delimiters: Delimiters) -> bool:
        return all(
            any(
                equals(part(value, delimiters), segment)
                for value in access.repetitions(segment.field(number), delimiters) or (b"",)
            )
            for number, part, equals in tests
        )

    return matches


class _Reader:
    """Reads one path from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def path(self) -> Path:
        self.take("/")
        name = self.match(_NAME, "a segment ID of three capital letters or digits").group()
        occurrence = self.choice(deepest=3)
        if isinstance(occurrence, Append):
            raise self.error("[+] stands behind a field; a segment is made with add", self.at - 2)
        number = component = subcomponent = None
        repetition: Choice = Any()
        if not self.done and self.separator():
            number = self.number("a field number")
            before = self.at
            repetition = self.choice(deepest=2)
            if not self.done and self.separator():
                component = self.number("a component number")
                if not self.done and self.separator():
                    subcomponent = self.number("a subcomponent number")
            if name.encode() in HEADERS and number < 3 and self.at != before:
                raise self.error(f"the end of the path, since {name}-{number} holds the delimiters", before)
        if not self.done:
            raise self.error("the end of the path")
        return _compiled(self.text, name.encode(), occurrence, number, repetition, component, subcomponent)

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def error(self, expected: str, offset: int | None = None) -> PathError:
        return PathError(self.text, self.at if offset is None else offset, f"expected {expected}")

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.error(expected)
        self.at = found.end()
        return found

    def separator(self) -> bool:
        if self.take("-") or self.take("."):
            return True
        raise self.error("'-' or '.', or the end of the path")

    def number(self, expected: str) -> int:
        begin = self.at
        digits = self.match(_NUMBER, expected).group()
        return self.counted(digits, expected, begin)

    def counted(self, digits: str, expected: str, offset: int) -> int:
        number = int(digits) if len(digits) <= 9 else MOST + 1
        if not 1 <= number <= MOST:
            raise self.error(f"{expected} from 1 to {MOST}", offset)
        return number

    def choice(self, deepest: int) -> Choice:
        """What stands in brackets, if anything does; conditions go `deepest` levels down."""
        if self.take("("):
            number = int(self.match(re.compile("[0-9]{1,4}"), "a number").group())
            if not self.take(")"):
                raise self.error("')'")
            return Index(number + 1)
        if not self.take("["):
            return Any()
        for token, meaning in (("*]", Each()), ("+]", Append())):
            if self.take(token):
                return meaning
        simple = re.compile(r"([0-9]+)\]").match(self.text, self.at)
        if simple:
            number = self.counted(simple[1], "a number", self.at)
            self.at = simple.end()
            return Index(number)
        conditions = [self.condition(deepest)]
        while self.take(","):
            while self.take(" "):
                pass
            conditions.append(self.condition(deepest))
        if not self.take("]"):
            raise self.error("']'")
        return Where(tuple(conditions))

    def condition(self, deepest: int) -> Condition:
        begin = self.at
        found = self.match(_POSITION, "a number, '*', '+' or a condition such as 4=X or 4.2=X")
        digits = found[1].split(".")
        if len(digits) > deepest:
            raise self.error(f"a position of at most {deepest} numbers", begin)
        position = tuple(self.counted(part, "a number", begin) for part in digits)
        values = [self.value()]
        while self.take("|"):
            values.append(self.value())
        return Condition(position, tuple(values))

    def value(self) -> str:
        """One value: up to | or ] or a comma before the next condition; quotes hold anything."""
        for quote in ("'", '"'):
            if self.take(quote):
                end = self.text.find(quote, self.at)
                if end < 0:
                    raise self.error(f"a closing {quote}")
                quoted, self.at = self.text[self.at : end], end + 1
                return quoted
        begin = self.at
        while not self.done:
            variable = _VARIABLE.match(self.text, self.at)
            if variable:
                self.at = variable.end()
                continue
            char = self.text[self.at]
            if char in "|]" or (char == "," and _POSITION.match(self.text[self.at + 1 :].lstrip(" "))):
                return self.text[begin : self.at]
            self.at += 1
        raise self.error("']'")

"""The expressions in steps and rules: texts, fields of msg and tmp, variables, and what is put together of them.

Mirth runs them as JavaScript with E4X. Only forms whose meaning is certain are read; for any other `NotRead` is raised, with why.

E4X gives for a path without an index all elements that it means. Made a text, one element is its value, none is empty, and several are
XML (ECMA-357, 10.1.2): what a channel that works never had. `Field.several` says where that can be.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Final

from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.hl7.names import standard

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?P<number>\d{1,9})(?![\w.])|(?P<name>[A-Za-z_$][\w$]*)"""
    r"""|(?P<mark>[][().,+;]))""",
)
_MOST_LETTERS: Final = 20_000
_MOST_DEPTH: Final = 40
_ONCE_NAMES: Final = "MSH EVN PID PD1 PV1 PV2 MRG MSA TXA SCH ACC UB1 UB2 QRD QRF QPD RCP QAK"
#: Segments that a message has once, in every structure that a feed sends.
_ONCE: Final = frozenset(_ONCE_NAMES.split())
_MAPS: Final = {
    "channelMap": "channel",
    "connectorMap": "connector",
    "$c": "channel",
    "$co": "connector",
    "$": "any",
}
_OTHER_MAPS: Final = ("globalMap", "globalChannelMap", "sourceMap", "responseMap", "configurationMap")
_OTHER_SHORT: Final = ("$g", "$gc", "$s", "$r", "$cfg")
_JAVA_DATE: Final = re.compile(r"yyyy(?:[-/]?MM(?:[-/]?dd(?:[ T]?HH(?::?mm(?::?ssZ?)?)?)?)?)?")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


class NotRead(Exception):
    """An expression that is not carried over. Its text says why, for people."""


@dataclass(frozen=True, slots=True)
class Field:
    """A path such as `msg['OBX'][1]['OBX.5']['OBX.5.1']`. Indexes count from 0; a name is an iterator's variable."""

    root: str
    segment: str
    occurrence: int | str | None = None
    field: int | None = None
    repetition: int | str | None = None
    component: int | None = None
    subcomponent: int | None = None

    @property
    def repeats(self) -> bool:
        """Whether a message may have its segment more than once."""
        return self.segment not in _ONCE

    @property
    def several_segments(self) -> bool:
        """Whether it may mean more than one segment."""
        return self.occurrence is None and self.repeats

    @property
    def several_repetitions(self) -> bool:
        """Whether it may mean more than one repetition: the standard lets the field repeat, or does not know it."""
        if self.field is None or self.repetition is not None:
            return False
        element = standard().element(self.segment, self.field)
        return element is None or element.most != 1

    @property
    def several(self) -> bool:
        """Whether Mirth may find several values, and then has XML."""
        return self.several_segments or self.several_repetitions

    @property
    def rest(self) -> str:
        """What stands behind field and repetition, as in `.3.1`."""
        return "".join(f".{each}" for each in (self.component, self.subcomponent) if each is not None)

    def path(self, *, every: bool = False) -> str:
        """Our path; with `every` of all values, put where there may be several. An index of 0 is the first, as no bracket is."""
        segment = self._bracket(self.occurrence, every and self.several_segments)
        if self.field is None:
            return f"{self.segment}{segment}"
        repetition = self._bracket(self.repetition, every and self.several_repetitions)
        return f"{self.segment}{segment}-{self.field}{repetition}{self.rest}"

    def exact(self) -> str:
        """Our path in a condition, where no bracket would mean any."""
        first = "[1]" if self.occurrence == 0 and self.segment not in _ONCE else ""
        alone = replace(self, repetition=None)
        again = "[1]" if self.repetition == 0 and alone.several_repetitions else ""
        return f"{self.segment}{self._bracket(self.occurrence, False) or first}-{self.field}" + (
            f"{self._bracket(self.repetition, False) or again}{self.rest}"
        )

    def _bracket(self, index: int | str | None, every: bool) -> str:
        if every:
            return "[*]"
        return f"[{index + 1}]" if isinstance(index, int) and index > 0 else ""


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a field; `as_text` where `.toString()` makes one of it."""

    field: Field
    as_text: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """What an earlier step has put into a map."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Parts put together."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """The time, in a format of ours."""

    form: str


@dataclass(frozen=True, slots=True)
class Change:
    """A text function on a value: upper, lower, trim."""

    of: Expression
    word: str


Expression = Text | Read | Variable | Sum | Now | Change


def read_expression(text: str) -> Expression:
    """The meaning of an expression. Raises `NotRead`."""
    if len(text) > _MOST_LETTERS:
        raise NotRead("it is too long for an expression")
    return _Reader(_tokens(text)).whole()


def read_field(text: str) -> Field:
    """The place that an expression names, of a target. Raises `NotRead`."""
    found = read_expression(text)
    if isinstance(found, Read) and not found.as_text:
        return found.field
    raise NotRead(f"{_shown(text)} is no field of a message")


def read_text(text: str) -> str:
    """The text that an expression is. Raises `NotRead`."""
    found = read_expression(text)
    if isinstance(found, Text):
        return found.text
    raise NotRead(f"{_shown(text)} is no text in quotes")


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "..."


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotRead(f"{_shown(text)} is JavaScript beyond a path")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    while found and found[-1] == ("mark", ";"):
        found.pop()
    if not found:
        raise NotRead("nothing stands here")
    return found


def unquoted(token: str) -> str:
    """What a text in quotes holds. Raises `NotRead` for an escape that is not usual."""

    def escaped(match: re.Match[str]) -> str:
        letter = match[1]
        if letter[0] in "xu":
            if len(letter) == 1:
                raise NotRead("an escape in a text cannot be read")
            return chr(int(letter[1:], 16))
        return _ESCAPES.get(letter, letter)

    return re.sub(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)", escaped, token[1:-1], flags=re.DOTALL)


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        found = self.sum()
        if self.at < len(self.tokens):
            raise self.beyond()
        return found

    def beyond(self) -> NotRead:
        return NotRead("it is JavaScript beyond a path")

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *marks: str) -> bool:
        """Whether these marks and names come next; then they are behind us."""
        coming = [value for kind, value in self.tokens[self.at : self.at + len(marks)] if kind != "text"]
        if coming != list(marks):
            return False
        self.at += len(marks)
        return True

    def need(self, *marks: str) -> None:
        if not self.take(*marks):
            raise self.beyond()

    def word(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise self.beyond()
        self.at += 1
        return self.tokens[self.at - 1][1]

    def string(self) -> str:
        return unquoted(self.word("text"))

    def sum(self) -> Expression:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise NotRead("it is nested too deep")
        parts = [self.term()]
        while self.take("+"):
            parts.append(self.term())
        self.depth -= 1
        if len(parts) == 1:
            return parts[0]
        if any(isinstance(part, Read) and not part.as_text for part in parts):
            # E4X joins two elements to a list, and an element and a text to a text: which it is depends on the neighbours.
            raise NotRead("a field is added without .toString()")
        return Sum(tuple(parts))

    def term(self) -> Expression:
        if self.take("("):
            found = self.sum()
            self.need(")")
        elif self.at < len(self.tokens) and self.tokens[self.at][0] == "text":
            found = Text(self.string())
        else:
            found = self.named(self.word("name"))
        while self.take("."):
            found = self.called(found, self.word("name"))
        return found

    def called(self, found: Expression, name: str) -> Expression:
        if name not in ("toString", "toUpperCase", "toLowerCase", "trim"):
            raise NotRead(f".{name} is JavaScript beyond a path")
        self.need("(", ")")
        if name == "toString":
            return Read(found.field, True) if isinstance(found, Read) else found
        if isinstance(found, Read) and not found.as_text:
            raise NotRead(f".{name}() stands on a field without .toString()")
        return Change(found, {"toUpperCase": "upper", "toLowerCase": "lower", "trim": "trim"}[name])

    def named(self, name: str) -> Expression:
        if name in ("msg", "tmp"):
            return Read(self.field(name), False)
        if name in _MAPS and name.startswith("$"):
            self.need("(")
            found = Variable(_MAPS[name], self.string())
            self.need(")")
            return found
        if name in _MAPS:
            self.need(".", "get", "(")
            found = Variable(_MAPS[name], self.string())
            self.need(")")
            return found
        if name in _OTHER_MAPS or name in _OTHER_SHORT:
            raise NotRead(f"{name} is filled outside the channel")
        if name == "DateUtil" and self.take(".", "getCurrentDate", "("):
            form = _java_date(self.string())
            self.need(")")
            return Now(form)
        raise NotRead(f"{name} is JavaScript beyond a path")

    def field(self, root: str) -> Field:
        keys: list[str | int] = []
        while True:
            if self.take("["):
                kind = self.tokens[self.at][0] if self.at < len(self.tokens) else ""
                if kind == "text":
                    keys.append(self.string())
                elif kind == "number":
                    keys.append(int(self.word("number")))
                else:
                    keys.append("$" + self.word("name"))
                self.need("]")
            elif (
                self.peek() == "."
                and self.at + 1 < len(self.tokens)
                and self._is_segment(self.tokens[self.at + 1][1])
            ):
                self.at += 1
                keys.append(self.word("name"))
            else:
                return field_of(root, keys)

    @staticmethod
    def _is_segment(name: str) -> bool:
        return re.fullmatch("[A-Z][A-Z0-9]{2}", name) is not None


def field_of(root: str, keys: list[str | int]) -> Field:
    """The field that the keys of an E4X path name; an iterator's variable comes as `$i`. Raises `NotRead`."""
    rest = list(keys)

    def key() -> str | None:
        return str(rest.pop(0)) if rest and isinstance(rest[0], str) and not rest[0].startswith("$") else None

    def index() -> int | str | None:
        if rest and (isinstance(rest[0], int) or rest[0].startswith("$")):
            found = rest.pop(0)
            return found if isinstance(found, int) else found[1:]
        return None

    segment = key()
    if segment is None or (segment not in SEGMENTS and not re.fullmatch("Z[A-Z0-9]{2}", segment)):
        raise NotRead(f"{json.dumps(keys[0]) if keys else root} is no segment of HL7 v2")
    found = Field(root, segment, index())
    numbers: list[int] = []
    indexes: list[int | str | None] = []
    while rest:
        name = key() or ""
        match = re.fullmatch(rf"{segment}((?:\.[0-9]{{1,3}}){{{len(numbers) + 1}}})", name)
        parts = [int(each) for each in match[1].split(".")[1:]] if match else []
        if not parts or parts[:-1] != numbers or len(parts) > 3 or not 1 <= parts[-1] <= 99:
            raise NotRead(
                f"{json.dumps(name or str(rest[0]))} is no part of {segment} as Mirth's own parser names it"
            )
        numbers = parts
        indexes.append(index())
    if any(each not in (None, 0) for each in indexes[1:]):
        raise NotRead("a component has an index")
    if segment == "MSH" and numbers and numbers[0] < 3:
        raise NotRead("MSH-1 and MSH-2 declare the delimiters")
    places = [*numbers, None, None, None][:3]
    return replace(
        found,
        field=places[0],
        repetition=indexes[0] if indexes else None,
        component=places[1],
        subcomponent=places[2],
    )


def _java_date(form: str) -> str:
    """Our format for Java's. It is read in Java's letters: its YYYY, DD and SS mean week year, day of the year and millisecond."""
    if not _JAVA_DATE.fullmatch(form):
        raise NotRead(f"the date format {json.dumps(form)} is not carried over")
    for theirs, ours in (("yyyy", "YYYY"), ("dd", "DD"), ("ss", "SS"), ("mm", "MM"), ("Z", "ZZZZ")):
        form = form.replace(theirs, ours)
    return form

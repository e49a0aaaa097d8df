"""What a path does to a segment, compiled into functions once so that a message costs little.

Holds the kinds of choice that brackets make, how one part of a repetition is read and replaced, and how a
path writes and removes; `reading` holds how it reads. Refuses to know how paths are written and which segment
is meant. The compiled functions raise `BadValue` where a value would not stay where it is put.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hl7bridge.hl7.delimiters import BadValue, Delimiters
from hl7bridge.hl7.escape import escape, unescape
from hl7bridge.hl7.message import HEADERS, Segment


@dataclass(frozen=True, slots=True)
class Condition:
    """`4.2=A|B`: the part at this position must be one of these texts."""

    position: tuple[int, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """`[2]`: this one, counted from 1."""

    number: int


@dataclass(frozen=True, slots=True)
class Where:
    """`[4=X,5=Y]`: those that meet every condition."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """No brackets: the first for reading one and for writing, every one for conditions and removal."""


@dataclass(frozen=True, slots=True)
class Each:
    """`[*]`: every one."""


@dataclass(frozen=True, slots=True)
class Append:
    """`[+]`: one more."""


Choice: TypeAlias = Any | Each | Index | Where | Append
Part: TypeAlias = Callable[[bytes, Delimiters], bytes]
Put: TypeAlias = Callable[[bytes, Delimiters, bytes], bytes]
Test: TypeAlias = Callable[[bytes, Segment], bool]
Assign: TypeAlias = Callable[[Segment, Delimiters, bytes], None]
AssignEach: TypeAlias = Callable[[Segment, Delimiters, Sequence[bytes]], None]
Remove: TypeAlias = Callable[[Segment, Delimiters], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a segment: a field, which of its repetitions, which part of them (None: the whole)."""

    segment: bytes
    field: int
    repetition: Choice
    component: int | None
    subcomponent: int | None

    @property
    def atomic(self) -> bool:
        """True for the two header fields that hold delimiters and so cannot be split by them."""
        return self.field < 3 and self.segment in HEADERS

    @property
    def place(self) -> str:
        """The segment and field, for errors."""
        return f"{self.segment.decode('ascii', 'replace')}-{self.field}"


def repetitions(value: bytes, delimiters: Delimiters) -> list[bytes]:
    """The repetitions of a field; none if it is empty."""
    if not value:
        return []
    return value.split(delimiters.repetition) if delimiters.repetition else [value]


def no_delimiter(place: str) -> BadValue:
    """The error for a place that the message's delimiters cannot express."""
    return BadValue(
        "the message declares no delimiter for this level",
        code="no-delimiter",
        place=place,
        hint="the sender must declare all encoding characters, as in MSH|^~\\&|",
    )


def compile_part(component: int | None, subcomponent: int | None) -> Part:
    """Reads a component or subcomponent of a repetition; b"" if it is not there."""
    if component is None:
        return lambda value, delimiters: value
    at = component - 1

    def component_of(value: bytes, delimiters: Delimiters) -> bytes:
        separator = delimiters.component
        if not separator or separator not in value:
            return b"" if at else value
        parts = value.split(separator, component)
        return parts[at] if at < len(parts) else b""

    if subcomponent is None:
        return component_of
    below = subcomponent - 1

    def subcomponent_of(value: bytes, delimiters: Delimiters) -> bytes:
        value = component_of(value, delimiters)
        separator = delimiters.subcomponent
        if not separator or separator not in value:
            return b"" if below else value
        parts = value.split(separator, subcomponent)
        return parts[below] if below < len(parts) else b""

    return subcomponent_of


def compile_put(target: Target) -> Put:
    """Replaces a component or subcomponent of a repetition, making those before it as needed."""
    component, subcomponent, place = target.component, target.subcomponent, target.place
    if component is None:
        return lambda old, delimiters, value: value

    def put_component(old: bytes, delimiters: Delimiters, value: bytes) -> bytes:
        return _replaced(old, delimiters.component, component - 1, value, place)

    if subcomponent is None:
        return put_component
    component_of = compile_part(component, None)

    def put_subcomponent(old: bytes, delimiters: Delimiters, value: bytes) -> bytes:
        inner = component_of(old, delimiters)
        inner = _replaced(inner, delimiters.subcomponent, subcomponent - 1, value, place)
        return put_component(old, delimiters, inner)

    return put_subcomponent


def _replaced(old: bytes, separator: bytes, at: int, value: bytes, place: str) -> bytes:
    if not separator or separator not in old:
        if at == 0:
            return value
        if not value:
            return old
        if not separator:
            raise no_delimiter(place)
        return old + separator * at + value
    parts = old.split(separator)
    if at < len(parts):
        parts[at] = value
        return separator.join(parts)
    return old + separator * (at + 1 - len(parts)) + value if value else old


def compile_test(conditions: tuple[Condition, ...]) -> Test:
    """Whether a repetition meets every condition; a component counts by its first subcomponent."""
    tests = [_one_test(condition) for condition in conditions]
    if len(tests) == 1:
        return tests[0]
    return lambda value, segment: all(test(value, segment) for test in tests)


def _one_test(condition: Condition) -> Test:
    component, subcomponent = (*condition.position, 1)[:2]
    part = compile_part(component, subcomponent)
    equals = compile_equals(condition.values)
    return lambda value, segment: equals(part(value, segment.delimiters), segment)


def compile_equals(texts: tuple[str, ...]) -> Test:
    """Whether a raw value says one of these texts, escaped or not, in the character set of its segment."""
    wanted = frozenset(text.encode("ascii") for text in texts if text.isascii())
    foreign = frozenset(text for text in texts if not text.isascii())

    def equals(value: bytes, segment: Segment) -> bool:
        if value in wanted:
            return True
        mark = segment.delimiters.escape
        if mark and mark in value:
            value = unescape(value, segment.delimiters)
            if value in wanted:
                return True
        if foreign and not value.isascii():
            text = (
                value.decode("utf-8", "replace") if segment.charset is None else segment.charset.decode(value)
            )
            return text in foreign
        return False

    return equals


def compile_choice(choice: Choice) -> Callable[[list[bytes], Segment], Sequence[int]]:
    """The indexes of the repetitions that are meant."""
    if isinstance(choice, Any | Each):
        return lambda found, segment: range(len(found))
    if isinstance(choice, Index):
        at = choice.number - 1
        return lambda found, segment: (at,) if at < len(found) else ()
    if isinstance(choice, Where):
        test = compile_test(choice.conditions)
        return lambda found, segment: [at for at, value in enumerate(found) if test(value, segment)]
    return lambda found, segment: ()


def compile_check(target: Target) -> Callable[[bytes, Delimiters], None]:
    """Refuses a value that would spread beyond the component or subcomponent it is meant for."""
    if target.component is None:
        return lambda value, delimiters: None
    inner = target.subcomponent is not None

    def check(value: bytes, delimiters: Delimiters) -> None:
        for separator in (
            delimiters.repetition,
            delimiters.component,
            delimiters.subcomponent if inner else b"",
        ):
            if separator and separator in value:
                raise BadValue(
                    "the value holds delimiters and would spread over other components",
                    code="value-breaks-field",
                    place=target.place,
                    hint="take one component of the source, or write to the whole field",
                )

    return check


def compile_assign(target: Target) -> Assign:
    """Writes a value, making the repetition and the components before it as needed."""
    number, choice, place = target.field, target.repetition, target.place
    if target.atomic:
        return lambda segment, delimiters, value: segment.set_field(number, value)
    if isinstance(choice, Any):
        return _compile_plain_assign(target)
    put, check = compile_put(target), compile_check(target)
    choose = compile_choice(choice)
    whole = target.component is None

    def assign(segment: Segment, delimiters: Delimiters, value: bytes) -> None:
        check(value, delimiters)
        found = repetitions(segment.field(number), delimiters)
        chosen = choose(found, segment)
        for at in chosen:
            found[at] = put(found[at], delimiters, value)
        if not chosen:
            if not value:
                return
            new = b"" if whole else _new_repetition(choice, delimiters, segment, place)
            if isinstance(choice, Index):
                found.extend([b""] * (choice.number - 1 - len(found)))
            found.append(put(new, delimiters, value))
        segment.set_field(number, joined(found, delimiters, place))

    return assign


def _compile_plain_assign(target: Target) -> Assign:
    """Writes into the first repetition."""
    number, whole = target.field, target.component is None
    put, check = compile_put(target), compile_check(target)

    def assign(segment: Segment, delimiters: Delimiters, value: bytes) -> None:
        fields = segment.split()
        old = fields[number] if number < len(fields) else b""
        rest = b""
        separator = delimiters.repetition
        if separator and separator in old:
            at = old.index(separator)
            old, rest = old[:at], old[at:]
        if not whole:
            if not value.isalnum():
                check(value, delimiters)
            value = put(old, delimiters, value)
        segment.set_field(number, value + rest if rest else value)

    return assign


def _new_repetition(choice: Choice, delimiters: Delimiters, segment: Segment, place: str) -> bytes:
    """A repetition that meets the conditions by which it was not found."""
    value = b""
    if isinstance(choice, Where):
        for condition in choice.conditions:
            if len(condition.values) != 1:
                raise BadValue(
                    "no repetition meets the condition, and it leaves open what a new one should hold",
                    code="no-repetition",
                    place=place,
                    hint="name one value in the brackets, or write to [+]",
                )
            value = put_text(value, condition.position, condition.values[0], delimiters, segment)
    return value


def put_text(
    old: bytes,
    position: tuple[int, ...],
    text: str,
    delimiters: Delimiters,
    segment: Segment,
) -> bytes:
    """`old` with a text at a component (and subcomponent)."""
    raw = text.encode("utf-8") if segment.charset is None else segment.charset.encode(text)
    component, subcomponent = (*position, None)[:2]
    put = compile_put(Target(segment.name, 0, Any(), component, subcomponent))
    return put(old, delimiters, escape(raw, delimiters))


def joined(found: list[bytes], delimiters: Delimiters, place: str) -> bytes:
    """The field of these repetitions."""
    if len(found) > 1 and not delimiters.repetition:
        raise no_delimiter(place)
    return delimiters.repetition.join(found)


def compile_assign_each(target: Target) -> AssignEach:
    """Writes the n-th value to the n-th repetition; those left over are emptied, missing ones made."""
    number, place = target.field, target.place
    one = compile_assign(target)
    if not isinstance(target.repetition, Each) or target.atomic:

        def assign_first(segment: Segment, delimiters: Delimiters, values: Sequence[bytes]) -> None:
            one(segment, delimiters, values[0] if values else b"")

        return assign_first
    put, check = compile_put(target), compile_check(target)
    whole = target.component is None

    def assign_each(segment: Segment, delimiters: Delimiters, values: Sequence[bytes]) -> None:
        found = [] if whole else repetitions(segment.field(number), delimiters)
        count = max(len(found), len(values))
        result = []
        for at in range(count):
            value = values[at] if at < len(values) else b""
            check(value, delimiters)
            result.append(put(found[at] if at < len(found) else b"", delimiters, value))
        segment.set_field(number, joined(result, delimiters, place))

    return assign_each


def compile_remove(target: Target) -> Remove:
    """Takes out every part that the path means: a field or component is emptied, a chosen repetition goes."""
    number, choice, place = target.field, target.repetition, target.place
    if target.atomic:
        return lambda segment, delimiters: segment.set_field(number, b"")
    whole = target.component is None
    if whole and isinstance(choice, Any | Each):

        def remove_field(segment: Segment, delimiters: Delimiters) -> None:
            if segment.field(number):
                segment.set_field(number, b"")

        return remove_field
    put, choose = compile_put(target), compile_choice(choice)

    def remove(segment: Segment, delimiters: Delimiters) -> None:
        found = repetitions(segment.field(number), delimiters)
        chosen = choose(found, segment)
        if not chosen:
            return
        if whole:
            gone = set(chosen)
            found = [value for at, value in enumerate(found) if at not in gone]
        else:
            for at in chosen:
                found[at] = put(found[at], delimiters, b"")
        segment.set_field(number, joined(found, delimiters, place))

    return remove

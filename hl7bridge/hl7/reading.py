"""What a path reads of a segment, compiled into functions once so that a message costs little.

Holds the two compilers for reading, with shorter ways for the paths that stand in nearly every channel.
Refuses to know how paths are written and which segment is meant. Reading never fails: what is not there is
empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from hl7bridge.hl7.access import (
    Any,
    Each,
    Target,
    Where,
    compile_choice,
    compile_part,
    compile_test,
    repetitions,
)
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.message import Segment

First: TypeAlias = Callable[[Segment, Delimiters], bytes]
Values: TypeAlias = Callable[[Segment, Delimiters], list[bytes]]


def compile_first(target: Target) -> First:
    """Reads the first part that the path means; b"" if there is none."""
    number, choice = target.field, target.repetition
    if target.atomic:
        return lambda segment, delimiters: segment.field(number)
    if isinstance(choice, Any | Each):
        return _compile_plain_first(target)
    if isinstance(choice, Where):
        return _compile_first_where(target, choice)
    values = compile_values(target)

    def first_at(segment: Segment, delimiters: Delimiters) -> bytes:
        found = values(segment, delimiters)
        return found[0] if found else b""

    return first_at


def _compile_plain_first(target: Target) -> First:
    number, part = target.field, compile_part(target.component, target.subcomponent)

    def value_of(segment: Segment, delimiters: Delimiters) -> bytes:
        fields = segment.split()
        if number >= len(fields):
            return b""
        value = fields[number]
        separator = delimiters.repetition
        return value[: value.index(separator)] if separator and separator in value else value

    if target.component is None:
        return value_of
    if target.component == 1 and target.subcomponent is None:

        def first_component(segment: Segment, delimiters: Delimiters) -> bytes:
            value = value_of(segment, delimiters)
            separator = delimiters.component
            return value[: value.index(separator)] if separator and separator in value else value

        return first_component
    return lambda segment, delimiters: part(value_of(segment, delimiters), delimiters)


def _compile_first_where(target: Target, choice: Where) -> First:
    number, part = target.field, compile_part(target.component, target.subcomponent)
    test = compile_test(choice.conditions)

    def first_where(segment: Segment, delimiters: Delimiters) -> bytes:
        for value in repetitions(segment.field(number), delimiters):
            if test(value, segment):
                return part(value, delimiters)
        return b""

    condition = choice.conditions[0]
    if len(choice.conditions) > 1 or len(condition.position) > 1 or target.subcomponent is not None:
        return first_where
    # `PID-3[4=X].1` stands in nearly every channel: one split of each repetition, and one look.
    wanted = frozenset(text.encode("utf-8") for text in condition.values if text and text.isascii())
    asked, given = condition.position[0] - 1, (target.component or 0) - 1

    def first_known(segment: Segment, delimiters: Delimiters) -> bytes:
        fields = segment.split()
        field = fields[number] if number < len(fields) else b""
        separator = delimiters.component
        if not separator or not field or not delimiters.repetition:
            return first_where(segment, delimiters)
        for value in field.split(delimiters.repetition):
            parts = value.split(separator)
            found = parts[asked] if asked < len(parts) else b""
            if found in wanted or ((not found or not found.isalnum()) and test(value, segment)):
                return value if given < 0 else parts[given] if given < len(parts) else b""
        return b""

    return first_known


def compile_values(target: Target) -> Values:
    """Reads the part of every repetition meant (b"" for one that lacks it, so that lists pair)."""
    number, choice = target.field, target.repetition
    part = compile_part(target.component, target.subcomponent)
    if target.atomic:
        return lambda segment, delimiters: [value] if (value := segment.field(number)) else []
    choose = compile_choice(choice)

    def values(segment: Segment, delimiters: Delimiters) -> list[bytes]:
        found = repetitions(segment.field(number), delimiters)
        return [part(found[at], delimiters) for at in choose(found, segment)]

    return values

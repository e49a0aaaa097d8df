"""Where a value comes from: `from`, `join`, `first_of`.

Compiled from YAML into functions of a scope. Raises nothing; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hl7bridge.channel.rules.constant import HL7_NULL, Value, read_constant
from hl7bridge.channel.rules.reference import (
    Reference,
    every_segment,
    every_value,
    first_value,
    looks_like_path,
    read_reference,
)
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import Constant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun

Values = Callable[[Scope], "list[bytes | None]"]


@dataclass(frozen=True, slots=True)
class Origin:
    """`one` value, or (None) one for each repetition of `reference`."""

    one: Value | None
    reference: Reference | None = None


def _from(node: Node, form: Pairs, target: Reference, setting: Setting) -> Origin | Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(
            node, f"{noun(node)} stands where a path belongs", "first_of: [...] takes several"
        )
    if node.text == "received":
        return Origin(one=_received)
    reference = _value_path(node, form, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if reference.each_repetition or reference.each_segment:
        if not (target.each_repetition or target.each_segment):
            hint = f"put [*] on both sides, or join: '{node.text}'"
            return setting.wrong(
                node, f"{node.text} means several values and {target.text} is one place", hint
            )
        return Origin(one=None, reference=reference)
    return Origin(one=first_value(reference), reference=reference)


def _value_path(node: Scalar, form: Pairs | None, setting: Setting) -> Reference | Wrong:
    reference = read_reference(node, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if reference.whole_segment:
        return setting.wrong(node, f"{node.text} is a segment, not a field", f"name a field: {node.text}-1")
    if reference.appends:
        return setting.wrong(
            node, "[+] is one more repetition and holds nothing yet", "write [*] for every one"
        )
    setting.reads_place(reference, node, form)
    return reference


def _received(scope: Scope) -> bytes:
    moment = scope.work.received
    zone = scope.work.zone
    return (moment if zone is None else moment.astimezone(zone)).strftime("%Y%m%d%H%M%S%z").encode("ascii")


def _join(node: Node, form: Pairs, target: Reference, setting: Setting) -> Origin | Wrong:
    parts: list[Constant | Value | Values] = []
    nodes = node.items if isinstance(node, Items) else [node]
    for each in nodes:
        part = _part(each, None, target, setting)  # no part is looked up, but what they make
        if isinstance(part, Wrong):
            return WRONG
        parts.append(part)
    separator = form.get("with")
    between: Constant | None = None
    if separator is not None:
        if not isinstance(separator, Scalar):
            return setting.wrong(separator, f"{noun(separator)} stands where a text belongs")
        made = read_constant(separator, target.whole_field, setting)
        if isinstance(made, Wrong):
            return WRONG
        if not isinstance(made, Constant):
            return setting.wrong(separator, "the text between values is always the same", "write it out")
        between = made
    if not any(not isinstance(part, Constant) for part in parts):
        return setting.wrong(node, "nothing here comes from the message", "write the text as it is")
    return Origin(one=_joining(parts, between))


def _joining(parts: list[Any], between: Constant | None) -> Value:
    def value(scope: Scope) -> bytes | None:
        found: list[bytes] = []
        some = False
        for part in parts:
            if isinstance(part, Constant):
                found.append(part.value(scope.delimiters, scope.message.charset))
                continue
            values = [each for each in part(scope) if each and each != HL7_NULL]
            some = some or bool(values)
            found += values
        if not some:
            return None
        return (between.value(scope.delimiters, scope.message.charset) if between is not None else b"").join(
            found
        )

    return value


def _part(node: Node, form: Pairs | None, target: Reference, setting: Setting) -> Constant | Values | Wrong:
    """One item of join or first_of: a path (all its values if it has [*]), or a text."""
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a path or a text belongs")
    if not looks_like_path(node.text):
        made = read_constant(node, target.whole_field, setting)
        if isinstance(made, Wrong | Constant):
            return made
        single = made
        return lambda scope: [single(scope)]
    reference = _value_path(node, form, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if reference.each_repetition or reference.each_segment:
        every = every_value(reference) if reference.each_repetition else _first_of_each(reference)
        return lambda scope: [value for value, _ in every(scope)]
    first = first_value(reference)
    return lambda scope: [first(scope)]


def _first_of_each(reference: Reference) -> Callable[[Scope], list[tuple[bytes, Any]]]:
    find, path = every_segment(reference), reference.path
    assert path is not None
    read = path.first
    return lambda scope: [(read(segment, segment.delimiters), segment) for segment in find(scope)]


def _first_of(node: Node, form: Pairs, target: Reference, setting: Setting) -> Origin | Wrong:
    if not isinstance(node, Items) or not node.items:
        return setting.wrong(node, "first_of takes a list of paths", "[PID-3.1, PID-2]")
    parts: list[Constant | Values] = []
    for each in node.items:
        part = _part(each, form, target, setting)
        if isinstance(part, Wrong):
            return WRONG
        parts.append(part)

    def value(scope: Scope) -> bytes | None:
        for part in parts:
            if isinstance(part, Constant):
                return part.value(scope.delimiters, scope.message.charset)
            for found in part(scope):
                if found and found != HL7_NULL:
                    return found
        return None

    return Origin(one=value)


ORIGINS: Final = {"from": _from, "join": _join, "first_of": _first_of}

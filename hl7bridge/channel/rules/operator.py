"""What one value must be: equal, one of, present, or one operator such as `matches` or `between`.

Compiled from YAML into functions of a value, its segment and the scope. Raises nothing; mistakes are named,
and what cannot be compared is no match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.rules.compare import Match, ordered, read_moment
from hl7bridge.channel.rules.pattern import read_pattern
from hl7bridge.channel.rules.reference import Reference
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import decoded
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import REFERENCE, WRONG, Schema, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.hl7.access import compile_equals
from hl7bridge.hl7.delimiters import STANDARD
from hl7bridge.hl7.escape import redelimit
from hl7bridge.hl7.message import Segment

_HL7_NULL: Final = b'""'


def present(value: bytes, segment: Segment, scope: Scope) -> bool:
    """Neither empty (delimiters alone are empty too) nor HL7's null."""
    if not value or value == _HL7_NULL:
        return False
    delimiters = scope.delimiters
    return bool(value.strip(delimiters.component + delimiters.subcomponent + delimiters.repetition))


def read_match(
    value: Node, reference: Reference | None, setting: Setting, moments: bool = False
) -> Match | Wrong:
    """What one value must be."""
    if isinstance(value, Pairs):
        return _operator(value, reference, setting, moments)
    if moments:
        return setting.wrong(
            value, "received is compared with before, after or between", "{between: ['07:00', '19:00']}"
        )
    if isinstance(value, Scalar) and value.text == "present":
        return present
    if isinstance(value, Scalar) and value.is_null:
        return lambda found, segment, scope: found == _HL7_NULL
    nodes = value.items if isinstance(value, Items) else [value]
    texts: list[str] = []
    for node in nodes:
        text = _operand(node, setting)
        if isinstance(text, Wrong):
            return WRONG
        texts.append(text)
    if not texts:
        return setting.wrong(
            value, "the list is empty, so nothing can be one of it", "name at least one value"
        )
    return _equals(texts, whole=reference is not None and reference.whole_field)


def _operand(node: Node, setting: Setting) -> str | Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a text belongs")
    if not node.text:
        return setting.wrong(node, "an empty text is compared with nothing", "write absent")
    return _put_in(node, setting)


def _put_in(node: Scalar, setting: Setting) -> str | Wrong:
    text = node.text
    wrong = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal wrong
        value = setting.variable(match.group(1), node)
        wrong = wrong or isinstance(value, Wrong)
        return "" if isinstance(value, Wrong) else value

    made = re.sub(REFERENCE, value_of, text) if "${" in text else text
    return WRONG if wrong else made


def _equals(texts: list[str], whole: bool) -> Match:
    """One of these: as HL7 text for a whole field, else as the component's text (its first subcomponent
    counts too).
    """
    equals = compile_equals(tuple(texts))
    usual = frozenset(text.encode() for text in texts if text.isascii())
    raw = frozenset(text.encode() for text in texts if whole and re.search(r"[\^~&\\]", text))

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        if value in usual or equals(value, segment):
            return True
        if raw:
            standard = value if scope.delimiters is STANDARD else redelimit(value, scope.delimiters, STANDARD)
            if standard in raw:
                return True
        separator = scope.delimiters.subcomponent
        if not whole and separator and separator in value:
            return equals(value[: value.index(separator)], segment)
        return False

    return match


def _operator(value: Pairs, reference: Reference | None, setting: Setting, moments: bool) -> Match | Wrong:
    if len(value.pairs) != 1:
        what = "there is no operator here" if not value.pairs else "one operator stands here, not several"
        return setting.wrong(value, what, "use between, or all: [{...}, {...}]")
    key, operand = value.pairs[0]
    compiler = OPERATORS.get(key.text)
    if compiler is None or (moments and key.text not in ("before", "after", "between", "not")):
        known = ("before", "after", "between") if moments else OPERATORS
        return setting.wrong(key, f"{shown(key.text)} is not an operator", meant(key.text, known))
    if key.text == "not":
        inner = read_match(operand, reference, setting, moments)
        return (
            WRONG
            if isinstance(inner, Wrong)
            else (lambda found, segment, scope: not inner(found, segment, scope))
        )
    return compiler.compile(operand, setting)


def _matches(node: Node, setting: Setting) -> Match | Wrong:
    text = _operand(node, setting)
    if isinstance(text, Wrong):
        return WRONG
    pattern = read_pattern(node, text, setting) if isinstance(node, Scalar) else WRONG
    if isinstance(pattern, Wrong):
        return WRONG

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        charset = segment.charset or scope.message.charset
        return pattern.search(decoded(value, scope.delimiters, charset)) is not None

    return match


def _in_table(node: Node, setting: Setting) -> Match | Wrong:
    name = _operand(node, setting)
    if isinstance(name, Wrong):
        return WRONG
    if name not in setting.tables:
        hint = meant(name, setting.tables, f"write tables/{name}.csv")
        return setting.wrong(node, f"there is no table {shown(name)}", hint)
    table = setting.tables[name]
    keys = frozenset(table.rows) if table is not None else frozenset()

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        separator = scope.delimiters.subcomponent
        if separator and separator in value:
            value = value[: value.index(separator)]
        return decoded(value, scope.delimiters, segment.charset or scope.message.charset) in keys

    return match


def _number(least: bool) -> Callable[[Node, Setting], Match | Wrong]:
    def compile_number(node: Node, setting: Setting) -> Match | Wrong:
        text = _operand(node, setting)
        if isinstance(text, Wrong):
            return WRONG
        bound = number(text)
        if bound is None:
            return setting.wrong(node, f"{noun(node)} is not a number")

        def match(value: bytes, segment: Segment, scope: Scope) -> bool:
            found = number(value.decode("ascii", "replace"))
            return found is not None and (found >= bound if least else found <= bound)

        return match

    return compile_number


def number(text: str) -> float | None:
    """The number that an NM field writes, or None."""
    return float(text) if re.fullmatch(r"\s*[+-]?[0-9]{1,300}(?:\.[0-9]*)?\s*", text) else None


def _longer_than(node: Node, setting: Setting) -> Match | Wrong:
    text = _operand(node, setting)
    if isinstance(text, Wrong):
        return WRONG
    if not re.fullmatch(r"[0-9]{1,12}", text):
        return setting.wrong(node, f"{noun(node)} is not a length in characters", "write it like 1000000")
    bound = int(text)

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        if len(value) <= bound or value.isascii():
            return len(value) > bound
        return len((segment.charset or scope.message.charset).decode(value)) > bound

    return match


def _starts_with(node: Node, setting: Setting) -> Match | Wrong:
    text = _operand(node, setting)
    if isinstance(text, Wrong):
        return WRONG

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        charset = segment.charset or scope.message.charset
        return decoded(value, scope.delimiters, charset).startswith(text)

    return match


def _moment(word: str) -> Callable[[Node, Setting], Match | Wrong]:
    def compile_moment(node: Node, setting: Setting) -> Match | Wrong:
        count = 2 if word == "between" else 1
        nodes = node.items if isinstance(node, Items) else [node]
        if len(nodes) != count:
            wanted = "a list of two" if count == 2 else "one date or time"
            return setting.wrong(
                node, f"{word} needs {wanted}", "{between: ['07:00', '19:00']}" if count == 2 else None
            )
        bounds = []
        for each in nodes:
            text = _operand(each, setting)
            if isinstance(text, Wrong):
                return WRONG
            bound = read_moment(text)
            if bound is None:
                hint = "write 2026-12-01, '2026-12-01 07:00', 20261201 or '07:00'"
                return setting.wrong(each, f"{noun(each)} is neither a date nor a time", hint)
            bounds.append(bound)
        if len({bound.of_day for bound in bounds}) > 1:
            return setting.wrong(
                node, "between has a date and a time of day", "two dates, or two times of day"
            )
        return ordered(word, bounds)

    return compile_moment


@dataclass(frozen=True, slots=True)
class Operator:
    """A word that compares: what it means, how its operand is read, and what shape it has for an editor."""

    about: str
    compile: Callable[[Node, Setting], Match | Wrong]
    operand: str = "scalar"


def _never(node: Node, setting: Setting) -> Match | Wrong:
    return WRONG  # `not` is compiled with its path, so that it can mean none of the occurrences


OPERATORS: Final[dict[str, Operator]] = {
    "not": Operator("none of the values is this", _never, "condition"),
    "matches": Operator("the regular expression is found in it", _matches),
    "in_table": Operator("it is in the first column of the table", _in_table, "table"),
    "before": Operator("the date or time is earlier", _moment("before")),
    "after": Operator("the date or time is later", _moment("after")),
    "between": Operator(
        "the date lies between the two (both included), or the time of day", _moment("between"), "two"
    ),
    "at_least": Operator("the number is this or more", _number(True)),
    "at_most": Operator("the number is this or less", _number(False)),
    "longer_than": Operator("it has more characters", _longer_than),
    "starts_with": Operator("it begins with this", _starts_with),
}


def test_schema() -> Schema:
    """What an editor may know of a condition's right side: `$defs` name `test`."""
    text = {"type": ["string", "number", "boolean", "null"]}
    shapes: dict[str, Schema] = {
        "scalar": text,
        "table": {"$ref": "#/$defs/name of table"},
        "two": {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
        "condition": {"$ref": "#/$defs/test"},
    }
    properties = {word: {**shapes[op.operand], "description": op.about} for word, op in OPERATORS.items()}
    operator = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    # The operators first: of alternatives that fit alike, editors speak of the first.
    return {"anyOf": [operator, text, {"type": "array", "items": text, "minItems": 1}]}

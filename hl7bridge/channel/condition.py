"""Conditions: a path and what it must be. The same form serves `filter`, `when` and `where`.

Reads YAML into functions of a scope, once. A path without brackets means any occurrence (under `not`: none). Raises nothing;
what cannot be compared (a word where a number belongs, a day that no calendar has) does not meet the condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.compare import Match, ordered, read_moment
from hl7bridge.channel.mistake import meant
from hl7bridge.channel.model import WRONG, Schema, _Wrong
from hl7bridge.channel.reference import (
    Reference,
    every_segment,
    every_value,
    looks_like_path,
    read_reference,
)
from hl7bridge.channel.scope import Scope
from hl7bridge.channel.setting import Setting
from hl7bridge.channel.text import decoded
from hl7bridge.channel.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.hl7.access import compile_equals
from hl7bridge.hl7.delimiters import STANDARD
from hl7bridge.hl7.escape import redelimit
from hl7bridge.hl7.message import Segment

Condition = Callable[[Scope], bool]
_WORDS: Final = ("present", "absent")
_GROUPS: Final = ("any", "all", "not")
_HL7_NULL: Final = b'""'


@dataclass(frozen=True, slots=True)
class Clause:
    """One key of a set of conditions, compiled, with its place and wording for reasons."""

    test: Condition
    place: str
    says: str


def read_condition(node: Node, setting: Setting) -> Condition | _Wrong:
    """A set of conditions that must all hold, as one function."""
    clauses = read_clauses(node, setting)
    if isinstance(clauses, _Wrong):
        return WRONG
    tests = [clause.test for clause in clauses]
    return tests[0] if len(tests) == 1 else _all(tests)


def read_clauses(node: Node, setting: Setting) -> list[Clause] | _Wrong:
    """A set of conditions, clause by clause."""
    if isinstance(node, Items):
        return setting.wrong(
            node, "a list stands where conditions belong", "write them as keys, or under any: [...]"
        )
    if not isinstance(node, Pairs):
        return setting.wrong(
            node, f"{noun(node)} stands where conditions belong", "write them like ORC-1: NW"
        )
    if not node.pairs:
        return setting.wrong(
            node, "there is no condition here", "write one like ORC-1: NW, or leave the key out"
        )
    found: list[Clause] = []
    complete = True
    for key, value in node.pairs:
        test = _clause(key, value, setting)
        if isinstance(test, _Wrong):
            complete = False
        else:
            found.append(Clause(test, str(key.place), f"{key.text} {wording(value)}"))
    return found if complete else WRONG


def wording(node: Node) -> str:
    """A condition's right side in words of the configuration (never of a message)."""
    if isinstance(node, Scalar):
        return node.text if node.text in _WORDS else f"= {node.text}"
    if isinstance(node, Items):
        return "in [" + ", ".join(wording(item).removeprefix("= ") for item in node.items) + "]"
    return (
        "{" + ", ".join(f"{key.text}: {wording(value).removeprefix('= ')}" for key, value in node.pairs) + "}"
    )


def _clause(key: Scalar, value: Node, setting: Setting) -> Condition | _Wrong:
    if key.text in _GROUPS:
        return _group(key.text, value, setting)
    if key.text == "received":
        match = _match(value, None, setting, moments=True)
        return WRONG if isinstance(match, _Wrong) else _received(match)
    if not looks_like_path(key.text) and not re.fullmatch(r"/?(?:original\.)?[A-Z][A-Z0-9]{2}", key.text):
        known = (*_GROUPS, "received")
        return setting.wrong(
            key, f"{shown(key.text)} is neither a path nor a word of conditions", meant(key.text, known)
        )
    reference = read_reference(key, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if reference.appends:
        return setting.wrong(
            key, "[+] makes a repetition and has nothing to compare", "write [*], or no brackets"
        )
    if reference.whole_segment:
        return _segment_clause(reference, value, setting)
    return _path_clause(reference, value, setting)


def _group(word: str, value: Node, setting: Setting) -> Condition | _Wrong:
    if word == "not":
        inner = read_condition(value, setting)
        return WRONG if isinstance(inner, _Wrong) else _not(inner)
    nodes = value.items if isinstance(value, Items) else [value]
    if not nodes:
        return setting.wrong(
            value, f"{word} has nothing to choose from", "list conditions: [{ORC-1: NW}, {ORC-1: RF}]"
        )
    tests = [read_condition(each, setting) for each in nodes]
    good = [test for test in tests if not isinstance(test, _Wrong)]
    if len(good) < len(tests):
        return WRONG
    return _any(good) if word == "any" else _all(good)


def _segment_clause(reference: Reference, value: Node, setting: Setting) -> Condition | _Wrong:
    wanted = _presence(value)
    if wanted is None:
        return setting.wrong(
            value, f"a segment is present or absent, not {noun(value)}", f"name a field: {reference.text}-1"
        )
    find = every_segment(reference)
    if wanted:
        return lambda scope: bool(find(scope))
    return lambda scope: not find(scope)


def _presence(value: Node) -> bool | None:
    if isinstance(value, Scalar) and value.text in _WORDS:
        return value.text == "present"
    if isinstance(value, Pairs) and len(value.pairs) == 1 and value.pairs[0][0].text == "not":
        inner = _presence(value.pairs[0][1])
        return None if inner is None else not inner
    return None


def _path_clause(reference: Reference, value: Node, setting: Setting) -> Condition | _Wrong:
    if isinstance(value, Pairs) and len(value.pairs) == 1 and value.pairs[0][0].text == "not":
        inner = _path_clause(reference, value.pairs[0][1], setting)
        return WRONG if isinstance(inner, _Wrong) else _not(inner)
    if isinstance(value, Scalar) and value.text == "absent":
        here = _some(reference, _present)
        return _not(here)
    match = _match(value, reference, setting)
    return WRONG if isinstance(match, _Wrong) else _some(reference, match)


def _some(reference: Reference, match: Match) -> Condition:
    """Whether any value that the path means is a match."""
    path = reference.path
    if path is not None and not reference.original and reference.plain_segment and path.segment == b"MSH":
        read = path.values
        return lambda scope: any(
            match(value, segment, scope)
            for segment in scope.all(b"MSH")[:1]
            for value in read(segment, scope.delimiters)
        )
    values = every_value(reference)

    def some(scope: Scope) -> bool:
        for value, segment in values(scope):
            if match(value, segment, scope):
                return True
        return False

    return some


def _present(value: bytes, segment: Segment, scope: Scope) -> bool:
    """Neither empty (delimiters alone are empty too) nor HL7's null."""
    if not value or value == _HL7_NULL:
        return False
    delimiters = scope.delimiters
    return bool(value.strip(delimiters.component + delimiters.subcomponent + delimiters.repetition))


def _match(
    value: Node, reference: Reference | None, setting: Setting, moments: bool = False
) -> Match | _Wrong:
    """What one value must be."""
    if isinstance(value, Pairs):
        return _operator(value, reference, setting, moments)
    if moments:
        return setting.wrong(
            value, "received is compared with before, after or between", "{between: ['07:00', '19:00']}"
        )
    if isinstance(value, Scalar) and value.text == "present":
        return _present
    if isinstance(value, Scalar) and value.is_null:
        return lambda found, segment, scope: found == _HL7_NULL
    nodes = value.items if isinstance(value, Items) else [value]
    texts: list[str] = []
    for node in nodes:
        text = _operand(node, setting)
        if isinstance(text, _Wrong):
            return WRONG
        texts.append(text)
    if not texts:
        return setting.wrong(
            value, "the list is empty, so nothing can be one of it", "name at least one value"
        )
    return _equals(texts, whole=reference is not None and reference.whole_field)


def _operand(node: Node, setting: Setting) -> str | _Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a text belongs")
    if not node.text:
        return setting.wrong(node, "an empty text is compared with nothing", "write absent")
    return _put_in(node, setting)


def _put_in(node: Scalar, setting: Setting) -> str | _Wrong:
    text = node.text
    wrong = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal wrong
        value = setting.variable(match.group(1), node)
        wrong = wrong or isinstance(value, _Wrong)
        return "" if isinstance(value, _Wrong) else value

    made = re.sub(r"\$\{([^{}]*)\}", value_of, text) if "${" in text else text
    return WRONG if wrong else made


def _equals(texts: list[str], whole: bool) -> Match:
    """One of these: as HL7 text for a whole field, else as the component's text (its first subcomponent counts too)."""
    equals = compile_equals(tuple(texts))
    raw = frozenset(text.encode() for text in texts if whole and re.search(r"[\^~&\\]", text))

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        if equals(value, segment):
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


def _operator(value: Pairs, reference: Reference | None, setting: Setting, moments: bool) -> Match | _Wrong:
    if len(value.pairs) != 1:
        what = "there is no operator here" if not value.pairs else "one operator stands here, not several"
        return setting.wrong(value, what, "use between, or all: [{...}, {...}]")
    key, operand = value.pairs[0]
    compiler = OPERATORS.get(key.text)
    if compiler is None or (moments and key.text not in ("before", "after", "between", "not")):
        known = ("before", "after", "between") if moments else OPERATORS
        return setting.wrong(key, f"{shown(key.text)} is not an operator", meant(key.text, known))
    if key.text == "not":
        inner = _match(operand, reference, setting, moments)
        return (
            WRONG
            if isinstance(inner, _Wrong)
            else (lambda found, segment, scope: not inner(found, segment, scope))
        )
    return compiler.compile(operand, setting)


def _matches(node: Node, setting: Setting) -> Match | _Wrong:
    text = _operand(node, setting)
    if isinstance(text, _Wrong):
        return WRONG
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as fault:
        return setting.wrong(
            node, f"this is not a regular expression: {fault}", "write it in 'single quotes'"
        )

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        charset = segment.charset or scope.message.charset
        return pattern.search(decoded(value, scope.delimiters, charset)) is not None

    return match


def _in_table(node: Node, setting: Setting) -> Match | _Wrong:
    name = _operand(node, setting)
    if isinstance(name, _Wrong):
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


def _number(least: bool) -> Callable[[Node, Setting], Match | _Wrong]:
    def compile_number(node: Node, setting: Setting) -> Match | _Wrong:
        text = _operand(node, setting)
        if isinstance(text, _Wrong):
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


def _longer_than(node: Node, setting: Setting) -> Match | _Wrong:
    text = _operand(node, setting)
    if isinstance(text, _Wrong):
        return WRONG
    if not re.fullmatch(r"[0-9]{1,12}", text):
        return setting.wrong(node, f"{noun(node)} is not a length in characters", "write it like 1000000")
    bound = int(text)

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        if len(value) <= bound or value.isascii():
            return len(value) > bound
        return len((segment.charset or scope.message.charset).decode(value)) > bound

    return match


def _starts_with(node: Node, setting: Setting) -> Match | _Wrong:
    text = _operand(node, setting)
    if isinstance(text, _Wrong):
        return WRONG

    def match(value: bytes, segment: Segment, scope: Scope) -> bool:
        charset = segment.charset or scope.message.charset
        return decoded(value, scope.delimiters, charset).startswith(text)

    return match


def _moment(word: str) -> Callable[[Node, Setting], Match | _Wrong]:
    def compile_moment(node: Node, setting: Setting) -> Match | _Wrong:
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
            if isinstance(text, _Wrong):
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
    compile: Callable[[Node, Setting], Match | _Wrong]
    operand: str = "scalar"


def _never(node: Node, setting: Setting) -> Match | _Wrong:
    return WRONG  # `not` is compiled with its path, so that it can mean none of the occurrences


OPERATORS: Final[dict[str, Operator]] = {
    "not": Operator("none of the values is this", _never, "condition"),
    "matches": Operator("the regular expression is found in it", _matches),
    "in_table": Operator("it is in the first column of the table", _in_table),
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


def _received(match: Match) -> Condition:
    def received(scope: Scope) -> bool:
        stamp = scope.work.received.strftime("%Y%m%d%H%M%S%z").encode()
        return match(stamp, scope.message.header, scope)

    return received


def _not(test: Condition) -> Condition:
    return lambda scope: not test(scope)


def _all(tests: list[Condition]) -> Condition:
    return lambda scope: all(test(scope) for test in tests)


def _any(tests: list[Condition]) -> Condition:
    return lambda scope: any(test(scope) for test in tests)


def condition_schema() -> Schema:
    """What an editor may know of a condition's right side: `$defs` name `test`."""
    text = {"type": ["string", "number", "boolean", "null"]}
    shapes: dict[str, Schema] = {
        "scalar": text,
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
    return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}, operator]}

"""Conditions: a path and what it must be. The same form serves `filter`, `when` and `where`.

Reads YAML into functions of a scope, once. A path without brackets means any occurrence (under `not`: none).
Raises nothing; what cannot be compared (a word where a number belongs, a day that no calendar has) does not
meet the condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.rules.compare import Match
from hl7bridge.channel.rules.operator import present, read_match
from hl7bridge.channel.rules.reference import (
    Reference,
    every_segment,
    every_value,
    looks_like_path,
    read_reference,
)
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.hl7.access import Any
from hl7bridge.hl7.path import Path

Condition = Callable[[Scope], bool]
#: What a field or a segment may be besides a text.
WORDS: Final = ("present", "absent")
_GROUPS: Final = ("any", "all", "not")


@dataclass(frozen=True, slots=True)
class Clause:
    """One key of a set of conditions, compiled, with its place and wording for reasons. `values` gives what it looks at, for a trace;
    None where that is no field.
    """

    test: Condition
    place: str
    says: str
    values: Callable[[Scope], list[bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """A set of conditions that must all hold: as one function, and one by one for a trace."""

    test: Condition
    clauses: tuple[Clause, ...]


def read_condition(node: Node, setting: Setting) -> Condition | Wrong:
    """A set of conditions that must all hold, as one function."""
    found = read_conditions(node, setting)
    return WRONG if isinstance(found, Wrong) else found.test


def read_conditions(node: Node, setting: Setting) -> Conditions | Wrong:
    """A set of conditions that must all hold."""
    clauses = read_clauses(node, setting)
    if isinstance(clauses, Wrong):
        return WRONG
    tests = [clause.test for clause in clauses]
    return Conditions(tests[0] if len(tests) == 1 else _all(tests), tuple(clauses))


def read_clauses(node: Node, setting: Setting) -> list[Clause] | Wrong:
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
        if isinstance(test, Wrong):
            complete = False
        else:
            says = f"{key.text} {wording(value)}"
            found.append(Clause(test, str(key.place), says, _values_of(key, setting)))
    return found if complete else WRONG


def _values_of(key: Scalar, setting: Setting) -> Callable[[Scope], list[bytes]] | None:
    if not looks_like_path(key.text):
        return None
    reference = read_reference(key, setting)
    if isinstance(reference, Wrong) or reference.whole_segment:
        return None
    values = every_value(reference)
    return lambda scope: [value for value, _ in values(scope)]


def wording(node: Node) -> str:
    """A condition's right side in words of the configuration (never of a message)."""
    if isinstance(node, Scalar):
        return node.text if node.text in WORDS else f"= {node.text}"
    if isinstance(node, Items):
        return "in [" + ", ".join(wording(item).removeprefix("= ") for item in node.items) + "]"
    return (
        "{" + ", ".join(f"{key.text}: {wording(value).removeprefix('= ')}" for key, value in node.pairs) + "}"
    )


def _clause(key: Scalar, value: Node, setting: Setting) -> Condition | Wrong:
    if key.text in _GROUPS:
        return _group(key.text, value, setting)
    if key.text == "received":
        match = read_match(value, None, setting, moments=True)
        return WRONG if isinstance(match, Wrong) else _received(match)
    if not looks_like_path(key.text) and not re.fullmatch(r"/?(?:original\.)?[A-Z][A-Z0-9]{2}", key.text):
        known = (*_GROUPS, "received")
        return setting.wrong(
            key, f"{shown(key.text)} is neither a path nor a word of conditions", meant(key.text, known)
        )
    reference = read_reference(key, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if reference.appends:
        return setting.wrong(
            key, "[+] makes a repetition and has nothing to compare", "write [*], or no brackets"
        )
    setting.reads_place(reference, key, value)
    if reference.whole_segment:
        return _segment_clause(reference, value, setting)
    return _path_clause(reference, value, setting)


def _group(word: str, value: Node, setting: Setting) -> Condition | Wrong:
    if word == "not":
        inner = read_condition(value, setting)
        return WRONG if isinstance(inner, Wrong) else _not(inner)
    nodes = value.items if isinstance(value, Items) else [value]
    if not nodes:
        return setting.wrong(
            value, f"{word} has nothing to choose from", "list conditions: [{ORC-1: NW}, {ORC-1: RF}]"
        )
    tests = [read_condition(each, setting) for each in nodes]
    good = [test for test in tests if not isinstance(test, Wrong)]
    if len(good) < len(tests):
        return WRONG
    return _any(good) if word == "any" else _all(good)


def _segment_clause(reference: Reference, value: Node, setting: Setting) -> Condition | Wrong:
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
    if isinstance(value, Scalar) and value.text in WORDS:
        return value.text == "present"
    if isinstance(value, Pairs) and len(value.pairs) == 1 and value.pairs[0][0].text == "not":
        inner = _presence(value.pairs[0][1])
        return None if inner is None else not inner
    return None


def _path_clause(reference: Reference, value: Node, setting: Setting) -> Condition | Wrong:
    if isinstance(value, Pairs) and len(value.pairs) == 1 and value.pairs[0][0].text == "not":
        inner = _path_clause(reference, value.pairs[0][1], setting)
        return WRONG if isinstance(inner, Wrong) else _not(inner)
    if isinstance(value, Scalar) and value.text == "absent":
        here = _some(reference, present)
        return _not(here)
    match = read_match(value, reference, setting)
    return WRONG if isinstance(match, Wrong) else _some(reference, match)


def _some(reference: Reference, match: Match) -> Condition:
    """Whether any value that the path means is a match."""
    path = reference.path
    if path is not None and not reference.original and reference.plain_segment:
        return _some_of_plain(path, match)
    values = every_value(reference)
    return lambda scope: any(match(value, segment, scope) for value, segment in values(scope))


def _some_of_plain(path: Path, match: Match) -> Condition:
    """The usual case, spared some lists: any segment of that name, and mostly a single repetition."""
    name, number, read = path.segment, path.field or 0, path.values
    single = path.first if isinstance(path.repetition, Any) else None

    def some(scope: Scope) -> bool:
        delimiters = scope.delimiters
        for segment in scope.segments if scope.up is None else scope.all(name):
            if segment.name != name:
                continue
            field = segment.field(number)
            if not field:
                continue
            if single is not None and (not delimiters.repetition or delimiters.repetition not in field):
                if match(single(segment, delimiters), segment, scope):
                    return True
                continue
            for value in read(segment, delimiters):
                if match(value, segment, scope):
                    return True
        return False

    return some


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

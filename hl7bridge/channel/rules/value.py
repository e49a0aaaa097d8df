"""What goes into a target field: a constant, or where a value comes from with text functions behind it.

Reads YAML into functions of a scope, once. `settle` raises `MappingError` where `else: error` says so;
mistakes are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.rules.constant import HL7_NULL, MappingError, Value, constant_value, read_constant
from hl7bridge.channel.rules.function import FUNCTIONS, Function, run_functions
from hl7bridge.channel.rules.origin import ORIGINS
from hl7bridge.channel.rules.reference import Reference
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import Constant
from hl7bridge.channel.written.mistake import Place, meant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.hl7.extent import is_composite

KEEP: Final = "keep"
ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Source:
    """What a target gets: one value, or one for each repetition; `else_` says what happens without one."""

    one: Value | None
    reference: Reference | None = None
    functions: tuple[Function, ...] = ()
    otherwise: Constant | str | None = None
    constant: Constant | None = None
    null: bool = False


def read_source(node: Node, target: Reference, setting: Setting) -> Source | Wrong:
    """The right side of `target: ...`."""
    if isinstance(node, Scalar):
        return _constant_source(node, target, setting)
    if isinstance(node, Items):
        return setting.wrong(
            node, "a list stands where a value belongs", "write {join: [...]} or {first_of: [...]}"
        )
    origins = [(key, value) for key, value in node.pairs if key.text in ORIGINS]
    if len(origins) != 1:
        unknown = next((key for key, _ in node.pairs if key.text not in FORMS), None)
        if unknown is not None:
            return setting.wrong(
                unknown, f"{shown(unknown.text)} is not a word of mappings", meant(unknown.text, FORMS)
            )
        return setting.wrong(
            node, "a value needs exactly one of from, join or first_of", "write {from: PID-3.1}"
        )
    functions = _functions(node, target, setting)
    otherwise = _otherwise(node.get("else"), target, setting)
    key, value = origins[0]
    origin = ORIGINS[key.text](value, node, target, setting)
    if isinstance(functions, Wrong) or isinstance(otherwise, Wrong) or isinstance(origin, Wrong):
        return WRONG
    if functions and isinstance(origin.reference, Reference):
        problem = eats_delimiters(origin.reference, node, setting)
        if problem:
            return WRONG
    return Source(
        one=None if origin.one is None else _piped(origin.one, functions),
        reference=origin.reference,
        functions=functions,
        otherwise=otherwise,
    )


#: Every word of a mapping's right side, with what it is for.
FORMS: Final = {
    "from": "the path that the value comes from",
    "join": "paths and texts, put together; absent ones are left out",
    "with": "what stands between the values of join",
    "first_of": "the first of these that is present",
    "replace": "a regular expression and what replaces it, or a list of such pairs",
    "case": "upper, lower or title",
    "date": "a format such as YYYYMMDD or YYYY-MM-DD HH:MM",
    "table": "the table that translates the value",
    "column": "the column of the table; the second if it has two",
    "else": "what stands there without a value: a text, keep (what is there), or error",
}


def _otherwise(node: Node | None, target: Reference, setting: Setting) -> Constant | str | Wrong | None:
    if node is None:
        return None
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a value, keep or error belongs")
    if node.plain and node.text in (KEEP, ERROR):
        return node.text
    if node.is_null:
        return Constant('""', True)
    made = read_constant(node, target.whole_field, setting)
    if isinstance(made, Wrong):
        return WRONG
    if not isinstance(made, Constant):
        return setting.wrong(node, "else is always the same text", "first_of: [...] takes a second path")
    return made


def settle(
    found: bytes | None, otherwise: Constant | str | None, scope: Scope, place: Place, target: str
) -> bytes | None:
    """What is written where there is no value: b"" empties the target, None leaves it as it is."""
    if found:
        return found
    if otherwise is None:
        return b""
    if isinstance(otherwise, Constant):
        return otherwise.value(scope.delimiters, scope.message.charset)
    if otherwise == KEEP:
        return None
    raise MappingError(
        f"there is no value for {target}", code="no-value", place=str(place), hint="else: error stands there"
    )


def _constant_source(node: Scalar, target: Reference, setting: Setting) -> Source | Wrong:
    if node.is_null:
        return Source(one=lambda scope: HL7_NULL, null=True)
    if not node.text and node.plain:
        return setting.wrong(node, "nothing stands here", "write '' to empty the field, null to write \"\"")
    value = read_constant(node, target.whole_field, setting)
    if isinstance(value, Wrong):
        return WRONG
    if isinstance(value, Constant):
        return Source(one=constant_value(value), constant=value)
    return Source(one=value)


def _functions(node: Pairs, target: Reference, setting: Setting) -> tuple[Function, ...] | Wrong:
    """The text functions, in the order in which they were written."""
    made: list[Function] = []
    complete = True
    for key, value in node.pairs:
        if key.text not in FORMS:
            setting.wrong(key, f"{shown(key.text)} is not a word of mappings", meant(key.text, FORMS))
            complete = False
        elif key.text in FUNCTIONS:
            function = FUNCTIONS[key.text](value, node, setting)
            if isinstance(function, Wrong):
                complete = False
            else:
                made.append(function)
        elif (key.text == "column" and node.get("table") is None) or (
            key.text == "with" and node.get("join") is None
        ):
            other = "table" if key.text == "column" else "join"
            setting.wrong(key, f"{key.text} belongs to {other}, which does not stand here")
            complete = False
    return tuple(made) if complete else WRONG


def _piped(value: Value, functions: tuple[Function, ...]) -> Value:
    if not functions:
        return value
    if len(functions) == 1:
        [function] = functions

        def piped_once(scope: Scope) -> bytes | None:
            found = value(scope)
            return function(found, scope) if found and found != HL7_NULL else found

        return piped_once

    def piped(scope: Scope) -> bytes | None:
        return run_functions(functions, value(scope), scope)

    return piped


def eats_delimiters(reference: Reference, node: Pairs, setting: Setting) -> bool:
    """Names a text function on a composite field without a component."""
    if not reference.whole_field or reference.path is None or reference.path.field is None:
        return False
    words = [key for key, _ in node.pairs if key.text in ("replace", "case", "table")]
    if not words or not is_composite(reference.path.segment.decode("ascii"), reference.path.field):
        return False
    name = reference.text
    setting.wrong(
        words[0],
        f"{words[0].text} works on text, and {name} has components",
        f"name one, such as {name}.1, or it would eat the delimiters",
    )
    return True

"""The JSON Schema for editors, made from the tables that the loader reads by.

An editor completes keys, shows the HL7 name of each path, and underlines what the loader would not take.
Names come from the standard's tables, so this loads hl7apy; an engine never calls it. Raises nothing.

`python -m hl7bridge.channel.schema` prints it.
"""

from __future__ import annotations

import json
from typing import Any, Final

from hl7bridge.channel.beside_file import TEST, expected_schema
from hl7bridge.channel.enginetable import ENGINE
from hl7bridge.channel.folder import KINDS
from hl7bridge.channel.model import Schema
from hl7bridge.channel.operator import test_schema
from hl7bridge.channel.segments import SEGMENTS
from hl7bridge.channel.value import FORMS
from hl7bridge.channel.verbs import MODIFIERS, VERBS
from hl7bridge.hl7.names import WITHDRAWN, segment_name, standard

_VERSION: Final = "2.8.2"
_TEXT: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
#: Brackets behind a segment or field, as `[2]`, `[4=X]` or the terser's `(0)`.
_BRACKETS: Final = r"([\[(].*?[\])])?"
_BEFORE: Final = r"^/?(original\.)?"


def schema() -> Schema:
    """A schema of draft 7 for every YAML file of a channels' folder."""
    conditions = _object(_path_patterns("test"))
    segment = rf"{_BEFORE}[A-Z][A-Z0-9]{{2}}{_BRACKETS}$"
    conditions["patternProperties"][segment] = _reference("test")
    conditions["properties"] = {
        "any": _described(_some("conditions"), "at least one of these holds"),
        "all": _described(_some("conditions"), "each of these holds"),
        "not": _described(_reference("conditions"), "none of this holds"),
        "received": _described(_reference("test"), "when the message arrived, in the source's zone"),
    }
    conditions["minProperties"] = 1
    step = _object(_path_patterns("value"))
    step["properties"] = _step_properties()
    definitions = {
        "paths": _paths(),
        "conditions": conditions,
        "test": test_schema(),
        "value": _value(),
        "step": step,
        "steps": _some("step"),
        "expected": expected_schema(),
    }
    kinds = {kind: table.schema() for kind, (table, _) in KINDS.items()}
    found: Schema = _settled(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "A file of an hl7bridge configuration",
            "definitions": {**definitions, **kinds, "engine": ENGINE.schema(), "testfile": TEST.schema()},
            **_by_kind(list(KINDS)),
        }
    )
    return found


def _by_kind(kinds: list[str]) -> Schema:
    """Which definition a file follows: the key that names its kind says so; a list is tests, the rest
    hl7bridge.yaml.
    """
    rest: Schema = {
        "if": {"type": "array"},
        "then": {"type": "array", "items": _reference("testfile")},
        "else": _reference("engine"),
    }
    for kind in reversed(kinds):
        rest = {
            "if": {"type": "object", "required": [kind]},
            "then": _reference(kind),
            "else": rest,
        }
    return rest


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _some(name: str) -> Schema:
    return {"anyOf": [{"type": "array", "items": _reference(name)}, _reference(name)]}


def _described(shape: Schema, about: str) -> Schema:
    return {"description": about, "allOf": [shape]} if "$ref" in shape else {**shape, "description": about}


def _object(patterns: Schema) -> Schema:
    return {
        "type": "object",
        "allOf": [_reference("paths")],
        "patternProperties": patterns,
        "additionalProperties": False,
    }


def _path_patterns(name: str) -> Schema:
    """Everything that has the form of a path to a field; `paths` says which fields there are."""
    return {
        rf"{_BEFORE}[A-Z][A-Z0-9]{{2}}{_BRACKETS}[-.][0-9]+{_BRACKETS}([-.][0-9]+){{0,2}}$": _reference(name),
        r"^it([-.][0-9]+){0,2}$": _reference(name),
    }


def _paths() -> Schema:
    """The name of every field of the segments that feeds are made of; other fields and segments are wrong."""
    tables = standard(_VERSION)
    plain: Schema = {}
    patterns: Schema = {}
    for segment in sorted(each for each in SEGMENTS if segment_name(each) and tables.fields(each)):
        fields, before = tables.fields(segment), standard().fields(segment)
        for number, element in enumerate(fields, 1):
            if element is WITHDRAWN and number <= len(before):
                element = before[number - 1]
            kind = f" ({element.datatype})" if element.datatype else ""
            about = {"description": f"{segment}-{number} {element.name}{kind}"}
            plain[f"{segment}-{number}"] = about
            patterns[rf"{_BEFORE}{segment}{_BRACKETS}[-.]{number}\b"] = about
        known = "|".join(str(number) for number in range(1, len(fields) + 1))
        patterns[rf"{_BEFORE}{segment}{_BRACKETS}[-.](?!({known})\b)"] = False
    patterns[rf"{_BEFORE}(?!({'|'.join(sorted(SEGMENTS))}|Z..))[A-Z][A-Z0-9]{{2}}\b"] = False
    return {"properties": plain, "patternProperties": patterns}


def _value() -> Schema:
    """What stands on the right of a target."""
    lists = {"type": "array", "items": _TEXT, "minItems": 1}
    shapes: dict[str, Schema] = {
        "join": {"anyOf": [{"type": "string"}, lists]},
        "first_of": lists,
        "replace": {"type": "array", "items": {"anyOf": [_TEXT, lists]}, "minItems": 1},
        "case": {"enum": ["upper", "lower", "title"]},
    }
    properties = {word: {**shapes.get(word, _TEXT), "description": about} for word, about in FORMS.items()}
    form = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": [origin]} for origin in ("from", "join", "first_of")],
        "dependencies": {"column": ["table"], "with": ["join"]},
    }
    return {"anyOf": [_TEXT, form]}


def _step_properties() -> Schema:
    names: Schema = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    }
    shapes: dict[str, Schema] = {
        "when": _reference("conditions"),
        "where": _reference("conditions"),
        "do": _reference("steps"),
        "remove": names,
        "keep": names,
        "after": names,
    }
    about = {**MODIFIERS, **{word: verb.about for word, verb in VERBS.items()}}
    return {word: _described(shapes.get(word, {"type": "string"}), text) for word, text in about.items()}


def _settled(found: Any) -> Any:
    """References as draft 7 wants them: named `definitions`, and alone where something else stands beside
    them.
    """
    if isinstance(found, list):
        return [_settled(each) for each in found]
    if not isinstance(found, dict):
        return found
    made = {key: _settled(value) for key, value in found.items()}
    if "$ref" in made:
        reference = made.pop("$ref").replace("#/$defs/", "#/definitions/")
        return {**made, "allOf": [{"$ref": reference}]} if made else {"$ref": reference}
    return made


if __name__ == "__main__":
    print(json.dumps(schema(), indent=0, ensure_ascii=False))

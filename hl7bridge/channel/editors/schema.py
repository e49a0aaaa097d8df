"""The JSON Schema for editors, made from the tables that the loader reads by.

An editor completes keys, shows the HL7 name of each path, and underlines what the loader would not take and what `check` doubts. Made
for a folder it knows the names that its files give, too. Names of fields come from the standard's tables, so this loads hl7apy; an
engine never calls it. Besides draft 7 it uses words that editors know: `errorMessage` and `defaultSnippets`. Raises nothing.

`python -m hl7bridge.channel.editors.schema` prints the general one.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

from hl7bridge.channel.editors.foldernames import FolderNames
from hl7bridge.channel.editors.pathnames import PathNames
from hl7bridge.channel.editors.pathpattern import FIELD, LIKELY, SEGMENT, known
from hl7bridge.channel.keys.engine import ENGINE
from hl7bridge.channel.loading.filekind import KINDS
from hl7bridge.channel.loading.testfile import TEST, expected_schema
from hl7bridge.channel.rules.operator import test_schema
from hl7bridge.channel.rules.value import FORMS
from hl7bridge.channel.rules.verbs import MODIFIERS, VERBS
from hl7bridge.channel.written.kinds import NAME
from hl7bridge.channel.written.model import Schema

_TEXT: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}


def schema(names: FolderNames | None = None) -> Schema:
    """A schema of draft 7 for every YAML file of a channels' folder; of the folder that has these `names`, if they are given."""
    names = names or FolderNames(sources=set())
    conditions = _object("test", FIELD, SEGMENT)
    conditions["properties"] = {
        "any": _described(_some("conditions"), "at least one of these holds"),
        "all": _described(_some("conditions"), "each of these holds"),
        "not": _described(_reference("conditions"), "none of this holds"),
        "received": _described(_reference("test"), "when the message arrived, in the source's zone"),
    }
    conditions["minProperties"] = 1
    step = _object("value", FIELD)
    step["properties"] = _step_properties()
    definitions = {
        **_paths(names),
        "conditions": conditions,
        "test": test_schema(),
        "value": _value(names),
        "step": step,
        "steps": _some("step"),
        "changes": _object("value", FIELD),
        "expected": expected_schema(),
        **_names(names),
    }
    kinds = {kind: table.schema() for kind, (table, _) in KINDS.items()}
    found: Schema = _settled(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "description": "A file of an hl7bridge configuration",
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


def _object(name: str, *forms: str) -> Schema:
    """Keys that are paths of these forms, each with what is defined as `name`."""
    return {
        "type": "object",
        "allOf": [_reference("path parts"), _reference("paths")],
        "propertyNames": _reference("known path"),
        "patternProperties": {form: _reference(name) for form in forms},
        "additionalProperties": False,
    }


def _where(pattern: str, then: Schema) -> Schema:
    return {"if": {"pattern": pattern}, "then": then}


def _paths(names: FolderNames) -> Schema:
    """What is said of paths: as keys (`paths`) and as values, with the name of every field of the segments that feeds are made of."""
    named_paths = PathNames(names.segments)
    plain = named_paths.plain()
    field = {
        "type": "string",
        "pattern": FIELD,
        "errorMessage": "this is no path to a field; paths look like PID-3.1, 'PID-3[5=MR].1', 'OBX[2]-5'",
        "allOf": [_reference("known path"), _reference("path names")],
        "defaultSnippets": [{"label": path, "body": path} for path in plain],
    }
    whole = {
        "type": "string",
        "defaultSnippets": [{"label": name, "body": name} for name in named_paths.segments],
        "pattern": f"{FIELD}|{SEGMENT}",
        "errorMessage": "this is no path; paths look like NTE, PID-19, 'PID-3[4=X]'",
        "allOf": [_reference("known path"), _reference("path names")],
    }
    segment = {
        "type": "string",
        "pattern": "^/?[A-Z][A-Z0-9]{2}$",
        "errorMessage": "this is no segment; segments look like OBX, or ZPH for those of a site",
        "allOf": [_reference("known path")],
        "defaultSnippets": whole["defaultSnippets"],
    }
    # Asked first for the segment, and whether there is a component: an editor asks at every key that is pressed.
    by_segment: dict[str, list[Schema]] = defaultdict(list)
    for pattern, name in named_paths.fields(""):
        by_segment[name.partition("-")[0]].append(_where(pattern, _reference(name)))
    of_parts = [_where(pattern, _reference(name)) for pattern, name in named_paths.components("")]
    named = {
        "allOf": [
            _where(r"[0-9](\[.*\])?[-.][0-9]", {"allOf": of_parts}),
            *(_where(f"{segment}[-.]", {"allOf": each}) for segment, each in by_segment.items()),
        ]
    }
    keys = {
        "properties": {path: _reference(path) for path in plain},
        "patternProperties": {pattern: _reference(name) for pattern, name in named_paths.fields()},
    }
    # By themselves, since of the patterns in one place some editors take only the first that a key meets.
    parts = {
        "patternProperties": {pattern: _reference(name) for pattern, name in named_paths.components()},
    }
    return {
        "paths": keys,
        "path parts": parts,
        "known path": known(names.site),
        "field path": field,
        "path": whole,
        "path names": named,
        "segment": segment,
        **named_paths.definitions(),
    }


def _names(names: FolderNames) -> Schema:
    """The names that the folder gives; without one, anything that has the form of a name."""
    of_folder: dict[str, Collection[str]] = {
        "destination": names.destinations,
        "affiliate": names.affiliates,
        "scope": names.scopes,
        "source": names.sources,
        "channel": names.channels,
        "table": names.tables,
    }
    found: Schema = {
        f"name of {what}": {"enum": _spelt(given)} if given else NAME.schema()
        for what, given in of_folder.items()
    }
    expected: Schema = {"type": "object", "additionalProperties": _reference("expected")}
    if names.destinations:
        known_ones = {name: _reference("expected") for name in sorted(names.destinations)}
        expected = {"type": "object", "properties": known_ones, "additionalProperties": False}
        # Editors compare such a key, which they take for no text, only with patterns.
        patterns = {
            f"^{re.escape(json.dumps(each))}$": _reference("expected") for each in _misread(known_ones)
        }
        expected |= {"patternProperties": patterns} if patterns else {}
        expected["errorMessage"] = "the folder has no destination of this name"
    return {**found, "by destination": expected}


def _spelt(names: Collection[str]) -> list[Any]:
    """The names, and what YAML makes of those that it takes for something else."""
    return [*sorted(names), *_misread(names)]


def _misread(names: Collection[str]) -> list[Any]:
    """What YAML 1.2 makes of names without quotes that look like numbers, true, false or null."""
    found: list[Any] = []
    for name in sorted(names):
        if re.fullmatch("true|True|TRUE|false|False|FALSE|null|Null|NULL", name):
            found.append(json.loads(name.lower()))
        elif re.fullmatch("0o[0-7]+|0x[0-9a-fA-F]+", name):
            found.append(int(name, 0))
        elif re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?", name, re.ASCII):
            number = float(name)
            found.append(int(number) if number.is_integer() else number)
    return found


def _value(names: FolderNames) -> Schema:
    """What stands on the right of a target."""
    part = {**_TEXT, "if": {"type": "string", "pattern": LIKELY}, "then": _reference("field path")}
    parts = {"type": "array", "items": part, "minItems": 1}
    texts = {"type": "array", "items": _TEXT, "minItems": 1}
    shapes: dict[str, Schema] = {
        "from": {"anyOf": [_reference("field path"), {"const": "received"}]},
        "join": {"anyOf": [{**part, "type": "string"}, parts]},
        "first_of": parts,
        "replace": {"type": "array", "items": {"anyOf": [_TEXT, texts]}, "minItems": 1},
        "case": {"enum": ["upper", "lower", "title"]},
        "table": _reference("name of table"),
    }
    form: Schema = {
        "type": "object",
        "properties": {word: _described(shapes.get(word, _TEXT), about) for word, about in FORMS.items()},
        "additionalProperties": False,
        "oneOf": [{"type": "object", "required": [origin]} for origin in ("from", "join", "first_of")],
        "dependencies": {"column": ["table"], "with": ["join"]},
    }
    columns = [
        {
            "if": {"properties": {"table": {"const": name}}, "required": ["table"]},
            "then": {"properties": {"column": {"enum": _spelt(columns)}}},
        }
        for name, columns in sorted(names.tables.items())
        if columns
    ]
    # The form first: of alternatives that fit alike, editors speak of the first.
    return {"anyOf": [{**form, "allOf": columns} if columns else form, _TEXT]}


def _step_properties() -> Schema:
    segments: Schema = {"anyOf": [_reference("segment"), {"type": "array", "items": _reference("segment")}]}
    paths: Schema = {"type": "array", "items": _reference("path"), "minItems": 1}
    shapes: dict[str, Schema] = {
        "when": _reference("conditions"),
        "where": _reference("conditions"),
        "do": _reference("steps"),
        "remove": {"anyOf": [_reference("path"), paths, {"const": "run"}]},
        "keep": {"anyOf": [_reference("path"), paths]},
        "after": segments,
        "each": _reference("path"),
        "renumber": _reference("field path"),
        "within": _reference("segment"),
        "add": _reference("segment"),
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


def printed(found: Schema) -> str:
    """As JSON, a definition a line."""
    lines = [
        f"{json.dumps(name, ensure_ascii=False)}:{json.dumps(each, ensure_ascii=False, separators=(',', ':'))}"
        for name, each in found["definitions"].items()
    ]
    rest = {key: each for key, each in found.items() if key != "definitions"}
    begin = json.dumps(rest, ensure_ascii=False, separators=(",", ":")).removesuffix("}")
    return begin + ',"definitions":{\n' + ",\n".join(lines) + "\n}}"


if __name__ == "__main__":
    print(printed(schema()))

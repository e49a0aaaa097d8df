"""Kinds that hold others: lists, maps, alternatives and records. A record's keys are its grammar.

Raises nothing; mistakes go where `Reading` takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hl7bridge.channel.written.mistake import Place, meant
from hl7bridge.channel.written.model import WRONG, Kind, Reading, Schema, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, noun, shown


@dataclass(frozen=True)
class ListOf:
    """A list of one kind; a single one may stand without brackets where `lone` says so."""

    kind: Kind
    lone: bool = False
    least: int = 0

    def read(self, node: Node, reading: Reading) -> list[Any] | Wrong:
        if not isinstance(node, Items):
            if not self.lone:
                return reading.wrong(
                    node, f"{noun(node)} stands where a list belongs", "put it in [brackets]"
                )
            value = self.kind.read(node, reading)
            return WRONG if isinstance(value, Wrong) else [value]
        values = [self.kind.read(item, reading) for item in node.items]
        if any(isinstance(value, Wrong) for value in values):
            return WRONG
        if len(values) < self.least:
            return reading.wrong(node, "the list is too short", f"at least {self.least}")
        return values

    def schema(self) -> Schema:
        items: Schema = {"type": "array", "items": self.kind.schema()}
        if self.least:
            items["minItems"] = self.least
        return {"anyOf": [self.kind.schema(), items]} if self.lone else items


@dataclass(frozen=True)
class MapOf:
    """Names and one kind of value: settings that a site makes up itself."""

    kind: Kind
    key: Kind

    def read(self, node: Node, reading: Reading) -> dict[Any, Any] | Wrong:
        if not isinstance(node, Pairs):
            return reading.wrong(node, f"{noun(node)} stands where keys and values belong")
        found: dict[Any, Any] = {}
        for key, value in node.pairs:
            name, content = self.key.read(key, reading), self.kind.read(value, reading)
            if isinstance(name, Wrong) or isinstance(content, Wrong):
                return WRONG
            found[name] = content
        return found

    def schema(self) -> Schema:
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True)
class OneOf:
    """Alternatives that differ in shape: a text, a list, or a set of keys."""

    text: Kind | None = None
    items: Kind | None = None
    pairs: Kind | None = None

    def read(self, node: Node, reading: Reading) -> Any:
        kind = self.items if isinstance(node, Items) else self.pairs if isinstance(node, Pairs) else self.text
        if kind is not None:
            return kind.read(node, reading)
        shapes = ((self.text, "a text"), (self.items, "a list"), (self.pairs, "a set of keys"))
        wanted = " or ".join(name for alternative, name in shapes if alternative is not None)
        return reading.wrong(node, f"{noun(node)} stands where {wanted} belongs")

    def schema(self) -> Schema:
        return {"anyOf": [kind.schema() for kind in (self.text, self.items, self.pairs) if kind is not None]}


@dataclass(frozen=True)
class Field:
    """One key of a record: its kind, what it is for, whether it must stand there."""

    kind: Kind
    about: str
    default: Any = None
    required: bool = False


@dataclass
class Values:
    """What a record's keys said: a value for each (the default where it was absent or wrong), and where each
    stands.
    """

    place: Place
    values: dict[str, Any]
    nodes: dict[str, Node] = field(default_factory=dict)
    complete: bool = True

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def place_of(self, name: str) -> Place:
        node = self.nodes.get(name)
        return self.place if node is None else node.place


@dataclass(frozen=True)
class Record:
    """A set of keys, each with a kind; unknown keys are mistakes. `build` makes the value. `elsewhere` says of keys that do not
    belong here where they do.
    """

    noun: str
    fields: Mapping[str, Field]
    build: Callable[[Values, Reading], Any] = field(default=lambda values, reading: values)
    exactly_one: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def read(self, node: Node, reading: Reading) -> Any:
        if not isinstance(node, Pairs):
            return reading.wrong(node, f"{noun(node)} stands where the keys of {self.noun} belong")
        found = Values(node.place, {name: entry.default for name, entry in self.fields.items()})
        for key, value in node.pairs:
            entry = self.fields.get(key.text)
            if entry is None:
                what = f"{shown(key.text)} is not a key of {self.noun}"
                reading.wrong(key, what, self.elsewhere.get(key.text) or meant(key.text, self.fields))
                continue
            content = entry.kind.read(value, reading)
            found.nodes[key.text] = value
            if isinstance(content, Wrong):
                found.complete = False
            else:
                found.values[key.text] = content
        for name, entry in self.fields.items():
            if entry.required and name not in found.nodes:
                found.complete = False
                reading.wrong(node, f"{self.noun} needs {name}", entry.about)
        if self.exactly_one:
            given = [name for name in self.exactly_one if name in found.nodes]
            if len(given) != 1:
                found.complete = False
                choices = " or ".join(self.exactly_one)
                reading.wrong(node, f"{self.noun} needs exactly one of {choices}", None)
        return self.build(found, reading)

    def schema(self) -> Schema:
        properties: Schema = {}
        for name, entry in self.fields.items():
            properties[name] = {**entry.kind.schema(), "description": entry.about}
        found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        required = [name for name, entry in self.fields.items() if entry.required]
        if required:
            found["required"] = required
        if self.exactly_one:
            found["oneOf"] = [{"required": [name]} for name in self.exactly_one]
        return found

"""The kinds that stand for the language itself in the tables of keys: conditions and steps, paths, and names that the folder gives.

Conditions, steps and paths are compiled later, when tables, affiliates and hooks are known; here they are only passed on, and
described for editors. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hl7bridge.channel.written.model import Kind, Reading, Schema
from hl7bridge.channel.written.yaml import Node


@dataclass(frozen=True)
class Written:
    """A node as it was written, for a compiler that reads it later."""

    shape: Schema = field(default_factory=dict)

    def read(self, node: Node, reading: Reading) -> Node:
        return node

    def schema(self) -> Schema:
        return self.shape


@dataclass(frozen=True)
class NameOf:
    """A name that some file of the folder gives: of a `destination`, a `table` and so on. An editor knows which there are."""

    what: str
    kind: Kind

    def read(self, node: Node, reading: Reading) -> Any:
        return self.kind.read(node, reading)

    def schema(self) -> Schema:
        return {"$ref": f"#/$defs/name of {self.what}"}


#: One path to a field; one, or a list.
PATH: Schema = {"$ref": "#/$defs/field path"}
PATHS: Schema = {"anyOf": [PATH, {"type": "array", "items": PATH, "minItems": 1}]}
#: The name of a segment.
SEGMENT: Schema = {"$ref": "#/$defs/segment"}
SEGMENTS: Schema = {"anyOf": [SEGMENT, {"type": "array", "items": SEGMENT}]}
CONDITIONS = Written({"$ref": "#/$defs/conditions"})
STEPS = Written({"$ref": "#/$defs/steps"})

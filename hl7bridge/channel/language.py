"""The kinds that stand for the language itself in the tables of keys: conditions and steps.

They are compiled later, when tables, affiliates and hooks are known; here they are only passed on, and
described for editors. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hl7bridge.channel.model import Reading, Schema
from hl7bridge.channel.yaml import Node


@dataclass(frozen=True)
class Written:
    """A node as it was written, for a compiler that reads it later."""

    shape: Schema = field(default_factory=dict)

    def read(self, node: Node, reading: Reading) -> Node:
        return node

    def schema(self) -> Schema:
        return self.shape


CONDITIONS = Written({"$ref": "#/$defs/conditions"})
STEPS = Written({"$ref": "#/$defs/steps"})

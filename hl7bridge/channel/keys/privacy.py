"""The keys that say what does not leave: `withhold`, `documents` and `allow` of a destination, `withhold` of the engine's file.

Reads them into a Privacy for each destination that has any. Raises nothing; mistakes are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hl7bridge.affiliation.tables.withheld import Withheld
from hl7bridge.channel.privacy.sensitive import Sensitive
from hl7bridge.channel.privacy.share import Allow, Share
from hl7bridge.channel.privacy.withhold import Privacy
from hl7bridge.channel.written.beyond import doubt
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Choice, Reading, Schema, Text, Wrong
from hl7bridge.channel.written.record import Field, ListOf, MapOf, Record, Values
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, shown
from hl7bridge.hl7.path import Path

_CATEGORY = Text("a category such as substance-use", r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FIELD: Final = r"[A-Z][A-Z0-9]{2}[-.][1-9][0-9]{0,2}"
#: What affiliates get that do not say `allow`.
USUAL: Final = Share()

PRIVACY_FIELDS: Final[dict[str, Field]] = {
    "withhold": Field(
        ListOf(_CATEGORY, lone=True), "categories of tables/withheld.csv that are never sent to it", ()
    ),
    "documents": Field(
        Choice(("refused", "whole")),
        "of a destination that withholds: embedded documents (PDF, CDA) do not leave, or whole",
        "refused",
    ),
    "allow": Field(
        Allow(), "fields that leave: those kept back that may, {only: [...]}, or everything", None
    ),
}


@dataclass(frozen=True)
class _FieldName(Text):
    """A whole field."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = super().read(node, reading)
        if isinstance(text, Wrong):
            return WRONG
        name = text[:3]
        if name not in SEGMENTS and not name.startswith("Z"):
            hint = meant(name, SEGMENTS, "site segments begin with Z")
            return reading.wrong(node, f"HL7 has no segment {name}", hint)
        doubt(Path.parse(text), node, reading)
        return text

    def schema(self) -> Schema:
        return {**super().schema(), "allOf": [{"$ref": "#/$defs/known path"}]}


WITHHOLDING = Record(
    "withhold",
    {
        "fields": Field(
            ListOf(_FieldName("a field such as ZMH-2", _FIELD), lone=True),
            "coded fields to look into beside the usual ones, such as ZMH-2",
            (),
        ),
        "notices": Field(
            MapOf(Text("the text of a notice"), _CATEGORY),
            "by category, a note that goes with what is left when something was withheld (42 CFR part 2)",
            {},
        ),
    },
)


class Withholding:
    """What `tables/withheld.csv` and the engine's file say, for all destinations."""

    def __init__(self, withheld: Withheld, values: Values | None, reading: Reading) -> None:
        self.reading = reading
        self.withheld = withheld
        self.notices: Mapping[str, str] = {} if values is None else values["notices"]
        fields: list[tuple[bytes, int]] = []
        for text in () if values is None else values["fields"]:
            name, number = re.split("[-.]", text)
            fields.append((name.encode(), int(number)))
        self.sensitive = Sensitive(withheld, fields)
        node = None if values is None else values.nodes.get("notices")
        for key, _ in node.pairs if isinstance(node, Pairs) else ():
            self._known(key)

    def _known(self, node: Scalar) -> None:
        if node.text not in self.withheld.names:
            hint = meant(node.text, self.withheld.names, "its rows stand in tables/withheld.csv")
            if not self.withheld.names:
                hint = "write tables/withheld.csv with the columns category, system, code, text"
            self.reading.wrong(node, f"there is no category {shown(node.text)}", hint)

    def check(self, values: Values | None) -> None:
        """Names the categories under `withhold` that there are not."""
        node: Node | None = None if values is None else values.nodes.get("withhold")
        for item in node.items if isinstance(node, Items) else [] if node is None else [node]:
            if isinstance(item, Scalar):
                self._known(item)

    def privacy(self, values: Values, *, affiliate: bool) -> Privacy | None:
        """What a destination does not get; None for one that gets everything."""
        self.check(values)
        share: Share | None = USUAL if affiliate else None
        if "allow" in values:
            share = values["allow"]
        categories = frozenset(values["withhold"]) & self.withheld.names
        if share is None and not categories:
            return None
        documents = values["documents"] == "whole"
        return Privacy(self.sensitive, categories, share, documents, self.notices)

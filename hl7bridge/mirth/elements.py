"""The channels of an export: connectors, filter rules and transformer steps, in the forms of Mirth 3.0 to 4.x.

Knows how exports are laid out, not what any of it means. Raises `ExportError` where there is no channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hl7bridge.mirth.export import Element, ExportError

#: The kinds of step and rule, by the end of their class and by the name that exports before 3.5 have.
_KINDS: Final = {
    "MapperStep": "Mapper",
    "MessageBuilderStep": "Message Builder",
    "JavaScriptStep": "JavaScript",
    "XsltStep": "XSLT Step",
    "ExternalScriptStep": "External Script",
    "DestinationSetFilterStep": "Destination Set Filter",
    "IteratorStep": "Iterator",
    "RuleBuilderRule": "Rule Builder",
    "JavaScriptRule": "JavaScript",
    "ExternalScriptRule": "External Script",
    "IteratorRule": "Iterator",
}
#: What exports before 3.5 write for the conditions of the rule builder.
_OLD_CONDITIONS: Final = ("NOT_EQUAL", "EQUALS", "EXISTS", "NOT_EXIST", "CONTAINS", "NOT_CONTAIN")


@dataclass(frozen=True, slots=True)
class Part:
    """A step or a rule. `number` counts as Mirth's editor does; `fields` are its texts, `values` and `replacements` its lists."""

    kind: str
    name: str
    number: str
    operator: str
    enabled: bool
    line: int
    fields: dict[str, str]
    values: tuple[str, ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()
    destinations: tuple[int, ...] = ()
    children: tuple[Part, ...] = ()

    @property
    def script(self) -> str:
        """What a JavaScript step runs."""
        return self.fields.get("script", "")

    def __str__(self) -> str:
        return f"{self.number} '{self.name}'" if self.name else self.number


@dataclass(frozen=True, slots=True)
class Connector:
    """A source or a destination."""

    id: int
    name: str
    transport: str
    kind: str
    enabled: bool
    properties: Element
    rules: tuple[Part, ...]
    steps: tuple[Part, ...]
    inbound: str
    outbound: str
    template: str
    #: How the one data type is read and the other is written.
    reading: Element | None
    writing: Element | None
    responses: tuple[Part, ...]
    #: What its answers are in, and what Mirth looks at in them.
    answered: str
    checks: Element | None

    @property
    def known(self) -> bool:
        """Whether it speaks HL7 v2 on both sides."""
        return self.inbound == "HL7V2" and self.outbound == "HL7V2"

    @property
    def scripts(self) -> list[str]:
        """The JavaScript that it reads or writes with."""
        # A database's settings hold SQL, or scripts under the same names.
        names = ["script"]
        if self.properties.flag("useScript"):
            names += ["select", "update", "query"]
        return [text for text in map(self.properties.text, names) if text.strip()]

    @property
    def splitter(self) -> str | None:
        """The script that splits what comes into messages, where one does."""
        batches = self.reading.child("batchProperties") if self.reading is not None else None
        processed = self.properties.flag("sourceConnectorProperties", "processBatch")
        if not processed or batches is None or batches.text("splitType").strip() != "JavaScript":
            return None
        return batches.text("batchScript")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the export."""

    id: str
    name: str
    description: str
    version: str
    enabled: bool
    #: The state in which it is deployed, in small letters; empty where the export does not say.
    state: str
    line: int
    source: Connector
    destinations: tuple[Connector, ...]
    element: Element

    @property
    def runs(self) -> bool:
        """Whether messages go through it in Mirth."""
        return self.enabled and self.state in ("", "started")


def channels_of(root: Element) -> list[Channel]:
    """Every channel of an export: of one, of a group, or of a whole server. Raises `ExportError` where there is none."""
    elements = [root] if root.name == "channel" else list(root.every("channel"))
    if not elements:
        raise ExportError(
            f"this is no Mirth channel: the file holds <{root.name[:60]}>",
            code="no-channel",
            place=f"{root.line}:1",
            hint="export a channel, a group of channels or the server's configuration, and give that file",
        )
    # Groups name their channels by ID alone where the channels themselves stand elsewhere.
    whole = [each for each in elements if each.child("sourceConnector") is not None]
    if not whole:
        raise ExportError(
            "the channel has no sourceConnector",
            code="no-channel",
            place=f"{elements[0].line}:1",
            hint="export the channel itself; a list of IDs, or a channel of Mirth 1, holds too little",
        )
    return [_channel(each) for each in whole]


def _channel(element: Element) -> Channel:
    version = element.attributes.get("version", "") or element.text("version")
    source = element.child("sourceConnector")
    assert source is not None
    # What keeps channels in files of their own (mirthSync) leaves scripts out of them: they would look like none.
    apart = next(element.having("msync-fileref"), None)
    if apart is not None:
        beside = apart.attributes["msync-fileref"][:60]
        raise ExportError(
            f"the scripts of this channel lie in files beside it, such as {beside}",
            code="scripts-apart",
            place=f"{apart.line}:1",
            hint="export it from Mirth itself, with its scripts in it",
        )
    properties = source.child("properties")
    if version.split(".")[0] in ("1", "2") or properties is None or "class" not in properties.attributes:
        raise ExportError(
            f"this channel is of Mirth {version or 'before 3.0'}",
            code="old-channel",
            place=f"{element.line}:1",
            hint="import it into Mirth 3 or later and export it there",
        )
    outgoing = element.child("destinationConnectors")
    return Channel(
        element.text("id").strip(),
        element.text("name").strip() or "channel",
        element.text("description").strip(),
        version,
        element.flag("exportData", "metadata", "enabled", default=element.flag("enabled", default=True)),
        element.text("properties", "initialState").strip().lower(),
        element.line,
        _connector(source),
        tuple([_connector(each) for each in (outgoing.children if outgoing is not None else ())]),
        element,
    )


def _connector(element: Element) -> Connector:
    properties = element.child("properties") or Element("properties", element.line)
    transformer = element.child("transformer") or Element("transformer", element.line)
    response = element.child("responseTransformer") or Element("responseTransformer", element.line)
    number = element.text("metaDataId").strip()
    return Connector(
        int(number) if number.isdigit() and len(number) < 10 else 0,
        element.text("name").strip(),
        element.text("transportName").strip(),
        properties.attributes.get("class", "").rpartition(".")[2],
        element.flag("enabled", default=True),
        properties,
        _parts(element.child("filter"), "rules"),
        _parts(transformer, "steps"),
        _data_type(transformer.text("inboundDataType")),
        _data_type(transformer.text("outboundDataType")),
        transformer.text("outboundTemplate"),
        transformer.child("inboundProperties"),
        transformer.child("outboundProperties"),
        _parts(response, "steps"),
        _data_type(response.text("inboundDataType")),
        response.child("inboundProperties", "responseValidationProperties"),
    )


def _data_type(text: str) -> str:
    name = text.strip().upper()
    return "HL7V2" if name in ("", "HL7V2", "HL7 V2.X") else name


def _parts(holder: Element | None, old: str) -> tuple[Part, ...]:
    if holder is None:
        return ()
    elements = holder.child("elements") or holder.child(old)
    return () if elements is None else _numbered(elements.children)


def _numbered(elements: Sequence[Element], before: str = "") -> tuple[Part, ...]:
    return tuple([_part(each, f"{before}{at}") for at, each in enumerate(elements)])


def _part(element: Element, number: str) -> Part:
    kind = _KINDS.get(element.name.rpartition(".")[2], "")
    if not kind and element.child("data") is not None:
        return _old_part(element, number)
    properties = element.child("properties")
    inside = properties.child("children") if properties is not None else None
    holder = properties if kind == "Iterator" and properties is not None else element
    return Part(
        kind or element.name.rpartition(".")[2],
        element.text("name").strip(),
        number,
        element.text("operator").strip(),
        element.flag("enabled", default=True),
        element.line,
        {each.name: each.content for each in holder.children if not each.children},
        _strings(element.child("values")),
        _pairs(element.child("replacements")),
        tuple([int(each) for each in _strings(element.child("metaDataIds")) if each.isdigit()]),
        () if inside is None else _numbered(inside.children, f"{number}-"),
    )


def _strings(element: Element | None) -> tuple[str, ...]:
    return () if element is None else tuple([each.content for each in element.children])


def _pairs(element: Element | None) -> tuple[tuple[str, str], ...]:
    if element is None:
        return ()
    return tuple([_pair(_strings(each)) for each in element.children])


def _pair(texts: tuple[str, ...]) -> tuple[str, str]:
    return (texts[0], texts[1]) if len(texts) == 2 else ("", "")


def _old_part(element: Element, number: str) -> Part:
    """A step or rule as exports before 3.5 have it: a map of its settings."""
    data: dict[str, Element] = {}
    holder = element.child("data")
    for entry in holder.children if holder is not None else ():
        if len(entry.children) == 2:
            data[entry.children[0].content] = entry.children[1]
    texts = {name: value.content for name, value in data.items()}
    at = texts.get("Equals", "")
    condition = _OLD_CONDITIONS[int(at)] if at in ("0", "1", "2", "3", "4", "5") else ""
    scope = {
        "global": "GLOBAL",
        "globalChannel": "GLOBAL_CHANNEL",
        "response": "RESPONSE",
        "connector": "CONNECTOR",
    }
    replacements = data.get("RegularExpressions")
    return Part(
        element.text("type").strip(),
        element.text("name").strip(),
        number,
        element.text("operator").strip(),
        True,
        element.line,
        {
            "messageSegment": texts.get("Variable", ""),
            "variable": texts.get("Variable", ""),
            "mapping": texts.get("Mapping", ""),
            "defaultValue": texts.get("DefaultValue", ""),
            "scope": scope.get(texts.get("isGlobal", ""), "CHANNEL"),
            "script": texts.get("Script", "") or element.text("script"),
            "field": texts.get("Field", ""),
            "condition": condition,
        },
        _strings(data.get("Values")),
        _pairs(replacements),
    )

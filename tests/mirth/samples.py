"""Exports in the shape in which Mirth writes them, made of parts, so that each test says only what it is about."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.hl7.message import Message
from hl7bridge.mirth.channel import Imported, import_export

RECEIVED = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
VERSION = "4.5.2"
#: What Mirth writes into scripts that nobody has changed.
UNTOUCHED = """
  <preprocessingScript>// Modify the message variable below to pre process data
return message;</preprocessingScript>
  <postprocessingScript>// This script executes once after a message has been processed
return;</postprocessingScript>
  <deployScript>// This script executes once when the channel is deployed
return;</deployScript>
  <undeployScript>return;</undeployScript>"""


def element(name: str, fields: str, number: int = 0) -> str:
    """A step or a rule."""
    return f'<{name} version="{VERSION}"><sequenceNumber>{number}</sequenceNumber>{fields}</{name}>'


def tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def enabled(yes: bool = True) -> str:
    return f"<enabled>{str(yes).lower()}</enabled>"


def replacements(pairs: Sequence[tuple[str, str]]) -> str:
    made = "".join(
        "<org.apache.commons.lang3.tuple.ImmutablePair>"
        f'<left class="string">{escape(left)}</left><right class="string">{escape(right)}</right>'
        "</org.apache.commons.lang3.tuple.ImmutablePair>"
        for left, right in pairs
    )
    return f"<replacements>{made}</replacements>"


def builder(
    target: str,
    mapping: str,
    default: str = "",
    pairs: Sequence[tuple[str, str]] = (),
    name: str = "a builder",
    on: bool = True,
) -> str:
    fields = tag("name", name) + enabled(on) + tag("messageSegment", target) + tag("mapping", mapping)
    return element(
        "com.mirth.connect.plugins.messagebuilder.MessageBuilderStep",
        fields + tag("defaultValue", default) + replacements(pairs),
    )


def mapper(
    variable: str,
    mapping: str,
    default: str = "",
    pairs: Sequence[tuple[str, str]] = (),
    scope: str = "CHANNEL",
) -> str:
    fields = tag("name", variable) + enabled() + tag("variable", variable) + tag("mapping", mapping)
    return element(
        "com.mirth.connect.plugins.mapper.MapperStep",
        fields + tag("defaultValue", default) + replacements(pairs) + tag("scope", scope),
    )


def script(text: str, name: str = "a script") -> str:
    return element(
        "com.mirth.connect.plugins.javascriptstep.JavaScriptStep",
        tag("name", name) + enabled() + tag("script", text),
    )


def _values(values: Sequence[str]) -> str:
    return "<values>" + "".join(tag("string", each) for each in values) + "</values>"


def rule(field: str, condition: str, *values: str, operator: str = "", on: bool = True) -> str:
    joins = tag("operator", operator) if operator else ""
    return element(
        "com.mirth.connect.plugins.rulebuilder.RuleBuilderRule",
        tag("name", "a rule")
        + enabled(on)
        + joins
        + tag("field", field)
        + tag("condition", condition)
        + _values(values),
    )


def script_rule(text: str, operator: str = "") -> str:
    joins = tag("operator", operator) if operator else ""
    return element(
        "com.mirth.connect.plugins.javascriptrule.JavaScriptRule",
        tag("name", "a script") + enabled() + joins + tag("script", text),
    )


def set_filter(behaviour: str, ids: Sequence[int], field: str, condition: str, *values: str) -> str:
    numbers = "".join(f"<int>{each}</int>" for each in ids)
    return element(
        "com.mirth.connect.plugins.destinationsetfilter.DestinationSetFilterStep",
        tag("name", "chosen")
        + enabled()
        + tag("behavior", behaviour)
        + f"<metaDataIds>{numbers}</metaDataIds>"
        + tag("field", field)
        + tag("condition", condition)
        + _values(values),
    )


def iterator(target: str, children: str, *, kind: str = "Step", every: bool | None = None) -> str:
    how = "" if every is None else tag("intersectIterations", str(every).lower())
    return element(
        f"com.mirth.connect.model.Iterator{kind}",
        tag("name", "each")
        + enabled()
        + f'<properties class="com.mirth.connect.model.Iterator{kind}Properties" version="{VERSION}">'
        + tag("target", target)
        + tag("indexVariable", "i")
        + "<prefixSubstitutions/>"
        + f"<children>{children}</children>{how}</properties>",
    )


def transformer(
    steps: str = "",
    template: str = "",
    types: tuple[str, str] = ("HL7V2", "HL7V2"),
    name: str = "transformer",
) -> str:
    outbound = base64.b64encode(template.encode()).decode()
    return (
        f'<{name} version="{VERSION}"><elements>{steps}</elements>'
        f'<inboundTemplate encoding="base64"></inboundTemplate><outboundTemplate encoding="base64">{outbound}</outboundTemplate>'
        f"<inboundDataType>{types[0]}</inboundDataType><outboundDataType>{types[1]}</outboundDataType></{name}>"
    )


FRAMES = (
    '<transmissionModeProperties class="com.mirth.connect.model.transmission.framemode.FrameModeProperties">'
    "<pluginPointName>MLLP</pluginPointName><startOfMessageBytes>0B</startOfMessageBytes>"
    "<endOfMessageBytes>1C0D</endOfMessageBytes></transmissionModeProperties>"
)


def listener(
    port: str = "6661", answer: str = "Auto-generate (After source transformer)", more: str = ""
) -> str:
    return (
        f'<properties class="com.mirth.connect.connectors.tcp.TcpReceiverProperties" version="{VERSION}"><pluginProperties/>'
        f'<listenerConnectorProperties version="{VERSION}"><host>0.0.0.0</host>{tag("port", port)}</listenerConnectorProperties>'
        f'<sourceConnectorProperties version="{VERSION}">{tag("responseVariable", answer)}</sourceConnectorProperties>'
        f"{more or FRAMES + '<serverMode>true</serverMode><charsetEncoding>DEFAULT_ENCODING</charsetEncoding>'}</properties>"
    )


QUEUE = (
    "<queueEnabled>true</queueEnabled><retryIntervalMillis>10000</retryIntervalMillis><retryCount>0</retryCount>"
    "<rotate>false</rotate><threadCount>1</threadCount><validateResponse>true</validateResponse>"
)


def sender(host: str = "ehr.lakeview.example", port: str = "6704", queue: str = QUEUE, more: str = "") -> str:
    return (
        f'<properties class="com.mirth.connect.connectors.tcp.TcpDispatcherProperties" version="{VERSION}"><pluginProperties/>'
        f'<destinationConnectorProperties version="{VERSION}">{queue}</destinationConnectorProperties>{FRAMES}'
        f"{tag('remoteAddress', host)}{tag('remotePort', port)}<responseTimeout>5000</responseTimeout>"
        f"<template>${{message.encodedData}}</template>{more}</properties>"
    )


def destination(
    steps: str = "",
    *,
    number: int = 1,
    name: str = "Lakeview",
    rules: str = "",
    properties: str = "",
    template: str = "",
    types: tuple[str, str] = ("HL7V2", "HL7V2"),
    transport: str = "TCP Sender",
    on: bool = True,
    responses: str = "",
) -> str:
    return (
        f'<connector version="{VERSION}"><metaDataId>{number}</metaDataId>{tag("name", name)}{properties or sender()}'
        f"{transformer(steps, template, types)}{transformer(responses, name='responseTransformer')}"
        f'<filter version="{VERSION}"><elements>{rules}</elements></filter>'
        f"<transportName>{transport}</transportName><mode>DESTINATION</mode>{enabled(on)}"
        "<waitForPrevious>true</waitForPrevious></connector>"
    )


def channel(
    steps: str = "",
    *,
    rules: str = "",
    name: str = "ADT Feed",
    destinations: str = "",
    properties: str = "",
    template: str = "",
    types: tuple[str, str] = ("HL7V2", "HL7V2"),
    transport: str = "TCP Listener",
    scripts: str = UNTOUCHED,
    version: str = VERSION,
) -> str:
    return (
        f'<channel version="{version}"><id>7a4a0e0e-0000-4000-8000-000000000001</id>{tag("name", name)}'
        f"<description/><revision>3</revision>"
        f'<sourceConnector version="{VERSION}"><metaDataId>0</metaDataId><name>sourceConnector</name>{properties or listener()}'
        f'{transformer(steps, template, types)}<filter version="{VERSION}"><elements>{rules}</elements></filter>'
        f"<transportName>{transport}</transportName><mode>SOURCE</mode><enabled>true</enabled></sourceConnector>"
        f"<destinationConnectors>{destinations or destination()}</destinationConnectors>{scripts}</channel>"
    )


def reader(name: str, number: int, **more: str) -> str:
    """A channel that another hands messages on to."""
    properties = '<properties class="com.mirth.connect.connectors.vm.VmReceiverProperties"><pluginProperties/></properties>'
    made = channel(name=name, properties=properties, transport="Channel Reader", **more)
    return made.replace("7a4a0e0e-0000-4000-8000-000000000001", f"reader-{number}")


def writer(number: int, rules: str = "", template: str = "${message.encodedData}") -> str:
    """A destination that hands messages on to the channel of that number."""
    properties = (
        '<properties class="com.mirth.connect.connectors.vm.VmDispatcherProperties"><pluginProperties/>'
        f"<channelId>reader-{number}</channelId><channelTemplate>{template}</channelTemplate></properties>"
    )
    return destination(
        number=number, name=f"To {number}", rules=rules, properties=properties, transport="Channel Writer"
    )


MESSAGE = (
    "MSH|^~\\&|RX|S1|HUB|NORTH|20261121120000||ADT^A08^ADT_A01|4711|P|2.5.1\r"
    "PID|1||E77^^^MED^MR~901^^^RETAIL^PI||ALEXANDER^JANE^Q||19480214|F|||1 MAIN ST^^TOWN\r"
    "PV1|1|O|NORTH^12\r"
    "OBX|1|NM|8302-2^Height||180|cm|||||F\rOBX|2|NM|29463-7^Weight||81|kg|||0.5||F\r"
)


def imported(text: str, zone: str | None = None) -> Imported:
    """An export, imported; that the folder has no mistakes is part of every test."""
    made = import_export(text.encode(), zone=zone)
    assert check(files_of(made)) == []
    return made


def files_of(made: Imported) -> dict[str, bytes]:
    return {name: text.encode() for name, text in made.files.items()}


def decided(made: Imported, message: str = MESSAGE) -> Decision:
    """What the folder that was made decides about a message."""
    configuration = load(files_of(made))
    [source] = configuration.sources
    return decide(
        configuration,
        source,
        Message(message.encode()),
        received=RECEIVED,
        sequence=7,
        roster=MemoryRoster(),
    )


def sent(made: Imported, message: str = MESSAGE) -> dict[str, Message]:
    """What leaves, by destination."""
    outgoing = decided(made, message).outgoing
    assert not [each.error for each in outgoing if each.error]
    return {each.destination: Message(each.payload) for each in outgoing}

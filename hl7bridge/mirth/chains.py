"""Channels that hand messages on to other channels of the same export. Raises nothing.

A channel here hands nothing on, but several channels may listen to one source. That is the same where the first channel passes what it
got as it is: no filter, no step, no template on the way. Otherwise nothing is said to be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hl7bridge.mirth.elements import Channel, Connector
from hl7bridge.mirth.tame import does_nothing

_WHOLE = ("${message.encodedData}", "${message.rawData}")


@dataclass(slots=True)
class Chains:
    """Which channel gets the messages of which other's source (both by their place), and which destinations thereby have no need."""

    source_of: dict[int, int] = field(default_factory=dict)
    handed_on: dict[int, set[int]] = field(default_factory=dict)


def chains_of(channels: Sequence[Channel]) -> Chains:
    """The channels of an export that listen to the source of another."""
    found = Chains()
    writers: dict[str, list[tuple[int, Connector]]] = {}
    for at, channel in enumerate(channels):
        for destination in channel.destinations:
            if destination.kind == "VmDispatcherProperties" and destination.enabled:
                target = destination.properties.text("channelId").strip()
                writers.setdefault(target, []).append((at, destination))
    for at, channel in enumerate(channels):
        arriving = writers.get(channel.id, [])
        # Fed by several, or by what something is done to on the way, it would need a source of its own.
        if channel.source.kind != "VmReceiverProperties" or len(arriving) != 1:
            continue
        [(first, destination)] = arriving
        if _passes(channels[first], destination) and channels[first].enabled:
            found.source_of[at] = first
            found.handed_on.setdefault(first, set()).add(destination.id)
    return found


def _passes(channel: Channel, destination: Connector) -> bool:
    """Whether what the destination gets is what the channel's listener got."""
    source = channel.source
    if source.kind != "TcpReceiverProperties" or not (_untouched(source) and _untouched(destination)):
        return False
    if source.splitter is not None:
        return False
    if destination.properties.text("channelTemplate").strip() not in _WHOLE:
        return False
    return does_nothing(channel.element.text("preprocessingScript"))


def _untouched(connector: Connector) -> bool:
    alike = (connector.inbound, connector.outbound) in (("HL7V2", "HL7V2"), ("RAW", "RAW"))
    busy = any(part.enabled for part in (*connector.rules, *connector.steps))
    return alike and not busy and not connector.template.strip()

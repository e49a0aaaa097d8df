"""The kinds of YAML file that a folder holds, but for tests and hl7bridge.yaml. Raises nothing."""

from __future__ import annotations

from hl7bridge.channel.keys.destination import AFFILIATE_FIELDS, DESTINATION_FIELDS
from hl7bridge.channel.keys.source import EDGES, SOURCE_FIELDS
from hl7bridge.channel.loading.channelfile import CHANNEL
from hl7bridge.channel.written.kinds import NAME
from hl7bridge.channel.written.language import STEPS
from hl7bridge.channel.written.record import Field, Record

_OVERLAY = {"map": Field(STEPS, "steps for it alone, after the channel's")}
#: Every kind of file by the key that names it: its table, and the folder that usually holds it.
KINDS: dict[str, tuple[Record, str]] = {
    "channel": (CHANNEL, ""),
    "affiliate": (
        Record(
            "an affiliate",
            {
                "affiliate": Field(NAME, "its name in routes and commands", required=True),
                **AFFILIATE_FIELDS,
                **DESTINATION_FIELDS,
                **_OVERLAY,
            },
        ),
        "affiliates",
    ),
    "destination": (
        Record(
            "a destination",
            {"destination": Field(NAME, "its name", required=True), **DESTINATION_FIELDS, **_OVERLAY},
        ),
        "destinations",
    ),
    "source": (
        Record(
            "a source", {"source": Field(NAME, "its name", required=True), **SOURCE_FIELDS}, exactly_one=EDGES
        ),
        "sources",
    ),
}

"""The table of keys of `hl7bridge.yaml`, and how the engine's settings are made of what was read.

Raises nothing; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hl7bridge.channel.kinds import Path
from hl7bridge.channel.model import Duration, Kind, Percent, Size, Truth
from hl7bridge.channel.record import Field, Record, Values
from hl7bridge.channel.settings import EngineSettings
from hl7bridge.channel.settingtable import DESTINATION_FIELDS, HOST, PORT, SEND, SOURCE_FIELDS


def _defaults_of(fields: Mapping[str, Field]) -> Kind:
    return Record("defaults", {key: replace(entry, required=False) for key, entry in fields.items()})


_SEND_DEFAULTS = Record("send", {key: SEND.fields[key] for key in ("timeout", "connections")})
ENGINE = Record(
    "hl7bridge.yaml",
    {
        "data": Field(Path(), "the folder that the engine keeps its data in"),
        "store": Field(
            Record(
                "store",
                {
                    "free": Field(
                        Size(), "intake stops when less than this is free on the disk", 1_000_000_000
                    ),
                    "free_share": Field(Percent(), "or less than this share of it", 0.05),
                    "unacknowledged": Field(
                        Size(1_000_000), "bytes that may wait for acknowledgement", 256_000_000
                    ),
                },
            ),
            "limits of the store",
        ),
        "retention": Field(
            Record("retention", {"messages": Field(Duration(off=True), "how long messages are kept", None)}),
            "what is deleted when",
        ),
        "console": Field(
            Record(
                "console",
                {
                    "host": Field(HOST, "the address that the console listens on", "127.0.0.1"),
                    "port": Field(PORT, "its port", required=True),
                },
            ),
            "the operators' console",
        ),
        "alerting": Field(
            Record(
                "alerting",
                {
                    "queue_age": Field(Duration(), "alert when the oldest queued delivery is older", 900.0),
                    "failed": Field(Truth(), "alert when a delivery fails", True),
                },
            ),
            "what operators are told",
        ),
        "defaults": Field(
            Record(
                "defaults",
                {
                    "source": Field(
                        _defaults_of({k: v for k, v in SOURCE_FIELDS.items() if k != "mllp"}), "for sources"
                    ),
                    "destination": Field(
                        _defaults_of(
                            {**DESTINATION_FIELDS, "send": Field(_SEND_DEFAULTS, "times and connections")}
                        ),
                        "for destinations",
                    ),
                },
            ),
            "what a source or destination says that does not say otherwise",
        ),
    },
)


def engine_of(values: Values) -> EngineSettings:
    """The engine's settings; what was left out has its default."""
    given: dict[str, Any] = {}
    if values["data"]:
        given["data"] = values["data"]
    if (store := values["store"]) is not None:
        given |= {"free_bytes": store["free"], "free_share": store["free_share"]}
        given |= {"unacknowledged_bytes": store["unacknowledged"]}
    if (retention := values["retention"]) is not None:
        given["retention_s"] = retention["messages"]
    if (console := values["console"]) is not None and console.complete:
        given |= {"console_host": console["host"], "console_port": console["port"]}
    if (alerting := values["alerting"]) is not None:
        given |= {"alert_queue_age_s": alerting["queue_age"], "alert_failed": alerting["failed"]}
    return EngineSettings(**given)

"""The table of keys of `hl7bridge.yaml`, and how the engine's settings are made of what was read.

Raises nothing; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hl7bridge.channel.keys.alerts import PROVIDER_WISH, provider_wish
from hl7bridge.channel.keys.destination import DESTINATION_FIELDS, SEND
from hl7bridge.channel.keys.privacy import WITHHOLDING
from hl7bridge.channel.keys.source import EDGES, SOURCE_FIELDS
from hl7bridge.channel.settings import Drift, EngineSettings
from hl7bridge.channel.written.beyond import SiteField
from hl7bridge.channel.written.kinds import Path, Zone
from hl7bridge.channel.written.model import Choice, Duration, Kind, Percent, Size, Text, Truth
from hl7bridge.channel.written.record import Field, ListOf, OneOf, Record, Values


def _defaults_of(fields: Mapping[str, Field]) -> Kind:
    return Record("defaults", {key: replace(entry, required=False) for key, entry in fields.items()})


_SEND_DEFAULTS = Record("send", {key: SEND.fields[key] for key in ("timeout", "connections")})
#: What concerns the programme as a whole; what a feed tells it stands in the channels (`feed.programme`).
ENGINE_PROGRAMME = Record(
    "programme",
    {
        "zone": Field(Zone(), "the time zone of the programme's days, such as America/New_York"),
        "settle": Field(
            Duration(),
            "how long it waits, after a start and after a patient's messages, before it looks",
            300.0,
        ),
        "letterhead": Field(
            ListOf(Text("a line"), lone=True),
            "who writes visit summaries: the name, then address and telephone",
            (),
        ),
        "providers": Field(
            PROVIDER_WISH, "summaries by fax or mail, for physicians without an affiliation", None
        ),
    },
)
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
            Record(
                "retention",
                {
                    "messages": Field(Duration(off=True), "how long messages are kept", None),
                    "audit": Field(
                        Duration(off=True),
                        "how long the audit trail is kept (6y or more for 45 CFR 164.528); for ever if left out",
                        None,
                    ),
                    "patients": Field(
                        Duration(off=True, least="3y"),
                        "how long the programme keeps what messages said of patients and what it told; for ever if left out",
                        None,
                    ),
                },
            ),
            "what is deleted when",
        ),
        "audit": Field(
            Record(
                "audit",
                {"head": Field(Path(), "a file to which the trail's newest hash is added every day")},
            ),
            "the audit trail",
        ),
        "alerting": Field(
            Record(
                "alerting",
                {"queue_age": Field(Duration(), "alert when the oldest queued delivery is older", 900.0)},
            ),
            "what operators are told",
        ),
        "drift": Field(
            OneOf(
                text=Choice(("off",)),
                pairs=Record(
                    "drift",
                    {
                        "learn": Field(
                            Duration(),
                            "how long what is new in a new feed, segment or field is no news",
                            1_209_600.0,
                        ),
                        "alert": Field(
                            Truth(), "alert where a line of a channel or a table is concerned", True
                        ),
                    },
                ),
            ),
            "noting what feeds send that they never sent before, or off",
        ),
        "programme": Field(ENGINE_PROGRAMME, "the affiliation programme: alerts and summaries"),
        "site_fields": Field(
            ListOf(SiteField(), lone=True),
            "fields, such as PID-41 or OBR-20.2, in which feeds go beyond the standard: check and editors doubt none of them",
            (),
        ),
        "withhold": Field(WITHHOLDING, "how withheld categories are recognised and noticed"),
        "defaults": Field(
            Record(
                "defaults",
                {
                    "source": Field(
                        _defaults_of({k: v for k, v in SOURCE_FIELDS.items() if k not in EDGES}),
                        "for sources",
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
        given |= {"retention_s": retention["messages"], "audit_retention_s": retention["audit"]}
        given["patient_retention_s"] = retention["patients"]
    if (audit := values["audit"]) is not None:
        given["audit_head"] = audit["head"]
    if (alerting := values["alerting"]) is not None:
        given["alert_queue_age_s"] = alerting["queue_age"]
    if (drift := values["drift"]) is not None:
        off = isinstance(drift, str)
        given["drift"] = None if off else Drift(drift["learn"], drift["alert"])
    if (programme := values["programme"]) is not None:
        given |= {"programme_zone": programme["zone"], "settle_s": programme["settle"]}
        given |= {
            "letterhead": tuple(programme["letterhead"]),
            "providers": provider_wish(programme["providers"]),
        }
    return EngineSettings(**given)

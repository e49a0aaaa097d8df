"""The tables of keys of destinations and affiliates, and how settings are made of what was read.

Raises nothing; mistakes are named. What a table lists is what the loader takes, what `check` says, and what
editors show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hl7bridge.affiliation.alerts.case import Thresholds
from hl7bridge.channel.keys.alerts import ALERTS, SUMMARIES
from hl7bridge.channel.keys.outbox import DOCUMENTS, SMTP
from hl7bridge.channel.keys.privacy import PRIVACY_FIELDS
from hl7bridge.channel.settings import (
    ANSWERS,
    Affiliate,
    ClientTls,
    DestinationSettings,
    FileTarget,
    MllpTarget,
    Retry,
)
from hl7bridge.channel.written.kinds import HOST, NAME, PORT, Day, FileName, Path
from hl7bridge.channel.written.model import (
    Choice,
    Decimal,
    Duration,
    Percent,
    Reading,
    Text,
    Truth,
    Whole,
)
from hl7bridge.channel.written.record import (
    Field,
    ListOf,
    MapOf,
    OneOf,
    Record,
    Values,
)

ROSTER = Record(
    "roster",
    {
        "full": Field(Path(), "the CSV file with all of its assigned patients", required=True),
        "deltas": Field(Path(), "files with what is other since, as rosters/medstar-*.csv; each counts once"),
    },
)


def _tls_client(values: Values, reading: Reading) -> ClientTls:
    if ("certificate" in values) != ("key" in values):
        reading.mistakes.add(values.place, "a certificate and its key go together", "give both or neither")
    return ClientTls(values["ca"], values["name"], values["certificate"], values["key"])


CLIENT_TLS = Record(
    "tls",
    {
        "ca": Field(Path(), "PEM file of the authorities that may sign the hospital's certificate"),
        "name": Field(HOST, "the name that the certificate must bear, if it is not the host"),
        "certificate": Field(Path(), "PEM file with our certificate (mutual TLS)"),
        "key": Field(Path(), "PEM file with its private key"),
    },
    _tls_client,
)


def _target(values: Values, reading: Reading) -> MllpTarget | None:
    return MllpTarget(values["host"], values["port"], values["tls"]) if values.complete else None


def _file_target(values: Values, reading: Reading) -> FileTarget | None:
    return FileTarget(values["folder"], values["name"]) if values.complete else None


@dataclass(frozen=True)
class _TlsSwitch:
    """`tls: true`, or the keys of a client's TLS."""

    def read(self, node: Any, reading: Reading) -> Any:
        value = OneOf(text=Truth(), pairs=CLIENT_TLS).read(node, reading)
        return ClientTls() if value is True else None if value is False else value

    def schema(self) -> dict[str, Any]:
        return OneOf(text=Truth(), pairs=CLIENT_TLS).schema()


_TARGETS = ("mllp", "file", "documents", "smtp")
SEND = Record(
    "send",
    {
        "mllp": Field(
            Record(
                "mllp",
                {
                    "host": Field(HOST, "the hospital's host name or address", required=True),
                    "port": Field(PORT, "its TCP port", required=True),
                    "tls": Field(_TlsSwitch(), "encrypted: true, or keys that say how it is checked"),
                },
                _target,
            ),
            "over MLLP",
        ),
        "file": Field(
            Record(
                "file",
                {
                    "folder": Field(Path(), "the folder that files are written to", required=True),
                    "name": Field(FileName(), "the name of each file", FileTarget("").name),
                },
                _file_target,
            ),
            "as files",
        ),
        "documents": Field(DOCUMENTS, "as documents in a folder for a fax or mail gateway"),
        "smtp": Field(SMTP, "as documents by e-mail, to a fax gateway for example"),
        "timeout": Field(Duration(), "how long to wait for an answer", 30.0),
        "connections": Field(Whole(1, 1000), "how many connections at once", 1),
    },
    exactly_one=_TARGETS,
)


def _retry(values: Values, reading: Reading) -> Retry:
    if values["most"] < values["first"]:
        reading.mistakes.add(
            values.place_of("most"), "most is shorter than first", "make it the longest wait"
        )
    return Retry(values["first"], values["factor"], values["most"], values["jitter"], values["give_up"])


RETRY = Record(
    "retry",
    {
        "first": Field(Duration(), "the wait after the first failure", 5.0),
        "factor": Field(Decimal(1, 100), "what each wait is multiplied by", 2.0),
        "most": Field(Duration(), "the longest wait", 600.0),
        "jitter": Field(Percent(), "how far a wait may differ by chance", 0.1),
        "give_up": Field(Duration(), "the age at which a delivery fails", 259_200.0),
    },
    _retry,
)
_ANSWER = Choice(("retry", "fail"))
_PROCESSING = OneOf(
    text=Choice(("P", "T", "D", "any")), items=ListOf(Choice(("P", "T", "D")), lone=True, least=1)
)
#: The keys that any destination has. Each may have a default in hl7bridge.yaml (`send` only its times).
DESTINATION_FIELDS: dict[str, Field] = {
    "send": Field(SEND, "where it is sent to", required=True),
    "order": Field(
        Choice(("patient", "none", "strict")), "what must stay in order; documents: none", "patient"
    ),
    "retry": Field(RETRY, "when to try again", None),
    "answers": Field(
        Record(
            "answers", {code: Field(_ANSWER, f"what {code} means", word) for code, word in ANSWERS.items()}
        ),
        "what follows from each answer of the hospital; none is silence",
        None,
    ),
    "processing": Field(_PROCESSING, "which MSH-11 are sent; P if left out", None),
    "control_id": Field(Choice(("own", "kept")), "own: MSH-10 is made unique for this destination", "kept"),
    "status": Field(
        Choice(("live", "test", "shadow")), "live; test: MSH-11 = T only; shadow: kept, not sent", "live"
    ),
    **PRIVACY_FIELDS,
}
AFFILIATE_FIELDS: dict[str, Field] = {
    "name": Field(Text(), "its name in full"),
    "states": Field(ListOf(Text("a state such as MD", "[A-Z]{2}"), lone=True), "where it is", ()),
    "agreement": Field(MapOf(Day(), NAME), "each scope and the day from which it is shared", required=True),
    "identifiers": Field(
        Record(
            "identifiers",
            {
                "authority": Field(Text("an assigning authority"), "the authority of its numbers (PID-3.4)"),
                "type": Field(Text("an identifier type"), "their type (PID-3.5), such as MR"),
            },
        ),
        "how its patient numbers are marked",
    ),
    "roster": Field(
        OneOf(text=Path(), pairs=ROSTER),
        "the CSV file of its assigned patients, or {full: FILE, deltas: PATTERN}",
    ),
    "alerts_from": Field(Day(), "the day before which history alerts nobody; left out, it is told no alerts"),
    "summaries": Field(SUMMARIES, "visit summaries; left out, it is sent none"),
    "alerts": Field(ALERTS, "which alerts it is told, and when they are raised"),
    "facility": Field(Text(), "its MSH-6, for ${affiliate.facility}"),
    "application": Field(Text(), "its MSH-5, for ${affiliate.application}"),
    "settings": Field(MapOf(Text(), NAME), "anything else that maps read as ${affiliate.x}", {}),
}


def _policy(values: Values) -> dict[str, Any]:
    chosen = values["processing"]
    words = (chosen,) if isinstance(chosen, str) else tuple(chosen or ("P",))
    status = values["status"]
    processing: tuple[str, ...] | None = None if words == ("any",) else words
    answers = values["answers"]
    return {
        "order": values["order"],
        "retry": values["retry"] or Retry(),
        "answers": dict(ANSWERS) if answers is None else dict(answers.values),
        "processing": ("T",) if status == "test" else processing,
        "control_id": values["control_id"],
        "status": status,
    }


def destination_of(name: str, values: Values) -> DestinationSettings | None:
    """The settings of a destination from what was read; None where a mistake was named."""
    send = values["send"]
    if send is None or all(send[each] is None for each in _TARGETS):
        return None
    policy = _policy(values)
    if "order" not in values and (send["documents"] is not None or send["smtp"] is not None):
        policy["order"] = "none"  # a document that waits days for its confirmation holds up no other
    return DestinationSettings(
        name=name,
        mllp=send["mllp"],
        file=send["file"],
        documents=send["documents"],
        smtp=send["smtp"],
        timeout_s=send["timeout"],
        connections=send["connections"],
        **policy,
    )


def roster_of(values: Values) -> tuple[str | None, str | None]:
    """The file of an affiliate's full list, and the pattern of its deltas."""
    given = values["roster"]
    return (given["full"], given["deltas"]) if isinstance(given, Values) else (given, None)


def affiliate_of(name: str, values: Values) -> DestinationSettings | None:
    """The settings of an affiliate, a destination with an agreement and a roster."""
    made = destination_of(name, values)
    if made is None or values["agreement"] is None:
        return None
    identifiers = values["identifiers"]
    given = {
        "name": values["name"] or name,
        "id": name,
        "authority": identifiers["authority"] if identifiers is not None else None,
        "type": identifiers["type"] if identifiers is not None else None,
        "facility": values["facility"],
        "application": values["application"],
        **values["settings"],
    }
    full, deltas = roster_of(values)
    affiliate = Affiliate(
        full_name=values["name"] or name,
        agreement=values["agreement"],
        states=tuple(values["states"]),
        authority=given["authority"],
        identifier_type=given["type"],
        roster=full,
        roster_deltas=deltas,
        alerts_from=values["alerts_from"],
        thresholds=values["alerts"] or Thresholds(),
        summaries=values["summaries"],
        settings={key: value for key, value in given.items() if value is not None},
    )
    return replace(made, affiliate=affiliate)


def with_defaults(values: Values, defaults: Values | None) -> Values:
    """`values` with what hl7bridge.yaml says for keys that are not given, `send` key by key."""
    if defaults is None:
        return values
    for key, node in defaults.nodes.items():
        if key == "send" and (send := values.values.get("send")) is not None:
            for name in defaults["send"].nodes if defaults["send"] is not None else ():
                if name not in send:
                    send.values[name] = defaults["send"][name]
        elif key != "send" and key not in values:
            values.values[key] = defaults[key]
            values.nodes[key] = node
    return values

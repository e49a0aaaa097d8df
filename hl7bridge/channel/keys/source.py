"""The table of keys of a source, over MLLP or from files, and how its settings are made of what was read.

Raises nothing; mistakes are named.
"""

from __future__ import annotations

from hl7bridge.channel.settings import MllpListener, ServerTls, SourceSettings, WatchedFolder
from hl7bridge.channel.written.kinds import HOST, PORT, Cidr, Encoding, Path, Zone
from hl7bridge.channel.written.model import Choice, Duration, Reading, Size, Text, Truth, Whole
from hl7bridge.channel.written.record import Field, ListOf, Record, Values


def _tls_server(values: Values, reading: Reading) -> ServerTls | None:
    if not values.complete:
        return None
    return ServerTls(values["certificate"], values["key"], values["client_ca"])


SERVER_TLS = Record(
    "tls",
    {
        "certificate": Field(Path(), "PEM file with the certificate and its chain", required=True),
        "key": Field(Path(), "PEM file with the private key", required=True),
        "client_ca": Field(
            Path(), "PEM file of the authorities that sign senders' certificates (mutual TLS)"
        ),
    },
    _tls_server,
)


def _listener(values: Values, reading: Reading) -> MllpListener | None:
    if not values.complete:
        return None
    return MllpListener(
        port=values["port"],
        host=values["host"],
        tls=values["tls"],
        allow=tuple(values["allow"]),
        max_connections=values["max_connections"],
        max_message_bytes=values["max_message_bytes"],
        idle_after_s=values["idle_after"],
        encoding=values["encoding"],
        commit_bytes=values["commit_bytes"],
    )


LISTENER = Record(
    "mllp",
    {
        "port": Field(PORT, "the TCP port to listen on", required=True),
        "host": Field(HOST, "the address to listen on; all addresses if left out", "0.0.0.0"),
        "tls": Field(SERVER_TLS, "encrypted connections"),
        "allow": Field(ListOf(Cidr(), lone=True), "who may connect: addresses or networks (CIDR)", ()),
        "max_connections": Field(Whole(1, 1_000_000), "the most connections at once", 20_000),
        "max_message_bytes": Field(Size(1000), "the largest message: 64 MB if left out", 64_000_000),
        "idle_after": Field(Duration(off=True), "close a connection that has been silent this long", None),
        "encoding": Field(Encoding(), "the character set of messages without MSH-18", "utf-8"),
        "commit_bytes": Field(Truth(), "answer with MLLP release 2 commit bytes too", False),
    },
    _listener,
)
ERRORS = Record(
    "errors",
    {
        "answer": Field(
            Choice(("AE", "AA", "AR")), "what a message answers that every channel failed on", None
        )
    },
)


def _watched(values: Values, reading: Reading) -> WatchedFolder | None:
    if not values.complete:
        return None
    return WatchedFolder(
        folder=values["folder"],
        pattern=values["pattern"],
        every_s=values["every"],
        settled_s=values["settled"],
        keep_s=values["keep"],
        max_message_bytes=values["max_message_bytes"],
        encoding=values["encoding"],
        unended_fails=values["unended"] == "failed",
    )


WATCHED = Record(
    "file",
    {
        "folder": Field(
            Path(), "the folder that files are taken from; relative to the data folder", required=True
        ),
        "pattern": Field(
            Text("a pattern such as *.hl7", r"[^/]{1,200}"),
            "which files, by name: * and ? stand for anything",
            "*",
        ),
        "every": Field(Duration(least="100ms"), "how often the folder is looked at", 5.0),
        "settled": Field(Duration(), "how long a file must have stayed as it is before it is taken", 5.0),
        "keep": Field(
            Duration(off=True), "how long a file stays in done/; until somebody removes it if left out", None
        ),
        "max_message_bytes": Field(Size(1000), "the largest message: 64 MB if left out", 64_000_000),
        "encoding": Field(Encoding(), "the character set of messages without MSH-18", "utf-8"),
        "unended": Field(
            Choice(("taken", "failed")),
            "a file whose last segment has no line end: taken, since many systems leave it out, or failed: it may have been cut off",
            "taken",
        ),
    },
    _watched,
)
#: By what messages come: a source has one of them.
EDGES = ("mllp", "file")
#: The keys of a source, in place or in a file of its own. Each may have a default in hl7bridge.yaml.
SOURCE_FIELDS: dict[str, Field] = {
    "mllp": Field(LISTENER, "where messages arrive over MLLP"),
    "file": Field(WATCHED, "where messages arrive as files"),
    "zone": Field(Zone(), "the time zone of times without an offset, such as America/New_York"),
    "duplicates": Field(
        Duration(off=True), "how long a repeated message is recognised; 24h, or off", 86400.0
    ),
    "unaccepted": Field(Choice(("AR", "AA")), "the answer to a message that no channel accepts", "AR"),
    "errors": Field(ERRORS, "what the sender hears of errors", None),
}


def source_of(name: str, values: Values) -> SourceSettings | None:
    """The settings of a source from what was read; None where a mistake was named."""
    if values["mllp"] is None and values["file"] is None:
        return None
    errors = values["errors"]
    answer = errors["answer"] if errors is not None and errors["answer"] else "AE"
    return SourceSettings(
        name,
        values["mllp"],
        values["zone"],
        values["duplicates"],
        values["unaccepted"],
        answer,
        values["file"],
    )

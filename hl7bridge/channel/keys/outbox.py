"""The tables of keys of destinations that documents leave through: an outbox folder, an SMTP server.

    send: {documents: {folder: outbox/fax, confirm: yes, confirm_within: 3d, cover: yes, sender: Lantern Health}}
    send: {smtp: {host: relay.example.org, tls: starttls, from: records@example.org, to: '${ZDR-3}@fax.example.org'}}

Raises nothing; mistakes are named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.settings import CoverSettings, DocumentsTarget, SmtpTarget
from hl7bridge.channel.written.beyond import doubt_template
from hl7bridge.channel.written.kinds import Path as FilePath
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import (
    REFERENCE,
    Choice,
    Duration,
    Reading,
    Schema,
    Text,
    Truth,
    Whole,
    Wrong,
)
from hl7bridge.channel.written.record import Field, ListOf, Record, Values
from hl7bridge.channel.written.yaml import Node, Scalar, noun
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path, PathError

#: An e-mail address that we write to: what its first part may hold keeps anything a message supplies from being more than that.
ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,250}")
_NOT_IN_ADDRESS: Final = re.compile(r"[^A-Za-z0-9._+-]")
_SUBJECT: Final = re.compile(r"[^\r\n]{1,200}")


@dataclass(frozen=True)
class AddressTemplate:
    """An e-mail address with paths in it: `${ZDR-3}@fax.example.org`. It is filled when a mail is sent."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        if not isinstance(node, Scalar):
            return reading.wrong(node, f"{noun(node)} stands where an e-mail address belongs")
        for name in REFERENCE.findall(node.text):
            try:
                Path.parse(name)
            except PathError:
                return reading.wrong(
                    node,
                    f"${{{name}}} is not known in an address",
                    meant(name, ("ZDR-3", "ZDR-5"), "a path like ZDR-3"),
                )
        if "$" in node.text.rpartition("@")[2] or not ADDRESS.fullmatch(REFERENCE.sub("1", node.text)):
            return reading.wrong(
                node, f"{noun(node)} is not an e-mail address", "write it like ${ZDR-3}@fax.example.org"
            )
        doubt_template(node, reading)
        return node.text

    def schema(self) -> Schema:
        return {"type": "string", "examples": ["${ZDR-3}@fax.example.org"]}


@dataclass(frozen=True)
class Subject:
    """The subject of every mail, with `${id}` for the delivery's number and nothing of the message: subjects are read on the way."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        if not isinstance(node, Scalar) or not _SUBJECT.fullmatch(node.text):
            return reading.wrong(node, f"{noun(node)} stands where one line of text belongs")
        if any(name != "id" for name in REFERENCE.findall(node.text)):
            return reading.wrong(
                node,
                "a subject may tell nothing of the message",
                "${id} is the delivery's number, and all there is",
            )
        return node.text

    def schema(self) -> Schema:
        return {"type": "string", "examples": ["Document ${id}"]}


def filled(template: str, message: Message) -> str:
    """The address of a message: of what a path gives, everything but letters, digits and . _ + - is left out."""

    def value(match: re.Match[str]) -> str:
        return _NOT_IN_ADDRESS.sub("", message.charset.decode(Path.parse(match.group(1)).get(message)))

    return REFERENCE.sub(value, template)


_SENDER: Final = {
    "cover": Field(Truth(), "a cover sheet comes first", False),
    "sender": Field(Text(), "the sender that the cover sheet names"),
    "sender_lines": Field(ListOf(Text(), lone=True), "its address and telephone number, line by line", ()),
}


def _cover(values: Values, reading: Reading) -> CoverSettings | None:
    if not values["cover"]:
        for key in ("sender", "sender_lines"):
            if key in values:
                what = f"{key} says nothing where there is no cover sheet"
                reading.mistakes.add(values.place_of(key), what, "add cover: yes, or leave it out")
        return None
    if not values["sender"]:
        reading.mistakes.add(
            values.place_of("cover"), "the cover sheet needs a sender", "add sender: and its name"
        )
        return None
    return CoverSettings(values["sender"], tuple(values["sender_lines"]))


def _documents(values: Values, reading: Reading) -> DocumentsTarget | None:
    cover = _cover(values, reading)
    if "confirm_within" in values and not values["confirm"]:
        reading.mistakes.add(
            values.place_of("confirm_within"),
            "nothing is waited for where confirm is no",
            "leave out one of them",
        )
    if not values.complete:
        return None
    return DocumentsTarget(values["folder"], values["confirm_within"] if values["confirm"] else None, cover)


def _smtp(values: Values, reading: Reading) -> SmtpTarget | None:
    cover = _cover(values, reading)
    if ("user" in values) != ("password" in values):
        reading.mistakes.add(values.place, "a user and a password go together", "give both or neither")
    elif "user" in values and values["tls"] == "no":
        reading.mistakes.add(
            values.place_of("tls"), "a password would travel in the clear", "tls: starttls or tls"
        )
    if "ca" in values and values["tls"] == "no":
        what = "no certificate is looked at where tls is no"
        reading.mistakes.add(values.place_of("ca"), what, "leave out one of them")
    if not values.complete:
        return None
    login = (values["user"], values["password"]) if "user" in values and values["password"] else None
    port = values["port"] or {"tls": 465, "starttls": 587, "no": 25}[values["tls"]]
    return SmtpTarget(
        host=values["host"],
        port=port,
        tls=values["tls"],
        ca=values["ca"],
        sender=values["from"],
        to=values["to"],
        subject=values["subject"],
        login=login,
        cover=cover,
    )


DOCUMENTS: Final = Record(
    "documents",
    {
        "folder": Field(
            FilePath(), "the folder that a fax or mail gateway takes documents from", required=True
        ),
        "confirm": Field(
            Truth(), "a document counts as sent when the gateway says so, not when it is ready", True
        ),
        "confirm_within": Field(Duration(), "how long the gateway may take; 3d if left out", 259_200.0),
        **_SENDER,
    },
    _documents,
)
SMTP: Final = Record(
    "smtp",
    {
        "host": Field(Text("a host name or address", r"[A-Za-z0-9._:%-]+"), "the mail server", required=True),
        "port": Field(Whole(1, 65535, "a port"), "its port; 587, 465 with tls, 25 with no, if left out"),
        "tls": Field(Choice(("starttls", "tls", "no")), "how the connection is secured", "starttls"),
        "ca": Field(FilePath(), "PEM file of the authorities that may sign the server's certificate"),
        "from": Field(Text("an e-mail address", ADDRESS.pattern), "the sender's address", required=True),
        "to": Field(
            AddressTemplate(), "the recipient's address, such as ${ZDR-3}@fax.example.org", required=True
        ),
        "user": Field(Text(), "who logs in"),
        "password": Field(Text(), "with which password: ${env.NAME}"),
        "subject": Field(Subject(), "the subject of every mail", "Document ${id}"),
        **_SENDER,
    },
    _smtp,
)

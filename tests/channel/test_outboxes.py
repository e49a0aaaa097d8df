"""Destinations that documents leave through, as a site writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.keys.outbox import ADDRESS, filled
from hl7bridge.channel.settings import CoverSettings, DestinationSettings, DocumentsTarget, SmtpTarget
from hl7bridge.hl7.message import Message

Loaded = Callable[[Mapping[str, bytes]], Configuration]
Around = Callable[..., dict[str, bytes]]


def destination(loaded: Loaded, around: Around, send: str, more: str = "") -> DestinationSettings:
    text = f"destination: fax\nsend: {send}\n{more}"
    return loaded(around("", {"destinations/fax.yaml": text.encode()})).destinations["fax"]


def test_an_outbox_waits_three_days_for_its_confirmation_unless_told(loaded: Loaded, around: Around) -> None:
    found = destination(loaded, around, "{documents: {folder: outbox/fax}}")
    assert found.documents == DocumentsTarget("outbox/fax", 259_200.0, None)
    assert found.order == "none", "a document that waits holds up no other"
    assert destination(loaded, around, "{documents: {folder: o, confirm: no}}").documents == DocumentsTarget(
        "o", None
    )
    assert destination(loaded, around, "{documents: {folder: o}}", "order: patient\n").order == "patient"
    whole = "{documents: {folder: o, confirm_within: 12h, cover: yes, sender: Lantern, sender_lines: [a, b]}}"
    assert destination(loaded, around, whole).documents == DocumentsTarget(
        "o", 43_200.0, CoverSettings("Lantern", ("a", "b"))
    )


def test_mail_is_secured_unless_told(loaded: Loaded, around: Around) -> None:
    send = "{smtp: {host: relay.example.org, from: a@example.org, to: '${ZDR-3}@fax.example.org'}}"
    assert destination(loaded, around, send).smtp == SmtpTarget(
        "relay.example.org", 587, "starttls", "a@example.org", "${ZDR-3}@fax.example.org", "Document ${id}"
    )
    other = send.replace("from:", "tls: tls, user: u, password: '${env.SITE}', from:")
    found = destination(loaded, around, other).smtp
    assert found is not None
    assert (found.port, found.login) == (465, ("u", "SITE1"))
    assert "SITE1" not in repr(found)


@pytest.mark.parametrize(
    ("send", "what"),
    [
        ("{documents: {confirm: yes}}", "needs folder"),
        ("{documents: {folder: o, confirm: no, confirm_within: 1d}}", "nothing is waited for"),
        ("{documents: {folder: o, cover: yes}}", "the cover sheet needs a sender"),
        ("{documents: {folder: o, sender: Lantern}}", "sender says nothing where there is no cover sheet"),
        ("{documents: {folder: o, cover: no, sender_lines: [a]}}", "sender_lines says nothing"),
        ("{documents: {folder: o, foldr: x}}", "did you mean folder"),
        ("{documents: {folder: o}, file: {folder: x}}", "exactly one of"),
        ("{smtp: {host: h, from: a@b.c}}", "needs to"),
        ("{smtp: {host: h, from: nobody, to: a@b.c}}", "not an e-mail address"),
        ("{smtp: {host: h, from: a@b.c, to: '${ZDR-3}'}}", "not an e-mail address"),
        ("{smtp: {host: h, from: a@b.c, to: 'x@${ZDR-3}'}}", "not an e-mail address"),
        ("{smtp: {host: h, from: a@b.c, to: '${fax}@b.c'}}", "not known in an address"),
        (
            "{smtp: {host: h, from: a@b.c, to: x@b.c, subject: 'For ${PID-5}'}}",
            "may tell nothing of the message",
        ),
        ("{smtp: {host: h, from: a@b.c, to: x@b.c, user: u}}", "go together"),
        ("{smtp: {host: h, from: a@b.c, to: x@b.c, tls: no, user: u, password: p}}", "in the clear"),
        ("{smtp: {host: h, from: a@b.c, to: x@b.c, tls: no, ca: a.pem}}", "no certificate is looked at"),
        ("{smtp: {host: h, from: a@b.c, to: x@b.c, tls: maybe}}", "starttls"),
    ],
)
def test_mistakes(mistakes: Callable[..., list[str]], send: str, what: str) -> None:
    text = f"destination: fax\nsend: {send}\n".encode()
    found = mistakes("", {"destinations/fax.yaml": text})
    assert any(what in each for each in found), found


@pytest.mark.parametrize(
    ("fax", "address"),
    [
        ("+1 (555) 555-0142", "+1555555-0142@fax.example.org"),
        ("1>, victim@example.org", "1victimexample.org@fax.example.org"),
        ("", "@fax.example.org"),
    ],
)
def test_what_a_message_supplies_is_never_more_than_the_first_part_of_an_address(
    fax: str, address: str
) -> None:
    message = Message(f"MSH|^~\\&|||||||MDM^T02\rZDR|FAX|A|{fax}\r".encode())
    assert filled("${ZDR-3}@fax.example.org", message) == address
    assert bool(ADDRESS.fullmatch(address)) == bool(fax)

"""Mail servers that take a document, refuse it, or fall silent at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import Factory
from twisted.mail import smtp
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from hl7bridge.connectors.outgoing import Mail, Unsendable
from hl7bridge.connectors.smtp_destination import DATA_S, SmtpDestination
from hl7bridge.testing.network import Network

TEXT = b"Subject: Document 7\n\n.a line that begins with a point\nlast\n"


@implementer(smtp.IMessageDelivery, smtp.IMessage)
class Inbox:
    """Takes every mail, as Twisted's own server does."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.to: list[str] = []

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b"Received: here"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: Any) -> Callable[[], Any]:
        self.to.append(str(user.dest))
        return lambda: self

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Any:
        return succeed(None)

    def connectionLost(self) -> None:
        self.lines.clear()


class Scripted(LineReceiver):
    """Answers each command as told; `close` closes instead, `hush` says nothing."""

    def __init__(self, script: dict[str, str], heard: list[str]) -> None:
        self.script = script
        self.heard = heard
        self.in_data = False

    def connectionMade(self) -> None:
        self.say("hello", "220 here")

    def lineReceived(self, line: bytes) -> None:
        text = line.decode()
        if self.in_data:
            if text == ".":
                self.in_data = False
                self.say("end", "250 taken")
            return
        self.heard.append(text)
        verb = text.split(" ")[0].split(":")[0].lower()
        default = {"ehlo": "250 here", "data": "354 go on", "quit": "221 bye"}.get(verb, "250 fine")
        answer = self.say(verb, default)
        self.in_data = verb == "data" and answer.startswith("354")

    def say(self, what: str, default: str) -> str:
        answer = self.script.get(what, default)
        if answer == "close":
            self.transport.loseConnection()
        elif answer != "hush":
            for line in answer.split("|"):
                self.sendLine(line.encode())
        return answer


class Bench:
    """A destination in memory and a server that a test plays."""

    def __init__(self, server: Callable[[], Any] | None, **how: Any) -> None:
        self.network = Network()
        self.answers: list[tuple[str | None, str | None]] = []
        if server is not None:
            self.network.listen(25, Factory.forProtocol(server), self.network.process())
        compose = how.pop(
            "compose", lambda token, payload: Mail("a@example.org", "15@fax.example.org", payload)
        )
        self.destination = SmtpDestination(
            "fax",
            self.network.endpoint(25, self.network.process()),
            compose,
            how.pop("run", maybeDeferred),
            self.network.clock,
            answered=lambda token, code, why, answer: self.answers.append((code, why)),
            ready=lambda: None,
            **how,
        )

    def send(self, seconds: float = 1) -> list[tuple[str | None, str | None]]:
        self.destination.send(TEXT, b"C", 7)
        self.network.run(seconds)
        return self.answers


def test_a_mail_is_taken_by_twisteds_own_server_as_it_was_written() -> None:
    inbox = Inbox()

    def server() -> Any:
        made = smtp.ESMTP()
        made.delivery = inbox
        made.timeout = None
        return made

    here = Bench(server)
    assert here.send() == [("AA", None)]
    assert inbox.to == ["15@fax.example.org"]
    assert b"\n".join(inbox.lines[1:]) + b"\n" == TEXT
    assert here.destination.busy_connections == 0
    assert here.destination.open_connections == 0
    assert here.network.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("script", "code", "why"),
    [
        ({"end": "250 taken"}, "AA", None),
        ({"end": "451 later"}, "AE", "not taken now: 451"),
        ({"end": "554 no"}, "AR", "refused with 554"),
        ({"data": "554 no"}, "AR", "refused with 554"),
        ({"rcpt": "550 who?"}, "AR", "refused with 550"),
        ({"rcpt": "450 busy"}, "AE", "not taken now: 450"),
        ({"mail": "550 not you"}, "AR", "refused with 550"),
        ({"hello": "554 go away"}, "AE", "the server could not be used: SMTPConnectError 554"),
        ({"hello": "nonsense"}, "AE", "the server could not be used: SMTPProtocolError -1"),
        ({"hello": "close"}, "AE", "the connection was lost: ConnectionDone"),
        ({"mail": "close"}, "AE", "the connection was lost: ConnectionDone"),
        ({"rcpt": "close"}, "AE", "the connection was lost: ConnectionDone"),
        ({"end": "close"}, None, "the connection was lost after the data"),
        ({"end": "nonsense"}, None, "no answer came after the data"),
        ({"rset": "close"}, "AA", None),
    ],
)
def test_how_a_mail_ends(script: dict[str, str], code: str | None, why: str | None) -> None:
    heard: list[str] = []
    here = Bench(lambda: Scripted(script, heard))
    assert here.send() == [(code, why)]
    assert here.destination.busy_connections == 0
    assert "15@fax.example.org" not in str(why)


@pytest.mark.parametrize(("where", "code"), [("hello", "AE"), ("rcpt", "AE"), ("end", None)])
def test_silence_ends_too(where: str, code: str | None) -> None:
    here = Bench(lambda: Scripted({where: "hush"}, []), timeout_s=20.0)
    assert here.send(19) == []
    here.network.run(DATA_S + 10)
    assert [answer[0] for answer in here.answers] == [code]
    assert here.destination.free()


def test_a_server_that_is_not_there_is_tried_again() -> None:
    assert Bench(None).send() == [("AE", "cannot connect: connection refused")]


def test_nothing_is_said_in_the_clear_where_the_connection_must_be_secure() -> None:
    heard: list[str] = []
    here = Bench(lambda: Scripted({}, heard), starttls=object())
    assert here.send() == [("AE", "the server could not be used: TLSRequiredError 502")]
    assert [line.split(" ")[0] for line in heard] == ["EHLO", "QUIT"]


def test_nothing_is_sent_to_a_server_that_takes_no_password() -> None:
    heard: list[str] = []
    here = Bench(lambda: Scripted({}, heard), login=("user", "secret"))
    assert here.send() == [("AE", "the server could not be used: AUTHRequiredError 502")]
    assert "secret" not in str(heard)


def test_a_login_that_is_refused_is_no_fault_of_the_message() -> None:
    heard: list[str] = []
    script = {"ehlo": "250-here|250 AUTH LOGIN", "auth": "535 wrong"}
    assert Bench(lambda: Scripted(script, heard), login=("user", "secret")).send()[0][0] == "AE"


def test_what_can_never_be_a_mail_is_refused() -> None:
    def refuse(token: Any, payload: bytes) -> Mail:
        raise Unsendable("the message names nobody", code="no-recipient")

    assert Bench(None, compose=refuse).send() == [("AR", "the message names nobody")]


def test_one_at_a_time_unless_told_and_a_stop_leaves_what_was_under_way_unknown() -> None:
    here = Bench(None, run=lambda *_: Deferred())
    here.send()
    assert not here.destination.free()
    there = Bench(lambda: Scripted({"end": "hush"}, []), connections=2)
    there.send()
    assert there.destination.free()
    there.destination.stop()
    there.network.run(1)
    assert there.answers == [(None, "the connection was lost after the data")]

"""An SMTP server as a destination: each message leaves as one e-mail with its document attached (RFC 5321).

The end of a send is the server's answer to the sender, the recipient or the data: 2xx after the data means accepted, 4xx that it
may be tried again, 5xx that it is refused. What goes wrong before is tried again (a name that does not resolve, no TLS where TLS
is demanded, a password that is not taken: none of it is the message's fault). A connection that is lost after the data began
leaves it unknown whether the mail went. Reasons hold codes and never what a server said, since servers quote addresses. Knows no
queue and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.mail.smtp import (
    SUCCESS,
    CramMD5ClientAuthenticator,
    ESMTPClient,
    LOGINAuthenticator,
    PLAINAuthenticator,
)
from twisted.python.failure import Failure

from hl7bridge.connectors.outgoing import Mail, Unsendable
from hl7bridge.connectors.unreached import unreached

#: Seconds that a server may take to answer the end of the data (RFC 5321, 4.5.3.2.6).
DATA_S: Final = 600.0

Run = Callable[..., "Deferred[Any]"]
Answer = tuple[str | None, str | None]


class SmtpDestination:
    """The same doors as an MLLP pool; `connections` mails leave at once, each over a connection of its own.

    `compose(token, payload)` makes the mail, is called in a thread, and raises Unsendable. `starttls` secures a connection that
    begins in the clear, and nothing is sent where the server does not offer it; an endpoint that is secure from the first byte
    needs none.
    """

    up = True

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        compose: Callable[[Any, bytes], Mail],
        run: Run,
        clock: IReactorTime,
        *,
        starttls: IOpenSSLClientConnectionCreator | None = None,
        login: tuple[str, str] | None = None,
        timeout_s: float = 30.0,
        connections: int = 1,
        answered: Callable[[Any, str | None, str | None, bytes | None], None],
        ready: Callable[[], None],
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._compose = compose
        self._run = run
        self._clock = clock
        self._starttls = starttls
        self._login = login
        self._timeout_s = timeout_s
        self._connections = connections
        self._answered = answered
        self._ready = ready
        self._open: set[Sending] = set()
        self.busy_connections = 0

    @property
    def open_connections(self) -> int:
        """Connections that stand."""
        return len(self._open)

    def free(self) -> bool:
        """Whether `send` may be called now."""
        return self.busy_connections < self._connections

    def want(self, waiting: int) -> None:
        """A connection is made for each mail."""

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Sends one mail and tells `answered` how that ended."""
        self.busy_connections += 1
        done = maybeDeferred(self._run, self._compose, token, payload)
        done.addCallback(self._dial)
        done.addErrback(self._failed)
        done.addCallback(self._ended, token)

    def _dial(self, mail: Mail) -> Deferred[Answer]:
        ended: Deferred[Answer] = Deferred()
        factory = Factory.forProtocol(lambda: Sending(mail, self._clock, ended, self._starttls, self._login))
        dialled = maybeDeferred(self._endpoint.connect, factory)
        dialled.addCallbacks(
            self._connected, self._not_connected, callbackArgs=(ended,), errbackArgs=(ended,)
        )
        return ended

    def _connected(self, sending: Sending, ended: Deferred[Answer]) -> None:
        self._open.add(sending)
        sending.setTimeout(self._timeout_s)
        sending.timeout = self._timeout_s

        def gone(answer: Answer) -> Answer:
            self._open.discard(sending)
            return answer

        ended.addCallback(gone)

    def _not_connected(self, failure: Failure, ended: Deferred[Answer]) -> None:
        ended.callback(("AE", unreached(failure)))

    def _failed(self, failure: Failure) -> Answer:
        error = failure.value
        if isinstance(error, Unsendable):
            return "AR", error.what
        return "AE", f"the mail could not be made: {type(error).__name__}"

    def _ended(self, answer: Answer, token: Any) -> None:
        self.busy_connections -= 1
        self._answered(token, *answer, None)
        self._ready()

    def retire(self) -> None:
        """A mail that is on its way ends by itself."""

    def stop(self) -> None:
        """Connections are closed; a mail whose data was on its way is not known to have gone."""
        for sending in list(self._open):
            sending.transport.abortConnection()


class Sending(ESMTPClient):
    """One connection that sends one mail; `ended` is called once, with a code of table 0008 (or None) and a reason."""

    # The log of a session would hold a document.
    debug = False

    def __init__(
        self,
        mail: Mail,
        clock: IReactorTime,
        ended: Deferred[Answer],
        starttls: IOpenSSLClientConnectionCreator | None,
        login: tuple[str, str] | None,
    ) -> None:
        user, password = ("", "") if login is None else login
        ESMTPClient.__init__(self, password.encode(), starttls, b"hl7bridge")
        self.requireTransportSecurity = starttls is not None
        self.requireAuthentication = login is not None
        self.heloFallback = starttls is None and login is None
        if login is not None:
            for kind in (CramMD5ClientAuthenticator, LOGINAuthenticator, PLAINAuthenticator):
                self.registerAuthenticator(kind(user.encode()))
        self._mail: Mail | None = mail
        self._text = mail.text
        self._to = mail.to
        self._end: Deferred[Answer] | None = ended
        self._data_began = False
        self.callLater = clock.callLater

    def getMailFrom(self) -> str | None:
        mail, self._mail = self._mail, None
        return None if mail is None else mail.sender

    def getMailTo(self) -> list[bytes]:
        return [self._to.encode("ascii")]

    def smtpState_data(self, code: int, resp: bytes) -> None:
        """The server wants the data: all of it at once, its lines ended and their first points doubled (RFC 5321, 4.5.2)."""
        self._data_began = True
        self.setTimeout(DATA_S)
        lines = b"\r\n" + self._text.replace(b"\n", b"\r\n")
        self.transport.write(lines.replace(b"\r\n.", b"\r\n..")[2:])
        self.sendLine(b"." if lines.endswith(b"\r\n") else b"\r\n.")
        self._expected = SUCCESS
        self._okresponse = self.smtpState_msgSent

    def sentMail(self, code: int, resp: bytes, numOk: int, addresses: Any, log: Any) -> None:
        if 200 <= code < 300:
            self._finish("AA", None)
        elif 500 <= code < 600:
            self._finish("AR", f"refused with {code}")
        else:
            self._finish("AE", f"not taken now: {code}")

    def sendError(self, exc: Any) -> None:
        if self._data_began:
            self._finish(None, "no answer came after the data")
        else:
            self._finish("AE", f"the server could not be used: {type(exc).__name__} {exc.code}")
        ESMTPClient.sendError(self, exc)

    def connectionLost(self, reason: Failure) -> None:
        if self._data_began:
            self._finish(None, "the connection was lost after the data")
        else:
            self._finish("AE", f"the connection was lost: {type(reason.value).__name__}")
        ESMTPClient.connectionLost(self, reason)

    def _finish(self, code: str | None, why: str | None) -> None:
        end, self._end = self._end, None
        if end is not None:
            end.callback((code, why))

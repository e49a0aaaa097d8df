"""One connection to a hospital: send a message, wait for its answer, say how that ended.

MLLP allows one unanswered message on a connection. It knows its pool, and neither queue nor store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.connectors.straight import straight
from hl7bridge.hl7 import ack, mllp

if TYPE_CHECKING:
    from hl7bridge.connectors.mllp_pool import MllpPool, Slot

log = Logger(namespace="hl7bridge.mllp.destination")

#: The most bytes of an answer that are read; a hospital that sends more sends garbage.
MAX_ANSWER_BYTES = 1024 * 1024


@implementer(IHandshakeListener)
class MllpDestination(Protocol):
    """One connection to a hospital. Over TLS it stands only when the hospital's certificate was found good."""

    factory: Connected
    closed = False
    ready = False
    used = False

    def __init__(self, pool: MllpPool, slot: Slot) -> None:
        self.pool = pool
        self.slot = slot
        self.token: Any = None
        self.busy = False
        self._control_id = b""
        self.answered_before: bytes | None = None
        self._timer: Any = None

    def connectionMade(self) -> None:
        self._framer = mllp.Framer(MAX_ANSWER_BYTES)
        self.transport.setTcpNoDelay(True)
        self._write = straight(self.transport)
        if ISSLTransport.providedBy(self.transport):
            # A peer that takes the connection and never speaks TLS would otherwise be waited for without end.
            self._timer = self.pool.clock.callLater(self.pool.timeout_s, self._no_handshake)
        else:
            self.handshakeCompleted()

    def _no_handshake(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    def handshakeCompleted(self) -> None:
        self._stop_timer()
        self.ready = True
        self.pool.connected(self)

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Writes one message; its end is told to the pool's `answered`, exactly once."""
        self.busy = self.used = True
        self.token = token
        self._control_id = control_id
        self._write(mllp.frame(payload))
        self.pool.awaits(self)

    def dataReceived(self, data: bytes) -> None:
        for event in self._framer.feed(data):
            if type(event) is mllp.Frame:
                self._read(event.payload)
            elif self.busy and type(event) is mllp.TooLarge:
                self._end(None, "the answer was larger than 1 MB", None, close=True)
            if self.closed:
                return

    def _read(self, payload: bytes) -> None:
        answer = ack.read(payload, self._control_id if self.busy else b"")
        # To a message without a control ID any answer is the answer: only one is in flight.
        if self.busy and answer.code is not None and (answer.matches or not self._control_id):
            self.answered_before = self._control_id
            self._end(answer.code, None, payload)
        elif answer.control_id and answer.control_id == self.answered_before:
            # A second answer to the message before: the application acknowledgment of enhanced mode, or a repetition.
            log.debug("{name}: one more answer to an answered message", name=self.pool.name)
        elif not self.busy:
            self.pool.say.warn("{name}: an answer came though nothing was asked", name=self.pool.name)
        else:
            # In few words: each stands in a narrow column of `queue list`.
            why = "answered another message" if answer.code else "the answer is no ACK"
            self._end(None, why, payload, close=True)

    def no_answer(self) -> None:
        """The hospital has had its time."""
        self._end(None, f"no answer within {self.pool.timeout_s:g} s", None, close=True)

    def _end(
        self,
        code: str | None,
        why: str | None,
        payload: bytes | None,
        *,
        close: bool = False,
        lost: bool = False,
    ) -> None:
        token, self.token, self.busy = self.token, None, False
        if close:
            # What the peer would still say on this connection could be taken for the answer to the next message.
            self.closed = True
            self.transport.abortConnection()
        self.pool.ended(self, token, code, why, payload, lost)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed = True
        self._stop_timer()
        if self.busy:
            self._end(None, "closed before the answer", None, lost=True)
        if self.ready:
            self.pool.lost(self)
        else:
            self.pool.not_trusted(self, reason)


class Connected(Factory):
    """Makes the connection of one of a pool's slots."""

    noisy = False

    def __init__(self, pool: MllpPool, slot: Slot) -> None:
        self.pool, self.slot = pool, slot

    def buildProtocol(self, addr: object) -> MllpDestination:
        protocol = MllpDestination(self.pool, self.slot)
        protocol.factory = self
        return protocol

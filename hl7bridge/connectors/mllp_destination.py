"""The connections to one hospital: send a message, wait for its answer, send the next.

MLLP allows one unanswered message on a connection, so throughput to a slow hospital comes from several connections. They are
dialled when there is work: one first, the others once it stands. While a hospital is silent or down one connection alone tries,
with one timer, however many messages wait. A link that has been of use and is lost is dialled again at once; only when that leads to
nothing does waiting begin. ClientService does the dialling; this module knows no queue and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.application.internet import ClientService
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import (
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.connectors.sparing import Sparing
from hl7bridge.connectors.straight import straight
from hl7bridge.hl7 import ack, mllp

log = Logger(namespace="hl7bridge.mllp.destination")

#: The most bytes of an answer that are read; a hospital that sends more sends garbage.
MAX_ANSWER_BYTES = 1024 * 1024


class Answered(Interface):
    """Told how a send ended.

    `token` was given to send; `code` is the acknowledgment code, None when there was no valid answer; `answer` its bytes. `at_once`
    tells that a link which had been of use was lost under the message, so that it need not wait before it is tried on the next one.
    """

    def __call__(
        self, token: Any, code: str | None, why: str | None, answer: bytes | None, /, *, at_once: bool = False
    ) -> None: ...


@implementer(IHandshakeListener)
class MllpDestination(Protocol):
    """One connection to a hospital. Over TLS it stands only when the hospital's certificate was found good."""

    factory: _Connected
    closed = False
    ready = False
    used = False

    def __init__(self, pool: MllpPool, slot: _Slot) -> None:
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
        self.pool._connected(self)

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Writes one message; its end is told to the pool's `answered`, exactly once."""
        self.busy = self.used = True
        self.token = token
        self._control_id = control_id
        self._write(mllp.frame(payload))
        self._timer = self.pool.clock.callLater(self.pool.timeout_s, self._no_answer)

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
            why = (
                "the answer's MSA-2 names another message"
                if answer.code
                else "the answer was not an acknowledgment"
            )
            self._end(None, why, payload, close=True)

    def _no_answer(self) -> None:
        self._timer = None
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
        self._stop_timer()
        token, self.token, self.busy = self.token, None, False
        if close:
            # What the peer would still say on this connection could be taken for the answer to the next message.
            self.closed = True
            self.transport.abortConnection()
        self.pool._ended(self, token, code, why, payload, lost)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed = True
        if not self.busy:
            self._stop_timer()
        if self.busy:
            self._end(None, "the connection closed before the answer", None, lost=True)
        if self.ready:
            self.pool._lost(self)
        else:
            self.pool._not_trusted(self, reason)


class _Connected(Factory):
    noisy = False

    def __init__(self, pool: MllpPool, slot: _Slot) -> None:
        self.pool, self.slot = pool, slot

    def buildProtocol(self, addr: object) -> MllpDestination:
        protocol = MllpDestination(self.pool, self.slot)
        protocol.factory = self
        return protocol


class _Slot:
    """One of the pool's connections: its ClientService while it is wanted."""

    def __init__(self) -> None:
        self.service: ClientService | None = None
        self.connection: MllpDestination | None = None
        self.parked: tuple[bytes, bytes, Any] | None = None


class MllpPool:
    """Up to `connections` connections to one endpoint.

    `answered(token, code, why, answer)` tells how a send ended; `ready()` that a connection became free; `link(up)` that the
    destination went down or came up. `delay_s(failures)` is the back-off between dials, in seconds.
    """

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        *,
        connections: int,
        timeout_s: float,
        delay_s: Callable[[int], float],
        answered: Answered,
        ready: Callable[[], None],
        link: Callable[[bool], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.timeout_s = timeout_s
        self.say = Sparing(log, clock)
        self.up = False
        self.dial_failures = 0
        self._endpoint = endpoint
        self._delay_s = delay_s
        self._answered = answered
        self._ready = ready
        self._link = link
        self._slots = [_Slot() for _ in range(connections)]
        self._free: list[MllpDestination] = []
        self._unanswered = 0
        self._unused = 0
        self._useful = False  # a message was answered since the link came up last
        self._pause: Any = None
        self._stopped = False
        self._retired = False

    @property
    def open_connections(self) -> int:
        """How many connections stand."""
        return sum(slot.connection is not None for slot in self._slots)

    @property
    def busy_connections(self) -> int:
        """How many wait for an answer."""
        return sum(
            slot.parked is not None or (slot.connection is not None and slot.connection.busy)
            for slot in self._slots
        )

    def free(self) -> bool:
        """Whether `send` may be called now."""
        return bool(self._free) and self._pause is None and not (self._silent and self.busy_connections)

    @property
    def _silent(self) -> bool:
        return self._unanswered > 1

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Sends on a free connection; `free()` must have been true.

        Real stores use one control ID for message after message. On a connection that has just answered that ID, a second or
        late answer to the message before would be taken for the answer to this one: it goes out on another, or on a new one.
        """
        for connection in reversed(self._free):
            if connection.answered_before != control_id:
                self._free.remove(connection)
                connection.send(payload, control_id, token)
                return
        slot = self._free.pop().slot
        slot.parked = (payload, control_id, token)
        slot.connection = None
        self._hang_up(slot)
        self._dial(slot)

    def want(self, waiting: int) -> None:
        """So many messages wait to leave: dial what is missing, one connection first, the rest once it stands."""
        if self._stopped or self._retired or self._pause is not None or waiting <= len(self._free):
            return
        missing = waiting - len(self._free)
        for number, slot in enumerate(self._slots):
            if missing <= 0:
                return
            if slot.service is None:
                if number and (not self.up or self._silent):
                    return
                self._dial(slot)
            if slot.connection is None:
                missing -= 1

    def _dial(self, slot: _Slot) -> None:
        slot.service = ClientService(
            self._endpoint,
            _Connected(self, slot),
            retryPolicy=self._retry_policy,
            clock=self.clock,
        )
        slot.service.startService()
        slot.service.whenConnected(failAfterFailures=1).addErrback(self._could_not_connect)

    def _retry_policy(self, failures: int) -> float:
        self.dial_failures = failures
        return self._delay_s(failures)

    def _could_not_connect(self, failure: Failure) -> None:
        if not (self._stopped or self.open_connections or failure.check(CancelledError)):
            self.say.warn("{name}: cannot connect: {why}", name=self.name, why=failure.getErrorMessage())
            self.up = False
            self._link(False)

    def _connected(self, connection: MllpDestination) -> None:
        slot = connection.slot
        slot.connection = connection
        self.dial_failures = 0
        self.up = True
        if slot.parked is not None:
            parked, slot.parked = slot.parked, None
            connection.send(*parked)
        else:
            self._free.append(connection)
        self._link(True)

    def _ended(
        self,
        connection: MllpDestination,
        token: Any,
        code: str | None,
        why: str | None,
        answer: bytes | None,
        lost: bool,
    ) -> None:
        if self._retired:
            self._hang_up(connection.slot)
        elif not connection.closed:
            self._free.append(connection)
        if code is not None:
            self._unanswered = self._unused = 0
            self._useful = True
        else:
            self._unanswered += 1
            # One lost answer is that message's trouble; when every connection has lost one, it is the hospital's.
            beyond = self._unanswered - len(self._slots)
            if beyond > 0:
                self._rest(beyond)
        self._answered(token, code, why, answer, at_once=lost and self._useful)

    def _rest(self, failures: int) -> None:
        """Leaves the hospital alone for a while."""
        if self._pause is None and not self._stopped:
            self._pause = self.clock.callLater(self._delay_s(failures), self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._dial_parked()
        self._ready()

    def _dial_parked(self) -> None:
        """Messages that wait for a new connection of their own have been promised one."""
        for slot in self._slots:
            if slot.parked is not None and slot.service is None and self._pause is None:
                self._dial(slot)

    def _lost(self, connection: MllpDestination) -> None:
        slot = connection.slot
        if connection in self._free:
            self._free.remove(connection)
        if slot.connection is not connection:
            return  # the slot has gone on to another one
        slot.connection = None
        if self._stopped or self._retired:
            return
        # ClientService would dial again at once; a hospital that closes an idle connection is dialled when there is work.
        self._hang_up(slot)
        # Whether the hospital is down is known only when it cannot be dialled again.
        self.up = bool(self.open_connections)
        if not self.up:
            useful, self._useful = self._useful, False
            if not (useful or connection.used):
                # It takes connections and closes them at once: dialled again at once, it would do so again.
                self._unused += 1
                self._rest(self._unused)
        self._ready()

    def _not_trusted(self, connection: MllpDestination, reason: Failure | None) -> None:
        """TLS was not agreed on: nothing has left, and dialling at once again would end the same."""
        self._hang_up(connection.slot)
        if self._stopped or self._retired:
            return
        self.dial_failures += 1
        if not self.open_connections:
            why = reason.getErrorMessage() if reason is not None else "closed"
            self.say.warn("{name}: cannot connect: TLS failed: {why}", name=self.name, why=why)
            self._link(False)
        self._rest(self.dial_failures)

    def _hang_up(self, slot: _Slot) -> None:
        service, slot.service = slot.service, None
        if service is not None:
            service.stopService()

    def retire(self) -> None:
        """Sends no more: connections close as their answers come, so that nothing ends unanswered for a change of settings."""
        self._retired = True
        for slot in self._slots:
            if slot.connection is None or not slot.connection.busy:
                self._hang_up(slot)
        self._give_up_parked()

    def _give_up_parked(self) -> None:
        for slot in self._slots:
            if slot.parked is not None:
                (_, _, token), slot.parked = slot.parked, None
                self._answered(token, None, "no connection was left for it", None)

    def stop(self) -> None:
        """Closes every connection; messages in flight end as unanswered."""
        self._stopped = True
        self._give_up_parked()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        for slot in self._slots:
            self._hang_up(slot)

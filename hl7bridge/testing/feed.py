"""A feed: sends messages over MLLP and waits for each answer, on as many connections as it is given.

A connection that breaks, or whose answer does not come in time, dials again and sends the same bytes again, as a real feed does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from hl7bridge.connectors.unreached import unreached
from hl7bridge.hl7 import ack, mllp


class Feed:
    """Sends `messages` (an iterable of bytes, taken as needed) to a stream client endpoint.

    `answered(message, code)` is called for each with the acknowledgment code, or `none` where the feed gave up. `rate` is messages a
    second over all connections, 0 without limit. `done` fires when every message has its answer.
    """

    def __init__(
        self,
        endpoint: Any,
        messages: Iterable[bytes],
        clock: Any,
        *,
        connections: int = 1,
        rate: float = 0.0,
        timeout_s: float = 30.0,
        redial_s: float = 0.2,
        tries: int = 25,
        answered: Callable[[bytes, str], None] = lambda message, code: None,
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.rate = rate
        self.timeout_s = timeout_s
        self.redial_s = redial_s
        self.tries = tries
        self.codes: Counter[str] = Counter()
        self.resent = 0
        self.last_error: str | None = None
        self.done: Deferred[Counter[str]] = Deferred()
        self._messages: Iterator[bytes] = iter(messages)
        self._answered = answered
        self._taken = 0
        self._started = clock.seconds()
        self._running = connections
        self._again: deque[bytes] = deque()
        self._stopped = False
        for _ in range(connections):
            _Sender(self).dial()

    def stop(self) -> None:
        """Takes no further messages."""
        self._stopped = True

    def _next(self) -> bytes | None:
        return None if self._stopped else next(self._messages, None)

    def _wait_s(self) -> float:
        """How long the next message must wait for the rate."""
        self._taken += 1
        if not self.rate:
            return 0.0
        return max(0.0, self._started + (self._taken - 1) / self.rate - self.clock.seconds())

    def _told(self, message: bytes, code: str) -> None:
        self.codes[code] += 1
        self._answered(message, code)

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self.done.callback(self.codes)


class _Sender:
    """One connection's worth: a message at a time."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.message: bytes | None = None
        self.control_id = b""
        self.connection: _Connection | None = None
        self.failures = 0
        self.timer: Any = None

    def dial(self) -> None:
        if self.message is None:
            self.message = self.feed._next()
            if self.message is None:
                self.feed._ended()
                return
            fields = self.message.split(self.message[3:4], 10)
            self.control_id = fields[9].split(b"\r", 1)[0] if len(fields) > 9 else b""
        if self.connection is not None:
            self.feed.clock.callLater(self.feed._wait_s(), self.send)
        else:
            factory = Factory.forProtocol(_Connection)
            factory.noisy = False
            self.feed.endpoint.connect(factory).addCallbacks(self.connected, self.not_connected)

    def connected(self, connection: _Connection) -> None:
        self.connection = connection
        connection.sender = self
        self.feed.clock.callLater(self.feed._wait_s(), self.send)

    def not_connected(self, failure: Failure) -> None:
        self.feed.last_error = unreached(failure)
        self.again()

    def send(self) -> None:
        if self.connection is None or self.message is None:
            return
        self.timer = self.feed.clock.callLater(self.feed.timeout_s, self.no_answer)
        self.connection.transport.write(mllp.frame(self.message))

    def no_answer(self) -> None:
        self.timer = None
        self.feed.last_error = f"no answer within {self.feed.timeout_s:g} s"
        if self.connection is not None:
            self.connection.transport.abortConnection()

    def answer(self, payload: bytes) -> None:
        answer = ack.read(payload, self.control_id)
        if self.message is None or not answer.matches:
            return
        self.quiet()
        message, self.message = self.message, None
        self.failures = 0
        self.feed._told(message, answer.code or "garbage")
        self.dial()

    def quiet(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def lost(self) -> None:
        self.quiet()
        self.connection = None
        if self.message is not None:
            self.feed.last_error = self.feed.last_error or "the connection closed"
            self.again()

    def again(self) -> None:
        self.failures += 1
        if self.failures >= self.feed.tries:
            message, self.message = self.message, None
            self.failures = 0
            if message is not None:
                self.feed._told(message, "none")
        else:
            self.feed.resent += 1
        self.feed.clock.callLater(self.feed.redial_s, self.dial)


class _Connection(Protocol):
    sender: _Sender | None = None

    def connectionMade(self) -> None:
        self._framer = mllp.Framer()
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        for event in self._framer.feed(data):
            if isinstance(event, mllp.Frame) and self.sender is not None:
                self.sender.answer(event.payload)

    def connectionLost(self, reason: object = None) -> None:
        if self.sender is not None:
            self.sender.lost()

"""A network in memory, with a clock that is turned by hand: what happens on it is decided by a seed and happens again with it.

Bytes written on one side arrive on the other after a delay and in pieces, both chosen by the seed; a connection can be torn at any
byte. It knows Twisted's interfaces and nothing of HL7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

#: Calls at one moment, beyond which something is taken to ask for itself again and again.
MOST_AT_ONCE = 200_000


class EventClock(Clock):
    """A clock that is turned by hand, as Twisted's, which sorts all that is pending with each call: with thousands it stands still."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._count = count()

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> DelayedCall:
        """A call after so many seconds."""
        call = DelayedCall(
            self.seconds() + delay, callable, args, kw, lambda _: None, self._push, self.seconds
        )
        self._push(call)
        return call

    def _push(self, call: DelayedCall) -> None:
        heappush(self._heap, (call.getTime(), next(self._count), call))

    def next_time(self) -> float | None:
        """When the next call is due, in the clock's seconds; None if none is pending."""
        while self._heap:
            time, _, call = self._heap[0]
            if call.active() and call.getTime() == time:
                return time
            heappop(self._heap)
            if call.active() and call.getTime() > time:
                self._push(call)  # it was put off
        return None

    def advance(self, amount: float) -> None:
        """Turns the clock, and makes the calls that fall due."""
        self.rightNow += amount
        moment, made = -1.0, 0
        while (due := self.next_time()) is not None and due <= self.seconds():
            moment, made = (due, 1) if due > moment else (moment, made + 1)
            if made > MOST_AT_ONCE:
                raise RuntimeError("calls that ask for calls at once, for ever: time stands still")
            call = heappop(self._heap)[2]
            call.called = 1
            call.func(*call.args, **call.kw)

    def getDelayedCalls(self) -> list[DelayedCall]:
        """What is pending, each once."""
        return list({id(call): call for _, _, call in self._heap if call.active()}.values())


class Process:
    """Everything one process does on the network: its timers and connections end with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.alive = True
        self.ends: set[End] = set()

    def seconds(self) -> float:
        """The network's time."""
        return self._clock.seconds()

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A timer that dies with the process."""

        def call() -> None:
            if self.alive:
                function(*args, **kwargs)

        return self._clock.callLater(delay, call)

    def kill(self) -> None:
        """As kill -9 does: nothing more runs, and the other sides see their connections break."""
        self.alive = False
        for end in list(self.ends):
            end.tear()


class End:
    """One side of a connection: the transport of one protocol."""

    def __init__(self, network: Network, process: Process) -> None:
        self.network = network
        self.process = process
        self.protocol: Any = None
        self.other: End = self
        self.connected = True
        self._unread = bytearray()
        self._paused = False
        self._closing = False
        self._arriving = False
        process.ends.add(self)

    def write(self, data: bytes) -> None:
        """Bytes leave for the other side."""
        if self.connected and not self._closing and self.process.alive:
            self.other._unread += data
            self.network.written += len(data)
            self.other._arrive()

    def _arrive(self) -> None:
        if not self._arriving and self.connected:
            self._arriving = True
            self.network.clock.callLater(self.network.delay(), self._read)

    def _read(self) -> None:
        self._arriving = False
        if not self.connected or self._paused:
            return
        if self._unread:
            size = self.network.piece(len(self._unread))
            data = bytes(self._unread[:size])
            del self._unread[:size]
            if self.process.alive:
                self.protocol.dataReceived(data)
        if self._unread:
            self._arrive()
        elif self.other._closing:
            self._lost(ConnectionDone())
            self.other._lost(ConnectionDone())

    def loseConnection(self) -> None:
        """Closes once everything written has arrived."""
        if self.connected and not self._closing:
            self._closing = True
            self.other._arrive()

    @property
    def disconnecting(self) -> bool:
        """Whether it is closed from here; Twisted's line protocols read no further then."""
        return self._closing

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """Several pieces at once."""
        self.write(b"".join(pieces))

    def abortConnection(self) -> None:
        """Closes now; what is under way is lost."""
        self.tear()

    def tear(self) -> None:
        """Both sides see the connection break."""
        if self.connected:
            self._lost(ConnectionLost())
            self.other._lost(ConnectionLost())

    def _lost(self, reason: Exception) -> None:
        if not self.connected:
            return
        self.connected = False
        self.process.ends.discard(self)
        self._unread.clear()
        if self.process.alive:
            # As a reactor does: never from inside the call that closed it.
            self.process.callLater(0, self.protocol.connectionLost, Failure(reason))

    def pauseProducing(self) -> None:
        """Reads no more."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Reads again."""
        self._paused = False
        self._arrive()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Nothing is ever too much for this network."""

    def unregisterProducer(self) -> None:
        """As little."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to do in memory."""

    def getPeer(self) -> IPv4Address:
        """The same for all."""
        return IPv4Address("TCP", "127.0.0.1", 1)

    getHost = getPeer


class Port:
    """A listening port; `stopListening` closes it, as a reactor does: in its next turn, until which the number is taken."""

    def __init__(self, network: Network, number: int) -> None:
        self._network = network
        self._number = number

    @property
    def factory(self) -> Any:
        """What connections are built by; it may be changed while the port is open."""
        return self._network.listeners[self._number][0]

    @factory.setter
    def factory(self, factory: Any) -> None:
        self._network.listeners[self._number] = (factory, self._network.listeners[self._number][1])

    def stopListening(self) -> Deferred[None]:
        """What is connected stays."""
        mine = self._network.listeners.get(self._number)

        def close() -> None:
            if self._network.listeners.get(self._number) is mine:
                del self._network.listeners[self._number]

        if mine is not None:
            self._network.clock.callLater(0, close)
        return succeed(None)


class Network:
    """All hosts and their connections. With a seed bytes come in random pieces; without one, each write at once and whole."""

    def __init__(self, seed: int | None = None) -> None:
        self.clock = EventClock()
        self.random = Random(seed)
        self.seeded = seed is not None
        self.listeners: dict[int, tuple[Any, Process]] = {}
        #: How a dial of a port fails, where it is not that nobody listens.
        self.unreachable: dict[int, Exception] = {}
        self.written = 0

    def delay(self) -> float:
        """Seconds until bytes arrive."""
        return self.random.choice((0.0, 0.0, 0.001, 0.01)) if self.seeded else 0.0

    def piece(self, size: int) -> int:
        """How many of so many bytes arrive together."""
        return self.random.randint(1, size) if self.seeded and self.random.random() < 0.3 else size

    def process(self) -> Process:
        """A new process."""
        return Process(self.clock)

    def listen(self, number: int, factory: Any, process: Process) -> Port:
        """Opens a port. Raises CannotListenError where a process that lives has it."""
        if number in self.listeners and self.listeners[number][1].alive:
            raise CannotListenError("127.0.0.1", number, OSError(98, "Address already in use"))
        self.listeners[number] = (factory, process)
        return Port(self, number)

    def endpoint(self, number: int, process: Process) -> Endpoint:
        """Where `process` dials a port."""
        return Endpoint(self, number, process)

    def connect(self, number: int, factory: Any, process: Process) -> Deferred[Any]:
        """Connects; refused where nobody listens."""
        if number in self.unreachable:
            return fail(self.unreachable[number])
        factory_there, process_there = self.listeners.get(number, (None, None))
        if factory_there is None or process_there is None or not process_there.alive:
            return fail(ConnectionRefusedError())
        there = factory_there.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        if there is None:
            return fail(ConnectionLost())
        here = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", number))
        mine, theirs = End(self, process), End(self, process_there)
        mine.other, theirs.other = theirs, mine
        mine.protocol, theirs.protocol = here, there
        there.makeConnection(theirs)
        here.makeConnection(mine)
        return succeed(here)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Turns the clock from event to event for so many seconds, or until something holds; tells whether it does."""
        end = self.clock.seconds() + seconds
        while not until():
            due = self.clock.next_time()
            if due is None:
                return until()
            if due > end:
                self.clock.advance(max(0.0, end - self.clock.seconds()))
                return until()
            self.clock.advance(max(0.0, due - self.clock.seconds()))
        return True


@implementer(IStreamClientEndpoint)
class Endpoint:
    """One port of a network, as one process dials it."""

    def __init__(self, network: Network, number: int, process: Process) -> None:
        self._network = network
        self._number = number
        self._process = process

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connects, or fails, as soon as the clock turns."""
        connected: Deferred[Any] = Deferred()

        def dial() -> None:
            self._network.connect(self._number, factory, self._process).chainDeferred(connected)

        self._process.callLater(0, dial)
        return connected

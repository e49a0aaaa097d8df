"""An MLLP listener: bytes from a feed become frames, answers go back.

It enforces what belongs to the connection (allowed networks, number of connections, size of a message, idle time) and leaves the
meaning of a frame to the callable it was given. It knows no channel and no store. Reference: HL7 transport specification MLLP,
release 1 (start block 0x0B, end block 0x1C 0x0D), and release 2 for the optional commit acknowledgements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol as Interface

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin

from hl7bridge.connectors.sparing import Sparing
from hl7bridge.connectors.straight import straight
from hl7bridge.hl7 import mllp

log = Logger(namespace="hl7bridge.mllp.source")


class Feed(Interface):
    """What a listener hands frames to."""

    def frame(self, connection: MllpSource, payload: bytes) -> None:
        """One whole frame came, without its start and end block."""

    def too_large(self, connection: MllpSource, head: bytes) -> None:
        """A message outgrew the limit and was thrown away but for its first bytes."""

    def held(self, connection: MllpSource, change_bytes: int) -> None:
        """The bytes this connection holds of an unfinished message changed by so many."""

    def gone(self, connection: MllpSource) -> None:
        """The connection closed."""


class MllpSource(Protocol, TimeoutMixin):
    """One connection of a feed."""

    factory: MllpListener
    closed = False

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.held = 0
        self._paused = False
        self._unread = False

    def connectionMade(self) -> None:
        self.factory.connections[self] = None
        self._framer = mllp.Framer(self.factory.max_message_bytes)
        self.transport.setTcpNoDelay(True)
        self._write = straight(self.transport)
        # A sender that does not read its answers is not read from either: they would fill the memory.
        self.transport.registerProducer(self, True)
        if self.factory.idle_after_s:
            self.setTimeout(self.factory.idle_after_s)

    def callLater(self, period: float, func: Callable[[], None]) -> object:
        """TimeoutMixin's clock: the factory's."""
        return self.factory.clock.callLater(period, func)

    def dataReceived(self, data: bytes) -> None:
        if self.factory.idle_after_s:
            self.resetTimeout()
        feed = self.factory.feed
        for event in self._framer.feed(data):
            if type(event) is mllp.Frame:
                feed.frame(self, event.payload)
            elif type(event) is mllp.TooLarge:
                feed.too_large(self, event.head)
            elif type(event) is mllp.Junk or type(event) is mllp.Broken:
                self.factory.say.warn(
                    "{source}: dropped {size} bytes from {peer}: {why}",
                    source=self.factory.name,
                    size=event.size_bytes,
                    peer=self.peer,
                    why="outside of any frame" if type(event) is mllp.Junk else "a frame was broken off",
                )
        held = self._framer.buffered
        if held != self.held:
            change, self.held = held - self.held, held
            feed.held(self, change)

    def answer(self, payload: bytes) -> None:
        """Sends one acknowledgement, framed; does nothing when the feed has gone."""
        if not self.closed:
            self._write(mllp.frame(payload))

    def commit(self, positive: bool) -> None:
        """Sends an MLLP release 2 commit acknowledgement."""
        if not self.closed:
            self._write(mllp.commit_ack if positive else mllp.commit_nak)

    def ended(self, code: str | None, number: int) -> None:
        """A sender hears only what it asked for."""

    def pause(self) -> None:
        """Stops reading: the feed feels it as TCP back-pressure."""
        self._paused = True
        self._read_or_not()

    def resume(self) -> None:
        """Reads on, unless answers wait to be read."""
        self._paused = False
        self._read_or_not()

    def pauseProducing(self) -> None:
        """The transport's: answers lie unread."""
        self._unread = True
        self._read_or_not()

    def resumeProducing(self) -> None:
        """The transport's: the answers have left."""
        self._unread = False
        self._read_or_not()

    def stopProducing(self) -> None:
        """The transport's, when the connection is lost."""

    def _read_or_not(self) -> None:
        if self.closed:
            return
        if self._paused or self._unread:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def timeoutConnection(self) -> None:
        self.factory.say.info(
            "{source}: closed an idle connection from {peer}", source=self.factory.name, peer=self.peer
        )
        self.close()

    def close(self) -> None:
        """Closes once what was written has left; answers that nobody reads are not waited for."""
        if self.closed:
            return
        if self._unread:
            self.transport.abortConnection()
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def connectionLost(self, reason: object = None) -> None:
        self.closed = True
        self.setTimeout(None)
        self.factory.connections.pop(self, None)
        if self.held:
            change, self.held = -self.held, 0
            self.factory.feed.held(self, change)
        self.factory.feed.gone(self)


class MllpListener(Factory):
    """All connections of one source. `allow` lists networks in CIDR form; empty means everybody."""

    noisy = False

    def __init__(
        self,
        name: str,
        feed: Feed,
        clock: IReactorTime,
        *,
        max_message_bytes: int,
        max_connections: int | None = None,
        allow: Iterable[str] = (),
        idle_after_s: float | None = None,
    ) -> None:
        self.name = name
        self.feed = feed
        self.clock = clock
        self.say = Sparing(log, clock)
        self.connections: dict[MllpSource, None] = {}
        self.settle(
            max_message_bytes=max_message_bytes,
            max_connections=max_connections,
            allow=allow,
            idle_after_s=idle_after_s,
        )

    def settle(
        self,
        *,
        max_message_bytes: int,
        max_connections: int | None = None,
        allow: Iterable[str] = (),
        idle_after_s: float | None = None,
    ) -> None:
        """New limits; connections that stand keep the size of message they began with."""
        self.max_message_bytes = max_message_bytes
        self.max_connections = max_connections
        self.allow: list[IPv4Network | IPv6Network] = [ip_network(cidr, strict=False) for cidr in allow]
        self.idle_after_s = idle_after_s

    def buildProtocol(self, addr: IAddress) -> MllpSource | None:
        host = getattr(addr, "host", "")
        if self.allow and not self._allowed(host):
            self.say.warn(
                "{source}: refused a connection from {peer}: not in the allow list",
                source=self.name,
                peer=host,
            )
            return None
        if self.max_connections is not None and len(self.connections) >= self.max_connections:
            self.say.warn(
                "{source}: refused a connection from {peer}: {most} are open, the most allowed",
                source=self.name,
                peer=host,
                most=self.max_connections,
            )
            return None
        protocol = MllpSource(host)
        protocol.factory = self
        return protocol

    def _allowed(self, host: str) -> bool:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.allow)

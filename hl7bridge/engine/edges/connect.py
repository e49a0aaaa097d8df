"""From settings to sockets: listeners for sources, pools and folders for destinations."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory

from hl7bridge.channel.settings import CoverSettings, DestinationSettings, WatchedFolder
from hl7bridge.channel.settings import MllpListener as Listener
from hl7bridge.channel.written.filename import file_name
from hl7bridge.connectors import tls
from hl7bridge.connectors.document_outbox import MOST_WAITING, DocumentOutbox
from hl7bridge.connectors.file_destination import FileDestination
from hl7bridge.connectors.file_source import FileSource, Take
from hl7bridge.connectors.inbox import Inbox
from hl7bridge.connectors.mllp_pool import MllpPool
from hl7bridge.connectors.mllp_source import Feed, MllpListener
from hl7bridge.connectors.smtp_destination import SmtpDestination
from hl7bridge.delivery.queue import Entry
from hl7bridge.delivery.retry import Backoff
from hl7bridge.engine.delivering.deliver import Delivery, Policy
from hl7bridge.engine.delivering.documents import Cover, mail, outgoing
from hl7bridge.engine.delivering.pool import Pool
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message

#: Seconds to wait for a connection to be accepted.
CONNECT_S = 15
#: Claims that may be out at once for each connection: enough that a free connection never waits for a commit.
AHEAD = 8
BACKLOG = 1024


class CannotListen(HL7BridgeError):
    """A port that cannot be opened. Code: `cannot-listen`."""


def policy_of(settings: DestinationSettings) -> Policy:
    """How this destination's answers are taken."""
    retry = settings.retry
    backoff = Backoff(retry.first_s, retry.factor, retry.most_s, retry.jitter)
    return Policy(backoff, retry.give_up_s, dict(settings.answers))


def ahead_of(settings: DestinationSettings) -> int:
    """How many claims may be out at once: a document is out until it is confirmed."""
    if settings.documents is not None:
        return MOST_WAITING
    return AHEAD * settings.connections


def limits_of(mllp: Listener) -> dict[str, Any]:
    """What a source's connections are held to."""
    return {
        "max_message_bytes": mllp.max_message_bytes,
        "max_connections": mllp.max_connections,
        "allow": mllp.allow,
        "idle_after_s": mllp.idle_after_s,
    }


class Connector:
    """Opens what a configuration names. A simulation replaces `open_port` and `endpoint` by transports in memory."""

    def __init__(self, reactor: Any, folder: Path, data: Path, chance: Callable[[], float]) -> None:
        self.reactor = reactor
        self.folder = folder
        self.data = data
        self.chance = chance

    def listener(self, name: str, mllp: Listener, feed: Feed) -> MllpListener:
        """The factory of a source's connections."""
        return MllpListener(name, feed, self.reactor, **limits_of(mllp))

    def served(self, mllp: Listener, factory: MllpListener) -> Any:
        """What a source's port serves: the factory, behind TLS where the source wants it. Raises TlsError."""
        keys = mllp.tls
        if keys is None:
            return factory
        options = tls.server(
            self.folder / keys.certificate,
            self.folder / keys.key,
            self.folder / keys.client_ca if keys.client_ca else None,
        )
        return TLSMemoryBIOFactory(options, False, factory, self.reactor)

    def listen(self, name: str, mllp: Listener, factory: MllpListener) -> Any:
        """Opens a source's port. Raises CannotListen, TlsError."""
        served = self.served(mllp, factory)
        try:
            return self.open_port(mllp.host, mllp.port, served)
        except CannotListenError as error:
            raise CannotListen(
                f"port {mllp.port} cannot be opened: {getattr(error.socketError, 'strerror', error.socketError)}",
                code="cannot-listen",
                place=f"source {name}",
                hint="another program may use it: ss -ltnp shows which",
            ) from None

    def open_port(self, host: str, number: int, served: Any) -> Any:
        """Listens. Raises CannotListenError."""
        return self.reactor.listenTCP(number, served, interface=host, backlog=BACKLOG)

    def inbox(self, settings: WatchedFolder) -> Inbox:
        """A watched folder; it is not touched yet."""
        return Inbox(
            self.data / settings.folder,
            settings.pattern,
            settings.settled_s,
            settings.max_message_bytes,
            never=self.data,
            unended_fails=settings.unended_fails,
        )

    def files(self, name: str, settings: WatchedFolder, take: Take, wall_us: Callable[[], int]) -> FileSource:
        """The source of a watched folder's messages."""
        return FileSource(
            name,
            self.inbox(settings),
            settings.every_s,
            settings.keep_s,
            take,
            self.run_elsewhere,
            self.reactor,
            wall_us,
        )

    def hand_over(self, port: Any, served: Any) -> None:
        """An open port serves something else from now on; it is not closed, so nobody is refused meanwhile."""
        before, port.factory = port.factory, served
        if before is not served:
            served.doStart()
            before.doStop()

    def endpoint(self, settings: DestinationSettings) -> IStreamClientEndpoint:
        """Where a destination is dialled. Raises TlsError."""
        target = settings.mllp
        assert target is not None
        endpoint = HostnameEndpoint(self.reactor, target.host, target.port, timeout=CONNECT_S)
        if target.tls is None:
            return endpoint
        keys = target.tls
        options = tls.client(
            keys.name or target.host,
            self.folder / keys.ca if keys.ca else None,
            self.folder / keys.certificate if keys.certificate else None,
            self.folder / keys.key if keys.key else None,
        )
        return wrapClientTLS(options, endpoint)

    def wall_s(self) -> float:
        """The time of day, in seconds since the epoch."""
        return time.time()

    def run_elsewhere(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a blocking call in a thread; gives a Deferred."""
        return deferToThread(function, *arguments)

    def pool(self, settings: DestinationSettings, delivery: Delivery) -> Pool:
        """What deliveries to this destination leave through. Raises TlsError."""
        if settings.file is not None:
            return FileDestination(
                settings.name,
                self.data / settings.file.folder,
                partial(_file_name, settings.file.name, settings.name),
                self.run_elsewhere,
                connections=settings.connections,
                answered=delivery.answered,
                ready=delivery.pump,
            )
        if settings.documents is not None:
            return self._outbox(settings, delivery)
        if settings.smtp is not None:
            return self._mail(settings, delivery)
        backoff = policy_of(settings).backoff
        return MllpPool(
            settings.name,
            self.endpoint(settings),
            self.reactor,
            connections=settings.connections,
            timeout_s=settings.timeout_s,
            delay_s=lambda failures: backoff.delay_s(failures, self.chance()),
            answered=delivery.answered,
            ready=delivery.pump,
            link=delivery.link,
        )

    def _outbox(self, settings: DestinationSettings, delivery: Delivery) -> DocumentOutbox:
        target = settings.documents
        assert target is not None
        return DocumentOutbox(
            settings.name,
            self.data / target.folder,
            lambda entry: str(entry.id),
            partial(outgoing, _cover(target.cover)),
            self.run_elsewhere,
            self.reactor,
            self.wall_s,
            confirm_within_s=target.confirm_within_s,
            connections=settings.connections,
            answered=delivery.answered,
            ready=delivery.pump,
        )

    def _mail(self, settings: DestinationSettings, delivery: Delivery) -> SmtpDestination:
        target = settings.smtp
        assert target is not None
        secure = None
        if target.tls != "no":
            secure = tls.client(target.host, self.folder / target.ca if target.ca else None, None, None)
        return SmtpDestination(
            settings.name,
            self.dial(target.host, target.port, secure if target.tls == "tls" else None),
            partial(mail, target, _cover(target.cover)),
            self.run_elsewhere,
            self.reactor,
            starttls=secure if target.tls == "starttls" else None,
            login=target.login,
            timeout_s=settings.timeout_s,
            connections=settings.connections,
            answered=delivery.answered,
            ready=delivery.pump,
        )

    def dial(self, host: str, port: int, secure: Any) -> IStreamClientEndpoint:
        """Where a mail server is dialled; `secure` is how it is checked where TLS begins with the first byte."""
        endpoint = HostnameEndpoint(self.reactor, host, port, timeout=CONNECT_S)
        return endpoint if secure is None else wrapClientTLS(secure, endpoint)


def _cover(settings: CoverSettings | None) -> Cover | None:
    return None if settings is None else Cover(settings.sender, settings.lines)


def _file_name(template: str, destination: str, entry: Entry, payload: bytes) -> str:
    received = datetime.fromtimestamp(entry.received_us / 1e6, UTC)
    return file_name(template, Message(payload), id=str(entry.id), received=received, destination=destination)

"""The ports of sources: opened, handed over from one configuration to the next, closed.

A port that a new configuration serves too stays open, whatever the source is called, and a source's connections stay with it. What may
fail (a port in use, a key that cannot be read) is done in `prepare`, before anything else changes.

Raises CannotListen and TlsError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted.logger import Logger

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import MllpListener as Settings
from hl7bridge.connectors.mllp_source import MllpListener
from hl7bridge.engine.edges.connect import Connector, limits_of
from hl7bridge.engine.receiving.budget import Budget
from hl7bridge.engine.receiving.feed import Feed
from hl7bridge.engine.receiving.receive import Receiver

log = Logger(namespace="hl7bridge.engine")


class Listening(NamedTuple):
    """A source's open port."""

    settings: Settings
    port: Any
    factory: MllpListener


class Opening(NamedTuple):
    """What a new configuration needs: sources on new addresses, and what shall be served where a port is open already."""

    opened: dict[str, Listening]
    handed: dict[str, tuple[Listening, Any]]

    def undo(self) -> None:
        """The configuration is not taken."""
        for listening in self.opened.values():
            listening.port.stopListening()


class Ports:
    """Of one engine."""

    def __init__(self, connector: Connector, receiver: Receiver, budget: Budget) -> None:
        self._connector = connector
        self._receiver = receiver
        self._budget = budget
        self._open: dict[str, Listening] = {}

    def __getitem__(self, source: str) -> Listening:
        return self._open[source]

    @property
    def connections(self) -> dict[str, int]:
        """Open connections of each source."""
        return {name: len(factory.connections) for name, (_, _, factory) in self._open.items()}

    def prepare(self, new: Configuration) -> Opening:
        """Opens what is not open yet; nothing of it is served before `take`."""
        opening = Opening({}, {})
        try:
            self._prepare(new, opening)
        except Exception:
            opening.undo()
            raise
        return opening

    def _prepare(self, new: Configuration, opening: Opening) -> None:
        here = {(each.settings.host, each.settings.port): each.port for each in self._open.values()}
        for name, source in new.sources.items():
            mllp, old = source.mllp, self._open.get(name)
            if mllp is None or (old is not None and old.settings == mllp):
                continue
            # The source's connections stay, so its factory does, whichever port it has.
            factory = old.factory if old is not None else self._factory(name, mllp)
            port = here.get((mllp.host, mllp.port))
            if port is not None:
                opening.handed[name] = Listening(mllp, port, factory), self._connector.served(mllp, factory)
            else:
                opening.opened[name] = Listening(mllp, self._connector.listen(name, mllp, factory), factory)

    def _factory(self, name: str, mllp: Settings) -> MllpListener:
        return self._connector.listener(name, mllp, Feed(name, self._receiver, self._budget))

    def take(self, new: Configuration, opening: Opening) -> None:
        """The new configuration is in force: what it does not have is closed."""
        before, serves = self._open, {name for name, source in new.sources.items() if source.mllp is not None}
        self._open = {name: each for name, each in before.items() if name in serves} | opening.opened
        for name, (listening, served) in opening.handed.items():
            self._open[name] = listening
            self._connector.hand_over(listening.port, served)
        for name in (*opening.opened, *opening.handed):
            listening = self._open[name]
            listening.factory.settle(**limits_of(listening.settings))
            if name not in before:
                place = f"{listening.settings.host}:{listening.settings.port}"
                log.info("{name}: listening on {place}", name=name, place=place)
        for name, old in before.items():
            if all(old.port is not each.port for each in self._open.values()):
                old.port.stopListening()
            if name not in serves:
                for connection in list(old.factory.connections):
                    connection.close()

    def close(self) -> None:
        """Takes no new connections."""
        for _, port, _ in self._open.values():
            port.stopListening()

    def close_connections(self) -> None:
        """Lets go of those who are connected, when they have what was written to them."""
        for _, _, factory in self._open.values():
            for connection in list(factory.connections):
                connection.close()

    def abort(self) -> None:
        """Nothing may be answered any more."""
        self.close()
        for _, _, factory in self._open.values():
            for connection in list(factory.connections):
                connection.transport.abortConnection()

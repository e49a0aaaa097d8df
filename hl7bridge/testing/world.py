"""A whole site in memory: feeds, the engine, hospitals, a store; crashes at will, and an account of what must hold.

The engine is the real one with its channels; only the network, the clock and the disk are of memory. A `Ledger` keeps what the feeds
were told and what the hospitals got, and says what is lost, repeated without a mark, or out of order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from hl7bridge.channel.settings import WatchedFolder
from hl7bridge.connectors.inbox import Inbox
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.engine.edges.connect import Connector
from hl7bridge.engine.keeping.writer import Then, attempt
from hl7bridge.engine.service import Engine
from hl7bridge.hl7 import ack, mllp
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import Store, StoreUnknown
from hl7bridge.testing.feed import Feed
from hl7bridge.testing.hospital import Hospital, Script
from hl7bridge.testing.network import Network, Process

#: Microseconds since the epoch when a simulation begins: 2026-11-21 12:00 UTC.
NOON_US = 1_795_262_400_000_000


class Crash(BaseException):
    """The process ends here; no handler of the engine may catch it."""


class MemoryConnector(Connector):
    """Opens ports and connections on a network in memory; files are written at once."""

    def __init__(self, network: Network, process: Process, folder: Path, data: Path) -> None:
        super().__init__(process, folder, data, network.random.random)
        self.network = network
        self.process = process
        self.inboxes: list[Inbox] = []

    def open_port(self, host: str, number: int, served: Any) -> Any:
        return self.network.listen(number, served, self.process)

    def endpoint(self, settings: Any) -> Any:
        return self.network.endpoint(settings.mllp.port, self.process)

    def dial(self, host: str, port: int, secure: Any) -> Any:
        return self.network.endpoint(port, self.process)

    def wall_s(self) -> float:
        return self.process.seconds()

    def inbox(self, settings: WatchedFolder) -> Inbox:
        made = super().inbox(settings)
        self.inboxes.append(made)
        return made

    def run_elsewhere(self, function: Callable[..., Any], *arguments: Any) -> Any:
        from twisted.internet.defer import maybeDeferred

        return maybeDeferred(function, *arguments)


class LaterWriter:
    """What it is asked happens in a later turn, and is told in one that is later still, as where the store has a process of its own: a
    crash may come between the two.
    """

    def __init__(self, store: Store, process: Process, takes_s: Callable[[], float]) -> None:
        self.lost: Callable[[StoreUnknown], None] = lambda error: None
        self.say: Sparing | None = None
        self._store = store
        self._process = process
        self._takes_s = takes_s

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        self._process.callLater(0, self._do, verb, arguments, then)

    def _do(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        ended = attempt(lambda: getattr(self._store, verb)(*arguments), self.say)
        self._process.callLater(self._takes_s(), then, *ended)

    def stop(self) -> None:
        """Nothing to end."""


class Ledger:
    """What the outside saw."""

    def __init__(self) -> None:
        self.answered: dict[str, str] = {}
        self.delivered: dict[int, list[tuple[str, str]]] = defaultdict(list)

    def told(self, message: bytes, code: str) -> None:
        """A feed got its answer."""
        self.answered[_control_id(message)] = code

    def seen(self, port: int) -> Callable[[bytes, str], None]:
        """For a hospital: notes each message with the code it answers."""

        def note(payload: bytes, code: str) -> None:
            self.delivered[port].append((_control_id(payload), code))

        return note

    def ids(self, port: int) -> list[str]:
        """Control IDs in the order in which the hospital first got them."""
        return list(dict.fromkeys(control_id for control_id, _ in self.delivered[port]))

    def lost(self, port: int) -> set[str]:
        """Acknowledged to the feed and never seen by the hospital."""
        return {each for each, code in self.answered.items() if code in ("AA", "CA")} - set(self.ids(port))

    def reordered(self, port: int, key: Callable[[str], Any], place: Callable[[str], Any]) -> list[str]:
        """Control IDs that a hospital first got behind a later one of the same key."""
        last: dict[Any, Any] = {}
        late = []
        for control_id in self.ids(port):
            mine = key(control_id)
            if mine in last and place(control_id) < last[mine]:
                late.append(control_id)
            last[mine] = max(last.get(mine, place(control_id)), place(control_id))
        return late

    def repeated(self, port: int) -> set[str]:
        """Control IDs that a hospital accepted more than once."""
        count: dict[str, int] = defaultdict(int)
        for control_id, code in self.delivered[port]:
            count[control_id] += code not in ("AE", "AR", "CE", "CR")
        return {control_id for control_id, times in count.items() if times > 1}


class World:
    """One site. `store` is opened by `open_store(before)`, where `before` is what a crash left, None at first."""

    def __init__(
        self, folder: Path, open_store: Callable[[Store | None], Store], *, seed: int | None = None
    ) -> None:
        self.network = Network(seed)
        self.folder = folder
        self.ledger = Ledger()
        self.outside = self.network.process()
        self.hospitals: dict[int, Hospital] = {}
        self.crashes = 0
        #: Days that went by while nobody was here.
        self.days = 0
        #: The longest that a transaction takes, in seconds.
        self.commit_s = 0.002
        self._open_store = open_store
        self._store: Store | None = None
        self.engine: Engine | None = None
        self._connector: MemoryConnector | None = None
        self.process: Process | None = None

    @property
    def store(self) -> Store:
        """The store of the engine that runs."""
        assert self._store is not None
        return self._store

    def wall_us(self) -> int:
        """The wall's time; it goes with the network's clock, and is `days` ahead of it."""
        return NOON_US + int(self.network.clock.seconds() * 1e6) + self.days * 86_400_000_000

    def hospital(self, port: int, script: Script | None = None) -> Hospital:
        """Opens a hospital on a port."""
        hospital = Hospital(self.outside, script or Script(), self.ledger.seen(port))
        self.hospitals[port] = hospital
        self.network.listen(port, hospital, self.outside)
        return hospital

    def start(self) -> Engine:
        """Starts the engine over what the store holds; a crash while starting leaves it down."""
        self.process = self.network.process()
        self._store = self._open_store(self._store)
        data = self.folder.parent / "data"
        data.mkdir(exist_ok=True)
        self._connector = MemoryConnector(self.network, self.process, self.folder, data)
        self.engine = Engine(
            self.folder,
            self._store,
            self._connector,
            wall_us=self.wall_us,
            chance=self.network.random.random,
            fatal=self._fatal,
            writer=LaterWriter(
                self._store, self.process, lambda: self.network.random.random() * self.commit_s
            ),
        )
        self.engine.start()
        return self.engine

    def _fatal(self, error: StoreUnknown) -> None:
        raise Crash

    def crash(self) -> None:
        """Ends the engine's process as kill -9 does."""
        self.crashes += 1
        for inbox in self._connector.inboxes if self._connector is not None else ():
            inbox.close()  # as the system does for a process that has ended
        if self.process is not None:
            self.process.kill()
        self.engine = None

    def feed(self, port: int, messages: Iterable[bytes], *, connections: int = 1, **options: Any) -> Feed:
        """A feed that sends to the engine, and repeats what was not answered."""
        options.setdefault("tries", 1000)
        return Feed(
            self.network.endpoint(port, self.outside),
            messages,
            self.outside,
            connections=connections,
            answered=self.ledger.told,
            **options,
        )

    def client(self, port: int) -> Client:
        """A connection of a feed, byte by byte in the test's own hands."""
        factory = Factory.forProtocol(Client)
        factory.noisy = False
        connected = self.network.connect(port, factory, self.outside)
        client: Client = connected.result
        return client

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Turns time; an engine that crashes is started again a second later."""
        end = self.network.clock.seconds() + seconds
        while True:
            try:
                return self.network.run(max(0.0, end - self.network.clock.seconds()), until)
            except Crash:
                self.crash()
                self.outside.callLater(1.0, self._start_again)

    def _start_again(self) -> None:
        self.start()

    def settled(self) -> bool:
        """Whether nothing is open any more."""
        return self.engine is not None and all(
            each.queue.idle and not each.pool.busy_connections for each in self.engine.deliveries.values()
        )


class Client(Protocol):
    """A feed's connection: what was answered, frame by frame."""

    def connectionMade(self) -> None:
        self.answers: list[bytes] = []
        self.raw = b""
        self.lost = False
        self._framer = mllp.Framer()

    def send(self, *payloads: bytes) -> None:
        """Messages, each in a frame, in one write."""
        self.write(b"".join(mllp.frame(payload) for payload in payloads))

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        assert self.transport is not None
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self.raw += data
        self.answers += [event.payload for event in self._framer.feed(data) if isinstance(event, mllp.Frame)]

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    @property
    def codes(self) -> list[str]:
        """MSA-1 of each answer."""
        return [ack.read(answer, b"").code or "?" for answer in self.answers]


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """A configuration folder from texts by name."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _control_id(message: bytes) -> str:
    return Message(message).control_id.decode("ascii", "replace")

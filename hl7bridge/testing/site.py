"""A whole site on this machine: the engine as a process, scripted hospitals on the affiliates' ports, feeds.

Everything is real but the people: sockets, the engine's store on the disk, the configuration as it is. What
the hospitals got they count themselves; `account` compares. Raises HL7BridgeError where a port is taken, or
where a destination is not on this machine: made-up messages must reach nobody's real system.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import DestinationSettings
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message
from hl7bridge.operations import Operations
from hl7bridge.store.base import Stats
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.feed import Feed
from hl7bridge.testing.hospital import Hospital, Script
from hl7bridge.testing.traffic import SOURCES, Traffic

#: Connections of each feed; a patient's messages all take the same one.
LINES = {"pharmacies": 4, "clinics": 3, "medstar's feed": 1}
#: Seconds without a delivery, after the last message was sent, in which the run counts as stuck.
PATIENCE_S = 30.0
#: The hospital that refuses does so with every so many-th message; it puts off others for a while.
REFUSED_EVERY, PUT_OFF_EVERY = 40, 30
_LOOK_S = 0.3


class PortTaken(HL7BridgeError):
    """A port that the site needs is open already. Code: `port-taken`."""


class NotHere(HL7BridgeError):
    """A destination that is not on this machine. Code: `not-here`."""


class Receiver:
    """One hospital: its port, how it behaves, and what it got by control ID."""

    def __init__(self, settings: DestinationSettings, clock: Any) -> None:
        assert settings.mllp is not None
        self.name = settings.name
        self.connections = settings.connections
        self.manner = "quick"
        self.down = False
        self.busy = True
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.put_off: Counter[str] = Counter()
        self.hospital = Hospital(clock, Script(), self._seen)
        self._clock = clock
        self._port = settings.mllp.port
        self._listening: Any = None

    @property
    def got(self) -> int:
        """Messages that it accepted, each once."""
        return len(self.accepted)

    @property
    def again(self) -> int:
        """How often it was sent something that it had been sent before."""
        every = self.accepted + self.refused + self.put_off
        return every.total() - len(every)

    def listen(self) -> None:
        """Opens its port. Raises PortTaken."""
        try:
            self._listening = self._clock.listenTCP(self._port, self.hospital, interface="127.0.0.1")
        except CannotListenError:
            raise port_taken(self._port, self.name) from None
        self.down = False

    def hang(self) -> None:
        """From now on no answer comes in time."""
        self.hospital.script.delay_s = 3600.0

    def go_down(self) -> None:
        """Closes its port, and every connection at once."""
        self.down = True
        if self._listening is not None:
            self._listening.stopListening()
        self.hospital.hang_up()

    def refuse_some(self) -> None:
        """From now on AR to some, AE to others: those may come again."""
        self.manner = f"AR 1 in {REFUSED_EVERY}, AE 1 in {PUT_OFF_EVERY}"
        self.hospital.script.answer = self._choose

    def _choose(self, payload: bytes) -> str:
        count = self.hospital.count
        if count % REFUSED_EVERY == 0:
            return "AR"
        later = self.busy and count % PUT_OFF_EVERY == 0 and _control_id(payload) not in self.put_off
        return "AE" if later else "AA"

    def _seen(self, payload: bytes, code: str) -> None:
        {"AA": self.accepted, "AR": self.refused}.get(code, self.put_off)[_control_id(payload)] += 1


@dataclass(slots=True)
class FeedProgress:
    """How far a feed is: messages to send, and the answers so far."""

    total: int
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        return self.answers.total()


class Site:
    """One run. `prepare` starts the engine, `begin` the feeds; `done` fires when nothing waits any more."""

    def __init__(
        self,
        folder: Path,
        configuration: Configuration,
        data: Path,
        traffic: Traffic,
        clock: Any,
        seconds: float,
    ) -> None:
        self.configuration = configuration
        self.data = data
        self.traffic = traffic
        self.seconds = seconds
        self.engine = EngineProcess(folder, data)
        self.receivers: dict[str, Receiver] = {}
        self.progress = {name: FeedProgress(len(messages)) for name, messages in traffic.feeds.items()}
        self.events: list[tuple[float, str]] = []
        self.done: Deferred[None] = Deferred()
        self.exit_status: int | None = None
        self._clock = clock
        self._began = 0.0
        self._watch = Watch(data)
        for settings in configuration.destinations.values():
            if settings.mllp is not None:
                _must_be_here(settings)
                self.receivers[settings.name] = Receiver(settings, clock)
        self._behave()

    @property
    def elapsed_s(self) -> float:
        """Since the feeds began."""
        return self._clock.seconds() - self._began if self._began else 0.0

    @property
    def destinations(self) -> list[DestinationSettings]:
        """Those that count for themselves first, then files."""
        return sorted(self.configuration.destinations.values(), key=lambda each: each.mllp is None)

    @property
    def stats(self) -> Stats:
        """The engine's counts, a moment ago."""
        return self._watch.stats

    def prepare(self) -> None:
        """Opens the hospitals' ports and starts the engine. Raises HL7BridgeError."""
        for source in self.configuration.sources.values():
            if source.mllp is not None:
                must_be_free(source.mllp.host, source.mllp.port, source.name)
        for receiver in self.receivers.values():
            receiver.listen()
        self.engine.start()

    def begin(self) -> None:
        """Starts the feeds; call it when the reactor runs."""
        self._began = self._clock.seconds()
        self._watch.start()
        if "tucson" in self.receivers:
            self._clock.callLater(0.35 * self.seconds, self._outage, self.receivers["tucson"])
        self._clock.callLater(0.7 * self.seconds, self._calm_down)
        self._clock.callLater(1.0, self._guard)
        waits = [feed.done for name in self.traffic.feeds for feed in self._feeds(name)]
        DeferredList(waits).addCallback(lambda _: self._all_sent())

    def end(self) -> int:
        """Stops the engine in order if it runs; gives its exit status. A second call does nothing."""
        self._watch.stop()
        if self.exit_status is None and self.engine.started:
            self.exit_status = self.engine.stop()
        return self.exit_status or 0

    def say(self, text: str) -> None:
        """Notes what happens, for whoever looks on."""
        self.events.append((self.elapsed_s, text))

    # -- inside ----------------------------------------------------------------------------------------------

    def _behave(self) -> None:
        """One hospital slow, one that refuses, one that goes down; whoever else there is, quick."""
        if (slow := self.receivers.get("medstar")) is not None:
            theirs = [each for name in ("pharmacies", "clinics") for each in self.traffic.feeds[name]]
            wanted = sum("medstar" in each.patient.affiliates for each in theirs)
            delay_s = min(0.5, slow.connections * 1.3 * self.seconds / max(wanted, 1))
            slow.hospital.script.delay_s = delay_s
            slow.manner = f"answers in {delay_s * 1000:.0f} ms"
        if (refusing := self.receivers.get("rush")) is not None:
            refusing.refuse_some()
        if (falling := self.receivers.get("tucson")) is not None:
            falling.manner = f"down for {0.25 * self.seconds:.0f} s"

    def _feeds(self, name: str) -> list[Feed]:
        mllp = self.configuration.sources[SOURCES[name]].mllp
        assert mllp is not None
        endpoint: Any = TCP4ClientEndpoint(self._clock, "127.0.0.1", mllp.port)
        progress = self.progress[name]

        def answered(message: bytes, code: str) -> None:
            progress.answers[code] += 1

        return [
            Feed(
                endpoint,
                line,
                self._clock,
                rate=len(line) / self.seconds,
                answered=answered,
            )
            for line in self.traffic.lines(name, LINES[name])
        ]

    def _calm_down(self) -> None:
        """Nobody is put off any more, so that the end comes soon after the last message."""
        for receiver in self.receivers.values():
            receiver.busy = False

    def _outage(self, receiver: Receiver) -> None:
        receiver.hang()
        self.say(f"{receiver.name} answers no more")
        self._clock.callLater(0.03 * self.seconds, self._break_down, receiver)

    def _break_down(self, receiver: Receiver) -> None:
        receiver.go_down()
        self.say(f"{receiver.name} goes down: its port closes, its connections break")
        self._clock.callLater(0.22 * self.seconds, self._recovery, receiver)

    def _recovery(self, receiver: Receiver) -> None:
        receiver.hospital.script.delay_s = 0.0
        try:
            receiver.listen()
        except PortTaken as fault:
            self.say(str(fault))
            return
        waiting = self.stats.open.get(receiver.name, 0)
        self.say(f"{receiver.name} is back; {waiting:,} messages wait for it")

    def _all_sent(self) -> None:
        waiting = sum(self.stats.open.values())
        self.say(f"every feed has its answers; {waiting:,} deliveries are still on their way")
        self._look(waiting, self._clock.seconds(), self._watch.reads + 2)

    def _look(self, waited: int, since: float, reads: int) -> None:
        """Again and again until nothing waits; `waited` is how many did since that time."""
        waiting = sum(self.stats.open.values())
        if waiting < waited:
            since = self._clock.seconds()
        if self._watch.reads >= reads and not waiting:
            self._finish()
        elif self._clock.seconds() - since > PATIENCE_S:
            self.say("some deliveries do not arrive")
            self._finish()
        else:
            self._clock.callLater(_LOOK_S, self._look, waiting, since, reads)

    def _guard(self) -> None:
        """Nobody waits for an engine that has ended."""
        if self.engine.running:
            self._clock.callLater(1.0, self._guard)
        elif not self.done.called:
            self.say("the engine has ended")
            self._finish()

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(None)


class Watch(threading.Thread):
    """Reads the engine's counts beside it, again and again, so that no hospital waits for the disk."""

    def __init__(self, data: Path) -> None:
        super().__init__(daemon=True)
        self.stats = Stats({}, {}, {}, {})
        self.reads = 0
        self._data = data
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with suppress(HL7BridgeError), Operations(self._data) as operations:
                self.stats = operations.stats(0)
                self.reads += 1

    def stop(self) -> None:
        """Ends it, and waits for that."""
        self._ended.set()
        if self.is_alive():
            self.join()


def _control_id(payload: bytes) -> str:
    return Message(payload).control_id.decode("ascii", "replace")


def _must_be_here(settings: DestinationSettings) -> None:
    assert settings.mllp is not None
    host = settings.mllp.host
    if host == "localhost":
        return
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    raise NotHere(
        f"{settings.name} is sent to {host}, which is not this machine; made-up messages go nowhere else",
        code="not-here",
        hint="give it the address 127.0.0.1",
    )


def must_be_free(host: str, port: int, name: str) -> None:
    """Raises PortTaken where somebody listens already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise port_taken(port, name) from None


def port_taken(port: int, name: str) -> PortTaken:
    """What to say of a port that somebody has."""
    return PortTaken(
        f"port {port}, which {name} needs, is in use",
        code="port-taken",
        hint=f"another engine or demo may be running; `ss -ltnp 'sport = :{port}'` shows which program it is",
    )

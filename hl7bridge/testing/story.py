"""Three weeks in which the affiliation programme shows what it is for, passed in seconds.

The engine is the real one with channels/ as it is, over real sockets and its store on the disk; scripted hospitals answer. Only the
wall's clock is moved: it goes from day to day as the story does, and ends today. Each scene is told with the messages that were
really sent. Raises StoryFailed where something that must happen does not, and PortTaken.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater

from hl7bridge.engine import steady
from hl7bridge.engine.edges.connect import Connector
from hl7bridge.engine.keeping.writer import Separately
from hl7bridge.engine.service import Engine
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import STORE
from hl7bridge.store.process.separate import SeparateStore
from hl7bridge.testing import storymessages as say
from hl7bridge.testing.feed import Feed
from hl7bridge.testing.hospital import Hospital, Script
from hl7bridge.testing.site import must_be_free, port_taken

#: Days that the story takes, and seconds that something may take to happen.
DAYS = 22
PATIENCE_S = 15.0
ZONE = ZoneInfo("America/New_York")


class StoryFailed(HL7BridgeError):
    """Something that must happen did not. Code: `story`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens on a day; `messages` are (from whom to whom, the message), `files` what lies in a folder now."""

    day: int
    text: str
    messages: tuple[tuple[str, bytes], ...] = ()
    files: tuple[Path, ...] = ()


class Story:
    """One run. `tell(scene)` is called as scenes happen; `run` gives a Deferred that fires at the end."""

    def __init__(self, channels: Path, folder: Path, reactor: Any, tell: Callable[[Scene], None]) -> None:
        self._reactor = reactor
        self._tell = tell
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir(parents=True)
        self._config = folder / "channels"
        shutil.copytree(channels, self._config)
        settings = self._config / "hl7bridge.yaml"
        settings.write_text(re.sub(r"settle: \S+", "settle: 100ms", settings.read_text()))
        self._ahead = timedelta(days=-DAYS)
        self._day = 0
        self._got: dict[str, list[bytes]] = {}
        self._engine: Engine | None = None

    @inlineCallbacks
    def run(self) -> Generator[Deferred[Any], Any, None]:
        """The whole of it."""
        store = SeparateStore(self._data / STORE)
        writer = Separately(store, self._reactor)
        try:
            engine = self._open(store, writer)
        except BaseException:
            writer.stop()
            store.close()
            raise
        try:
            yield from self._discharge()
            yield from self._not_picked_up()
            yield from self._another_state()
            yield from self._fax()
        finally:
            yield engine.stop()

    # -- scenes ------------------------------------------------------------------------------------------------------------

    def _discharge(self) -> Generator[Deferred[Any], Any, None]:
        at = self._now()
        order, home = say.prescribed_at_discharge(at), say.discharged(at)
        yield from self._send("discharge", order, home)
        yield from self._until(lambda: len(self._of("careteam")) == 2, "the discharge did not arrive")
        self._tell(
            Scene(
                self._day,
                "Dorothea Alexander goes home from MedStar with a prescription for metformin. MedStar's own feed brings both to the "
                "chain's care team, and her clock starts.",
                (("MedStar to the bridge", order), ("the bridge to the care team", self._of("careteam")[0])),
            )
        )
        self._go_on(1)
        ready = say.filled(self._now())
        self._filled_at = self._now()
        yield from self._send("pharmacy-feed", ready)
        yield from self._until(lambda: len(self._of("medstar")) == 1, "the fill did not reach MedStar")
        self._tell(
            Scene(
                self._day,
                "Her pharmacy in Silver Spring has filled it. MedStar gets the dispense, as of every assigned patient.",
                (("the bridge to MedStar", self._of("medstar")[0]),),
            )
        )

    def _not_picked_up(self) -> Generator[Deferred[Any], Any, None]:
        self._go_on(14)
        yield from self._until(lambda: len(self._of("medstar")) == 2, "no alert reached MedStar")
        self._tell(
            Scene(
                self._day,
                "Two weeks later the tablets still lie in the pharmacy. Nobody sent anything today: the deadline was kept, and an "
                "alert reaches her physician's inbox at MedStar.",
                (("the bridge to MedStar", self._of("medstar")[1]),),
            )
        )
        self._go_on(2)
        sold = say.filled(self._now(), sold=True, filled_at=self._filled_at)
        yield from self._send("pharmacy-feed", sold)
        yield from self._until(lambda: len(self._of("medstar")) == 4, "the alert was not taken back")
        self._tell(
            Scene(
                self._day,
                "She picks them up. The same alert is taken back: OBR-25 and OBX-11 are C, under the same OBR-3.",
                (("the pharmacy to the bridge", sold), ("the bridge to MedStar", self._of("medstar")[3])),
            )
        )

    def _another_state(self) -> Generator[Deferred[Any], Any, None]:
        self._go_on(3)
        at = self._now()
        before = len(self._of("medstar"))
        came, result = say.visited(at, "A04"), say.resulted(at + timedelta(minutes=20))
        yield from self._send("clinic-feed", came, result, say.visited(at + timedelta(minutes=50), "A03"))
        yield from self._until(lambda: len(self._of("medstar")) == before + 4, "no summary reached MedStar")
        [summary] = [each for each in self._of("medstar")[before:] if b"|MDM^T02" in each]
        self._tell(
            Scene(
                self._day,
                "On a journey she sees a clinic in Milwaukee. The patient decides where it goes, and not the clinic's state: MedStar "
                "gets the visit, the result, and when it is over a summary with its PDF.",
                (("the clinic to the bridge", result), ("the bridge to MedStar", summary)),
            )
        )

    def _fax(self) -> Generator[Deferred[Any], Any, None]:
        self._go_on(2)
        at = self._now()
        yield from self._send(
            "clinic-feed",
            say.visited(at, "A04", his=True),
            say.resulted(at + timedelta(minutes=20), his=True),
            say.visited(at + timedelta(minutes=50), "A03", his=True),
        )
        outbox = self._data / "outbox" / "fax"
        yield from self._until(lambda: any(outbox.glob("*.ready")), "no document lies in the outbox")
        [ready] = outbox.glob("*.ready")
        about = json.loads((ready / "document.json").read_text())
        self._tell(
            Scene(
                self._day,
                f"Kwame Osei's physician, {about['recipient']}, has no affiliation. The summary of his visit waits in the fax outbox "
                f"with a cover sheet, {about['pages']} pages for {about['fax']}.",
                files=tuple(sorted(ready.iterdir())),
            )
        )
        claimed = ready.rename(ready.with_suffix(".claimed"))
        claimed.rename(claimed.with_suffix(".sent"))
        yield from self._until(lambda: any((outbox / "done").glob("*")), "the confirmation was not seen")
        done = next(iter((outbox / "done").glob("*")))
        self._tell(
            Scene(
                self._day,
                "The fax gateway claims the folder by renaming it, sends, and confirms the same way. Only now is the document sent.",
                files=tuple(sorted(path for path in done.rglob("*") if path.is_file())),
            )
        )

    # -- the site ----------------------------------------------------------------------------------------------------------

    def _open(self, store: SeparateStore, writer: Separately) -> Engine:
        engine = self._engine = Engine(
            self._config,
            store,
            Connector(self._reactor, self._config, self._data, Random(1).random),
            wall_us=self._wall_us,
            chance=Random(1).random,
            fatal=self._fatal,
            writer=writer,
        )
        for name, settings in engine.configuration.destinations.items():
            if settings.mllp is not None:
                inbox = self._got[name] = []
                hospital = Hospital(self._reactor, Script(_filed(inbox)))
                try:
                    self._reactor.listenTCP(settings.mllp.port, hospital, interface="127.0.0.1")
                except CannotListenError:
                    raise port_taken(settings.mllp.port, name) from None
        for source in engine.configuration.sources.values():
            if source.mllp is not None:
                must_be_free(source.mllp.host, source.mllp.port, source.name)
        engine.start()
        return engine

    @staticmethod
    def _fatal(error: Exception) -> None:
        raise StoryFailed(f"the store failed: {error}", code="story")

    def _of(self, name: str) -> list[bytes]:
        return self._got[name]

    def _wall_us(self) -> int:
        return steady.wall_us() + int(self._ahead.total_seconds() * 1e6)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_us() / 1e6, UTC).astimezone(ZONE).replace(microsecond=0)

    def _go_on(self, days: int) -> None:
        self._ahead += timedelta(days=days)
        self._day += days

    def _send(self, source: str, *messages: bytes) -> Generator[Deferred[Any], Any, None]:
        assert self._engine is not None
        mllp = self._engine.configuration.sources[source].mllp
        assert mllp is not None
        feed = Feed(TCP4ClientEndpoint(self._reactor, "127.0.0.1", mllp.port), messages, self._reactor)
        codes = yield feed.done
        if set(codes) != {"AA"}:
            raise StoryFailed(f"{source} was answered {', '.join(codes)}", code="story")

    def _until(self, holds: Callable[[], bool], otherwise: str) -> Generator[Deferred[Any], Any, None]:
        deadline = self._reactor.seconds() + PATIENCE_S
        while not holds():
            if self._reactor.seconds() > deadline:
                raise StoryFailed(otherwise, code="story")
            yield deferLater(self._reactor, 0.05)


def _filed(inbox: list[bytes]) -> Callable[[bytes], str]:
    def answer(payload: bytes) -> str:
        inbox.append(payload)
        return "AA"

    return answer

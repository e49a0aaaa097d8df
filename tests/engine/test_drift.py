"""Drift of feeds: what never came before is noted once, told once a day, and alerted where the configuration is concerned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hl7bridge.drift.profile import OTHER, News, Profile
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import SeenKind, SeenRow, StoreBusy, StoreFull, Watched
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.world import NOON_US, World, write_folder

PASSWORD = "Rumpelstiltskin"
FILES = {
    "clinic.yaml": (
        "channel: clinic\n"
        "source: {mllp: {port: 2575}}\n"
        "accept: ['ADT^*']\n"
        "map:\n"
        "  - PID-10: {from: PID-10.1, table: race, else: keep}\n"
        "  - when: {PV1-2: I}\n"
        "    ZPH-1: {from: PV1-44}\n"
        "send_to: [hospital]\n"
    ),
    "destinations/hospital.yaml": "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "tables/race.csv": "code,name\nW,white\nB,black\nX,other\n",
}
LATER = 30  # days, beyond those in which a feed is learned


def visit(
    number: int, *more: str, race: str = "W", patient_class: str = "I", type_: str = "ADT^A08"
) -> bytes:
    lines = [
        f"MSH|^~\\&|EMR|S1|HUB|HUB|20261121120000||{type_}|{number}|P|2.5.1",
        f"PID|1||{number:06}^^^RETAIL^PI||DOE^JANE|||||{race}",
        f"PV1|1|{patient_class}",
        *more,
    ]
    return ("\r".join(lines) + "\r").encode()


class Watching:
    """An engine in memory that has learned what an ordinary visit is, and what it says from then on."""

    def __init__(
        self, folder: Path, said: list[str], extra: str = "", files: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.said = said
        self.store = MemoryStore()
        files = FILES | dict(files) | ({"hl7bridge.yaml": extra} if extra else {})
        self.world = World(write_folder(folder / "config", files), lambda before: self.store)
        self.world.hospital(6701)
        self.world.start()
        self.receives(visit(1), visit(2, patient_class="O"))
        self.world.days = LATER
        self.world.run(60)
        self.said.clear()

    def receives(self, *messages: bytes) -> list[str]:
        """Some messages, and time to look at them; gives what was said at once."""
        before = len(self.said)
        feed = self.world.feed(2575, list(messages))
        assert self.world.run(60, lambda: feed.done.called)
        self.world.run(30)
        return self.said[before:]

    def reloads(self) -> None:
        """The engine takes the folder as it is now."""
        assert self.world.engine is not None
        list(self.world.engine.reload())

    def news(self) -> list[tuple[str, str]]:
        return [(SeenKind(row.kind).name, row.place) for row in self.store.news(0, 1 << 62)]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is said of drift."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "hl7bridge.drift":
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def site(tmp_path: Path, said: list[str]) -> Watching:
    return Watching(tmp_path, said)


def test_what_a_new_feed_shows_is_learned(site: Watching) -> None:
    assert site.news() == []
    assert len(site.store.seen("clinic", "ADT^A08")) > 10


def test_what_never_came_before_is_noted_once_with_its_message(site: Watching) -> None:
    site.receives(visit(3, "NTE|1||a note"))
    site.receives(visit(4, "NTE|1||a note"))
    (row,) = site.store.news(0, 1 << 62)
    assert (row.source, row.type, row.place, row.concern) == ("clinic", "ADT^A08", "NTE", None)
    detail = site.store.message(row.message_id)
    assert detail is not None
    assert detail.row.control_id == "3"


def test_an_alert_is_where_a_line_reads_the_place(site: Watching) -> None:
    (alert,) = site.receives(visit(3, "NTE|1||a note", patient_class="I" + "|" * 42 + "20261121"))
    assert "a field that never came before, PV1-44, in message" in alert
    assert "clinic.yaml:7:19" in alert


def test_an_alert_is_where_a_table_does_not_have_a_code(site: Watching) -> None:
    assert site.receives(visit(3, race="B")) == [], "the table has it"
    (alert,) = site.receives(visit(4, race=PASSWORD))
    assert "PID-10.1" in alert
    assert "clinic.yaml:5:20, and tables/race.csv does not have it" in alert
    assert PASSWORD not in alert
    assert ("CODE", "PID-10.1") in site.news()


def test_a_longer_value_is_alerted_and_a_shorter_one_only_noted(site: Watching) -> None:
    longer = (
        visit(3, "ZPH|x").replace(b"JANE", b"JANE" * 9).replace(b"|I\r", b"|I" + b"|" * 42 + b"1" * 9 + b"\r")
    )
    site.receives(longer)  # PV1-44 is learned from here on
    site.world.days = 2 * LATER
    site.world.run(30)
    alerts = site.receives(longer.replace(b"1" * 9, b"1" * 30).replace(b"|3|P", b"|4|P"))
    assert ["a length that never came before, PV1-44" in line for line in alerts] == [True]
    assert site.receives(longer.replace(b"1" * 9, b"1").replace(b"|3|P", b"|5|P")) == []
    assert [place for kind, place in site.news() if kind == "LENGTH"] == ["PID-5", "PV1-44", "PV1-44"]


def test_a_new_type_of_messages_is_noted(site: Watching) -> None:
    assert site.receives(visit(3, type_="ADT^A31")) == []
    assert site.news() == [("TYPE", "ADT^A31")]


def test_a_type_that_is_none_is_not_named(site: Watching) -> None:
    # MSH-9 of a sender whose fields are shifted is a patient's name.
    site.receives(visit(3, type_="DOE^JANE"), visit(4, type_="ROSENBERG"))
    assert site.news() == [("TYPE", OTHER)]
    site.world.days = LATER + 1
    site.world.run(60)
    assert site.said == [f"never seen before on 2026-12-21: clinic {OTHER}: 1 type"]


def test_a_message_that_cannot_be_looked_at_stops_nothing(
    site: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Profile.news

    def news(self: Profile, message: Message, at_us: int) -> list[News]:
        if message.control_id == b"3":
            raise ValueError(PASSWORD)
        return look(self, message, at_us)

    monkeypatch.setattr(Profile, "news", news)
    said = site.receives(visit(3, race="Q"), visit(4, race="R"))
    assert len([line for line in said if "PID-10.1" in line]) == 1
    assert [line for line in said if "could not be looked at" in line] == [
        "clinic: message 3 could not be looked at for what is new"
    ]


def test_alerts_can_be_left_out(tmp_path: Path, said: list[str]) -> None:
    site = Watching(tmp_path, said, "drift: {alert: false, learn: 7d}\n")
    assert site.receives(visit(3, race="Q")) == []
    assert ("CODE", "PID-10.1") in site.news()


def test_a_site_that_learns_for_no_longer_than_a_moment_is_watched_too(
    tmp_path: Path, said: list[str]
) -> None:
    site = Watching(tmp_path, said, "drift: {learn: 1s}\n")
    assert site.receives(visit(3)) == []
    assert len(site.receives(visit(4, race="Q"))) == 1


def test_it_can_be_off(tmp_path: Path, said: list[str]) -> None:
    site = Watching(tmp_path, said, "drift: off\n")
    site.receives(visit(3, race="Q"))
    assert site.store.watched() is None
    assert site.store.seen("clinic", "ADT^A08") == []


def test_a_day_is_told_when_it_has_ended(site: Watching) -> None:
    site.receives(visit(3, "NTE|1||a note", race="Q"), visit(4, race="R"), visit(5, type_="ADT^A31"))
    site.said.clear()
    site.world.days = LATER + 1
    site.world.run(60)
    assert [line.partition(": ")[2] for line in site.said] == [
        "clinic ADT^A08: 1 segment, 2 codes (PID-10.1, NTE)",
        "clinic ADT^A31: 1 type",
    ]
    assert site.said[0].startswith("never seen before on 2026-12-21: ")
    site.said.clear()
    site.world.days = LATER + 3
    site.world.run(60)
    assert site.said == ["never seen before from 2026-12-22 to 2026-12-23: nothing"]


def test_what_is_found_with_the_end_of_a_day_is_in_its_digest(site: Watching) -> None:
    feed = site.world.feed(2575, [visit(3, "NTE|1||a note")])
    assert site.world.run(5, lambda: feed.done.called)
    site.world.days = LATER + 1
    site.world.run(60)
    assert site.said == ["never seen before on 2026-12-21: clinic ADT^A08: 1 segment (NTE)"]


def test_what_the_store_does_not_take_at_once_is_said_once(site: Watching) -> None:
    feed = site.world.feed(2575, [visit(3, race="Q")])
    assert site.world.run(5, lambda: feed.done.called and site.world.settled())
    for _ in range(8):
        site.store.refuse_next(StoreFull("full"))
        site.world.run(3)
    site.world.run(30)
    assert len(site.said) == 1
    assert ("CODE", "PID-10.1") in site.news()
    site.said.clear()
    site.world.days = LATER + 1
    for _ in range(8):
        site.store.refuse_next(StoreFull("full"))
        site.world.run(3)
    site.world.run(30)
    assert [line.partition(": ")[2] for line in site.said] == ["clinic ADT^A08: 1 code (PID-10.1)"]


def test_a_clock_that_was_far_ahead_stops_nothing_when_it_is_set_back(site: Watching) -> None:
    site.world.days = 40 * 365
    site.receives(visit(3))
    site.world.days = LATER + 1
    (alert,) = site.receives(visit(4, race="Q"))
    assert "PID-10.1" in alert
    site.said.clear()
    site.world.days = LATER + 2
    site.world.run(60)
    assert [line.partition(": ")[2] for line in site.said] == ["clinic ADT^A08: 1 code (PID-10.1)"]


def test_what_a_clock_that_was_ahead_taught_goes_on_being_known_and_what_comes_later_is_news(
    site: Watching,
) -> None:
    site.world.days = 40 * 365
    site.receives(visit(3, "ZPI|1"))
    site.world.days = LATER + 1
    site.receives(visit(4, "ZPI|1||2"))
    assert ("FIELD", "ZPI-3") in site.news()


def test_alerts_of_one_feed_are_bounded_and_begin_again_on_the_next_day(site: Watching) -> None:
    assert len(site.receives(*[visit(n, race=f"Q{n}") for n in range(10, 60)])) == 5, "of one place"
    assert len(site.receives(visit(60, "ZPH|1").replace(b"|I\r", b"|I" + b"|" * 42 + b"2026\r"))) == 1
    site.world.days = LATER + 1
    site.world.run(60)
    assert len(site.receives(visit(70, race="Q70"))) == 1


def test_alerts_of_one_feed_are_bounded_whatever_comes_with_it(tmp_path: Path, said: list[str]) -> None:
    many = "".join(f"  - ZPH-1: {{from: ZPX-{number}}}\n" for number in range(1, 61))
    site = Watching(
        tmp_path, said, files={"clinic.yaml": FILES["clinic.yaml"].replace("map:\n", f"map:\n{many}")}
    )
    site.receives(visit(3, "ZPX"))
    site.world.days = 2 * LATER
    site.world.run(30)
    assert len(site.receives(visit(4, "ZPX" + "|x" * 60))) <= 20


def test_after_a_crash_it_goes_on_where_it_was(site: Watching) -> None:
    site.receives(visit(3, race="Q"))
    site.store = site.store.crash()
    site.world.crash()
    site.world.start()
    site.said.clear()
    site.receives(visit(4, race="Q"), visit(5, race="R"))
    assert len([line for line in site.said if "PID-10.1" in line]) == 1, "Q is known, R is new"


def test_a_store_that_is_busy_loses_nothing(site: Watching) -> None:
    feed = site.world.feed(2575, [visit(3, race="Q")])
    assert site.world.run(60, lambda: feed.done.called and site.world.settled())
    site.store.refuse_next(StoreBusy("busy"))
    site.world.run(60)
    assert ("CODE", "PID-10.1") in site.news()
    assert site.store.watched() is not None


def test_the_last_room_on_a_disk_is_not_for_what_is_new(site: Watching) -> None:
    feed = site.world.feed(2575, [visit(3, race="Q")])
    assert site.world.run(5, lambda: feed.done.called)
    site.store.free_bytes = lambda: 1  # type: ignore[method-assign]
    site.world.run(60)
    assert (site.news(), site.said) == ([], [])
    del site.store.free_bytes
    site.world.run(60)
    assert ("CODE", "PID-10.1") in site.news()


def test_a_copy_and_what_a_replay_makes_show_nothing(site: Watching) -> None:
    again = visit(3, race="Q")
    site.receives(again)
    through = site.store.watched()
    site.receives(again)
    assert len([place for _, place in site.news() if place == "PID-10.1"]) == 1
    assert through != Watched(0, NOON_US // 86_400_000_000)


def test_what_feeds_have_shown_is_read_once_and_one_feed_s_at_a_time(
    site: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[float] = []
    seen = site.store.seen

    def noted(source: str, type_: str) -> list[SeenRow]:
        if type_:
            read.append(site.world.network.clock.seconds())
        return seen(source, type_)

    monkeypatch.setattr(site.store, "seen", noted)
    site.receives(*[visit(n, type_=f"ADT^A{n}") for n in range(10, 30)])
    assert len(read) == len(set(read)) == 20
    text = (site.world.folder / "clinic.yaml").read_text()
    (site.world.folder / "clinic.yaml").write_text(text.replace("from: PV1-44", "from: NTE-3"))
    site.reloads()
    site.receives(*[visit(n, type_=f"ADT^A{n - 20}") for n in range(30, 50)])
    assert len(read) == 20, "the channel looks up what it looked up before"


def test_a_channel_that_reads_more_is_heeded_at_once(site: Watching) -> None:
    text = (site.world.folder / "clinic.yaml").read_text()
    (site.world.folder / "clinic.yaml").write_text(text.replace("from: PV1-44", "from: NTE-3"))
    site.reloads()
    (alert,) = site.receives(visit(3, "NTE|1||a note"))
    assert "NTE, in message" in alert


def test_a_place_that_is_looked_up_from_now_on_has_shown_nothing_yet(site: Watching) -> None:
    site.receives(visit(3, "ZPH|old"))
    site.world.days = 2 * LATER
    site.world.run(30)
    text = (site.world.folder / "clinic.yaml").read_text()
    more = text.replace("map:", "map:\n  - ZPH-2: {from: ZPH-1, table: race, else: ''}")
    (site.world.folder / "clinic.yaml").write_text(more)
    site.reloads()
    assert site.receives(visit(4, "ZPH|old")) == [], "it came before, only nobody watched it for codes"
    site.world.days = 3 * LATER
    site.world.run(30)
    (alert,) = site.receives(visit(5, "ZPH|new"))
    assert "a code that never came before, ZPH-1," in alert

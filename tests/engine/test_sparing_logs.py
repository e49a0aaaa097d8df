"""What a peer can cause at will is logged sparingly, and nothing of it goes uncounted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hl7bridge.connectors.sparing import EVERY_S
from hl7bridge.hl7 import mllp
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import Site, order


class Log:
    """What was said."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def about(self, words: str) -> list[LogEvent]:
        return [event for event in self.events if words in formatEvent(event)]

    def counted(self, words: str) -> int:
        """How many events these lines stand for."""
        return sum(1 + event.get("more", 0) for event in self.about(words))


@pytest.fixture
def log() -> Iterator[Log]:
    kept = Log()
    globalLogPublisher.addObserver(kept.events.append)
    yield kept
    globalLogPublisher.removeObserver(kept.events.append)


def junk(world: World) -> None:
    world.client(2575).write(b"GET / HTTP/1.1\r\n")


def broken(world: World) -> None:
    world.client(2575).write(b"\x0bMSH|^~\\&|half\r\x0b" + order(1, 1) + b"\x1c\r")


def bad_batch(world: World) -> None:
    world.client(2575).send(b"BHS|^~\\&|RX\r" + order(1, 1) + b"BTS|7\r")


def oversize(world: World) -> None:
    world.client(2575).send(order(1, 1) + b"x" * 3000)


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (junk, "outside of any frame"),
        (broken, "broken off"),
        (bad_batch, "in a batch"),
        (oversize, "larger than the source allows"),
    ],
)
def test_a_hostile_feed_cannot_fill_the_disk_with_lines(
    site: Site, log: Log, attack: Callable[[World], None], words: str
) -> None:
    world = site(
        pharmacy="channel: pharmacy\nsource: {mllp: {port: 2575, max_message_bytes: 2KB}}\nsend_to: [hospital]\n"
    )
    for _ in range(300):
        attack(world)
        world.run(0.1)
    assert 2 <= len(log.about(words)) <= 5
    world.run(2 * EVERY_S)
    assert log.counted(words) == 300
    said = len(log.about(words))
    world.outside.callLater(EVERY_S, attack, world)
    world.run(EVERY_S + 1)
    assert len(log.about(words)) == said + 1, "after a silence the first is said at once"


def test_refused_connections_are_counted(site: Site, log: Log) -> None:
    world = site(
        pharmacy="channel: pharmacy\nsource: {mllp: {port: 2575, allow: [10.0.0.0/8]}}\nsend_to: [hospital]\n"
    )
    for _ in range(100):
        world.network.connect(2575, None, world.outside).addErrback(lambda _: None)
    assert len(log.about("not in the allow list")) == 1
    world.run(2 * EVERY_S)
    assert len(log.about("not in the allow list")) == 2
    assert log.counted("not in the allow list") == 100


@pytest.mark.parametrize("manner", ["AE", "garbage", "silence", "close"])
def test_a_hospital_in_trouble_is_not_one_line_for_each_attempt(site: Site, log: Log, manner: str) -> None:
    world = site(Script(answer=manner))
    client = world.client(2575)
    client.send(*[order(number, number) for number in range(200)])
    world.run(60)
    lines = log.about("will be tried again")
    assert 1 <= len(lines) <= 7
    world.run(EVERY_S)  # the last are told
    attempts = len(world.ledger.delivered[6701])
    assert 0 < log.counted("will be tried again") <= attempts


def test_one_destination_does_not_speak_for_another(site: Site, log: Log) -> None:
    world = site(
        Script(answer="AR"),
        destinations__other="destination: other\nsend: {mllp: {host: 127.0.0.1, port: 6702}}\n",
        pharmacy="channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital, other]\n",
    )
    world.hospital(6702, Script(answer="AR"))
    world.client(2575).send(*[order(number, number) for number in range(50)])
    world.run(1)
    said = [formatEvent(event) for event in log.about("failed")]
    assert sorted(line.split(":")[0] for line in said) == ["hospital", "other"]


def test_a_hospital_that_babbles_is_counted(site: Site, log: Log) -> None:
    world = site()
    client = world.client(2575)
    client.send(order(1, 1))
    assert world.run(5, lambda: bool(client.answers) and world.settled())
    connection: Any = next(iter(world.hospitals[6701].connections))
    for _ in range(100):
        connection.transport.write(mllp.frame(b"MSH|^~\\&|X\rMSA|AA|nobody-asked\r"))
        world.run(0.1)
    world.run(2 * EVERY_S)
    assert len(log.about("nothing was asked")) <= 3
    assert log.counted("nothing was asked") == 100

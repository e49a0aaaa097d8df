"""What waits for the store while something is on its way to it: nothing is forgotten, starved, or said without end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from hl7bridge.engine.operating.operate import Operators
from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from hl7bridge.store.base import Batch, DeliveryChange, DeliveryQuery, DeliveryStatus, StoreFull, StoreUnknown
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import WORKING, Site, order


@pytest.fixture
def world(site: Site) -> World:
    made = site(start=False, pharmacy=WORKING)
    made.start()
    made.run(3)  # the first steps of retention are over: nothing else wakes the journal
    return made


def test_a_frame_that_comes_in_one_turn_with_an_operators_act_is_received(world: World) -> None:
    client = world.client(2575)
    frame = world.engine.receiver.frame

    def frame_and_hold(each: Any) -> None:
        frame(each)
        Operators(world.engine).hold("hospital", "sue", lambda result: None)

    world.engine.receiver.frame = frame_and_hold
    client.send(order(1))
    world.run(5)
    assert client.codes == ["AA"]


def test_a_frame_that_comes_while_an_act_waits_for_a_commit_is_received(world: World) -> None:
    world.commit_s = 0.5
    first, second = world.client(2575), world.client(2575)
    held: list[Any] = []
    first.send(order(1))
    world.run(0.001)
    Operators(world.engine).hold("hospital", "sue", held.append)
    second.send(order(2))
    world.run(5)
    assert held == [{"destination": "hospital", "held": True, "held_before": False}]
    assert first.codes == second.codes == ["AA"]


def test_a_replay_lets_an_operator_and_the_feeds_have_their_turn(world: World) -> None:
    client = world.client(2575)
    client.send(*[order(number, number) for number in range(1500)])
    assert world.run(300, lambda: len(client.answers) == 1500)
    world.run(5)
    replayed: list[Any] = []
    held_at: list[int] = []

    def each(step: Any) -> None:
        replayed.append(step)
        if len(replayed) == 100:
            Operators(world.engine).hold("hospital", "sue", lambda result: held_at.append(len(replayed)))
            client.send(order(1500, 5))

    ended: list[Any] = []
    run_steps(Replaying(world.engine).from_store(Order("sue")), world.engine.clock, 0, each, ended.append)
    assert world.run(300, lambda: bool(held_at) and len(client.answers) == 1501)
    assert held_at[0] < 600
    assert len(replayed) < 1000
    assert not ended


def test_an_error_of_the_disk_in_the_last_checkpoint_is_the_engines_end_too(world: World) -> None:
    fatal: list[Any] = []
    world.engine._fatal = fatal.append

    def failing() -> None:
        raise StoreUnknown("the sync failed")

    world.store.checkpoint = failing
    done: list[Any] = []
    world.engine.stop().addBoth(done.append)
    assert world.run(10, lambda: bool(done))
    assert [str(each) for each in fatal] == ["the sync failed"]


def test_a_full_disk_is_not_filled_with_lines_that_say_so(world: World) -> None:
    lines: list[Any] = []

    def seen(event: Any) -> None:
        if "refused a transaction" in event.get("log_format", ""):
            lines.append(event)

    def full(batch: Batch) -> None:
        raise StoreFull("no room")

    world.store.commit = full
    client = world.client(2575)
    globalLogPublisher.addObserver(seen)
    try:
        for number in range(100):
            client.send(order(number))
            assert world.run(1, lambda wanted=number: len(client.answers) > wanted)
    finally:
        globalLogPublisher.removeObserver(seen)
    assert set(client.codes) == {"AE"}
    assert 1 <= len(lines) < 10


def test_one_claim_that_the_store_refuses_stops_nobody_else(world: World) -> None:
    Operators(world.engine).hold("hospital", "sue", lambda result: None)
    world.run(1)
    client = world.client(2575)
    client.send(order(1, 1), order(2, 2), order(3, 3))
    world.run(2)
    rows = world.store.deliveries(DeliveryQuery())
    cancelled = DeliveryChange(rows[1].id, DeliveryStatus.CANCELLED, 0, 1)
    world.store.commit(Batch(changes=[cancelled]))  # behind the queue's back
    Operators(world.engine).release("hospital", "sue", lambda result: None)
    world.run(30)
    assert [row.status.name for row in world.store.deliveries(DeliveryQuery())] == [
        "SENT",
        "CANCELLED",
        "SENT",
    ]


def test_a_full_group_behind_a_question_asks_for_nothing_meanwhile(site: Site) -> None:
    """Deliveries that may be claimed would ask for a turn that can begin nothing, at the same moment, for ever."""
    world = site(Script(delay_s=0.1), start=False, pharmacy=WORKING)
    world.commit_s = 0.2
    world.start()
    answered: list[Any] = []

    def ask(*answer: Any) -> None:
        answered.append(answer)
        world.engine.journal.ask("expire", (0, 1, 1000), ask)

    ask()
    client = world.client(2575)
    client.send(*[order(number, number) for number in range(2000)])
    assert world.run(3000, lambda: len(client.answers) == 2000 and world.settled())
    assert len(answered) > 10

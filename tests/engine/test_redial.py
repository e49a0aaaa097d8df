"""A hospital whose link is lost is dialled again at once if the link had been of use, and never hammered."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import Site, order

SLOW_RETRY = """
destination: hospital
send: {mllp: {host: 127.0.0.1, port: 6701}, timeout: 5s, connections: 2}
retry: {first: 30s, factor: 2, most: 600s, jitter: 0%, give_up: 1d}
"""


def dials(world: World) -> list[float]:
    """Fills with the time of each connection that the hospital takes."""
    times: list[float] = []
    hospital = world.hospitals[6701]
    build = hospital.buildProtocol

    def noted(addr: Any) -> Any:
        times.append(world.network.clock.seconds())
        return build(addr)

    hospital.buildProtocol = noted
    return times


@pytest.fixture
def useful(site: Site) -> World:
    """A link that has been of use: both connections stand, idle."""
    world = site(destinations__hospital=SLOW_RETRY)
    world.client(2575).send(*[order(number, number) for number in range(10)])
    assert world.run(20, lambda: len(world.ledger.ids(6701)) == 10 and world.settled())
    world.run(3600)
    return world


def test_after_an_idle_link_was_lost_the_next_message_waits_for_nothing(useful: World) -> None:
    useful.hospitals[6701].hang_up()
    useful.client(2575).send(order(99, 99))
    assert useful.run(1, lambda: "99-99" in useful.ledger.ids(6701))


def test_a_link_of_which_one_connection_was_never_used_is_dialled_at_once_too(site: Site) -> None:
    world = site(destinations__hospital=SLOW_RETRY)
    hospital = world.hospitals[6701]
    used = set()
    answer = hospital.answer

    def noted(connection: Any, payload: bytes, code: str) -> None:
        used.add(connection)
        answer(connection, payload, code)

    hospital.answer = noted
    world.client(2575).send(order(1, 1), order(2, 2))
    assert world.run(20, lambda: len(world.ledger.ids(6701)) == 2 and world.settled())
    world.run(100)
    connections = list(world.hospitals[6701].connections)
    assert len(connections) == 2
    connections.sort(key=lambda each: each not in used)
    assert len(used) == 1
    for connection in connections:  # the one that was never used is lost last
        connection.transport.abortConnection()
        world.run(0.01)
    world.client(2575).send(order(99, 99))
    assert world.run(1, lambda: "99-99" in world.ledger.ids(6701))


def test_a_message_whose_useful_link_was_lost_is_tried_again_at_once_and_then_waits(useful: World) -> None:
    hospital = useful.hospitals[6701]
    answers = iter(["close"])
    hospital.script.answer = lambda payload: next(answers, "AA")
    useful.client(2575).send(order(99, 99))
    assert useful.run(1, lambda: useful.ledger.delivered[6701].count(("99-99", "AA")) == 1)
    times: list[float] = []
    hospital.seen = lambda payload, code: times.append(useful.network.clock.seconds())
    hospital.script.answer = "close"
    useful.client(2575).send(order(100, 100))
    useful.run(300)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[0] < 1
    assert all(gap >= 30 for gap in gaps[1:])


def test_a_hospital_that_takes_connections_and_closes_them_is_left_alone(useful: World) -> None:
    hospital = useful.hospitals[6701]
    taken = dials(useful)
    build = hospital.buildProtocol

    def closing(addr: Any) -> Any:
        protocol = build(addr)
        useful.outside.callLater(0, lambda: protocol.transport.abortConnection())
        return protocol

    hospital.buildProtocol = closing
    hospital.hang_up()
    useful.client(2575).send(*[order(number, number) for number in range(100, 120)])
    useful.run(200)
    assert 1 <= len(taken) <= 12


def test_a_hospital_that_closes_on_every_message_is_left_alone(site: Site) -> None:
    world = site(Script(answer="close"), destinations__hospital=SLOW_RETRY)
    taken = dials(world)
    world.client(2575).send(*[order(number, number) for number in range(50)])
    world.run(200)
    assert 1 <= len(taken) <= 12


def test_a_refused_first_dial_is_followed_by_waiting(useful: World) -> None:
    tried: list[float] = []
    connect = useful.network.connect

    def noted(number: int, factory: Any, process: Any) -> Any:
        if number == 6701:
            tried.append(useful.network.clock.seconds())
        return connect(number, factory, process)

    useful.network.connect = noted
    useful.network.listeners.pop(6701)
    useful.hospitals[6701].hang_up()
    start = useful.network.clock.seconds()
    useful.client(2575).send(order(99, 99))
    useful.run(200)
    assert tried[0] - start < 1
    assert all(after - before >= 30 for before, after in pairwise(tried))

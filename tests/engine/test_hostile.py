"""What a hostile reader thought of: races between operators, reloads and deliveries, and answers that would lose a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hl7bridge.engine.operate import Operators, Refused
from hl7bridge.engine.replay import Order, Replaying, run_steps
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import (
    DeliveryQuery,
    DeliveryRow,
    MessageQuery,
    MessageStatus,
    StoreBusy,
    StoreFull,
)
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World

Site = Callable[..., World]

#: A channel that cannot decide what `order` says, and one that can.
FAILING = """
channel: pharmacy
source: {mllp: {port: 2575}}
map: [{PID-5: {from: ZZZ-1, else: error}}]
send_to: [hospital]
"""
WORKING = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n"


def order(number: int, patient: int = 7, *, msh: str = "") -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{patient}-{number}|P|2.5.1{msh}\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


def deliveries(world: World) -> list[DeliveryRow]:
    return world.store.deliveries(DeliveryQuery(), None, 1000)


def statuses(world: World) -> list[str]:
    return [row.status.name for row in deliveries(world)]


def send(world: World, *messages: bytes) -> None:
    client = world.client(2575)
    client.send(*messages)
    assert world.run(5, lambda: len(client.answers) == len(messages))
    assert set(client.codes) == {"AA"}


def ask(world: World, verb: str, *arguments: Any) -> list[Any]:
    """Asks and does not wait: the list is filled when the answer comes."""
    told: list[Any] = []
    getattr(Operators(world.engine), verb)(*arguments, "nurse", told.append)
    return told


def act(world: World, verb: str, *arguments: Any) -> Any:
    told = ask(world, verb, *arguments)
    world.run(1, lambda: bool(told))
    if isinstance(told[0], HL7BridgeError):
        raise told[0]
    return told[0]


def rewrite(world: World, name: str, text: str) -> None:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# -- repetitions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["|||AL|AL", "|||NE|NE", "|||NE|AL", "|||AL|NE", "|||ER|NE", ""])
def test_what_failed_is_processed_anew_however_it_was_answered(site: Site, asked: str) -> None:
    world = site(pharmacy=FAILING)
    client = world.client(2575)
    client.send(order(1, msh=asked))
    world.run(1)
    assert "AA" not in client.codes
    assert world.store.messages(MessageQuery(), None, 10)[0].status is MessageStatus.ERROR
    rewrite(world, "pharmacy.yaml", WORKING)
    list(world.engine.reload())
    client.send(order(1, msh=asked))
    world.run(5)
    assert world.ledger.ids(6701) == ["7-1"]


def test_a_replay_does_not_swallow_what_the_sender_sends_again(site: Site) -> None:
    world = site(pharmacy=FAILING)
    client = world.client(2575)
    client.send(order(1))
    world.run(1)
    assert client.codes == ["AE"]
    for _ in Replaying(world.engine).from_store(Order("nurse")):
        pass
    world.run(1)
    rewrite(world, "pharmacy.yaml", WORKING)
    list(world.engine.reload())
    client.send(order(1))
    world.run(5)
    assert client.codes == ["AE", "AA"]
    assert world.ledger.ids(6701) == ["7-1"]

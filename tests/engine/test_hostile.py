"""What a hostile reader thought of: races between operators, reloads and deliveries, and answers that would lose a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hl7bridge.engine.operate import Operators, Refused
from hl7bridge.engine.replay import Order, Replaying
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


# -- operators --------------------------------------------------------------------------------------------------------------


def test_what_is_cancelled_at_the_moment_it_would_be_claimed_does_not_leave(site: Site) -> None:
    """A claim and a cancellation in one turn: one of them wins, and the queue goes on."""
    world = site(Script(delay_s=0.5))
    send(world, *[order(1, number) for number in range(40)])
    delivery = world.engine.deliveries["hospital"]
    queue, pump = delivery.queue, delivery.pump
    asked: list[int] = []
    told: list[Any] = []

    def pump_and_cancel() -> None:
        pump()
        if queue.may_claim and not asked:
            asked.append(queue.claimable[0].id)
            Operators(world.engine).cancel(asked, "nurse", told.append)

    delivery.pump = pump_and_cancel
    assert world.run(60, lambda: bool(told) and world.settled())
    row = world.store.delivery(asked[0])
    sent = {each for each, _ in world.ledger.delivered[6701]}
    cancelled = row.status.name == "CANCELLED"
    assert cancelled != isinstance(told[0], HL7BridgeError)
    assert cancelled == (world.store.message(row.message_id).row.control_id not in sent)
    assert queue.claims == 0
    assert set(statuses(world)) <= {"SENT", "CANCELLED"}


def test_a_delivery_that_is_resent_twice_at_once_goes_once(site: Site) -> None:
    answers = iter(["AR"])
    world = site(Script(answer=lambda payload: next(answers, "AA")))
    send(world, order(1))
    world.run(5, world.settled)
    failed = deliveries(world)[0].id
    first, second = ask(world, "resend", [failed, failed]), ask(world, "resend", [failed])
    assert world.run(10, lambda: bool(first and second) and world.settled())
    assert isinstance(second[0], Refused)
    assert world.ledger.delivered[6701] == [("7-1", "AR"), ("7-1", "AA")]
    assert world.engine.deliveries["hospital"].queue.claims == 0


def test_of_a_release_and_a_hold_at_once_the_last_counts(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    ask(world, "release", "hospital")
    ask(world, "hold", "hospital")
    world.run(1)
    assert world.store.held() == {"hospital"}
    send(world, order(1))
    world.run(10)
    assert not world.ledger.delivered[6701]


def test_a_hold_that_could_not_be_repeated_still_holds(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    world.store.refuse_next(StoreBusy("locked"))
    with pytest.raises(StoreBusy):
        act(world, "hold", "hospital")
    send(world, order(1))
    world.run(10)
    assert not world.ledger.delivered[6701]


def test_what_was_admitted_before_a_hold_can_be_cancelled_after_it(site: Site) -> None:
    world = site()
    world.network.listeners.pop(6701)
    client = world.client(2575)
    client.send(order(1))
    queue = world.engine.deliveries["hospital"].queue
    assert world.run(5, lambda: bool(queue.entries))
    act(world, "hold", "hospital")
    act(world, "cancel", [deliveries(world)[0].id])
    assert statuses(world) == ["CANCELLED"]


def test_a_hold_outlives_the_removal_of_its_destination(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    text = (world.folder / "destinations/hospital.yaml").read_text()
    (world.folder / "destinations/hospital.yaml").unlink()
    rewrite(world, "destinations/other.yaml", text.replace("destination: hospital", "destination: other"))
    rewrite(world, "pharmacy.yaml", WORKING.replace("hospital", "other"))
    world.crash()
    world.start()
    rewrite(world, "destinations/hospital.yaml", text)
    rewrite(world, "pharmacy.yaml", WORKING)
    list(world.engine.reload())
    send(world, order(1))
    world.run(10)
    assert not world.ledger.delivered[6701]

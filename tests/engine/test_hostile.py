"""What a hostile reader thought of: races between operators, reloads and deliveries, and answers that would lose a message."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from zope.interface import directlyProvides

from hl7bridge.connectors.mllp_destination import MllpDestination
from hl7bridge.delivery import queue
from hl7bridge.engine.operating.operate import Operators, Refused
from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import (
    MessageQuery,
    MessageStatus,
    StoreBusy,
    StoreFull,
)
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import WORKING, Site, act, ask, deliveries, order, send, statuses

#: A channel that cannot decide what `order` says, and one that can.
FAILING = """
channel: pharmacy
source: {mllp: {port: 2575}}
map: [{PID-5: {from: ZZZ-1, else: error}}]
send_to: [hospital]
"""


def rewrite(world: World, name: str, text: str) -> None:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def replaying(world: World, rate: float = 0.0) -> list[Any]:
    ended: list[Any] = []
    steps = Replaying(world.engine).from_store(Order("nurse", rate=rate))
    run_steps(steps, world.engine.clock, rate, lambda progress: None, ended.append)
    return ended


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
    ended = replaying(world)
    assert world.run(1, lambda: bool(ended))
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


# -- a store that says no -----------------------------------------------------------------------------------------------------


def test_claims_that_the_full_store_refuses_are_not_tried_in_a_tight_loop(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    send(world, *[order(1, number) for number in range(5)])
    commit, tries = world.store.commit, []

    def full(batch: Any) -> None:
        if batch.claims and len(tries) < 1000:
            tries.append(world.network.clock.seconds())
            raise StoreFull("no room")
        commit(batch)

    world.store.commit = full
    ask(world, "release", "hospital")
    world.run(3)
    assert 1 <= len(tries) < 100
    world.store.commit = commit
    assert world.run(30, world.settled)
    assert set(statuses(world)) == {"SENT"}


def test_results_that_the_full_store_refuses_are_not_tried_in_a_tight_loop(site: Site) -> None:
    world = site()
    commit, tries = world.store.commit, []

    def full(batch: Any) -> Any:
        if batch.changes and len(tries) < 1000:
            tries.append(world.network.clock.seconds())
            raise StoreFull("no room")
        return commit(batch)

    world.store.commit = full
    send(world, order(1))
    world.run(10)
    assert 5 <= len(tries) < 30
    world.store.commit = commit
    assert world.run(30, world.settled)
    assert set(statuses(world)) == {"SENT"}


@pytest.mark.parametrize("verb", ["body", "open_deliveries", "roster_rows"])
def test_a_store_that_cannot_be_read_for_a_moment_stops_nothing_for_good(site: Site, verb: str) -> None:
    world = site()
    world.network.listeners.pop(6701)
    send(world, *[order(1, number) for number in range(5)])
    world.crash()
    world.network.listen(6701, world.hospitals[6701], world.outside)
    world.start()
    read, refused = getattr(world.store, verb), []

    def busy(*args: Any) -> Any:
        if len(refused) < 3:
            refused.append(None)
            raise StoreBusy("locked")
        return read(*args)

    setattr(world.store, verb, busy)
    try:
        assert world.run(30, world.settled)
    finally:
        setattr(world.store, verb, read)
    assert set(statuses(world)) == {"SENT"}


def test_a_sender_is_told_when_the_store_cannot_be_asked_for_repetitions(site: Site) -> None:
    world = site()
    client = world.client(2575)
    asked = world.store.duplicate_of

    def busy(*args: Any) -> Any:
        world.store.duplicate_of = asked
        raise StoreBusy("locked")

    world.store.duplicate_of = busy
    client.send(order(1))
    world.run(2)
    assert client.codes == ["AE"]
    assert world.engine.receiver.idle


def test_copies_do_not_wait_for_ever_behind_an_answer_that_could_not_be_written(site: Site) -> None:
    world = site()
    first, second = world.client(2575), world.client(2575)
    for connection in list(world.engine.ports["pharmacy"].factory.connections)[:1]:
        connection._write = lambda data: 1 / 0
    first.send(order(1))
    second.send(order(1))
    world.run(3)
    assert second.codes == ["AA"]
    assert world.engine.receiver.idle


def test_a_large_batch_leaves_room_for_neighbours(site: Site) -> None:
    world = site()
    sizes: list[int] = []
    commit = world.store.commit

    def measured(batch: Any) -> None:
        sizes.append(len(batch.messages))
        commit(batch)

    world.store.commit = measured
    client = world.client(2575)
    messages = [order(number, number % 9) for number in range(500)]
    client.send(b"BHS|^~\\&|RX|S1\r" + b"".join(messages) + b"BTS|500\r")
    world.run(60, lambda: len(client.answers) == 500)
    assert set(client.codes) == {"AA"}
    assert max(sizes) < 200
    assert world.engine.budget.held_bytes == 0
    assert world.run(60, world.settled)
    assert len(world.ledger.ids(6701)) == 500
    assert not world.ledger.reordered(
        6701, lambda each: each.split("-")[0], lambda each: int(each.split("-")[1])
    )


def test_one_key_with_a_long_queue_is_read_in_many_turns(site: Site) -> None:
    world = site()
    world.network.listeners.pop(6701)
    send(world, *[order(number) for number in range(3000)])
    world.crash()
    world.network.listen(6701, world.hospitals[6701], world.outside)
    world.start()
    reads: list[int] = []
    pump = world.engine.deliveries["hospital"]._pump
    page = world.store.open_deliveries

    def counted(*args: Any) -> Any:
        reads[-1] += 1
        return page(*args)

    world.store.open_deliveries = counted
    world.engine.deliveries["hospital"]._pump = lambda: (reads.append(0), pump())[1]
    assert world.run(600, world.settled)
    assert max(reads) < 40
    assert [each for each, _ in world.ledger.delivered[6701]] == [f"7-{number}" for number in range(3000)]


# -- reload -------------------------------------------------------------------------------------------------------------------


def test_new_limits_of_a_source_keep_its_port_and_its_connections(site: Site) -> None:
    world = site()
    client = world.client(2575)
    rewrite(world, "pharmacy.yaml", WORKING.replace("2575", "2575, max_connections: 2"))
    list(world.engine.reload())
    client.send(order(1))
    other = world.client(2575)
    other.send(order(2))
    world.run(2)
    assert client.codes == other.codes == ["AA"]
    assert world.engine.ports.connections == {"pharmacy": 2}


def test_a_source_that_is_renamed_takes_its_port_along(site: Site) -> None:
    world = site()
    rewrite(world, "pharmacy.yaml", WORKING.replace("channel: pharmacy", "channel: dispensary"))
    list(world.engine.reload())
    world.run(1)
    client = world.client(2575)
    client.send(order(1))
    world.run(2)
    assert client.codes == ["AA"]
    assert world.store.messages(MessageQuery(), None, 1)[0].source == "dispensary"


def test_a_reload_that_fails_late_leaves_every_port_open(site: Site) -> None:
    world = site()
    rewrite(world, "pharmacy.yaml", WORKING.replace("2575", "2575, max_connections: 2"))
    rewrite(world, "second.yaml", "channel: second\nsource: {mllp: {port: 2600}}\nsend_to: [hospital]\n")
    world.store.refuse_next(StoreBusy("locked"))
    with pytest.raises(StoreBusy):
        list(world.engine.reload())
    world.run(1)
    assert set(world.network.listeners) == {2575, 6701}
    send(world, order(1))


def test_what_is_on_its_way_to_a_removed_destination_is_kept(site: Site) -> None:
    world = site(Script(answer="silence"))
    send(world, order(1), order(1, 8), order(1, 9))
    text = (world.folder / "destinations/hospital.yaml").read_text()
    (world.folder / "destinations/hospital.yaml").unlink()
    rewrite(world, "destinations/other.yaml", text.replace("destination: hospital", "destination: other"))
    rewrite(world, "pharmacy.yaml", WORKING.replace("hospital", "other"))
    list(world.engine.reload())
    world.run(60)
    assert statuses(world) == ["QUEUED"] * 3, "nothing may leave, nothing may fail, and all may be cancelled"
    act(world, "cancel", [deliveries(world)[2].id])
    world.hospitals[6701].script.answer = "AA"
    rewrite(world, "destinations/hospital.yaml", text)
    rewrite(world, "pharmacy.yaml", WORKING)
    list(world.engine.reload())
    assert world.run(60, world.settled)
    assert statuses(world) == ["SENT", "SENT", "CANCELLED"]


def test_of_two_reloads_at_once_the_second_is_told_to_wait(site: Site) -> None:
    world = site()
    first = world.engine.reload()
    world.engine._reloading = True  # the first is among the rosters
    with pytest.raises(HL7BridgeError, match="under way"):
        list(world.engine.reload())
    world.engine._reloading = False
    list(first)


def test_a_reload_that_meets_a_stop_opens_nothing(site: Site) -> None:
    world = site()
    rewrite(world, "second.yaml", "channel: second\nsource: {mllp: {port: 2600}}\nsend_to: [hospital]\n")
    reload = world.engine.reload()
    stopped: list[Any] = []
    world.engine.stop().addBoth(stopped.append)
    with pytest.raises(HL7BridgeError, match="stopping"):
        list(reload)
    world.run(5, lambda: bool(stopped))
    assert set(world.network.listeners) == {6701}


# -- replay -------------------------------------------------------------------------------------------------------------------


def test_a_replay_is_intake_and_stops_with_it(site: Site) -> None:
    world = site()
    send(world, *[order(number) for number in range(30)])
    world.run(5, world.settled)
    ended = replaying(world, rate=1.0)
    world.run(5)
    stopped: list[Any] = []
    world.engine.stop().addBoth(stopped.append)
    world.run(20, lambda: bool(stopped and ended))
    assert isinstance(ended[0], HL7BridgeError)
    assert ended[0].code == "replay-stopped"


def test_a_replay_that_was_not_kept_does_not_say_it_was_done(site: Site) -> None:
    world = site()
    send(world, order(1))
    world.run(5, world.settled)
    ended = replaying(world)
    world.store.refuse_next(StoreFull("no room"))
    world.run(5, lambda: bool(ended))
    assert isinstance(ended[0], HL7BridgeError)
    assert len(world.store.messages(MessageQuery(), None, 10)) == 1


def test_whoever_asked_for_what_fails_unexpectedly_hears_of_it(site: Site) -> None:
    world = site()
    ended: list[Any] = []
    run_steps((1 / 0 for _ in range(1)), world.engine.clock, 0, lambda step: None, ended.append)
    world.run(1, lambda: bool(ended))
    assert ended[0].code == "fault"


# -- hospitals and feeds --------------------------------------------------------------------------------------------------------


def test_a_peer_that_never_speaks_tls_is_not_waited_for_without_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MllpDestination.connectionMade

    def over_tls(connection: MllpDestination) -> None:
        directlyProvides(connection.transport, ISSLTransport)
        made(connection)

    world = site()
    with monkeypatch.context() as patch:
        patch.setattr(MllpDestination, "connectionMade", over_tls)
        send(world, order(1))
        world.run(30)
        assert len(world.hospitals[6701].connections) <= 1
    assert world.run(60, world.settled)
    assert statuses(world) == ["SENT"]


def test_a_hospital_that_closes_at_once_is_dialled_with_patience(site: Site) -> None:
    world = site()
    dials: list[float] = []

    class Closes(Protocol):
        def connectionMade(self) -> None:
            dials.append(world.network.clock.seconds())
            self.transport.abortConnection()

    factory = Factory.forProtocol(Closes)
    world.network.listeners.pop(6701)
    world.network.listen(6701, factory, world.outside)
    client = world.client(2575)
    client.send(order(1))
    world.run(60, lambda: len(dials) > 100)
    assert 1 < len(dials) < 50
    world.network.listeners.pop(6701)
    world.network.listen(6701, world.hospitals[6701], world.outside)
    assert world.run(60, world.settled)
    assert statuses(world) == ["SENT"]


def test_a_hospital_that_refuses_everything_for_now_costs_no_memory_without_bound(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_WAITING", 100)
    world = site(Script(answer=lambda payload: manner))
    waiting = world.engine.deliveries["hospital"].queue
    waiting.window = 400
    manner = "AE"
    send(world, *[order(1, number) for number in range(1500)])
    world.run(30)
    assert len(waiting.entries) <= 1000  # a window, a page and those that wait
    manner = "AA"
    assert world.run(300, world.settled)
    assert set(statuses(world)) == {"SENT"}


def test_a_sender_that_reads_no_answers_is_not_read(site: Site) -> None:
    world = site()
    world.client(2575)
    world.run(1)
    connection = next(iter(world.engine.ports["pharmacy"].factory.connections))
    connection.pauseProducing()
    connection.resume()
    assert connection.transport._paused
    connection.pause()
    connection.resumeProducing()
    assert connection.transport._paused
    connection.resume()
    assert not connection.transport._paused


def test_under_strict_a_stop_outlives_the_engine(site: Site) -> None:
    answers = iter(["AR"])
    strict = "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\norder: strict\n"
    world = site(Script(answer=lambda payload: next(answers, "AA")), destinations__hospital=strict)
    send(world, order(1), order(2))
    world.run(5)
    world.crash()
    world.start()
    world.run(30)
    assert statuses(world) == ["FAILED", "QUEUED"]
    act(world, "release", "hospital")
    assert world.run(5, world.settled)
    assert statuses(world) == ["FAILED", "SENT"]

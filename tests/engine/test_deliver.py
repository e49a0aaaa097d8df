"""What hospitals can do to the engine, and what operators may do about it."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet.error import getConnectError

from hl7bridge.engine.operating.operate import Operators, Refused
from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import (
    DeliveryStatus,
    MessageQuery,
    StoreBusy,
)
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import WORKING, Site, act, deliveries, order, send, statuses


def link_reason(world: World) -> str | None:
    found: str | None = Operators(world.engine).status()["destinations"]["hospital"]["link_reason"]
    return found


def merge(number: int, into: int, old: int) -> bytes:
    return (
        f"MSH|^~\\&|ADT|S1|HUB|HUB|20261121120000||ADT^A40^ADT_A39|M-{number}|P|2.5.1\r"
        f"EVN|A40|20261121120000\rPID|1||{into}^^^RETAIL^PI||DOE^JANE\rMRG|{old}^^^RETAIL^PI\r"
    ).encode()


@pytest.mark.parametrize(
    ("manner", "sent", "possible_duplicate"),
    [
        ("AA", 1, False),
        ("CA", 1, False),
        ("AE", 2, False),
        ("CE", 2, False),
        ("silence", 2, True),
        ("garbage", 2, True),
        ("wrong-id", 2, True),
        ("close", 2, True),
        ("half", 2, True),
        ("twice", 1, False),
    ],
)
def test_each_way_to_answer_has_a_clear_end(
    site: Site, manner: str, sent: int, possible_duplicate: bool
) -> None:
    answers = iter([manner])
    world = site(Script(answer=lambda payload: next(answers, "AA")))
    send(world, order(1))
    world.run(20, world.settled)
    assert [control_id for control_id, _ in world.ledger.delivered[6701]] == ["7-1"] * sent
    row = deliveries(world)[0]
    assert row.status is DeliveryStatus.SENT
    assert row.attempts == sent
    assert row.possible_duplicate is possible_duplicate


@pytest.mark.parametrize("code", ["AR", "CR"])
def test_a_rejected_message_fails_stays_visible_and_lets_the_next_go(site: Site, code: str) -> None:
    answers = iter([code])
    world = site(Script(answer=lambda payload: next(answers, "AA")))
    send(world, order(1), order(2))
    world.run(5, world.settled)
    assert statuses(world) == ["FAILED", "SENT"]
    assert deliveries(world)[0].code == code


def test_under_strict_a_failure_stops_the_queue_until_it_is_released(site: Site) -> None:
    answers = iter(["AR"])
    strict = "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\norder: strict\n"
    world = site(Script(answer=lambda payload: next(answers, "AA")), destinations__hospital=strict)
    send(world, order(1, 1), order(1, 2))
    world.run(60)
    assert statuses(world) == ["FAILED", "QUEUED"]
    act(world, "release", "hospital")
    world.run(5, world.settled)
    assert statuses(world) == ["FAILED", "SENT"]


def test_one_patients_trouble_holds_up_that_patient_alone(site: Site) -> None:
    world = site(Script(answer=lambda payload: "AE" if b"|1-" in payload else "AA"))
    send(world, order(1, 1), order(2, 1), order(1, 2), order(1, 3))
    world.run(8)
    assert statuses(world) == ["QUEUED", "QUEUED", "SENT", "SENT"]
    assert world.ledger.ids(6701) == ["1-1", "2-1", "3-1"]


def test_a_merge_waits_for_both_numbers_and_later_messages_wait_for_it(site: Site) -> None:
    world = site(Script(answer=lambda payload: "AE" if b"|2-" in payload and stubborn else "AA"))
    stubborn = True
    send(world, order(1, 1), order(1, 2), merge(1, 1, 2), order(2, 1), order(1, 9))
    world.run(8)
    assert world.ledger.ids(6701) == ["1-1", "2-1", "9-1"]
    stubborn = False
    world.run(30, world.settled)
    assert world.ledger.ids(6701) == ["1-1", "2-1", "9-1", "M-1", "1-2"]


def test_giving_up_after_its_age(site: Site) -> None:
    world = site(Script(answer="AE"))
    send(world, order(1))
    world.run(3700)
    assert statuses(world) == ["FAILED"]
    assert deliveries(world)[0].attempts > 5


def test_a_hospital_that_is_down_is_dialled_with_one_timer_and_gets_everything(site: Site) -> None:
    world = site()
    world.network.listeners.pop(6701)
    send(world, *[order(number, number) for number in range(50)])
    world.run(30)
    delivery = world.engine.deliveries["hospital"]
    assert not delivery.pool.up
    assert link_reason(world) == "cannot connect: connection refused"
    assert all(row.attempts == 0 for row in deliveries(world)), "nothing left, so nothing was attempted"
    world.network.listen(6701, world.hospitals[6701], world.outside)
    assert world.run(30, world.settled)
    assert sorted(world.ledger.ids(6701)) == sorted(f"{number}-{number}" for number in range(50))
    assert not world.ledger.repeated(6701)
    assert link_reason(world) is None


def test_why_a_hospital_cannot_be_dialled_is_why_the_last_dial_failed(site: Site) -> None:
    world = site()
    world.network.listeners.pop(6701)
    send(world, order(1))
    world.run(30)
    world.network.unreachable[6701] = getConnectError((errno.EHOSTUNREACH, "No route to host"))
    world.run(60)
    assert link_reason(world) == "cannot connect: no route to host"


def test_a_hospital_that_never_answers_is_tried_by_one_connection(site: Site) -> None:
    world = site(Script(answer="silence"))
    send(world, *[order(number, number) for number in range(50)])
    world.run(300)
    assert len(world.ledger.delivered[6701]) < 50
    world.hospitals[6701].script.answer = "AA"
    assert world.run(600, world.settled)
    assert statuses(world) == ["SENT"] * 50


def test_memory_keeps_a_window_and_the_store_the_rest(site: Site) -> None:
    world = site()
    world.network.listeners.pop(6701)
    world.engine.deliveries["hospital"].queue.window = 20
    send(world, *[order(number, number % 70) for number in range(500)])
    world.run(5)
    assert len(world.engine.deliveries["hospital"].queue.entries) <= 20
    world.network.listen(6701, world.hospitals[6701], world.outside)
    assert world.run(60, world.settled)
    assert len(world.ledger.ids(6701)) == 500
    assert not world.ledger.reordered(
        6701, lambda each: each.split("-")[0], lambda each: int(each.split("-")[1])
    )


def test_training_messages_do_not_leave_for_a_production_hospital(site: Site) -> None:
    world = site()
    send(world, order(1, processing="T"))
    world.run(3)
    assert statuses(world) == ["CANCELLED"]
    assert "MSH-11" in deliveries(world)[0].reason
    assert not world.ledger.delivered[6701]


def test_results_that_the_store_could_not_keep_are_kept_later(site: Site) -> None:
    world = site(Script(delay_s=1.0))
    send(world, order(1))
    world.run(0.5)
    world.store.refuse_next(StoreBusy("locked"))
    world.run(5, world.settled)
    assert statuses(world) == ["SENT"]
    assert len(world.ledger.delivered[6701]) == 1


# -- operators ---------------------------------------------------------------------------------------------------------------------


def test_hold_and_release(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    send(world, order(1), order(2))
    world.run(10)
    assert not world.ledger.delivered[6701]
    assert world.store.held() == {"hospital"}
    act(world, "release", "hospital")
    world.run(5, world.settled)
    assert world.ledger.ids(6701) == ["7-1", "7-2"]
    assert [entry.verb for entry in world.store.acts()] == ["hold", "release"]
    assert {entry.operator for entry in world.store.acts()} == {"nurse"}


def test_a_hold_outlives_the_engine(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    send(world, order(1))
    world.crash()
    world.start()
    world.run(10)
    assert not world.ledger.delivered[6701]


def test_cancel_what_waits(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    send(world, order(1), order(2))
    act(world, "cancel", [deliveries(world)[0].id])
    act(world, "release", "hospital")
    world.run(5, world.settled)
    assert world.ledger.ids(6701) == ["7-2"]
    assert statuses(world) == ["CANCELLED", "SENT"]


def test_what_is_on_its_way_or_done_cannot_be_cancelled(site: Site) -> None:
    world = site(Script(delay_s=2))
    send(world, order(1))
    with pytest.raises(Refused, match="on its way"):
        act(world, "cancel", [deliveries(world)[0].id])
    world.run(5, world.settled)
    with pytest.raises(Refused, match="SENT already"):
        act(world, "cancel", [deliveries(world)[0].id])


def test_a_resent_delivery_goes_last_and_warns_of_newer_ones(site: Site) -> None:
    answers = iter(["AR"])
    world = site(Script(answer=lambda payload: next(answers, "AA")))
    send(world, order(1), order(2))
    world.run(5, world.settled)
    result = act(world, "resend", [deliveries(world)[0].id])
    assert "1 newer messages" in result["warnings"][0]
    world.run(5, world.settled)
    assert statuses(world) == ["SENT", "SENT"]
    assert world.ledger.delivered[6701] == [("7-1", "AR"), ("7-2", "AA"), ("7-1", "AA")]


def test_acts_name_the_nearest_destination(site: Site) -> None:
    with pytest.raises(Refused, match="did you mean hospital"):
        act(site(), "hold", "hospitl")


def replay(world: World, **given: Any) -> None:
    query = given.pop("query", MessageQuery())
    ended: list[Any] = []
    run_steps(
        Replaying(world.engine).from_store(Order("nurse", query=query, **given)),
        world.engine.clock,
        given.get("rate", 0.0),
        lambda progress: None,
        ended.append,
    )
    assert world.run(100, lambda: bool(ended))
    assert ended == [None]
    assert world.run(30, world.settled)


def test_replay_through_the_channel_is_linked_and_in_order(site: Site) -> None:
    world = site()
    send(world, order(1), order(2))
    world.run(5, world.settled)
    replay(world)
    assert [each for each, _ in world.ledger.delivered[6701]] == ["7-1", "7-2"] * 2
    first, second, again, _ = world.store.messages(MessageQuery(), None, 10, newest_first=False)
    assert again.original == first.id
    assert again.flags == ("replay",)
    assert again.operator == "nurse"
    assert second.original is None


def test_replay_as_it_was_sends_the_stored_payload(site: Site) -> None:
    world = site()
    send(world, order(1))
    world.run(5, world.settled)
    (world.folder / "pharmacy.yaml").write_text(
        "channel: pharmacy\nsource: {mllp: {port: 2575}}\nmap: [{MSH-5: OTHER}]\nsend_to: [hospital]\n"
    )
    for _ in world.engine.reload():
        pass
    got: list[bytes] = []
    world.hospitals[6701].seen = lambda payload, code: got.append(payload)
    replay(world, as_it_was=True, limit=1)
    replay(world, limit=1)
    assert [payload.split(b"|")[4] for payload in got] == [b"EPIC", b"OTHER"]


def test_replay_to_a_destination_that_had_nothing_of_it(site: Site) -> None:
    world = site(destinations__other="destination: other\nsend: {mllp: {host: 127.0.0.1, port: 6702}}\n")
    world.hospital(6702)
    send(world, order(1))
    world.run(5, world.settled)
    replay(world, as_it_was=True, to=("other",))
    assert world.ledger.ids(6702) == ["7-1"]
    assert len(world.ledger.delivered[6701]) == 1


def test_replay_keeps_its_rate(site: Site) -> None:
    world = site()
    send(world, *[order(number, number) for number in range(30)])
    world.run(5, world.settled)
    before = world.network.clock.seconds()
    replay(world, rate=2.0)
    assert 14 <= world.network.clock.seconds() - before <= 17


# -- reload ------------------------------------------------------------------------------------------------------------------------


def test_a_reload_with_a_mistake_changes_nothing(site: Site) -> None:
    world = site()
    before = world.engine.configuration.version
    (world.folder / "pharmacy.yaml").write_text(
        "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospitl]\n"
    )
    with pytest.raises(HL7BridgeError, match="hospital"):
        list(world.engine.reload())
    assert world.engine.configuration.version == before
    send(world, order(1))
    world.run(5, world.settled)
    assert statuses(world) == ["SENT"]


def test_a_reload_keeps_connections_and_stamps_new_messages(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(order(1))
    world.run(2)
    pool = world.engine.deliveries["hospital"].pool
    (world.folder / "pharmacy.yaml").write_text(
        "channel: pharmacy\nsource: {mllp: {port: 2575}}\nmap: [{MSH-5: OTHER}]\nsend_to: [hospital]\n"
    )
    list(world.engine.reload())
    client.send(order(2))
    world.run(2)
    assert client.codes == ["AA", "AA"]
    assert world.engine.deliveries["hospital"].pool is pool
    old, new = world.store.messages(MessageQuery(), None, 10, newest_first=False)
    assert old.version != new.version == world.engine.configuration.version
    assert b"MSH-5: EPIC" in world.store.configuration(old.version).files["pharmacy.yaml"]


def test_a_reload_opens_closes_and_moves_ports(site: Site) -> None:
    world = site()
    (world.folder / "second.yaml").write_text(
        "channel: second\nsource: {mllp: {port: 2600}}\nsend_to: [hospital]\n"
    )
    list(world.engine.reload())
    send(world, order(1))
    client = world.client(2600)
    client.send(order(2))
    world.run(2)
    assert client.codes == ["AA"]
    (world.folder / "second.yaml").unlink()
    list(world.engine.reload())
    world.run(1)
    assert client.lost
    assert 2600 not in world.network.listeners


def test_a_changed_destination_gets_new_connections_and_loses_nothing(site: Site) -> None:
    world = site(Script(delay_s=1))
    world.hospital(6702)
    send(world, *[order(number, number) for number in range(8)])
    moved = (world.folder / "destinations" / "hospital.yaml").read_text().replace("6701", "6702")
    (world.folder / "destinations" / "hospital.yaml").write_text(moved)
    list(world.engine.reload())
    assert world.run(30, world.settled)
    first, second = world.ledger.ids(6701), world.ledger.ids(6702)
    assert len(first) + len(second) == 8
    assert second
    assert not any(row.possible_duplicate for row in deliveries(world))


def test_a_removed_destination_keeps_its_queue(site: Site) -> None:
    world = site()
    act(world, "hold", "hospital")
    send(world, order(1))
    (world.folder / "pharmacy.yaml").write_text(
        "channel: p\nsource: {mllp: {port: 2575}}\nsend_to: [other]\n"
    )
    text = (world.folder / "destinations" / "hospital.yaml").read_text()
    (world.folder / "destinations" / "hospital.yaml").rename(world.folder / "destinations" / "other.yaml")
    (world.folder / "destinations" / "other.yaml").write_text(
        text.replace("destination: hospital", "destination: other")
    )
    list(world.engine.reload())
    world.run(5)
    assert world.store.open_count("hospital") == 1
    assert link_reason(world) == "no configuration names it any more"
    (world.folder / "destinations" / "back.yaml").write_text(text)
    list(world.engine.reload())
    act(world, "release", "hospital")
    assert world.run(10, world.settled)
    assert world.ledger.ids(6701) == ["7-1"]


# -- time and stopping ---------------------------------------------------------------------------------------------------------------


def test_a_clock_set_back_delays_nothing(site: Site) -> None:
    world = site(Script(answer=lambda payload: next(answers, "AA")))
    answers = iter(["AE"])
    send(world, order(1))
    wall = world.engine.wall_us
    for delivery in world.engine.deliveries.values():
        delivery._wall_us = lambda: wall() - 3_600_000_000
    assert world.run(5, world.settled)
    assert statuses(world) == ["SENT"]


def test_an_orderly_stop_gives_back_what_has_not_left(site: Site) -> None:
    world = site(Script(delay_s=1))
    send(world, *[order(number, number) for number in range(10)])
    store = world.store
    stopped: list[Any] = []
    world.engine.stop().addBoth(stopped.append)
    world.run(20, lambda: bool(stopped))
    world.process.kill()
    world.start()
    assert store is not world.store
    assert world.run(30, world.settled)
    assert sorted(world.ledger.ids(6701)) == sorted(f"{number}-{number}" for number in range(10))
    assert not world.ledger.repeated(6701)
    assert not any(row.possible_duplicate for row in deliveries(world))


def test_operators_are_told_once_of_a_queue_that_waits_too_long(site: Site) -> None:
    world = site(hl7bridge="alerting: {queue_age: 10m}\n")
    world.network.listeners.pop(6701)
    send(world, order(1))
    world.run(500)
    assert Operators(world.engine).status()["late"] == []
    world.run(200)
    assert Operators(world.engine).status()["late"] == ["hospital"]
    world.network.listen(6701, world.hospitals[6701], world.outside)
    world.run(60)
    assert Operators(world.engine).status()["late"] == []


@pytest.mark.parametrize("connections", [1, 2])
def test_a_late_second_answer_is_not_taken_for_that_of_the_next_message_with_the_same_id(
    site: Site, connections: int
) -> None:
    """Stores use `201` for message after message, and some hospitals answer twice."""
    destination = (
        "destination: hospital\n"
        f"send: {{mllp: {{host: 127.0.0.1, port: 6701}}, timeout: 5s, connections: {connections}}}\n"
        "retry: {first: 1s}\n"
    )
    answers = iter(["AA, and again later", "silence"])
    world = site(Script(answer=lambda payload: next(answers, "AA")), destinations__hospital=destination)
    hospital = world.hospitals[6701]
    plain = hospital.answer

    def answer(connection: Any, payload: bytes, code: str) -> None:
        plain(connection, payload, code[:2] if code.startswith("AA") else code)
        if code.endswith("later"):
            world.outside.callLater(0.05, plain, connection, payload, "AA")

    hospital.answer = answer
    same = [order(1, patient).replace(b"|%d-1|" % patient, b"|201|") for patient in (1, 2, 3)]
    send(world, *same)
    world.run(3)
    assert statuses(world)[1:] != ["SENT", "SENT"], "a message counts as sent that was never answered"
    assert world.run(30, world.settled)
    assert statuses(world) == ["SENT"] * 3
    assert len(world.ledger.delivered[6701]) == 4


def test_the_same_filter_twice_replays_the_originals_twice_and_not_the_copies(site: Site) -> None:
    world = site()
    send(world, order(1), order(2))
    world.run(5, world.settled)
    replay(world)
    replay(world)
    assert len(world.ledger.delivered[6701]) == 6
    copy = world.store.messages(MessageQuery(), None, 10, newest_first=False)[2]
    replay(world, message=copy.id)
    assert len(world.ledger.delivered[6701]) == 7


def test_a_hospital_that_had_no_work_is_idle_and_not_down(site: Site) -> None:
    world = site()
    world.run(1)
    state = Operators(world.engine).status()["destinations"]["hospital"]
    assert state["link"] == "idle"
    world.network.listeners.pop(6701)
    send(world, order(1))
    world.run(2)
    assert Operators(world.engine).status()["destinations"]["hospital"]["link"] == "down"


def test_a_replay_of_one_message_that_is_gone_takes_no_other_in_its_place(site: Site) -> None:
    world = site()
    send(world, order(1), order(2))
    world.run(5, world.settled)
    gone = world.store.messages(MessageQuery(), None, 1, newest_first=False)[0].id
    world.store.expire(1 << 62, limit=1)
    assert [row.id for row in world.store.messages(MessageQuery())] != []
    ended: list[Any] = []
    steps = Replaying(world.engine).from_store(Order("nurse", message=gone))
    run_steps(steps, world.engine.clock, 0.0, lambda progress: None, ended.append)
    assert world.run(100, lambda: bool(ended))
    assert ended[0].code == "unknown-message"
    assert len(world.ledger.delivered[6701]) == 2


def test_a_limit_counts_messages_and_not_what_of_them_is_left_out(site: Site) -> None:
    world = site(
        pharmacy=WORKING.replace("[hospital]", "[hospital, other, third]"),
        destinations__other="destination: other\nsend: {file: {folder: other}}\n",
        destinations__third="destination: third\nsend: {file: {folder: third}}\n",
    )
    send(world, order(1), order(2), order(3))
    assert world.run(30, world.settled)
    for name in ("other", "third"):
        (world.folder / "destinations" / f"{name}.yaml").unlink()
    (world.folder / "pharmacy.yaml").write_text(WORKING)
    list(world.engine.reload())
    replay(world, as_it_was=True, limit=2)
    assert [control_id for control_id, _ in world.ledger.delivered[6701]][3:] == ["7-1", "7-2"]

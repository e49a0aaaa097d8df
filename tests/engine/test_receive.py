"""What a feed can do to the engine, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hl7bridge.hl7 import mllp
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import (
    MessageQuery,
    MessageRow,
    MessageStatus,
    StoreBusy,
    StoreFault,
    StoreFull,
)
from hl7bridge.testing.world import Crash, World

Site = Callable[..., World]


def order(
    control_id: str = "1", *, type_: str = "RDE^O11^RDE_O11", end: str = "\r", extra: str = "", msh: str = ""
) -> bytes:
    lines = [
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||{type_}|{control_id}|P|2.5.1{msh}",
        "PID|1||7^^^RETAIL^PI||DOE^JANE",
        *([extra] if extra else []),
        "ORC|NW|1",
    ]
    return (end.join(lines) + end).encode()


def rows(world: World) -> list[MessageRow]:
    return world.store.messages(MessageQuery(), None, 1000, newest_first=False)


def test_a_message_is_answered_when_it_is_durable_and_reaches_the_hospital(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(order("A1"))
    world.run(2)
    answer = Message(client.answers[0])
    assert answer.first(b"MSA").split()[1:3] == [b"AA", b"A1"]
    assert world.ledger.delivered[6701] == [("A1", "AA")]
    assert rows(world)[0].status is MessageStatus.RECEIVED


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_careless_senders_are_read_and_kept(site: Site, end: str) -> None:
    world = site(pharmacy="channel: p\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n")
    got: list[bytes] = []
    world.hospitals[6701].seen = lambda payload, code: got.append(payload)
    raw = order("A1", end=end)
    client = world.client(2575)
    client.send(raw)
    world.run(2)
    assert client.codes == ["AA"]
    assert got == [raw]


def test_several_messages_in_one_packet_and_bytes_between_them(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.write(
        b"noise" + mllp.frame(order("1")) + b"\r\n" + mllp.frame(order("2"))[:-1] + mllp.frame(order("3"))
    )
    world.run(2)
    assert client.codes == ["AA"] * 3
    assert sorted(world.ledger.ids(6701)) == ["1", "2", "3"]


def test_a_repeated_message_is_answered_again_and_processed_once(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(order("1"))
    world.run(2)
    client.send(order("1"))
    world.run(2)
    assert client.codes == ["AA", "AA"]
    assert world.ledger.delivered[6701] == [("1", "AA")]
    assert [row.status for row in rows(world)] == [MessageStatus.RECEIVED, MessageStatus.DUPLICATE]
    assert rows(world)[1].original == rows(world)[0].id


def test_a_copy_that_comes_while_the_original_is_in_flight_waits_for_it(site: Site) -> None:
    world = site()
    first, second = world.client(2575), world.client(2575)
    first.send(order("1"))
    second.send(order("1"))
    world.run(2)
    assert first.codes == second.codes == ["AA"]
    assert world.ledger.delivered[6701] == [("1", "AA")]


def test_the_same_control_id_with_other_bytes_is_a_new_message_and_flagged(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(order("1"), order("1", extra="NTE|1||another"))
    world.run(2)
    assert [row.flags for row in rows(world)] == [(), ("control-id-reused",)]
    assert len(world.ledger.delivered[6701]) == 2


def test_what_was_answered_with_an_error_is_processed_anew(site: Site) -> None:
    channel = "channel: p\nsource: {mllp: {port: 2575}}\nmap: [{PID-5: {from: ZZZ-1, else: error}}]\nsend_to: [hospital]\n"
    world = site(pharmacy=channel)
    client = world.client(2575)
    client.send(order("1"))
    world.run(1)
    client.send(order("1"))
    world.run(1)
    assert client.codes == ["AE", "AE"]
    assert [row.status for row in rows(world)] == [MessageStatus.ERROR] * 2


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("", "", ["AA"]),
        ("AL", "", ["CA"]),
        ("AL", "NE", ["CA"]),
        ("AL", "AL", ["CA", "AA"]),
        ("NE", "AL", ["AA"]),
        ("ER", "SU", ["AA"]),
        ("SU", "ER", ["CA"]),
        ("NE", "NE", []),
    ],
)
def test_acknowledgment_modes(site: Site, accept: str, application: str, codes: list[str]) -> None:
    world = site()
    client = world.client(2575)
    client.send(order("1", msh=f"|||{accept}|{application}"))
    world.run(2)
    assert client.codes == codes
    assert world.ledger.ids(6701) == ["1"]


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("", "", ["AE"]),
        ("AL", "NE", ["CE"]),
        ("AL", "AL", ["CA", "AE"]),
        ("ER", "NE", ["CE"]),
        ("SU", "NE", []),
    ],
)
def test_acknowledgment_modes_of_an_error(
    site: Site, accept: str, application: str, codes: list[str]
) -> None:
    channel = "channel: p\nsource: {mllp: {port: 2575}}\nmap: [{PID-5: {from: ZZZ-1, else: error}}]\nsend_to: [hospital]\n"
    world = site(pharmacy=channel)
    client = world.client(2575)
    client.send(order("1", msh=f"|||{accept}|{application}"))
    world.run(2)
    assert client.codes == codes


def test_what_no_channel_accepts_is_rejected_with_a_code_and_kept(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(order("1", type_="SIU^S12^SIU_S12"), order("2", type_="RDE^O99"))
    world.run(2)
    assert client.codes == ["AR", "AR"]
    assert [Message(answer).first(b"ERR").field(3).split(b"^")[0] for answer in client.answers] == [
        b"200",
        b"201",
    ]
    assert [row.status for row in rows(world)] == [MessageStatus.REJECTED] * 2


def test_no_answer_holds_patient_data(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(
        order("1"), order("2", type_="SIU^S12"), b"PID|1||7^^^RETAIL||DOE^JANE\r", b"MSH|||||DOE^JANE\r"
    )
    world.run(2)
    assert len(client.answers) == 4
    assert all(b"DOE" not in answer or index == 3 for index, answer in enumerate(client.answers))


def test_bytes_that_are_no_message_are_rejected_and_kept(site: Site) -> None:
    world = site()
    client = world.client(2575)
    client.send(b"hello", b"", b"MSH")
    world.run(2)
    assert client.codes == ["AR"] * 3
    assert [row.status for row in rows(world)] == [MessageStatus.REJECTED] * 3
    assert world.store.body(world.store.message(rows(world)[0].id).bodies[0][0]) == b"hello"


def test_a_batch_is_split_and_each_message_answered(site: Site) -> None:
    world = site()
    client = world.client(2575)
    batch = b"FHS|^~\\&|RX\rBHS|^~\\&|RX\r" + order("1") + order("2") + b"BTS|2\rFTS|1\r"
    client.send(batch, b"BHS|^~\\&|RX\rBTS|0\r")
    world.run(2)
    assert client.codes == ["AA", "AA", "AR"]
    assert sorted(world.ledger.ids(6701)) == ["1", "2"]


def test_a_message_beyond_the_limit_is_refused_and_the_connection_goes_on(site: Site) -> None:
    world = site(
        pharmacy="channel: p\nsource: {mllp: {port: 2575, max_message_bytes: 1000}}\nsend_to: [hospital]\n"
    )
    client = world.client(2575)
    client.send(order("big", extra="NTE|1||" + "x" * 2000), order("2"))
    world.run(2)
    assert client.codes == ["AR", "AA"]
    assert world.ledger.ids(6701) == ["2"]


def test_a_source_may_limit_who_connects_and_how_many(site: Site) -> None:
    world = site(
        pharmacy="channel: p\nsource: {mllp: {port: 2575, allow: [10.1.0.0/16], max_connections: 1}}\nsend_to: [hospital]\n"
    )
    connected = []
    world.network.connect(2575, _factory(), world.outside).addErrback(connected.append)
    assert connected, "127.0.0.1 is not in 10.1.0.0/16"


def test_the_most_connections(site: Site) -> None:
    world = site(
        pharmacy="channel: p\nsource: {mllp: {port: 2575, max_connections: 1}}\nsend_to: [hospital]\n"
    )
    first = world.client(2575)
    refused = []
    world.network.connect(2575, _factory(), world.outside).addErrback(refused.append)
    assert refused
    first.transport.loseConnection()
    world.run(1)
    world.client(2575)


def test_an_idle_connection_is_closed(site: Site) -> None:
    world = site(pharmacy="channel: p\nsource: {mllp: {port: 2575, idle_after: 30s}}\nsend_to: [hospital]\n")
    client = world.client(2575)
    world.run(20)
    client.send(order("1"))
    world.run(20)
    assert not client.lost
    world.run(15)
    assert client.lost


def test_release_2_commit_bytes(site: Site) -> None:
    world = site(
        pharmacy="channel: p\nsource: {mllp: {port: 2575, commit_bytes: true}}\nsend_to: [hospital]\n"
    )
    client = world.client(2575)
    client.send(order("1"))
    world.run(1)
    assert client.raw.startswith(mllp.commit_ack)
    assert client.codes[-1] == "AA"


@pytest.mark.parametrize("error", [StoreBusy, StoreFull])
def test_a_store_that_says_no_is_answered_ae_and_never_aa(site: Site, error: type[Exception]) -> None:
    world = site()
    client = world.client(2575)
    world.run(1)
    world.store.refuse_next(error("no"))
    client.send(order("1"))
    world.run(1)
    assert client.codes == ["AE"]
    assert Message(client.answers[0]).first(b"ERR").field(3).startswith(b"207")
    assert not world.ledger.delivered[6701]
    client.send(order("1"))
    world.run(1)
    assert client.codes == ["AE", "AA"]
    assert world.ledger.ids(6701) == ["1"]


def test_an_unknown_commit_answers_nothing_and_ends_the_process(site: Site) -> None:
    from hl7bridge.store.base import StoreUnknown

    world = site()
    client = world.client(2575)
    world.run(1)
    world.store.refuse_next(StoreUnknown("the disk failed"))
    client.send(order("1"))
    with pytest.raises(Crash):
        world.network.run(1)
    assert client.answers == []


def test_one_message_that_cannot_be_kept_does_not_take_its_neighbours_along(site: Site) -> None:
    world = site()
    client = world.client(2575)
    world.run(1)
    refused = world.store.commit

    def commit(batch: object) -> None:
        if any(message.control_id == "bad" for message in batch.messages):
            raise StoreFault("this cannot be kept")
        refused(batch)

    world.store.commit = commit
    client.send(order("1"), order("bad"), order("3"))
    world.run(2)
    assert sorted(client.codes) == ["AA", "AA", "AE"]
    assert sorted(world.ledger.ids(6701)) == ["1", "3"]


def test_a_nearly_full_disk_stops_intake_before_results(site: Site) -> None:
    world = site()
    client = world.client(2575)
    world.run(1)
    room = world.store.free_bytes
    world.store.free_bytes = lambda: 1_000_000
    world.run(2)
    client.send(order("1"))
    world.run(1)
    assert client.codes == ["AE"]
    assert rows(world) == []
    world.store.free_bytes = room
    world.run(2)
    client.send(order("1"))
    world.run(1)
    assert client.codes == ["AE", "AA"]


def test_the_budget_of_unacknowledged_bytes_pauses_readers_and_lets_one_finish(site: Site) -> None:
    world = site(hl7bridge="store: {unacknowledged: 1000000}\n")
    big = order("big", extra="NTE|1||" + "x" * 700_000)
    clients = [world.client(2575) for _ in range(12)]
    frames = [mllp.frame(big.replace(b"|big|", b"|%d|" % number)) for number in range(12)]
    for cut in range(0, len(frames[0]) + 1, 50_000):
        for client, data in zip(clients, frames, strict=True):
            client.write(data[cut : cut + 50_000])
        world.run(0.001)
    highest = 0

    def watch() -> bool:
        nonlocal highest
        highest = max(highest, world.engine.budget.held_bytes)
        return all(client.codes for client in clients)

    assert world.run(60, watch)
    assert [client.codes for client in clients] == [["AA"]] * 12
    assert highest < 4_500_000, "the limit, and what the favoured one and those that were let go bring"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_stall_a_neighbour_or_raise(site: Site, data: st.DataObject) -> None:
    world = site()
    hostile, neighbour = world.client(2575), world.client(2575)
    pieces = st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(lambda raw: b"\x0b" + raw + b"\x1c\r"),
        st.binary(max_size=80).map(lambda raw: b"\x0bMSH|^~\\&|" + raw + b"\x1c\r"),
        st.sampled_from([b"\x0b", b"\x1c", b"\r", mllp.frame(order("x"))]),
    )
    for piece in data.draw(st.lists(pieces, max_size=8)):
        hostile.write(piece)
    neighbour.send(order("N"))
    world.run(3)
    assert neighbour.codes == ["AA"]
    assert "N" in world.ledger.ids(6701)


def _factory() -> object:
    from twisted.internet.protocol import Factory

    from hl7bridge.testing.world import Client

    return Factory.forProtocol(Client)


def corpus() -> list[Path]:
    import os

    folder = Path(os.environ.get("HL7BRIDGE_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
    return sorted(folder.rglob("*.hl7"))


@pytest.mark.skipif(not corpus(), reason="the corpora of real messages are not beside this checkout")
def test_every_real_message_gets_a_disposition_and_an_answer(site: Site) -> None:
    world = site(
        pharmacy="channel: p\nsource: {mllp: {port: 2575}, duplicates: off}\nsend_to: [hospital]\n",
        destinations__hospital="destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\nprocessing: any\n",
    )
    files = corpus()
    got: list[bytes] = []
    world.hospitals[6701].seen = lambda payload, code: got.append(payload)
    world.hospitals[6701].script.answer = "AA"
    sent = [path.read_bytes() for path in files]
    neighbour = world.client(2575)
    for number, raw in enumerate(sent):
        client = world.client(2575)
        client.send(raw)
        neighbour.send(order(f"N{number}"))
        world.run(0.01)
        header = Message(raw).header.split() if raw.lstrip().startswith(b"MSH") else []
        asks = any(header[15:17])  # enhanced mode: there may be nothing that it wants to hear
        assert client.answers or asks, files[number]
    world.run(3600)
    assert len(neighbour.answers) == len(sent)
    kept = rows_all(world)
    assert len(kept) >= 2 * len(sent)
    whole = set(got)
    for row in kept:
        if row.status is MessageStatus.RECEIVED:
            assert world.store.body(world.store.message(row.id).bodies[0][0]) in whole


def rows_all(world: World) -> list[MessageRow]:
    return world.store.messages(MessageQuery(), None, 100_000, newest_first=False)


def test_codes_that_no_table_has_are_counted_by_place(site: Site) -> None:
    from hl7bridge.engine.operating.operate import Operators

    channel = (
        "channel: p\nsource: {mllp: {port: 2575}}\n"
        "map: [{PID-8: {from: PID-3.1, table: sex, else: U}}]\nsend_to: [hospital]\n"
    )
    world = site(pharmacy=channel, start=False)
    table = world.folder / "tables" / "sex.csv"
    table.parent.mkdir()
    table.write_text("code,value\nF,F\n")
    world.start()
    world.client(2575).send(order("1"), order("2"))
    world.run(2)
    assert list(Operators(world.engine).status()["table_misses"].values()) == [2]

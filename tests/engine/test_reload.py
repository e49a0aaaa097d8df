"""A reload is taken wholly or not at all, whatever goes wrong, and keeps the order of what waits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory

from hl7bridge.engine.operating.operate import Operators
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import DeliveryQuery, MessageQuery, StoreBusy, StoreFull, StoreUnknown
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import Crash, World
from tests.engine.site import Site, order, send

CHANNEL = """
channel: pharmacy
source: {mllp: {port: 2575}}
send_to: [{affiliates: pharmacy}]
"""
AFFILIATE = """
affiliate: NAME
identifiers: {authority: NAME, type: MR}
status: live
agreement: {pharmacy: 2026-01-01}
roster: rosters/NAME.csv
send: {mllp: {host: 127.0.0.1, port: PORT}}
retry: {first: 1s, factor: 1, most: 1s, jitter: 0%, give_up: 1h}
"""
#: Another source, on a port that the test may have taken; and a roster that changes with it.
SECOND = "channel: second\nsource: {mllp: {port: 2600}}\nsend_to: [rush]\n"
TLS = "channel: second\nsource: {mllp: {port: 2600, tls: {certificate: none.pem, key: none.pem}}}\nsend_to: [rush]\n"


NUMBERS = count()


def write(world: World, name: str, text: str) -> None:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def roster(world: World, name: str, *patients: int) -> None:
    lines = [f"{patient},RETAIL,,,,\n" for patient in patients]
    write(world, f"rosters/{name}.csv", "id,authority,from,through,npi,opt_out\n" + "".join(lines))


def reload(world: World) -> None:
    list(world.engine.reload())


@pytest.fixture
def programme(site: Site, tmp_path: Path) -> World:
    """Two affiliates: rush on 6701 has patient 7, tucson on 6702 has patient 8."""
    world = site(
        pharmacy=CHANNEL,
        destinations__hospital="",
        affiliates__rush=AFFILIATE.replace("NAME", "rush").replace("PORT", "6701"),
        affiliates__tucson=AFFILIATE.replace("NAME", "tucson").replace("PORT", "6702"),
        start=False,
    )
    world.hospital(6702)
    roster(world, "rush", 7)
    roster(world, "tucson", 8)
    world.start()
    return world


def who_gets(world: World, patient: int) -> set[str]:
    """The affiliates to which a message of this patient goes now."""
    client = world.client(2575)
    client.send(order(next(NUMBERS), patient))
    world.run(5, lambda: bool(client.answers))
    newest = world.store.messages(MessageQuery(), None, 1)[0]
    assert world.run(10, world.settled)
    return {row.destination for row in world.store.deliveries(DeliveryQuery(message_id=newest.id))}


def published(world: World) -> Any:
    return [world.store.roster_files(name) for name in ("rush", "tucson", "fresh")]


def take_port(world: World) -> None:
    world.network.listen(2600, Factory(), world.outside)


# -- all or nothing -----------------------------------------------------------------------------------------------------------


def test_a_reload_takes_new_lists_of_several_affiliates(programme: World) -> None:
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"rush"}, {"tucson"})
    roster(programme, "rush", 8)
    roster(programme, "tucson", 7)
    reload(programme)
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"tucson"}, {"rush"})


@pytest.mark.parametrize(
    ("second", "hindrance", "code"),
    [
        (SECOND, take_port, "cannot-listen"),
        (TLS, lambda world: None, "tls-file"),
        (SECOND, lambda world: world.store.refuse_next(StoreBusy("locked")), "store-busy"),
        (SECOND, lambda world: world.store.refuse_next(StoreFull("full"), after=1), "store-full"),
        (SECOND.replace("rush", "nowhere"), lambda world: None, None),
    ],
    ids=["port", "key", "version", "publishing", "mistake"],
)
def test_a_reload_that_is_refused_publishes_nothing_and_opens_nothing(
    programme: World, second: str, hindrance: Callable[[World], None], code: str | None
) -> None:
    engine = programme.engine
    before = (engine.configuration.version, published(programme), set(engine.deliveries))
    roster(programme, "rush", 8)
    roster(programme, "tucson", 7, 8)
    new = AFFILIATE.replace("NAME", "fresh").replace("PORT", "6703")
    write(programme, "affiliates/fresh.yaml", new)
    roster(programme, "fresh", 7)
    write(programme, "second.yaml", second)
    hindrance(programme)
    listening = set(programme.network.listeners)
    with pytest.raises(HL7BridgeError) as refused:
        reload(programme)
    assert code is None or refused.value.code == code
    programme.run(1)
    assert set(programme.network.listeners) == listening
    assert (engine.configuration.version, published(programme), set(engine.deliveries)) == before
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"rush"}, {"tucson"})
    # What was in the way is gone: the same folder is taken, wholly.
    write(programme, "second.yaml", SECOND.replace("2600", "2601"))
    programme.hospital(6703)
    reload(programme)
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"fresh", "tucson"}, {"rush", "tucson"})
    assert set(programme.network.listeners) >= {2575, 2601}


def test_after_an_unknown_end_of_publishing_the_engine_ends(programme: World) -> None:
    roster(programme, "rush", 8)
    programme.store.refuse_next(StoreUnknown("EIO"), after=1, kept=True)
    with pytest.raises(Crash):
        reload(programme)
    programme.crash()
    programme.start()
    assert (who_gets(programme, 7), who_gets(programme, 8)) == (set(), {"rush", "tucson"})


def test_a_list_that_was_put_back_as_it_was_counts_again(programme: World) -> None:
    roster(programme, "rush", 8)
    reload(programme)
    roster(programme, "rush", 7)
    reload(programme)
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"rush"}, {"tucson"})


def test_another_store_gets_every_list(programme: World) -> None:
    programme.crash()
    programme._store = None
    programme.start()
    assert (who_gets(programme, 7), who_gets(programme, 8)) == ({"rush"}, {"tucson"})


def test_a_list_that_has_not_changed_is_not_loaded_again(programme: World) -> None:
    generation = programme.store.roster_generation()
    reload(programme)
    roster(programme, "rush", 7, 9)
    reload(programme)
    assert programme.store.roster_generation() == generation + 1


# -- another order ------------------------------------------------------------------------------------------------------------

ONE_CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n"
HOSPITAL = """
destination: hospital
send: {mllp: {host: 127.0.0.1, port: 6701}, connections: 4}
retry: {first: 1s, factor: 1, most: 1s, jitter: 0%, give_up: 1h}
order: """


class Doorkeeper:
    """Answers AE to the messages in `later`, AR to those in `never`, AA to all others."""

    def __init__(self, *later: str) -> None:
        self.later = set(later)
        self.never: set[str] = set()

    def __call__(self, payload: bytes) -> str:
        control_id = payload.split(b"|")[9].decode()
        return "AE" if control_id in self.later else "AR" if control_id in self.never else "AA"


def change_order(world: World, to: str) -> None:
    write(world, "destinations/hospital.yaml", HOSPITAL + to)
    reload(world)


def accepted(world: World) -> list[str]:
    return [control_id for control_id, code in world.ledger.delivered[6701] if code == "AA"]


def operate(world: World, verb: str, *arguments: Any) -> None:
    told: list[Any] = []
    getattr(Operators(world.engine), verb)(*arguments, "nurse", told.append)
    assert world.run(5, lambda: bool(told))
    assert not isinstance(told[0], HL7BridgeError), told[0]


@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
@pytest.mark.parametrize(("before", "after"), list(permutations(("none", "patient", "strict"), 2)))
def test_what_is_decided_under_a_new_order_waits_for_what_was_decided_before(
    site: Site, before: str, after: str, restart: bool
) -> None:
    door = Doorkeeper("7-0")
    world = site(Script(answer=door), pharmacy=ONE_CHANNEL, destinations__hospital=HOSPITAL + before)
    # More of one patient than a key keeps in memory: some lie in the store alone.
    old = [f"{patient}-{number}" for number in range(90) for patient in (7, 8)]
    send(world, *[order(number, patient) for number in range(90) for patient in (7, 8)])
    change_order(world, after)
    new = [f"{patient}-{number}" for number in range(90, 93) for patient in (7, 9)]
    send(world, *[order(number, patient) for number in range(90, 93) for patient in (7, 9)])
    if restart:
        world.crash()
        world.start()
    world.run(10)
    if after == "none":  # no order is asked for any more: nobody waits
        assert set(new) <= set(accepted(world))
    else:
        assert not set(new) & {control_id for control_id, _ in world.ledger.delivered[6701]}
    door.later.clear()
    assert world.run(60, world.settled)
    got = accepted(world)
    if after != "none":
        assert set(got[: got.index(new[0])]) == set(old)
        assert [each for each in got if each in new and each[0] == "7"] == ["7-90", "7-91", "7-92"]
    assert set(got) == {*old, *new}
    if after == "strict":
        assert got[-6:] == new


@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
def test_an_order_that_changes_twice_is_kept_in_between_too(site: Site, restart: bool) -> None:
    door = Doorkeeper("7-0")
    world = site(Script(answer=door), pharmacy=ONE_CHANNEL, destinations__hospital=HOSPITAL + "patient")
    send(world, order(0))
    change_order(world, "strict")
    send(world, order(1, 8), order(1, 9))
    change_order(world, "patient")
    send(world, order(2), order(2, 9))
    if restart:
        world.crash()
        world.start()
    world.run(5)
    assert accepted(world) == []
    door.later = {"9-1"}
    world.run(5)
    assert accepted(world) == ["7-0", "8-1"]
    door.later.clear()
    assert world.run(5, world.settled)
    assert accepted(world)[:3] == ["7-0", "8-1", "9-1"]
    assert sorted(accepted(world)[3:]) == ["7-2", "9-2"]


def test_a_queue_longer_than_memory_drains_before_what_the_new_order_decides(site: Site) -> None:
    door = Doorkeeper("7-7")
    world = site(Script(answer=door), pharmacy=ONE_CHANNEL, destinations__hospital=HOSPITAL + "none")
    operate(world, "hold", "hospital")
    send(world, *[order(number, number % 50) for number in range(2100)])
    change_order(world, "patient")
    send(world, *[order(number, number % 50) for number in range(2100, 2150)])
    world.crash()
    world.start()
    send(world, *[order(number, number % 50) for number in range(2150, 2200)])
    operate(world, "release", "hospital")
    assert world.run(600, lambda: len(accepted(world)) == 2099)
    world.run(5)
    door.later.clear()
    assert world.run(600, world.settled)
    numbers = [int(control_id.split("-")[1]) for control_id in accepted(world)]
    assert numbers[2099] == 7
    assert set(numbers[:2100]) == set(range(2100))
    assert set(numbers) == set(range(2200))
    place = {number: at for at, number in enumerate(numbers)}
    assert all(place[number] < place[number + 50] for number in range(2100, 2150))


@pytest.mark.parametrize("before", ["none", "strict"])
def test_a_resend_from_before_takes_the_new_order_and_holds_nobody_up(site: Site, before: str) -> None:
    door = Doorkeeper()
    door.never = {"7-0"}
    world = site(Script(answer=door), pharmacy=ONE_CHANNEL, destinations__hospital=HOSPITAL + before)
    send(world, order(0))
    world.run(2)
    door.never.clear()
    door.later = {"8-1"}
    change_order(world, "patient")
    if before == "strict":
        operate(world, "release", "hospital")
    send(world, order(1, 8))
    failed = world.store.deliveries(DeliveryQuery(), None, 1)[0]
    operate(world, "resend", [failed.id])
    send(world, order(2), order(2, 9))
    world.run(5)
    assert sorted(accepted(world)) == ["7-0", "7-2", "9-2"]
    assert accepted(world).index("7-0") < accepted(world).index("7-2")
    rows = {row.message_id: row.keys for row in world.store.deliveries(DeliveryQuery(), None, 10)}
    newest = world.store.messages(MessageQuery(control_id="7-2"), None, 1)[0]
    assert rows[failed.message_id] == rows[newest.id]

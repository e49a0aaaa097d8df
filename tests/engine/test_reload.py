"""A reload is taken wholly or not at all, whatever goes wrong, and keeps the order of what waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory

from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import DeliveryQuery, MessageQuery, StoreBusy, StoreFull, StoreUnknown
from hl7bridge.testing.world import Crash, World

Site = Callable[..., World]

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


def order(number: int, patient: int = 7) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{patient}-{number}|P|2.5.1\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


def send(world: World, *messages: bytes) -> None:
    client = world.client(2575)
    client.send(*messages)
    assert world.run(5, lambda: len(client.answers) == len(messages))
    assert set(client.codes) == {"AA"}


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
    return json.loads((world.folder.parent / "data/rosters.json").read_text())


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


def test_a_list_that_was_published_unnoticed_is_not_taken_for_the_one_before(programme: World) -> None:
    """The engine dies between the publishing and the note of it; then somebody puts the old list back."""
    noted = (programme.folder.parent / "data/rosters.json").read_bytes()
    roster(programme, "rush", 8)
    reload(programme)
    (programme.folder.parent / "data/rosters.json").write_bytes(noted)
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

"""What is withheld is looked at again when a message is sent: a category that was added while it waited stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from hl7bridge.store.base import MessageQuery
from hl7bridge.testing.world import World
from tests.engine.site import Site, act, deliveries

CHANNEL = "channel: c\nsource: feed\nsend_to: [{affiliates: pharmacy}]\n"
PROGRAMME = "channel: p\nsource: programme\nsend_to: [{affiliates: pharmacy}]\n"
AFFILIATE = """
affiliate: rush
agreement: {pharmacy: 2026-01-01}
roster: rosters/rush.csv
allow: everything
send: {mllp: {host: 127.0.0.1, port: 6701}}
"""
RECODED = "map: [{RXE-2: X^medicine^L}, {remove: [PV1, PID-7]}]\n"
HEAD = "MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{0}|P|2.5.1\r"
PID = "PID|1||7^^^RETAIL^PI||DOE^JANE||{0}\r"


def order(name: str, code: str = "1", *, visit: str = "", born: str = "19700101", more: str = "") -> bytes:
    orders = "".join(f"ORC|NW|{name}-{each}\rRXE||{each}^x^NDC\r" for each in code.split())
    return (HEAD.format(name) + PID.format(born) + visit + orders + more).encode()


def write(world: World, name: str, text: str) -> None:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def queued(site: Site, tmp_path: Path) -> World:
    """A site whose one affiliate is held, so that everything for it waits."""
    world = site(
        pharmacy=CHANNEL,
        programme=PROGRAMME,
        destinations__hospital="",
        sources__feed="source: feed\nmllp: {port: 2575}\n",
        affiliates__rush=AFFILIATE + RECODED,
        start=False,
    )
    write(world, "rosters/rush.csv", "id,authority,from,through,npi,opt_out\n7,RETAIL,,,,\n")
    write(
        world,
        "tables/withheld.csv",
        "category,system,code\nhiv,NDC,66\nhiv,LOCATION,U6\nminors,AGE,18\nother,NDC,9\n",
    )
    world.start()
    act(world, "hold", "rush")
    return world


def came(world: World, *messages: bytes) -> None:
    client = world.client(2575)
    client.send(*messages)
    assert world.run(5, lambda: len(client.answers) == len(messages))
    assert set(client.codes) == {"AA"}


def ends(world: World) -> list[tuple[str, str | None]]:
    return [(row.status.name, row.reason) for row in deliveries(world)]


DOCUMENT = "OBR|1\rOBX|1|ED|x||^application^pdf^Base64^AAAA\r"
SENT = ("SENT", None)


@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
@pytest.mark.parametrize(
    ("message", "end"),
    [
        (order("a"), SENT),
        (order("b", "66"), ("CANCELLED", "withheld: hiv")),  # by its number: the map has recoded it
        (order("c", "1 66"), ("CANCELLED", "withheld: hiv")),
        (order("d", visit="PV1|1|O|U6\r"), ("CANCELLED", "withheld: hiv")),  # the map has removed it
        (order("e", born="20100101"), ("CANCELLED", "withheld: minors")),
        (order("f", born=""), ("CANCELLED", "withheld: minors")),
        (order("g", more=DOCUMENT), ("CANCELLED", "withheld: a document cannot be looked into")),
        (order("h", "9"), SENT),  # of a category that this affiliate gets
    ],
)
def test_a_category_that_was_added_stops_what_waits(
    queued: World, message: bytes, end: tuple[str, str | None], restart: bool
) -> None:
    came(queued, message)
    write(queued, "affiliates/rush.yaml", AFFILIATE + RECODED + "withhold: [hiv, minors]\n")
    if restart:
        queued.crash()
        queued.start()
    else:
        list(queued.engine.reload())
    act(queued, "release", "rush")
    assert queued.run(10, queued.settled)
    assert ends(queued) == [end]
    assert len(queued.ledger.delivered[6701]) == (end == SENT)


def test_what_was_filtered_when_it_was_decided_leaves_after_a_restart(queued: World) -> None:
    write(queued, "affiliates/rush.yaml", AFFILIATE + "withhold: [hiv, minors]\n")
    list(queued.engine.reload())
    came(queued, order("a", "1 66 2"), order("b", "66"))
    queued.crash()
    queued.start()
    act(queued, "release", "rush")
    assert queued.run(10, queued.settled)
    assert ends(queued) == [SENT, ("CANCELLED", "withheld: hiv")]


def test_a_document_of_the_programme_leaves_only_under_the_rules_by_which_it_was_composed(
    queued: World,
) -> None:
    summary = order("a", more=DOCUMENT).replace(b"|HUB|HUB|", b"|HUB|rush|")
    kept: list[object] = []
    queued.engine.programme.teller.enter(summary, None, kept.append)
    assert queued.run(5, lambda: kept == [None])
    write(queued, "affiliates/rush.yaml", AFFILIATE + "withhold: hiv\n")
    list(queued.engine.reload())
    act(queued, "release", "rush")
    assert queued.run(10, queued.settled)
    assert ends(queued) == [
        ("CANCELLED", "withheld: it was composed before the rules of what is withheld changed")
    ]
    queued.engine.programme.teller.enter(summary.replace(b"|a|", b"|b|"), None, kept.append)
    assert queued.run(10, lambda: queued.settled() and len(kept) == 2)
    assert ends(queued)[1] == SENT


def test_a_copy_of_a_document_is_as_old_as_its_original(queued: World) -> None:
    summary = order("a", more=DOCUMENT).replace(b"|HUB|HUB|", b"|HUB|rush|")
    kept: list[object] = []
    queued.engine.programme.teller.enter(summary, None, kept.append)
    assert queued.run(5, lambda: kept == [None])
    act(queued, "release", "rush")
    assert queued.run(10, queued.settled)
    assert ends(queued) == [SENT]
    write(queued, "affiliates/rush.yaml", AFFILIATE + "withhold: hiv\n")
    list(queued.engine.reload())
    ended: list[object] = []
    steps = Replaying(queued.engine).from_store(Order("nurse", as_it_was=True))
    run_steps(steps, queued.engine.clock, 0.0, lambda progress: None, ended.append)
    assert queued.run(100, lambda: bool(ended))
    assert queued.run(10, queued.settled)
    composed_before = "withheld: it was composed before the rules of what is withheld changed"
    assert ends(queued) == [SENT, ("CANCELLED", composed_before)]


def test_what_was_withheld_is_not_sent_as_it_was_even_when_nothing_is_withheld_any_more(
    queued: World,
) -> None:
    """There is no payload that was ever meant to leave; the channel makes one."""
    write(queued, "affiliates/rush.yaml", AFFILIATE + RECODED + "withhold: [hiv, minors]\n")
    list(queued.engine.reload())
    act(queued, "release", "rush")
    came(queued, order("a", "66"), order("b", visit="PV1|1|O|U6\r"))
    write(queued, "affiliates/rush.yaml", AFFILIATE)
    list(queued.engine.reload())
    replay(queued, as_it_was=True)
    assert ends(queued) == [("CANCELLED", "withheld: hiv")] * 2
    assert not queued.ledger.delivered[6701]
    replay(queued, as_it_was=False)
    assert ends(queued)[2:] == [SENT, SENT]


def replay(world: World, *, as_it_was: bool) -> None:
    ended: list[object] = []
    steps = Replaying(world.engine).from_store(Order("nurse", as_it_was=as_it_was, query=MessageQuery()))
    run_steps(steps, world.engine.clock, 0, lambda progress: None, ended.append)
    assert world.run(10, lambda: bool(ended))
    assert ended == [None]
    assert world.run(10, world.settled)

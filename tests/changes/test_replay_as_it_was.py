"""`replay --as-it-was`: whose payload goes to whom, and who would be refused it, said before it goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hl7bridge.engine.operating.operate import Refused
from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from tests.engine.site import act
from tests.stored import Stored

AFFILIATE = (
    "affiliate: {0}\nagreement: {{{1}: 2021-09-15}}\nidentifiers: {{authority: X, type: MR}}\n"
    "roster: rosters/{0}.csv\nsend: {{mllp: {{host: 127.0.0.1, port: {2}}}}}\n"
)
FILES = {
    "pharmacy.yaml": "channel: pharmacy\nsource: feed\naccept: [RDE^O11]\nsend_to: [archive, affiliates: pharmacy]\n",
    "clinic.yaml": "channel: clinic\nsource: feed\naccept: ['ADT^*']\nsend_to: [archive]\n",
    "sources/feed.yaml": "source: feed\nmllp: {port: 2575}\n",
    "destinations/archive.yaml": "destination: archive\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "destinations/other.yaml": "destination: other\nsend: {mllp: {host: 127.0.0.1, port: 6702}}\n",
    "affiliates/rush.yaml": AFFILIATE.format("rush", "pharmacy", 6703),
    "affiliates/medstar.yaml": AFFILIATE.format("medstar", "pharmacy", 6704),
    "affiliates/lakeview.yaml": AFFILIATE.format("lakeview", "clinic", 6705),
    "rosters/rush.csv": "id,authority,type,from\n7,RETAIL,PI,2022-12-01\n",
    "rosters/medstar.csv": "id,authority,type,from\n8,RETAIL,PI,2022-12-01\n",
    "rosters/lakeview.csv": "id,authority,type,from\n7,RETAIL,PI,2022-12-01\n",
}


def message(kind: str) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||{kind}|C1|P|2.5.1\r"
        "PID|1||7^^^RETAIL^PI||SECRETNAME^JANE\rORC|NW|9||||||20261121\rRXE|1|55^m^NDC|1||TAB\r"
    ).encode()


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    found = Stored(tmp_path, FILES)
    for port in range(6701, 6706):
        found.world.hospital(port)
    found.world.start()
    return found


@pytest.mark.parametrize(
    ("name", "to", "fails", "otherwise"),
    [
        ("rush", ["rush"], [], []),
        ("other", ["other"], [], ["other gets what was made for archive"]),
        ("medstar", [], ["medstar: not on the roster on the event's date"], []),
        ("lakeview", [], ["lakeview: the agreement does not cover pharmacy"], []),
    ],
)
def test_the_preview_says_who_would_be_refused_and_whose_payload_it_is(
    stored: Stored, name: str, to: list[str], fails: list[str], otherwise: list[str]
) -> None:
    stored.receives(message("RDE^O11"))
    shown = stored.command("replay", "--id", 1, "--as-it-was", "--to", name, "--dry-run", "--json").stdout
    [row, summary] = [json.loads(line) for line in shown.splitlines()]
    assert (row["to"], row["fails"], row["otherwise"]) == (to, fails, otherwise)
    assert (summary["deliveries"], summary["failing"]) == (len(to), len(fails))


def test_what_was_never_shared_with_an_affiliate_goes_to_none(stored: Stored) -> None:
    stored.receives(message("ADT^A08"))
    world = stored.world
    ended: list[object] = []
    steps = Replaying(world.engine).from_store(Order("nurse", as_it_was=True, to=("rush",)))
    run_steps(steps, world.engine.clock, 0.0, lambda progress: None, ended.append)
    assert world.run(100, lambda: bool(ended))
    world.run(30)
    assert not world.ledger.ids(6703), "nobody has said that rush may have it"


def test_what_its_own_map_failed_on_goes_to_nobody(tmp_path: Path) -> None:
    mask = "map: [{remove: PID-5}, {PID-8: {from: PID-8, else: error}}]\n"
    stored = Stored(tmp_path, {**FILES, "affiliates/rush.yaml": FILES["affiliates/rush.yaml"] + mask})
    for port in (6701, 6703):
        stored.world.hospital(port)
    stored.world.start()
    world = stored.world
    stored.receives(message("RDE^O11"))
    [row] = [each for each in world.store.message(1).deliveries if each.destination == "rush"]
    with pytest.raises(Refused, match="only the channel can make it"):
        act(world, "resend", [row.id])
    for to in (None, ("rush",)):
        ended: list[object] = []
        steps = Replaying(world.engine).from_store(Order("nurse", as_it_was=True, to=to))
        run_steps(steps, world.engine.clock, 0.0, lambda progress: None, ended.append)
        assert world.run(100, lambda done=ended: bool(done))
        world.run(30)
    assert not world.ledger.ids(6703), "the name is still in what was kept of it"
    shown = stored.command("replay", "--id", 1, "--as-it-was", "--to", "rush", "--dry-run", "--json").stdout
    assert json.loads(shown.splitlines()[0])["fails"][0].startswith("rush: it was never made")
    assert "left out: delivery" in stored.command("queue", "resend", "--all-failed", "rush").output

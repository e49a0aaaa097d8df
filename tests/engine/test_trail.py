"""The audit trail over years: an engine keeps it apart from the messages, and says where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hl7bridge.store.audit_check import check
from hl7bridge.store.base import MessageQuery, records_of
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.world import World, write_folder

FILES = {
    "pharmacy.yaml": "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n",
    "destinations/hospital.yaml": "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "hl7bridge.yaml": "retention: {messages: 90d, audit: 6y}\naudit: {head: heads.txt}\n",
}


def message(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{number}|P|2.5.1\r"
        f"PID|1||{number}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


def told(store: Any) -> list[str]:
    return [record.kind for row in store.audit_rows(0, 1000) for record in records_of(row)]


def day_passes(world: World, messages: list[bytes]) -> None:
    feed = world.feed(2575, messages)
    assert world.run(300, lambda: feed.done.called and world.settled())


def test_the_trail_outlives_the_messages_and_goes_after_its_own_span(tmp_path: Path) -> None:
    store = MemoryStore()
    world = World(write_folder(tmp_path / "config", FILES), lambda before: store)
    world.hospital(6701)
    world.start()
    day_passes(world, [message(number) for number in range(1, 4)])
    assert told(store).count("sent") == 3
    world.days = 5 * 366
    day_passes(world, [message(4)])
    world.run(300)
    assert len(store.messages(MessageQuery())) == 1, "the messages went after 90 days"
    assert told(store).count("sent") == 4, "what was told of them stays"
    assert check(store).faults == []
    world.days = 6 * 366 + 1
    world.run(300)
    assert told(store).count("sent") == 1
    assert told(store).count("cut") == 1
    verdict = check(store)
    assert verdict.faults == []
    assert verdict.first > 1
    heads = (tmp_path / "data" / "heads.txt").read_text().splitlines()
    assert [line[:10] for line in heads] == ["2026-11-21", "2031-11-25", "2032-11-26"]
    assert all(int(line.split()[1].partition(":")[0]) >= 1 for line in heads)

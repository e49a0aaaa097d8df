"""Made-up traffic: the same seed gives the same bytes, and every message is one that a feed could send."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster, read_roster
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.engine.folder import read_folder
from hl7bridge.hl7.message import Message
from hl7bridge.testing import people, traffic

TOP = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
ROSTERS = {
    path.stem: list(read_roster(path.read_bytes(), path.name))
    for path in (TOP / "channels" / "rosters").glob("*.csv")
}
STORES = ["S00412", "S02201", "C0107", "C0033"]


@cache
def samples() -> dict[str, bytes]:
    folder = TOP / "samples"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.hl7")}


def made(seed: int, count: int = 300) -> traffic.Traffic:
    random = Random(seed)
    return traffic.make(samples(), people.patients(ROSTERS, random), STORES, count, random, NOW)


def raw(run: traffic.Traffic) -> list[bytes]:
    return [message.raw for feed in run.feeds.values() for message in feed]


def test_a_seed_gives_the_same_bytes() -> None:
    assert raw(made(3)) == raw(made(3))
    assert raw(made(3)) != raw(made(4))


def test_rosters_and_strangers_are_among_the_patients() -> None:
    crowd = people.patients(ROSTERS, Random(1))
    counts = Counter(len(each.affiliates) for each in crowd)
    assert counts[0] == pytest.approx(0.2 * len(crowd), abs=1)
    assert counts[1]
    assert counts[2]
    assert all(len(set(each.affiliates)) == len(each.affiliates) for each in crowd)
    assert len({each.number for each in crowd}) == len(crowd)
    listed = {entry.id for entries in ROSTERS.values() for entry in entries}
    assert listed <= {number.id for each in crowd for number in each.numbers}


def test_messages_say_who_where_and_when() -> None:
    run = made(5)
    for feed, messages in run.feeds.items():
        assert messages
        for sent in messages:
            message = Message(sent.raw)
            pid = message.first(b"PID")
            assert pid is not None
            assert message.control_id.decode() == sent.control_id
            assert pid.field(3).startswith(sent.patient.number)
            assert message.header.field(7).startswith(b"2026112")
            assert feed == "medstar's feed" or message.sending_facility.decode() in STORES


def test_only_a_repeated_message_bears_an_id_twice() -> None:
    run = made(6, 3000)
    for messages in run.feeds.values():
        by_id: dict[str, set[bytes]] = {}
        for sent in messages:
            by_id.setdefault(sent.control_id, set()).add(sent.raw)
        assert all(len(bodies) == 1 for bodies in by_id.values())
    assert len(raw(run)) > 3000


def test_a_patient_stays_on_one_connection() -> None:
    run = made(7)
    lines = run.lines("pharmacies", 4)
    assert sum(map(len, lines)) == len(run.feeds["pharmacies"])
    homes: dict[bytes, set[int]] = {}
    for at, line in enumerate(lines):
        for body in line:
            pid = Message(body).first(b"PID")
            assert pid is not None
            homes.setdefault(pid.field(3).split(b"~")[0].split(b"*")[0][:7], set()).add(at)
    assert all(len(found) == 1 for found in homes.values())


def test_the_shipped_channels_take_them_without_an_error() -> None:
    configuration = load(read_folder(TOP / "channels"))
    roster = MemoryRoster()
    for name, entries in ROSTERS.items():
        for entry in entries:
            roster.add(name, entry)
    statuses: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    for feed, messages in made(8, 2000).feeds.items():
        for sent in messages:
            decision = decide(
                configuration,
                traffic.SOURCES[feed],
                Message(sent.raw),
                received=NOW,
                sequence=1,
                roster=roster,
            )
            statuses[decision.status] += 1
            for outgoing in decision.outgoing:
                assert outgoing.error is None, outgoing.error
                reached[outgoing.destination] += outgoing.refused is None
    assert statuses["ERROR"] == 0
    assert statuses["FILTERED"]
    assert statuses["REJECTED"]
    assert set(reached) == set(configuration.destinations) - {"fax", "mail"}, (
        "only the programme writes those"
    )
    assert min(reached.values()) > 50

"""Which lines of a channel something new concerns: each construct of the language that reads a place, or looks it up in a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.world import World, write_folder

HEAD = "channel: clinic\nsource: {mllp: {port: 2575}}\n"
FILES = {
    "destinations/hospital.yaml": "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "tables/race.csv": "code,name\nW,white\nB,black\nA^B,both\n",
}
KNOWN = (
    "PID|1||1^^^RETAIL^PI~2^^^MEDSTAR&1.2&ISO^MR||DOE^JANE|||||W\rPV1|1|I\rORC|NW|||||||||||7^^^^^^^^NPI&1\r"
    "OBX|1|NM|8302-2^Height^LN||170\rZIN|W\r"
)
NEVER = "a code that never came before, "


@pytest.fixture
def alerts() -> Iterator[list[str]]:
    """What is alerted, as PLACE LINE."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "hl7bridge.drift" and "concern" in event:
            formatEvent(event)
            lines.append(f"{event['place']} {event['concern']}")

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def alerted(
    folder: Path,
    alerts: list[str],
    lines: str,
    change: tuple[str, str],
    known: tuple[str, str] = ("", ""),
) -> list[str]:
    """What a message with a change makes a channel of these lines alert, after what is known (with a change) was learned."""
    files = FILES | {"clinic.yaml": f"{HEAD}{lines}send_to: [hospital]\n"}
    store = MemoryStore()
    world = World(write_folder(folder / "config", files), lambda before: store)
    world.hospital(6701)
    world.start()
    for number, (old, new) in enumerate((known, change)):
        assert old in KNOWN
        body = KNOWN.replace(old, new) if old else KNOWN
        header = f"MSH|^~\\&|EMR|S1|HUB|HUB|20261121120000||ADT^A08|{number}|P|2.5.1\r"
        feed = world.feed(2575, [(header + body).encode()])
        assert world.run(60, lambda feed=feed: feed.done.called)  # type: ignore[misc]
        world.run(30)
        assert number or not alerts, "what comes first is learned"
        world.days = 30
    return alerts


LACKS = ", and tables/race.csv does not have it"


@pytest.mark.parametrize(
    ("lines", "change", "expected"),
    [
        # what chooses a repetition or a segment is read, too
        ("map: [{PID-2: {from: 'PID-3[4=MEDSTAR].1'}}]\n", ("^PI~", "^XX~"), []),
        (
            "map: [{PID-2: {from: 'PID-3[4=MEDSTAR,5=MR].1'}}]\n",
            ("^MR|", "^XX|"),
            ["PID-3.5 clinic.yaml:3:22"],
        ),
        (
            "map: [{PID-2: {from: 'PID-3[4=MEDSTAR].1'}}]\n",
            ("MEDSTAR&", "MEDSTX&"),
            ["PID-3.4 clinic.yaml:3:22"],
        ),
        (
            "map: [{PID-2: {from: 'OBX[3.1=8302-2]-5'}}]\n",
            ("8302-2", "8302-3"),
            ["OBX-3.1 clinic.yaml:3:22"],
        ),
        ("map: [{PID-2: {from: 'OBX[2=NM]-5'}}]\n", ("|NM|", "|SN|"), ["OBX-2 clinic.yaml:3:22"]),
        # `it` is of what `each` goes through
        (
            "map:\n- each: 'PID-10[*]'\n  do: [{it.1: {from: it.1, table: race, else: keep}}]\n",
            ("|W\rPV1", "|X\rPV1"),
            [f"PID-10.1 clinic.yaml:5:22{LACKS}"],
        ),
        (
            "map:\n- each: 'PID-10[*]'\n  do: [{it.1: {from: it.1, table: race, else: keep}}]\n",
            ("|W\rPV1", "|B\rPV1"),
            [],
        ),
        ("map: [{keep: 'PID-3[4=RETAIL]'}]\n", ("^PI~", "^XX~"), []),
        ("map: [{keep: 'PID-3[4=RETAIL]'}]\n", ("RETAIL", "SHOP"), ["PID-3.4 clinic.yaml:3:14"]),
        # tables
        (
            "map: [{PID-10.1: {from: PID-10.1, table: race, else: keep}}]\n",
            ("|W\rPV1", "|w\rPV1"),
            [f"PID-10.1 clinic.yaml:3:25{LACKS}"],
        ),
        (
            "map: [{PID-10.1: {from: PID-10.1, case: upper, table: race, else: keep}}]\n",
            ("|W\rPV1", "|w\rPV1"),
            ["PID-10.1 clinic.yaml:3:25"],
        ),
        (
            "filter: {any: [{not: {PID-10.1: {in_table: race}}}, {PV1: present}]}\n",
            ("|W\rPV1", "|X\rPV1"),
            [f"PID-10.1 clinic.yaml:3:23{LACKS}"],
        ),
        ("filter: {any: [{PID-10.1: {in_table: race}}, {PV1: present}]}\n", ("|W\rPV1", "|B\rPV1"), []),
        (
            "map: [{ZPH-2: {join: [PV1-2, PID-10.1], table: race, else: ''}}]\n",
            ("|W\rPV1", "|B\rPV1"),
            ["PID-10.1 clinic.yaml:3:30"],
        ),
        # an authority's OID is not its name
        (
            "map: [{ZPH-2: {from: 'PID-3[2].4.2', table: race, else: ''}}]\n",
            ("|W\rPV1", "|B\rPV1"),
            [],
        ),
        (
            "map: [{ZPH-2: {from: 'PID-3[2].4.2', table: race, else: ''}}]\n",
            ("MEDSTAR&", "MEDSTX&"),
            ["PID-3.4 clinic.yaml:3:22"],
        ),
        # a site's own field is a code where it is looked up
        (
            "programme: {intervention: {code: ZIN-1, table: race}}\n",
            ("ZIN|W", "ZIN|X"),
            [f"ZIN-1 clinic.yaml:3:34{LACKS}"],
        ),
    ],
)
def test_a_line_is_concerned_by_what_it_reads(
    tmp_path: Path, alerts: list[str], lines: str, change: tuple[str, str], expected: list[str]
) -> None:
    assert alerted(tmp_path, alerts, lines, change) == expected


def test_a_table_that_is_only_asked_need_not_hold_what_a_place_of_many_codes_shows(
    tmp_path: Path, alerts: list[str]
) -> None:
    many = "~".join(f"C{number}" for number in range(60))
    asked = "filter: {any: [{PID-10.1: {in_table: race}}, {PV1: present}]}\n"
    assert alerted(tmp_path, alerts, asked, ("|W\rPV1", "|X\rPV1"), known=("|W\rPV1", f"|{many}\rPV1")) == []


def test_a_table_that_translates_is_to_hold_them_all(tmp_path: Path, alerts: list[str]) -> None:
    many = "~".join(f"C{number}" for number in range(60))
    lines = "map: [{PID-10.1: {from: PID-10.1, table: race, else: keep}}]\n"
    assert alerted(tmp_path, alerts, lines, ("|W\rPV1", "|X\rPV1"), known=("|W\rPV1", f"|{many}\rPV1")) == [
        f"PID-10.1 clinic.yaml:3:25{LACKS}"
    ]


def test_a_message_with_a_large_document_is_looked_at(tmp_path: Path, alerts: list[str]) -> None:
    document = "OBX|1|ED|PDF||^^PDF^Base64^" + "QUJD" * 500_000
    lines = "map: [{PID-2: {from: PV1-44}}]\n"
    assert alerted(tmp_path, alerts, lines, ("|I\rORC", f"|I{'|' * 42}2026\r{document}\rORC")) == [
        "PV1-44 clinic.yaml:3:22"
    ]


def test_a_message_of_countless_pieces_is_not(tmp_path: Path, alerts: list[str]) -> None:
    lines = "map: [{PID-2: {from: PV1-44}}]\n"
    many = "NTE|1||x\r" * 60_000
    assert alerted(tmp_path, alerts, lines, ("|I\rORC", f"|I{'|' * 42}2026\r{many}ORC")) == []

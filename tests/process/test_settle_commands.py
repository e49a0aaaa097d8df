"""Who is who, as an operator settles it at a terminal: a real engine and real commands."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port
from tests.process.test_patient import CHANNEL, HISTORY, OUTBOX, chart, patient

pytestmark = pytest.mark.process
Start = Callable[..., EngineProcess]
FILES = {
    "destinations/outbox.yaml": OUTBOX,
    "hl7bridge.yaml": "programme: {settle: 0s}\n",
    "alerts.yaml": "channel: alerts\nsource: programme\nsend_to: [affiliates: pharmacy]\n",
    "rosters/medstar.csv": "id,authority\n7,RETAIL\n",
    "affiliates/medstar.yaml": (
        "affiliate: medstar\nagreement: {pharmacy: 2016-01-01}\nroster: rosters/medstar.csv\n"
        "send: {file: {folder: out-medstar}}\n"
    ),
}
MERGE = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121||ADT^A40^ADT_A39|merge|P|2.5.1\rEVN||20261121\r"
    b"PID|1||7^^^RETAIL^PI||DOE^JANE||19480203|F\rMRG|8^^^RETAIL^PI\r"
)


def started(engine: Start) -> tuple[Path, Peer]:
    port = free_port()
    channel = CHANNEL.format(port).replace("[outbox]", "[outbox, affiliates: pharmacy]")
    running = engine({"pharmacy.yaml": channel, **FILES})
    return running.data, Peer(socket.create_connection(("127.0.0.1", port)))


def held(data: Path) -> list[dict[str, object]]:
    """What `patient held` lists, asked until the engine has looked."""
    until = time.monotonic() + 20
    while True:
        ran = patient(data, "held", "--json")
        if ran.returncode == 1 or time.monotonic() > until:
            return [json.loads(line) for line in ran.stdout.splitlines()]


def test_one_who_is_held_is_listed_and_settled(engine: Start) -> None:
    data, peer = started(engine)
    peer.ask(HISTORY[0])
    peer.ask(HISTORY[1].replace(b"19480203", b"19990909"))
    [found] = held(data)
    assert found["held"] == "birth dates differ (PID-7)"
    assert found["since"]
    assert [(who["born"], who["numbers"]) for who in found["said"]] == [
        ("1948-02-03", ["7^RETAIL", "E1^MEDSTAR"]),
        ("1999-09-09", ["7^RETAIL"]),
    ]
    shown = patient(data, "held").stdout
    assert "held since" in shown
    assert "1999-09-09" in shown
    assert "patient settle" in patient(data, "show", "7^RETAIL").stdout
    wrong = patient(data, "settle", "7^RETAIL")
    assert wrong.returncode == 2
    assert "either --same" in wrong.stderr
    unknown = patient(data, "settle", "7^RETAIL", "--same", "99^RETAIL")
    assert unknown.returncode == 2
    assert "nothing is known under the second number" in unknown.stderr
    ran = patient(data, "settle", "7^RETAIL", "--same", "7^RETAIL", "--because", "a typing mistake")
    assert "settled: they are one patient" in ran.stdout
    assert chart(data, "2026-04-15")["chart"]["held"] is None
    empty = patient(data, "held")
    assert (empty.returncode, empty.stdout) == (0, "nobody is held for a person\n")
    assert patient(data, "--help").stdout == patient(data).stdout


def test_undoing_a_merge_shows_what_was_disclosed_while_it_stood(engine: Start) -> None:
    data, peer = started(engine)
    peer.ask(HISTORY[0].replace(b"7^^^RETAIL^PI~E1^^^MEDSTAR^MR", b"8^^^RETAIL^PI"))
    peer.ask(MERGE)
    peer.ask(HISTORY[1])
    peer.ask(HISTORY[2].replace(b"7^^^RETAIL^PI", b"8^^^RETAIL^PI"))
    assert chart(data, "2026-04-15")["identifiers"] == 2
    command = ("unmerge", "8^RETAIL", "7^RETAIL", "--because", "two people")
    until = time.monotonic() + 20
    while "RDS^O13" not in (asked := patient(data, *command)).stdout and time.monotonic() < until:
        pass
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    assert "either number since the merge: 2" in asked.stdout, "the merge itself, and what came after it"
    assert chart(data, "2026-04-15")["identifiers"] == 2, "nothing is done before somebody says yes"
    ran = patient(data, *command, "--yes", "--json")
    *disclosed, result = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(each["destination"], each["type"], each["status"]) for each in disclosed] == [
        ("medstar", "ADT^A40", "SENT"),
        ("medstar", "RDS^O13", "SENT"),
    ]
    assert result["patients"] == [{"identifiers": 1, "held": None}] * 2
    assert chart(data, "2026-04-15")["identifiers"] == 1
    again = patient(data, "unmerge", "7^RETAIL", "99^RETAIL", "--because", "x", "--yes")
    assert again.returncode == 2
    assert "sent to affiliates under either number since the merge: 0" in again.stdout


def test_two_who_are_parted_and_joined_through_a_third_number_are_said_to_be_two_and_held(
    engine: Start,
) -> None:
    data, peer = started(engine)
    peer.ask(HISTORY[0])
    peer.ask(
        HISTORY[1]
        .replace(b"7^^^RETAIL^PI", b"8^^^RETAIL^PI~E1^^^MEDSTAR^MR")
        .replace(b"19480203", b"19990909")
    )
    held(data)
    ran = patient(data, "settle", "7^RETAIL", "--apart", "8^RETAIL", "--because", "asked them")
    assert "settled: they are two patients" in ran.stdout
    assert (
        "still held for a person: numbers that were settled to be apart are joined through another"
        in ran.stdout
    )

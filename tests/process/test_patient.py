"""From messages to what is known of a patient: a real engine, real sockets, and the command that shows it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port

pytestmark = pytest.mark.process
CHANNEL = """channel: pharmacy
source: {{mllp: {{port: {}, host: 127.0.0.1}}, zone: America/New_York}}
programme:
  days_supply: ORC-7.3
  sold: {{FT1: present}}
send_to: [outbox]
"""
OUTBOX = "destination: outbox\nsend: {file: {folder: out}}\n"
MEDICINES = "code,system,ingredients\n555,NDC,6809\n"
INGREDIENTS = "rxcui,name,classes\n6809,metformin,diabetes\n"
HEAD = "MSH|^~\\&|RX|S1|HUB|HUB|20260301120000||{}|{}|P|2.5.1\rPID|1||{}||DOE^JANE||19480203|F\r"
OWN, BOTH = "7^^^RETAIL^PI", "7^^^RETAIL^PI~E1^^^MEDSTAR^MR"


def dispense(
    id_: str, day: str, number: int, *, sold: bool = True, control: str = "RE", people: str = OWN
) -> bytes:
    text = HEAD.format("RDS^O13^RDS_O13", id_, people) + (
        f"ORC|{control}||||||1^BID^D30||{day}\rRXD|{number}|555^metformin^NDC|{day}|60|TAB||RX9|2\r"
    )
    return (text + (f"FT1|1|||{day}\r" if sold else "")).encode()


HISTORY = [
    dispense("A", "20260101", 1, people=BOTH),
    dispense("B", "20260131", 2),
    dispense("C", "20260302", 3, sold=False),
    dispense("D", "20260320", 3, sold=False, control="CA"),
]


def patient(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hl7bridge", "patient", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def chart(data: Path, on: str, number: str = "7^RETAIL") -> dict[str, Any]:
    ran = patient(data, number, "--on", on, "--json")
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


@pytest.mark.parametrize("order", ["as it happened", "backwards", "twice and shuffled"])
def test_the_same_history_gives_the_same_chart_however_it_came(
    engine: Callable[..., EngineProcess], order: str
) -> None:
    port = free_port()
    running = engine(
        {
            "pharmacy.yaml": CHANNEL.format(port),
            "destinations/outbox.yaml": OUTBOX,
            "tables/medicines.csv": MEDICINES,
            "tables/ingredients.csv": INGREDIENTS,
        }
    )
    messages = list(HISTORY)
    if order == "backwards":
        messages.reverse()
    elif order == "twice and shuffled":
        messages += [message.replace(b"2.5.1\r", b"2.5.1||\r") for message in HISTORY]
        random.Random(5).shuffle(messages)
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    for message in messages:
        assert b"MSA|AA" in peer.ask(message)
    known = chart(running.data, "2026-04-15")
    assert known["identifiers"] == 2
    assert chart(running.data, "2026-04-15", "E1^MEDSTAR") == known, "one patient under either number"
    found = known["chart"]
    assert found["held"] is None
    assert [(fill["sold"], fill["returned"], fill["days_supply"]) for fill in found["fills"]] == [
        ("2026-01-01", None, 30),
        ("2026-01-31", None, 30),
        (None, "2026-03-20", 30),
    ]
    [figure] = found["adherence"]
    assert (figure["class_"], figure["covered"], figure["days"], figure["counted"]) == (
        "diabetes",
        60,
        105,
        True,
    )
    assert [alert["kind"] for alert in found["alerts"]] == [
        "adherence-falling",
        "not-picked-up",
        "refill-late",
    ]
    assert running.stop() == 0
    assert chart(running.data, "2026-04-15") == known, "without an engine, as with one"


def test_contradicting_people_under_one_number_are_held_and_nothing_is_concluded(
    engine: Callable[..., EngineProcess],
) -> None:
    port = free_port()
    running = engine({"pharmacy.yaml": CHANNEL.format(port), "destinations/outbox.yaml": OUTBOX})
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    peer.ask(HISTORY[0])
    peer.ask(HISTORY[1].replace(b"19480203", b"19990909"))
    stranger, nameless = patient(running.data, "99^RETAIL"), patient(running.data, "7")
    assert stranger.returncode == nameless.returncode == 2
    assert "nothing is known of this patient" in stranger.stderr
    assert "a patient is named by number and authority (like 12345^MEDSTAR)" in nameless.stderr
    found = chart(running.data, "2026-04-15")["chart"]
    assert "birth dates differ" in found["held"]
    assert found["alerts"] == found["adherence"] == []


def test_an_interaction_an_intervention_and_what_was_not_screened_are_shown(
    engine: Callable[..., EngineProcess],
) -> None:
    port = free_port()
    programme = "programme:\n  intervention: {code: ZIN-1, table: interventions}\n"
    running = engine(
        {
            "pharmacy.yaml": CHANNEL.format(port).replace("programme:\n", programme),
            "destinations/outbox.yaml": OUTBOX,
            "tables/medicines.csv": "code,system,ingredients\n8,NDC,36567\n33,NDC,21212\n",
            "tables/interventions.csv": "code,words\nCALLED,prescriber consulted\n",
        }
    )
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    for id_, day, code in (("A", "20260301", b"8"), ("B", "20260310", b"33"), ("C", "20260311", b"99")):
        told = dispense(id_, day, 1).replace(b"555^metformin", code + b"^medicine " + code)
        told = told.replace(b"RX9", b"RX" + code) + (b"ZIN|CALLED\r" if id_ == "B" else b"")
        assert b"MSA|AA" in peer.ask(told)
    found = chart(running.data, "2026-03-12")["chart"]
    kinds = {each["kind"]: each for each in found["alerts"]}
    assert kinds.keys() == {"interaction", "intervention"}
    warning = kinds["interaction"]
    assert "ONC high-priority list (Phansalkar 2012), version " in warning["reason"]
    assert warning["day"] == "2026-03-10"
    assert kinds["intervention"]["reason"].startswith("The pharmacist on 2026-03-10: prescriber consulted.")
    shown = patient(running.data, "7^RETAIL", "--on", "2026-03-12").stdout
    assert "does not hold it: 1" in shown
    assert "medicine 99" in shown
    assert "the list leaves it out: QT-prolonging medicines with each other; moclobemide" in shown

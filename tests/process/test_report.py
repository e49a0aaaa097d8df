"""The report of an affiliate, by the command, beside a real engine that keeps what messages tell."""

from __future__ import annotations

import csv
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port
from tests.process.test_patient import BOTH, CHANNEL, INGREDIENTS, MEDICINES, OUTBOX, dispense

pytestmark = pytest.mark.process
MEDSTAR = """affiliate: medstar
name: MedStar Health
agreement: {{pharmacy: 2016-01-01}}
identifiers: {{authority: MEDSTAR, type: MR}}
roster: rosters/medstar.csv
alerts_from: 2026-01-01
send: {{mllp: {{host: 127.0.0.1, port: {}}}}}
"""
ROSTER = "id,authority,from,through,npi\nE1,MEDSTAR,2026-01-01,,1234567893\n"


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hl7bridge", "report", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_report_of_a_month(engine: Callable[..., EngineProcess], tmp_path: Path) -> None:
    port = free_port()
    running = engine(
        {
            "pharmacy.yaml": CHANNEL.format(port),
            "destinations/outbox.yaml": OUTBOX,
            "affiliates/medstar.yaml": MEDSTAR.format(free_port()),
            "rosters/medstar.csv": ROSTER,
            "tables/medicines.csv": MEDICINES,
            "tables/ingredients.csv": INGREDIENTS,
        }
    )
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    for told in (
        dispense("A", "20260101", 1, people=BOTH),
        dispense("B", "20260131", 2),
        dispense("C", "20260302", 3, sold=False),
        dispense("D", "20260320", 3, sold=False, control="CA"),
    ):
        assert b"MSA|AA" in peer.ask(told)
    where = ["--data", str(running.data), "--to", str(tmp_path / "report")]
    ran = report("medstar", "--from", "2026-03-01", "--through", "2026-04-15", *where, "--json")
    assert ran.returncode == 0, ran.stderr
    made = json.loads(ran.stdout)
    assert made["lines"] == {
        "not-picked-up": 1,
        "refill-late": 1,
        "adherence-falling": 1,
        "days-covered": 1,
    }
    assert (made["listed"], made["patients"]) == (1, 1)
    with (tmp_path / "report" / "days-covered.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["patient_number"], row["authority"], row["primary_care_npi"]) == (
        "E1",
        "MEDSTAR",
        "1234567893",
    )
    assert (row["days_covered"], row["days"], row["result"]) == ("60", "105", "under threshold")
    first = PdfReader(tmp_path / "report" / "report.pdf").pages[0].extract_text()
    assert "MedStar Health" in first
    assert "Mar 1, 2026 to Apr 15, 2026" in first
    assert running.stop() == 0
    again = report("medstar", "--month", "2026-03", *where[:2], "--to", str(tmp_path / "march"), "--pdf")
    assert again.returncode == 0, again.stderr
    assert "1 of 1 patients on the roster are in it" in again.stdout
    assert [path.name for path in (tmp_path / "march").iterdir()] == ["report.pdf"]
    for arguments, words in (
        (["medstar", "--month", "2026-03", *where], "this is there already"),
        (["rush", "--month", "2026-03", *where], "there is no affiliate rush (there are medstar)"),
        (
            ["medstar", "--month", "2026-03", "--from", "2026-03-01", *where],
            "either --month, or --from and --through",
        ),
        (["medstar", "--from", "2026-03-01", *where], "--from and --through go together"),
    ):
        refused = report(*arguments)
        assert refused.returncode == 2
        assert words in refused.stderr

"""Rosters as an operator keeps them: deltas, the report of a reload, and what is newly entitled."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port

pytestmark = pytest.mark.process
AFFILIATE = """affiliate: rush
agreement: {pharmacy: 2016-01-01}
roster: {full: rosters/rush.csv, deltas: rosters/rush-*.csv}
send: {file: {folder: out-rush}}
"""
CHANNEL = (
    "channel: pharmacy\nsource: {{mllp: {{port: {}, host: 127.0.0.1}}}}\nsend_to: [affiliates: pharmacy]\n"
)
ORDER = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20260301120000||RDE^O11^RDE_O11|C%d|P|2.5.1\r"
    b"PID|1||%d^^^RETAIL^PI||DOE^JANE\rORC|NW|1|||||||20260301\r"
)


def run(*arguments: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "hl7bridge", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def test_a_delta_is_reported_and_what_it_dates_back_is_replayed_when_asked(
    engine: Callable[..., EngineProcess],
) -> None:
    port = free_port()
    files = {"pharmacy.yaml": CHANNEL.format(port), "affiliates/rush.yaml": AFFILIATE}
    running = engine({**files, "rosters/rush.csv": "id,authority\n1,RETAIL\n"})
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    for number, patient in enumerate((1, 2, 2, 3)):
        assert b"MSA|AA" in peer.ask(ORDER % (number, patient))
    delta = running.config / "rosters" / "rush-2026-03-02.csv"
    delta.write_text("id,authority,from,change\n2,RETAIL,2026-01-01,maybe\n")
    assert "rush-2026-03-02.csv:2: change is none of add, change and end" in run(
        "check", str(running.config), status=1
    )
    data = ("--data", str(running.data))
    assert "change is none of" in run("reload", *data, status=1)
    delta.write_text("id,authority,from,change\n2,RETAIL,2026-01-01,add\n1,RETAIL,,end\n")
    told = run("reload", *data)
    assert "roster of rush: 1 added, 1 ended, 0 changed, 0 unchanged; 1 dated back" in told
    assert "nothing has changed" in run("reload", *data)
    counted = json.loads(run("replay", "--newly-entitled", "--dry-run", "--json", *data))
    assert counted == {"messages": 2, "deliveries": 2}
    assert "--yes says so" in run("replay", "--newly-entitled", *data, status=2)
    assert "there is no affiliate rusch" in run(
        "replay", "--newly-entitled", "--affiliate", "rusch", *data, status=2
    )
    sent = run("replay", "--newly-entitled", "--affiliate", "rush", "--since", "1h", "--yes", *data)
    assert "2 replayed, 2 deliveries queued" in sent
    run("replay", "--newly-entitled", "--yes", *data, status=1)
    run("replay", "--dry-run", *data)
    run("replay", "--affiliate", "rush", *data, status=2)

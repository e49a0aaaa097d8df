"""The audit trail of a real engine, by its commands: who received what, who looked, and whether it was tampered with."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port

pytestmark = pytest.mark.process
CHANNEL = """channel: pharmacy
source: {{mllp: {{port: {}, host: 127.0.0.1}}, zone: America/New_York}}
programme: {{days_supply: ORC-7.3}}
send_to: [{{affiliates: pharmacy}}]
"""
AFFILIATE = """affiliate: lakeview
name: Lakeview Health
agreement: {{pharmacy: 2020-03-01}}
identifiers: {{authority: RETAIL, type: PI}}
roster: rosters/lakeview.csv
status: {}
send: {{file: {{folder: out}}}}
"""
ROSTER = "id,authority,from,through,npi,opt_out\n7,RETAIL,2020-01-01,,,\n8,RETAIL,2020-01-01,,,\n"
MESSAGE = (
    "MSH|^~\\&|RX|S1|HUB|HUB|20260301120000||{}|{}|P|2.5.1\rPID|1||{}||DOE^JANE||19480203|F\r"
    "ORC|RE||||||1^BID^D30||20260301\rRXD|1|555^metformin^NDC|20260301|60|TAB||RX9|2\r"
)


def dispense(id_: str, patient: str) -> bytes:
    return MESSAGE.format("RDS^O13^RDS_O13", id_, patient).encode()


def files(port: int, status: str = "live") -> dict[str, str]:
    return {
        "pharmacy.yaml": CHANNEL.format(port),
        "affiliates/lakeview.yaml": AFFILIATE.format(status),
        "rosters/lakeview.csv": ROSTER,
        "hl7bridge.yaml": "audit: {head: heads.txt}\n",
    }


class Site:
    """An engine with one affiliate, and commands."""

    def __init__(self, start: Callable[..., EngineProcess]) -> None:
        self.port = free_port()
        self.engine = start(files(self.port))
        self.store = self.engine.data / "hl7bridge.db"

    def say(self, *messages: bytes) -> None:
        peer = Peer(socket.create_connection(("127.0.0.1", self.port)))
        for message in messages:
            assert b"MSA|AA" in peer.ask(message)

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hl7bridge", *arguments, "--data", str(self.engine.data)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def sent(self, count: int) -> None:
        """Waits until so many disclosures are told."""
        until = time.monotonic() + 20
        while len(self.rows("audit", "list", "--kind", "sent")) < count:
            assert time.monotonic() < until, "the deliveries have not ended"


@pytest.fixture
def site(engine: Callable[..., EngineProcess]) -> Site:
    return Site(engine)


def test_who_received_what_when_and_under_which_agreement(site: Site) -> None:
    site.say(dispense("A", "7^^^RETAIL^PI"), dispense("B", "8^^^RETAIL^PI"), dispense("C", "9^^^RETAIL^PI"))
    site.say(dispense("D", "7^^^RETAIL^PI~E7^^^HOSP^MR"))
    site.sent(3)
    (first, second) = site.rows("disclosures", "--patient", "E7^HOSP")
    assert (first["to"], first["full_name"], first["received"]) == ("lakeview", "Lakeview Health", "received")
    assert (first["scope"], first["agreement_from"]) == ("pharmacy", "2020-03-01")
    assert (first["type"], first["event_date"], first["attempts"]) == ("RDS^O13", "2026-03-01", 1)
    assert (first["message"], second["message"]) == (1, 4)
    assert site.rows("disclosures", "--patient", "7^RETAIL") == [first, second], "under either number"
    assert site.rows("disclosures", "--patient", "7^RETAIL", "--until", "2020-01-01") == []
    undisclosed, unknown = (site.run("disclosures", "--patient", each) for each in ("9^RETAIL", "99^RETAIL"))
    assert "nothing was disclosed of this patient" in undisclosed.stdout
    assert "no message that is kept" not in undisclosed.stderr
    assert "no message that is kept bears 99^RETAIL" in unknown.stderr
    shown = site.run("disclosures", "--patient", "8^RETAIL").stdout
    assert "Lakeview Health (lakeview)" in shown
    assert "pharmacy from 2020-03-01" in shown
    written = site.run("disclosures", "--patient", "8^RETAIL", "--csv", "-").stdout
    [line] = csv.DictReader(io.StringIO(written))
    assert (line["to"], line["received"], line["agreement_from"]) == ("lakeview", "received", "2020-03-01")
    raw = site.store.read_bytes() + site.store.with_name("hl7bridge.db-wal").read_bytes()
    assert b"sent" in raw
    rows = sqlite3.connect(site.store).execute("SELECT data FROM audit").fetchall()
    told = b"".join(data for (data,) in rows)
    for word in (b"DOE", b"JANE", b"metformin", b"19480203", b"E7", b"HOSP", b"RETAIL"):
        assert word not in told


def test_refusals_are_told_apart_and_only_when_asked(site: Site) -> None:
    folder = site.engine.config
    (folder / "affiliates/lakeview.yaml").write_text(AFFILIATE.format("shadow"))
    site.run("reload")
    site.say(dispense("A", "7^^^RETAIL^PI"))
    assert site.rows("disclosures", "--patient", "7^RETAIL") == []
    [refused] = site.rows("disclosures", "--patient", "7^RETAIL", "--refused")
    assert refused["received"] == "refused"
    assert "shadow" in refused["reason"]
    [reload] = site.rows("audit", "list", "--kind", "act")
    assert reload["verb"] == "reload"


def test_views_are_told_with_and_without_an_engine_and_a_replay_is_an_act(site: Site) -> None:
    site.say(dispense("A", "7^^^RETAIL^PI"))
    site.sent(1)
    site.run("show", "1")
    site.run("messages", "--patient", "7^RETAIL")
    site.run("messages")
    site.run("stats")
    site.run("queue", "list")
    site.run("replay", "--id", "1")
    site.sent(2)
    assert site.engine.stop() == 0
    site.run("show", "1", "--raw")
    site.run("patient", "7^RETAIL")
    site.run("disclosures", "--patient", "7^RETAIL")
    me = site.rows("audit", "list", "--kind", "act")[0]["operator"]
    views = site.rows("audit", "list", "--kind", "view", "--operator", me)
    verbs = ["show", "messages", "show --raw", "patient", "disclosures"]
    assert [view["verb"] for view in views] == verbs
    assert [view["message"] for view in views] == [1, None, 1, None, None]
    assert all(len(view["patients"]) == 1 for view in views)
    assert [each["verb"] for each in site.rows("audit", "list", "--kind", "act")] == ["replay"]
    [_, again] = site.rows("disclosures", "--patient", "7^RETAIL")
    assert again["replay"]
    assert site.rows("audit", "list", "--operator", "nobody") == []
    assert site.rows("audit", "list", "--since", "1d")[0]["kind"] == "begin"
    assert [each["verb"] for each in site.rows("audit", "list", "--kind", "view", "--limit", "1")] == [
        views[-1]["verb"]
    ]
    assert site.rows("audit", "list", "--until", "1d") == []
    assert site.rows("audit", "list", "--since", "2100-01-01") == []
    looked = site.rows("audit", "list", "--patient", "7^RETAIL", "--kind", "view")
    assert [view["verb"] for view in looked] == [*verbs, "disclosures", "audit list"], (
        "who looked at this patient, this look too"
    )
    assert site.rows("audit", "list", "--patient", "8^RETAIL", "--kind", "sent") == []
    assert "follow one another" in site.run("audit", "verify").stdout


def test_what_cannot_be_told_is_not_shown_unless_somebody_answers_for_it(site: Site) -> None:
    site.say(dispense("A", "7^^^RETAIL^PI"))
    site.sent(1)
    site.engine.stop()
    with open(f"{site.store}.lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as of an engine that does not answer
        ran = site.run("show", "1", status=2)
        assert "DOE" not in ran.stdout
        assert "--unrecorded" in ran.stderr
        ran = site.run("show", "1", "--unrecorded")
        assert "DOE" in ran.stdout
        assert "not in the audit trail" in ran.stderr
    site.run("show", "1", "--unrecorded")
    assert len(site.rows("audit", "list", "--kind", "view")) == 1, "what can be told is told"


def test_what_was_on_its_way_when_the_engine_was_killed_may_have_been_received(site: Site) -> None:
    """A hospital that takes everything and answers nothing."""
    hospital = socket.create_server(("127.0.0.1", 0))
    folder = site.engine.config
    send = f"{{mllp: {{host: 127.0.0.1, port: {hospital.getsockname()[1]}}}}}"
    text = AFFILIATE.format("live").replace("{file: {folder: out}}", send)
    (folder / "affiliates/lakeview.yaml").write_text(text)
    site.run("reload")
    site.say(dispense("A", "7^^^RETAIL^PI"))
    connection, _ = hospital.accept()
    connection.settimeout(20)
    assert connection.recv(65536)
    site.engine.kill()
    assert site.rows("disclosures", "--patient", "7^RETAIL") == []
    connection.close()
    hospital.close()
    site.engine.start()
    [told] = site.rows("disclosures", "--patient", "7^RETAIL")
    assert told["received"] == "may have been received"
    assert told["possible_duplicate"]
    assert "possible duplicate" in site.run("disclosures", "--patient", "7^RETAIL").stdout
    site.run("audit", "verify")


def test_tampering_is_found_at_the_row_and_a_chain_written_anew_by_a_kept_head(site: Site) -> None:
    site.say(*[dispense(f"M{number}", "7^^^RETAIL^PI") for number in range(4)])
    site.sent(4)
    kept = site.run("audit", "head").stdout.strip()
    good = site.run("audit", "verify", "--head", kept).stdout
    assert "4 sent deliveries" in good
    site.engine.stop()
    site.engine.start()
    line = (site.engine.data / "heads.txt").read_text().splitlines()[0]
    assert site.run("audit", "verify", "--heads", str(site.engine.data / "heads.txt")).returncode == 0
    assert line.split()[-1].split(":")[0].isdigit()
    site.engine.stop()
    with sqlite3.connect(site.store) as conn:
        conn.execute(
            "UPDATE audit SET data = CAST(replace(CAST(data AS TEXT), 'lakeview', 'somebody') AS BLOB) WHERE sequence = 3"
        )
    conn.close()
    bad = site.run("audit", "verify", status=1).stdout
    assert bad.startswith("row 3: its hash")
    assert site.run("audit", "verify", "--head", "x", status=2).stderr
    assert json.loads(site.run("audit", "verify", "--json", status=1).stdout)["faults"] == [bad.strip()]
    with sqlite3.connect(site.store) as conn:
        conn.execute("DELETE FROM audit")
    conn.close()
    assert "4 deliveries were sent and have no record" in site.run("audit", "verify", status=1).stdout
    assert "is gone" in site.run("audit", "verify", "--head", kept, status=1).stdout

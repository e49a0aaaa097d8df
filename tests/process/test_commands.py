"""The command line against a running engine, as an operator types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import free_port

pytestmark = pytest.mark.process
Start = Callable[..., EngineProcess]
DESTINATION = "destination: hospital\nsend: {{mllp: {{host: 127.0.0.1, port: {}}}}}\nretry: {{first: 100ms, most: 200ms}}\n"
CHANNEL = """channel: pharmacy
source: {{mllp: {{port: {}, host: 127.0.0.1}}}}
filter: {{MSH-11: P}}
map: [{{MSH-5: {}}}]
send_to: [hospital]
"""


def order(number: int, patient: int = 7) -> str:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|C{number}|P|2.5.1\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    )


class Site:
    """An engine, a scripted hospital as its own process, and commands."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.port, self.hospital_port = free_port(), free_port()
        self.folder = folder
        self.saved = folder / "saved"
        self.hospital: subprocess.Popen[str] | None = None
        self.engine = start(
            {
                "pharmacy.yaml": CHANNEL.format(self.port, "EPIC"),
                "destinations/hospital.yaml": DESTINATION.format(self.hospital_port),
            }
        )

    def receive(self, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "hl7bridge",
            "receive",
            "--port",
            str(self.hospital_port),
            "--save",
            str(self.saved),
            *options,
        ]
        self.hospital = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert "listening" in self.hospital.stderr.readline()

    def close(self) -> None:
        if self.hospital is not None:
            self.hospital.terminate()
            self.hospital.wait()
            self.hospital.stderr.close()
            self.hospital = None

    def run(self, *arguments: str, status: int = 0) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "hl7bridge", *arguments], capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if status == 0 else ran.stdout + ran.stderr

    def on(self, *arguments: str, status: int = 0) -> str:
        return self.run(*arguments, "--data", str(self.engine.data), status=status)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.on(*arguments, "--json").splitlines()]

    def send(self, *messages: str, status: int = 0) -> dict[str, Any]:
        file = self.folder / "messages.hl7"
        file.write_bytes("".join(messages).encode())
        return dict(
            json.loads(
                self.run(
                    "send", str(file), "--to", f"127.0.0.1:{self.port}", "--json", status=status
                ).splitlines()[0]
            )
        )

    def until(self, wanted: Callable[[], object]) -> None:
        # Each look is a command of some tenths of a second, so nothing has to sleep between two.
        for _ in range(100):
            if wanted():
                return
        raise AssertionError("it did not come to that")

    def statuses(self) -> list[str]:
        detail = [
            json.loads(self.on("show", str(row["id"]), "--json"))
            for row in self.rows("messages", "--oldest-first")
        ]
        return [delivery["status"] for each in detail for delivery in each["deliveries"]]


@pytest.fixture
def site(engine: Start, tmp_path: Path) -> Iterator[Site]:
    made = Site(engine, tmp_path)
    yield made
    made.close()


def test_send_find_show_and_count(site: Site) -> None:
    site.receive()
    assert site.send(order(1), order(2))["answers"] == {"AA": 2}
    site.until(lambda: site.statuses() == ["SENT", "SENT"])
    newest, oldest = site.rows("messages")
    assert (oldest["control_id"], newest["control_id"]) == ("C1", "C2")
    assert [row["control_id"] for row in site.rows("messages", "--control-id", "C2")] == ["C2"]
    assert len(site.rows("messages", "--patient", "7^RETAIL", "--type", "RDE^O11", "--since", "1h")) == 2
    assert site.rows("messages", "--patient", "8^RETAIL") == []
    assert site.rows("messages", "--until", "1h") == []
    shown = site.on("show", str(oldest["id"]))
    assert "EPIC" not in shown
    assert "DOE^JANE" in shown
    assert b"|EPIC|" in next(site.saved.iterdir()).read_bytes()
    assert "|EPIC|" in site.on("show", str(oldest["id"]), "--payload", "hospital")
    stats = json.loads(site.on("stats", "--json"))
    assert stats["deliveries"] == [{"destination": "hospital", "status": "SENT", "count": 2}]
    assert "hospital" in site.on("stats")
    status = json.loads(site.on("status", "--json"))
    assert status["received"] == 2
    assert "up" in site.on("status")


def test_a_failed_delivery_is_seen_held_resent_and_cancelled(site: Site) -> None:
    site.receive("--answer", "AR")
    assert site.on("queue", "list") == "no delivery waits, is on its way or has failed\n"
    site.send(order(1), order(2))
    site.until(lambda: site.statuses() == ["FAILED", "FAILED"])
    status = site.on("status")
    assert "what has failed waits for a person: hl7bridge queue list" in status
    assert status.split("hospital", 1)[1].split()[:4] == ["up", "1", "0", "2"]
    first, second = site.rows("queue", "list")
    assert (first["status"], first["code"]) == ("FAILED", "AR")
    shown = site.on("show", str(first["message_id"]))
    assert "MSA|AR|C1" in shown, "what the hospital said is what an operator looks for"
    assert "hospital" in site.on("queue", "list")
    assert "cancelled" in site.on("queue", "cancel", str(second["id"]))
    assert "is held" in site.on("queue", "hold", "hospital")
    assert "was held already" in site.on("queue", "hold", "hospital")
    assert "1 delivery queued again" in site.on("queue", "resend", "--all-failed", "hospital")
    assert site.statuses() == ["QUEUED", "CANCELLED"]
    assert "held" in site.on("queue", "list")
    site.close()
    site.receive()
    assert "goes on" in site.on("queue", "release", "hospital")
    site.until(lambda: site.statuses() == ["SENT", "CANCELLED"])
    assert "did you mean hospital" in site.on("queue", "hold", "hospitel", status=2)
    assert "did you mean hospital" in site.on("queue", "resend", "--all-failed", "hospitel", status=2)
    assert "0 deliveries queued again" in site.on("queue", "resend", "--all-failed", "hospital")
    assert "not FAILED" in site.on("queue", "resend", str(first["id"]), status=2)


def test_the_queue_of_a_hospital_that_is_down_says_what_each_delivery_waits_for(site: Site) -> None:
    merge = order(5).replace("RDE^O11^RDE_O11", "ADT^A40^ADT_A39").split("ORC")[0] + "MRG|8^^^RETAIL^PI\r"
    site.send(order(1), order(2), order(3), order(4, patient=8), merge)
    first, *_ = [str(row["id"]) for row in site.rows("queue", "list")]
    rows = {row.split()[0]: row.strip() for row in site.on("queue", "list").splitlines() if "hospital" in row}
    behind = [id_ for id_, row in rows.items() if f"after {first}" in row]
    assert len(behind) == 3, rows
    assert [id_ for id_, row in rows.items() if re.search("waits for a connection|cannot connect", row)] == [
        id_ for id_ in rows if id_ not in behind
    ]
    for command in ("show", "why"):
        assert f"waits for delivery {first}" in " ".join(site.on(command, "2").split())
    assert f"after {first}" in site.on("queue", "list", "--status", "QUEUED"), (
        "the first is SENDING, and not listed"
    )
    site.on("queue", "hold", "hospital")
    assert "connect" not in site.on("queue", "list")
    for command in ("show", "why"):
        said = " ".join(site.on(command, "1").split())
        assert "held: nothing leaves before it is released" in said
        assert "next attempt" not in said
    site.on("queue", "release", "hospital")
    site.receive()
    site.until(lambda: site.statuses() == ["SENT"] * 5)


def test_the_queue_can_be_listed_where_no_engine_runs(site: Site) -> None:
    site.send(order(1), order(2))
    site.engine.stop()
    first, second = [row for row in site.on("queue", "list").splitlines() if "hospital" in row]
    assert "QUEUED" in first
    assert f"after {first.split()[0]}" in second
    assert "connection" not in first


def test_status_says_when_the_last_message_of_each_source_came(site: Site) -> None:
    assert "nothing since the start" in site.on("status")
    site.send(order(1))
    received = max(row["received_us"] for row in site.rows("messages"))
    [source] = json.loads(site.on("status", "--json"))["sources"].values()
    told = source["last_message_us"]
    assert abs(told - received) < 1_000_000
    assert f"{datetime.fromtimestamp(told / 1e6):%Y-%m-%d %H:%M:%S}" in site.on("status")


def test_times_are_shown_with_their_zone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.receive()
    site.send(order(1))
    site.until(lambda: site.statuses() == ["SENT"])
    monkeypatch.setenv("TZ", "America/New_York")
    at = datetime.fromtimestamp(site.rows("messages")[0]["received_us"] / 1e6, ZoneInfo("America/New_York"))
    assert f"received ({at:%Z})" in " ".join(site.on("messages").split())
    assert f"received   {at:%Y-%m-%d %H:%M:%S %Z} by pharmacy" in site.on("show", "1")
    assert f"received {at:%Y-%m-%d %H:%M:%S %Z} by pharmacy" in site.on("why", "1")


def test_a_remark_has_room_on_a_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.receive("--answer", "garbage")
    site.send(order(1))
    site.until(lambda: [row["attempts"] for row in site.rows("queue", "list") if row["reason"]])
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def remark() -> list[str]:
        shown = re.sub(r"\x1b\[[0-9;]*m", "", site.on("queue", "list")).splitlines()
        [at] = [number for number, line in enumerate(shown) if " hospital " in line]
        assert max(map(len, shown)) <= 100
        return " ".join(shown[at : at + 2]).split()[-7:]

    # Between two tries it may say that it waits for a connection, too.
    site.until(lambda: remark() == ["the", "answer", "is", "no", "ACK;", "possible", "duplicate"])


def test_a_name_that_is_none_is_not_a_name_that_found_nothing(site: Site) -> None:
    for command in (
        ("messages", "--destination", "hospitel"),
        ("messages", "--json", "--destination", "hospitel"),
        ("messages", "--channel", "hospitel", "--destination", "hospital"),
        ("queue", "list", "--destination", "hospitel"),
        ("queue", "list", "--destination", "hospitel", "--status", "failed", "--json"),
        ("replay", "--destination", "hospitel", "--yes"),
    ):
        said = site.on(*command, status=2)
        kind = "channel" if "--channel" in command else "destination"
        assert f"there is no {kind} hospitel (" in said
        assert ("did you mean hospital?" if kind == "destination" else "pharmacy") in said
    assert "did you mean pharmacy?" in site.on("messages", "--source", "pharmcy", status=2)
    assert site.on("messages", "--destination", "hospital") == "no message is like this\n"
    assert site.on("messages", "--channel", "pharmacy", "--json") == ""
    assert site.on("messages", "--source", "programme") == "no message is like this\n"
    files = {
        "pharmacy.yaml": CHANNEL,
        "destinations/hospital.yaml": DESTINATION.replace("hospital", "clinic"),
    }
    for name, text in files.items():
        port = site.port if name == "pharmacy.yaml" else site.hospital_port
        (site.engine.config / name).write_text(text.replace("[hospital]", "[clinic]").format(port, "EPIC"))
    assert "is in force" in site.on("reload")
    nothing = "waits, is on its way or has failed\n"
    assert site.on("queue", "list", "--destination", "clinic") == f"no delivery to clinic {nothing}"
    assert site.on("queue", "list", "--destination", "hospital") == f"no delivery to hospital {nothing}", (
        "an older version of the configuration knows it"
    )


def test_status_says_that_a_hospital_takes_nothing_although_its_link_is_up(site: Site) -> None:
    site.receive("--answer", "AE")
    site.send(order(1))
    site.until(lambda: json.loads(site.on("status", "--json"))["destinations"]["hospital"]["oldest_reason"])
    row = site.on("status").split("hospital", 1)[1].split()
    assert row[:5] == ["up", "1", "1", "0", "0"]
    assert row[-2:] == ["answered", "AE"]


def test_status_says_why_a_hospital_cannot_be_dialled(site: Site) -> None:
    site.send(order(1))
    site.until(lambda: json.loads(site.on("status", "--json"))["destinations"]["hospital"]["link_reason"])
    row = " ".join(site.on("status").split("hospital", 1)[1].split())
    assert row.startswith("down 0 1 0 0"), row
    assert "cannot connect: connection refused" in row
    for command in (["queue", "list"], ["show", "1"], ["why", "1"]):
        assert "cannot connect: connection refused" in " ".join(site.on(*command).split()), command


def test_reload_and_replay(site: Site) -> None:
    site.receive()
    site.send(order(1), order(2))
    site.until(lambda: site.statuses() == ["SENT", "SENT"])
    (site.engine.config / "pharmacy.yaml").write_text(CHANNEL.format(site.port, "CERNER"))
    assert "is in force" in site.on("reload")
    assert "nothing has changed" in site.on("reload")
    replayed = json.loads(site.on("replay", "--channel", "pharmacy", "--yes", "--json"))
    assert (replayed["replayed"], replayed["deliveries"]) == (2, 2)
    site.until(lambda: site.statuses() == ["SENT"] * 4)
    site.on("replay", "--id", str(site.rows("messages", "--oldest-first")[0]["id"]), "--as-it-was")
    site.until(lambda: site.statuses() == ["SENT"] * 5)
    names = [path.read_bytes().split(b"|")[4] for path in sorted(site.saved.iterdir())]
    assert names == [b"EPIC", b"EPIC", b"CERNER", b"CERNER", b"EPIC"]
    file = site.folder / "evening.hl7"
    file.write_bytes(
        b"FHS|^~\\&|RX\rBHS|^~\\&|RX\r" + order(3).encode() + order(4).encode() + b"BTS|2\rFTS|1\r"
    )
    assert "2 replayed" in site.on("replay", str(file), "--source", "pharmacy")
    site.until(lambda: site.on("status") and len(list(site.saved.iterdir())) == 7)
    assert "every message" in site.on("replay", status=2)


def test_a_replay_says_what_it_would_do_before_it_asks(site: Site) -> None:
    site.receive()
    site.send(order(1), order(2))
    site.until(lambda: site.statuses() == ["SENT", "SENT"])
    assert "--yes says so" in site.on("replay", "--channel", "pharmacy", status=2)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hl7bridge",
            "replay",
            "--channel",
            "pharmacy",
            "--data",
            str(site.engine.data),
        ],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        os.write(ours, b"n\n")
        out, said = asked.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert asked.returncode == 1
    assert out == ""
    assert said.index("2 messages acknowledged before (2 RDE^O11)") < said.index("replay 2 messages?")
    assert site.statuses() == ["SENT", "SENT"]


def test_what_would_go_to_nobody_does_not_fill_the_list_of_a_replay(site: Site) -> None:
    site.receive()
    training = [order(number).replace("|P|2.5.1", "|T|2.5.1") for number in range(30, 52)]
    site.send(*training, order(1), order(2))
    site.until(lambda: site.statuses() == ["SENT", "SENT"])
    said = site.on("replay", "--channel", "pharmacy", "--dry-run")
    assert "22 messages would go to nobody: not listed" in said
    listed = [line for line in said.splitlines() if "RDE^O11" in line and "hospital" in line]
    assert len(listed) == 2, said


def test_an_edited_copy_goes_in_place_of_its_original_and_is_linked_to_it(site: Site) -> None:
    site.receive()
    site.send(order(1))
    site.until(lambda: site.statuses() == ["SENT"])
    file = site.folder / "jane_doe.hl7"
    file.write_text(order(1).replace("ORC|NW|1", "ORC|NW|99").replace("\r", "\n"))
    first = site.rows("messages")[0]["id"]
    assert "1 replayed" in site.on("replay", "--id", str(first), "--edited", str(file))
    site.until(lambda: site.statuses() == ["SENT"] * 2)
    last, _ = site.rows("messages")
    assert (last["original"], last["flags"]) == (first, ["replay", "edited"])
    assert [b"ORC|NW|99" in path.read_bytes() for path in sorted(site.saved.iterdir())] == [False, True]
    detail = site.rows("audit", "list", "--kind", "act")[-1]["detail"]
    assert f"message={first}" in detail
    assert "edited" in detail
    assert "jane" not in detail
    file.write_text(order(1, patient=8))
    refused = site.on("replay", "--id", str(first), "--edited", str(file), status=2)
    assert f"no number of the patient of message {first}" in refused
    assert len(site.rows("messages")) == 2


def test_a_reload_with_mistakes_names_them_all_and_changes_nothing(site: Site) -> None:
    before = json.loads(site.on("status", "--json"))["version"]
    (site.engine.config / "pharmacy.yaml").write_text("chanel: x\n")
    (site.engine.config / "destinations" / "hospital.yaml").write_text("destination: hospital\nsend: {}\n")
    said = site.on("reload", status=1)
    assert f"{site.engine.config}/pharmacy.yaml:1:1" in said
    assert "destinations/hospital.yaml:2" in said
    assert json.loads(site.on("status", "--json"))["version"] == before
    site.engine._process.send_signal(signal.SIGHUP)
    site.until(
        lambda: site.on("status") and "the configuration stays as it was" in site.engine.log.read_text()
    )
    assert site.engine.running


def test_sighup_reloads(site: Site) -> None:
    before = json.loads(site.on("status", "--json"))["version"]
    (site.engine.config / "pharmacy.yaml").write_text(CHANNEL.format(site.port, "CERNER"))
    site.engine._process.send_signal(signal.SIGHUP)
    site.until(lambda: json.loads(site.on("status", "--json"))["version"] != before)


def test_a_second_engine_on_the_same_data_is_refused_and_told_of_the_first(site: Site) -> None:
    said = site.run("run", str(site.engine.config), "--data", str(site.engine.data), status=2)
    assert f"process {site.engine.pid}" in said


def test_a_port_in_use_is_said_in_a_sentence(site: Site) -> None:
    said = site.run("run", str(site.engine.config), "--data", str(site.folder / "other"), status=2)
    assert f"port {site.port} cannot be opened" in said


def test_no_engine_no_store_no_message(site: Site) -> None:
    assert "no store" in site.run("messages", "--data", str(site.folder / "nothing"), status=2)
    assert "no engine runs" in site.run(
        "queue", "hold", "x", "--data", str(site.folder / "nothing"), status=2
    )
    assert "no message 99" in site.on("show", "99", status=2)


def test_an_orderly_stop_has_status_0(site: Site) -> None:
    assert site.engine.stop() == 0


def test_sending_to_nobody_says_so(site: Site) -> None:
    file = site.folder / "one.hl7"
    file.write_text(order(1))
    said = site.run("send", str(file), "--to", f"127.0.0.1:{free_port()}", status=1)
    assert said.endswith(": cannot connect: connection refused\n")


def test_patient_data_stays_out_of_the_log(site: Site) -> None:
    site.receive("--answer", "garbage")
    site.send(order(1))
    site.until(lambda: site.on("status") and "will be tried again" in site.engine.log.read_text())
    log = site.engine.log.read_text()
    assert "DOE" not in log
    assert "RETAIL" not in log


def test_a_data_folder_with_a_very_long_path_can_be_operated(engine: Start, tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "p.yaml").write_text(CHANNEL.format(port, "EPIC"))
    (folder / "destinations").mkdir()
    (folder / "destinations" / "h.yaml").write_text(DESTINATION.format(free_port()))
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    running = EngineProcess(folder, deep / "data")
    running.start()
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "hl7bridge", "queue", "hold", "hospital", "--data", str(running.data)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.stdout == "hospital is held\n", ran.stderr
    finally:
        assert running.stop() == 0

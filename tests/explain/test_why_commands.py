"""`trace` and `why`: each rule with what it saw and did, who got the message and who did not, and why."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hl7bridge.channel.rules.trace import Trace
from hl7bridge.cli.main import main
from hl7bridge.engine.receiving import in_time
from hl7bridge.places import STORE
from hl7bridge.store.base import RosterEntry
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.sqlite.store import SqliteStore
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import write_folder
from tests.stored import Stored, last_audited

FILES = {
    "pharmacy.yaml": (
        "channel: pharmacy\nsource: {mllp: {port: 2575}}\naccept: [RDE^O11]\nfilter: {ORC-1: {not: [CH]}}\n"
        "map:\n  - {when: {MSH-4: S1}, MSH-3: LANTERN}\n  - {MSH-6.1: {from: MSH-4.1, table: stores, else: keep}}\n"
        "send_to: [archive, affiliates: pharmacy, {to: other, when: {MSH-4: S9}}]\n"
    ),
    "tables/stores.csv": "code,name\nS1,One\n",
    "destinations/archive.yaml": "destination: archive\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "destinations/other.yaml": "destination: other\nsend: {mllp: {host: 127.0.0.1, port: 6702}}\n",
    "affiliates/rush.yaml": (
        "affiliate: rush\nagreement: {pharmacy: 2021-09-15}\nidentifiers: {authority: RUSH, type: MR}\n"
        "roster: rosters/rush.csv\nsend: {mllp: {host: 127.0.0.1, port: 6703}}\nmap: [{MSH-5: EPIC}]\n"
    ),
    "affiliates/medstar.yaml": (
        "affiliate: medstar\nagreement: {pharmacy: 2021-09-15}\nidentifiers: {authority: MEDSTAR, type: MR}\n"
        "roster: rosters/medstar.csv\nsend: {mllp: {host: 127.0.0.1, port: 6704}}\n"
    ),
    "affiliates/lakeview.yaml": (
        "affiliate: lakeview\nagreement: {clinic: 2021-09-15}\nidentifiers: {authority: LAKE, type: MR}\n"
        "send: {mllp: {host: 127.0.0.1, port: 6704}}\n"
    ),
    "rosters/rush.csv": "id,authority,type,from\n7,RETAIL,PI,2022-12-01\n",
    "rosters/medstar.csv": "id,authority,type,from\n8,RETAIL,PI,2022-12-01\n",
}


def message(control: str = "NW", store: str = "S1") -> bytes:
    return (
        f"MSH|^~\\&|RX|{store}|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{control}{store}|P|2.5.1\r"
        f"PID|1||7^^^RETAIL^PI||SECRETNAME^JANE\rORC|{control}|9||||||20261121\rRXE|1|55^metformin^NDC|1||TAB\r"
    ).encode()


Run = Callable[..., Result]


def of_file(*words: object) -> str:
    """What `trace` says."""
    found = CliRunner().invoke(main, ["trace", *map(str, words)])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Messages 1 (taken) and 2 (filtered), rush refusing; then commands on that data."""
    stored = Stored(tmp_path, FILES)
    for port in (6701, 6702, 6704):
        stored.world.hospital(port)
    stored.world.hospital(6703, Script("AR"))
    stored.world.start()
    stored.receives(message(), message("CH"))
    stored.leaves()
    return stored.command


def test_why_tells_each_rule_with_its_place_and_what_it_saw_and_did(run: Run) -> None:
    said = run("why", 1).stdout
    for line in (
        "+ ORC-1 {not: in [CH]}  saw 'NW'  pharmacy.yaml:4:10",
        "+ when MSH-4 = S1  pharmacy.yaml:6:5",
        "* MSH-3 (Sending Application): 'RX' -> 'LANTERN'  pharmacy.yaml:6:25",
        "+ table stores: S1 = One (stores.csv:2)  pharmacy.yaml:7:38",
        "> to archive  pharmacy.yaml:8:11",
        "x not to medstar: the patient is on no list of it",
        "agreement: pharmacy since 2021-09-15; on its list: 2022-12-01 through ever",
        "* MSH-5 (Receiving Application): 'HUB' -> 'EPIC'  affiliates/rush.yaml:6:8",
        "- when MSH-4 = S9: does not hold",
        "x not to other: its `when` does not hold",
        "to rush: FAILED, 1 attempt, answered AR\n",
        " attempt 1: answered AR\n",
        "MSA|AR|",
    ):
        assert line in said, line


def test_why_to_a_destination_answers_in_a_sentence(run: Run) -> None:
    def answer(message_id: int, to: str) -> str:
        found: dict[str, Any] = json.loads(run("why", message_id, "--to", to, "--json").stdout)
        return str(found["answer"])

    assert answer(1, "archive") == "archive got it, and answered AA"
    assert answer(1, "rush").startswith("rush has not got it: the delivery is FAILED")
    assert answer(1, "medstar") == "medstar did not get it: the patient is on no list of it"
    assert answer(1, "other") == "other did not get it: its `when` does not hold"
    assert answer(2, "archive") == (
        "archive did not get it: channel pharmacy: pharmacy.yaml:4:10: ORC-1 {not: in [CH]}"
    )
    assert "did you mean rush?" in run("why", 1, "--to", "rsh").output
    said = run("why", 1, "--to", "medstar").stdout
    assert "archive" not in said
    assert "medstar did not get it" in said


def test_a_list_that_has_changed_since_is_said(run: Run, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "data" / STORE)
    *_, staged = store.stage_roster(
        "medstar", [RosterEntry(Hashes(store.key).patient(b"RETAIL", b"7"))], True, 1
    )
    store.publish_rosters([staged.load], 1)
    store.close()
    said = run("why", 1, "--to", "medstar").stdout
    assert "medstar did not get it, and would by the lists of now" in said
    assert "medstar would get it now (channel pharmacy)" in said


def test_a_trace_that_takes_long_changes_nothing_of_what_was_decided(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_time, "EVERY_S", 0.001)
    monkeypatch.setattr(in_time, "LIMIT_S", 0.05)
    slow = Trace.step

    def step(self: Trace, *arguments: Any) -> None:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        slow(self, *arguments)

    monkeypatch.setattr(Trace, "step", step)
    result = run("why", 1)
    assert "took longer" not in result.output
    assert "'RX' -> 'LANTERN'" in result.output


def test_brief_leaves_out_what_changed_nothing(run: Run) -> None:
    said = run("why", 1, "--brief").stdout
    assert "when MSH-4" not in said
    assert "saw 'S1'" not in said
    assert "MSH-3 (Sending Application)" in said
    assert "ORC-1 {not: in [CH]}" in said


def test_brief_shows_what_stands_in_what(tmp_path: Path) -> None:
    steps = (
        "map:\n  - {when: {MSH-4: S1}, MSH-3: LANTERN}\n"
        '  - each: PID-3[*]\n    do:\n      - {when: {MSH-4: S1}, it.1: "8"}\n'
        "      - {it.5: {from: it.5, table: types, else: keep}}\n"
    )
    tables = {"tables/types.csv": "code,name\nPI,PI\n", "tables/stores.csv": "code,name\nS1,One\n"}
    pharmacy = FILES["pharmacy.yaml"].replace("map:\n  - {when: {MSH-4: S1}, MSH-3: LANTERN}\n", steps)
    config = write_folder(tmp_path / "config", FILES | tables | {"pharmacy.yaml": pharmacy})
    (tmp_path / "m.hl7").write_bytes(message())
    command = ["trace", str(tmp_path / "m.hl7"), str(config), "--brief", "--to", "archive"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    said = [line.rpartition("  ")[0] for line in result.stdout.splitlines()]
    each = said.index("  - each PID-3[*]")
    assert said[each - 1].startswith("  * MSH-3 (Sending Application): ")
    assert said[each + 1] == "    * it.1: PID-3.1 (Patient Identifier List: ID Number): '7' -> '8'"
    assert said[each + 2].startswith("  * MSH-6.1: ")
    assert "table types" not in "".join(said), "it was looked up, and changed nothing"
    assert "table stores: S1 = One" in said[each + 3]


def test_why_is_told_to_the_audit_trail(run: Run, tmp_path: Path) -> None:
    run("why", 1)
    last = last_audited(tmp_path / "data")
    assert last.kind == "view"
    assert "why" in repr(last)


def test_a_message_that_is_not_there_is_said(run: Run) -> None:
    result = run("why", 99)
    assert result.exit_code == 2
    assert "there is no message 99" in result.output
    result = run("why", 1 << 70)
    assert (result.exit_code, "there is no message" in result.output) == (2, True)


def trace(tmp_path: Path, *words: object, data: bytes | None = None) -> Result:
    config = write_folder(tmp_path / "config", FILES)
    (tmp_path / "m.hl7").write_bytes(message() if data is None else data)
    return CliRunner().invoke(main, ["trace", str(tmp_path / "m.hl7"), str(config), *map(str, words)])


def test_trace_tells_what_would_happen_to_a_file(tmp_path: Path) -> None:
    said = trace(tmp_path).stdout
    assert said.startswith("RDE^O11 by pharmacy: RECEIVED, answered AA\n")
    assert "> to rush: for pharmacy on 2026-11-21: on the roster" in said
    assert "x not to medstar: the patient is on no list of it" in said
    found = json.loads(trace(tmp_path, "--json", "--to", "rush").stdout)
    texts = [each["text"] for each in found["events"]]
    assert [text.partition(":")[0] for text in texts if text.startswith(("to ", "not to "))] == ["to rush"]


def test_trace_reads_the_lists_once_for_all_messages_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or whole(path))
    said = trace(tmp_path, data=message() + message(store="S9")).stdout
    assert said.count("> to rush: ") == 2
    assert read.count("rush.csv") == 1


def test_trace_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    assert "there is no destination rsh (did you mean rush?)" in trace(tmp_path, "--to", "rsh").output
    assert (
        "there is no source pharmcy (did you mean pharmacy?)" in trace(tmp_path, "--source", "pharmcy").output
    )
    assert (
        "no source takes messages of this type"
        in trace(tmp_path, data=message().replace(b"RDE", b"ZZZ")).output
    )
    assert "m.hl7: there is no message in this file" in trace(tmp_path, data=b"\r\n").output
    assert "m.hl7, byte 0: there is no MSH segment" in trace(tmp_path, data=b"nothing\r").output
    for words in (("--to", "rsh"), ("--source", "x")):
        assert trace(tmp_path, *words).exit_code == 2


def test_why_of_what_no_channel_decided_about_says_so_and_tells_no_rules(tmp_path: Path) -> None:
    stored = Stored(tmp_path, FILES)
    for port in (6701, 6702, 6703, 6704):
        stored.world.hospital(port)
    stored.world.start()
    stored.receives(message(), message(), message().replace(b"RDE^O11", b"ADT^A08"))
    repeated = stored.command("why", 2, "--to", "archive").stdout
    assert (
        "archive did not get it: its sender repeated message 1: it was answered AA again and not processed"
        in repeated
    )
    assert "pharmacy.yaml" not in repeated
    unaccepted = stored.command("why", 3).stdout
    assert "no channel of pharmacy takes ADT^A08 (pharmacy accepts RDE^O11): answered AR" in unaccepted
    told = json.loads(stored.command("why", 3, "--json").stdout)
    assert told["events"] == []
    assert told["instead"] in unaccepted


def test_an_affiliate_whose_agreement_lacks_the_scope_is_told_of(run: Run, tmp_path: Path) -> None:
    said = run("why", "1", "--to", "lakeview").output
    assert "lakeview did not get it: its agreement does not cover pharmacy" in said
    file = tmp_path / "m.hl7"
    file.write_bytes(message())
    folder = write_folder(tmp_path / "again", FILES)
    traced = of_file(file, folder, "--to", "lakeview", "--brief")
    assert "x not to lakeview: its agreement does not cover pharmacy" in traced
    assert "lakeview" not in of_file(file, folder), "there may be hundreds of them"


@pytest.mark.parametrize(
    ("training", "status", "because"),
    [
        (True, "live", "processing: MSH-11 is not P"),
        (False, "shadow", "shadow: kept, nothing is sent"),
    ],
)
def test_what_is_kept_and_not_sent_is_not_said_to_go(
    tmp_path: Path, training: bool, status: str, because: str
) -> None:
    rush = FILES["affiliates/rush.yaml"] + f"status: {status}\n"
    folder = write_folder(tmp_path / "again", {**FILES, "affiliates/rush.yaml": rush})
    file = tmp_path / "m.hl7"
    file.write_bytes(message().replace(b"|P|2.5.1", b"|T|2.5.1") if training else message())
    said = of_file(file, folder, "--to", "rush", "--brief")
    assert f"x not to rush: {because}" in said

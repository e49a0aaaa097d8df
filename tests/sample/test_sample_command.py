"""`hl7bridge sample` on a store with traffic."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hl7bridge.cli.main import main
from hl7bridge.hl7.batch import read_file
from tests.stored import Stored, last_audited

FILES = {
    "pharmacy.yaml": "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [rush]\n",
    "rush.yaml": "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}


def message(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{number}|P|2.5.1\r"
        f"PID|1||{number % 4}55512^^^RETAIL^PI||SECRETNAME^JANE\rORC|NW|{number}\rNTE|1|P|Secretname called\r"
    ).encode()


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    stored = Stored(tmp_path, FILES)
    stored.world.hospital(6701)
    stored.world.start()
    stored.receives(*map(message, (1, 2, 3, 5, 5)))
    return lambda *words: stored.command("sample", *words, "--since", "2000-01-01")


def test_a_sample_holds_every_message_once_and_no_patient(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path / "out.hl7")
    assert result.exit_code == 0
    assert "4 messages written, 0 refused" in result.stdout
    data = (tmp_path / "out.hl7").read_bytes()
    found = read_file(data).messages
    assert len(found) == 4
    assert b"SECRET" not in data.upper()
    assert oct((tmp_path / "out.hl7").stat().st_mode & 0o777) == "0o600"
    numbers = [each.split(b"PID|1||")[1].split(b"^")[0] for each in found]
    assert numbers[0] == numbers[3], "1 and 5 are of one patient"
    assert len(set(numbers)) == 3


def test_the_same_key_gives_the_same_stand_ins_and_none_gives_others(run: Run, tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        key = ["--key", tmp_path / "key"] if name in ("one", "two") else []
        assert run(tmp_path / name, *key).exit_code == 0
    one, two, three, four = ((tmp_path / name).read_bytes() for name in names)
    assert one == two
    assert len({one, three, four}) == 3


def test_a_file_is_never_overwritten_and_nothing_leaves_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    assert "this file is there already" in run(tmp_path / "there").output
    assert (tmp_path / "there").read_text() == "mine"
    result = run(tmp_path / "empty", "--source", "elsewhere")
    assert result.exit_code == 1
    assert not (tmp_path / "empty").exists()


def test_it_is_told_to_the_audit_trail_and_counts_what_it_left_out(run: Run, tmp_path: Path) -> None:
    found = json.loads(run(tmp_path / "out.hl7", "--json").stdout)
    assert found["written"] == 4
    assert found["left_out"]["PID-3.4"] == 4
    assert "sample" in repr(last_audited(tmp_path / "data"))


def test_messages_that_name_no_patient_make_no_code_common(tmp_path: Path) -> None:
    """They may all be of one: twelve of them are not twelve patients."""
    stored = Stored(tmp_path, FILES)
    stored.world.hospital(6701)
    stored.world.start()
    rare = b"DG1|1||E75.29^rare^I10\r"
    named = re.compile(rb"PID[^\r]*\r")
    stored.receives(*(named.sub(b"PID|1||||SECRETNAME^JANE\r", message(each)) + rare for each in range(12)))
    result = stored.command("sample", tmp_path / "out.hl7", "--since", "2000-01-01")
    assert "12 messages written" in result.stdout
    assert b"E75" not in (tmp_path / "out.hl7").read_bytes()


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    stored = Stored(tmp_path, FILES)
    stored.world.hospital(6701)
    stored.world.start()
    for each in (message(1), b"MSHgarbage", b"nothing", message(2)):
        stored.world.client(2575).send(each)
        stored.world.run(5)
    result = stored.command("sample", tmp_path / "out.hl7", "--since", "2000-01-01")
    assert (result.exit_code, "2 messages written, 0 refused, 2 that cannot be read" in result.stdout) == (
        0,
        True,
    )


def test_a_key_that_cannot_be_made_is_said(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path / "out.hl7", "--key", tmp_path / "nowhere" / "key")
    assert (result.exit_code, "nowhere/key: No such file or directory" in result.output) == (2, True)


def test_what_a_limit_leaves_out_is_said(run: Run, tmp_path: Path) -> None:
    few = run(tmp_path / "few.hl7", "--limit", 3)
    assert "3 messages written" in few.stdout
    assert "these are the oldest 3 that match; --limit takes more" in few.stderr
    assert "--limit" not in run(tmp_path / "all.hl7").stderr


def test_a_folder_without_a_store_is_said_before_anything_else(tmp_path: Path) -> None:
    for words in (["sample", tmp_path / "out.hl7"], ["patient", "1^A"], ["drift", "--values"]):
        result = CliRunner().invoke(main, [*map(str, words), "--data", str(tmp_path)])
        assert result.exit_code == 2
        assert result.stderr.endswith(
            "there is no store in this folder (name the engine's folder with --data)\n"
        )

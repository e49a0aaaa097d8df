"""The command that lists what feeds showed for the first time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_drift import FILES, LATER, PASSWORD, visit
from tests.stored import Stored, last_audited


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    made = Stored(tmp_path, FILES)
    made.world.hospital(6701)
    made.world.start()
    made.receives(visit(1), visit(2, patient_class="O"), seconds=30)
    made.world.days = LATER
    made.receives(visit(3, "NTE|1||a note", race=PASSWORD, patient_class="INPATIENT"), seconds=30)
    return made


def listed(stored: Stored, *words: str) -> list[dict[str, Any]]:
    result = stored.command("drift", "--since", "2026-01-01", "--until", "2027-06-01", "--json", *words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_command_lists_it_without_what_stood_there(stored: Stored) -> None:
    rows = listed(stored)
    assert {(row["kind"], row["place"]) for row in rows} >= {
        ("SEGMENT", "NTE"),
        ("CODE", "PID-10.1"),
        ("LENGTH", "PV1-2"),
    }
    assert all("code" not in row for row in rows)
    result = stored.command("drift", "--since", "2026-01-01", "--until", "2027-06-01")
    assert "NTE Notes and Comments" in result.stdout
    assert "PID-10.1 Race: Identifier" in result.stdout
    assert "length of 8 to 15 bytes" in result.stdout
    assert PASSWORD not in result.output


def test_codes_are_shown_when_asked_and_the_trail_is_told(stored: Stored) -> None:
    rows = listed(stored, "--values")
    assert [row["code"] for row in rows if row["place"] == "PID-10.1"] == [PASSWORD]
    assert "drift --values" in str(last_audited(stored.data))


def test_it_can_be_narrowed(stored: Stored) -> None:
    assert {row["place"] for row in listed(stored, "--concerned")} == {
        "PID-10.1",
        "PV1-2",
        "PV1-2.1",
        "PID-10",
    }
    assert listed(stored, "--type", "ADT^A31") == []
    assert len(listed(stored, "--limit", "1")) == 1
    result = stored.command("drift", "--source", "clinik")
    assert result.exit_code == 2
    assert "clinic" in result.stderr


def test_a_repetition_that_holds_nothing_has_no_length(tmp_path: Path) -> None:
    made = Stored(tmp_path, FILES)
    made.world.hospital(6701)
    made.world.start()
    made.receives(visit(1), seconds=30)
    made.world.days = LATER
    made.receives(visit(2).replace(b"||DOE", b"||~DOE"), seconds=30)
    assert listed(made) == []
    assert made.command("drift", "--since", "2026-01-01", "--until", "2027-06-01").exit_code == 0


def test_nothing_new_is_said(stored: Stored) -> None:
    result = stored.command("drift", "--since", "2026-01-01", "--until", "2026-02-01")
    assert result.stdout.startswith(
        "nothing that had not been seen before (what a feed shows in its first weeks is learned"
    )


def test_a_folder_that_nobody_watches_says_so(tmp_path: Path) -> None:
    made = Stored(tmp_path, FILES | {"hl7bridge.yaml": "drift: off\n"})
    made.world.hospital(6701)
    made.world.start()
    made.receives(visit(1), seconds=30)
    result = made.command("drift")
    assert (
        result.stdout == "no messages were looked at (drift: off, or the engine has not come to them yet)\n"
    )


def test_a_limit_below_zero_is_refused(stored: Stored) -> None:
    result = stored.command("drift", "--limit", "-1")
    assert result.exit_code == 2
    assert "--limit" in result.stderr

"""`hl7bridge test` of a folder that was copied without the messages beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hl7bridge.cli.check import test as command

SHIPPED = Path(__file__).parents[1] / "channels"


def test_a_folder_of_messages_that_is_not_there_is_missed_once(tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "channels")
    result = CliRunner().invoke(command, [str(copy)])
    assert result.exit_code == 1
    missed, count = result.stdout.splitlines()
    assert f"failed: there is no folder {tmp_path / 'samples'}" in missed
    assert "copy it too" in missed
    assert count.startswith("0 passed, ")
    assert missed.split()[0] == count.split()[2], "every test counts as failed"


def test_the_folder_that_is_missed_is_named_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "channels")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(command, ["channels"]).stdout
    assert f"there is no folder {tmp_path / 'samples'}," in said, "samples is also a folder elsewhere"


def test_a_single_message_that_is_not_there_is_missed_by_its_test(tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "channels")
    shutil.copytree(SHIPPED.parent / "samples", tmp_path / "samples")
    (tmp_path / "samples" / "adt_a01_alexander.hl7").unlink()
    result = CliRunner().invoke(command, [str(copy)])
    assert result.exit_code == 1
    assert "    there is no file ../samples/adt_a01_alexander.hl7" in result.stdout.splitlines()

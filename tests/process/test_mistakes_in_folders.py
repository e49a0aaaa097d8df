"""Mistakes as every command names them: by the path that a terminal or an editor opens from where the command was typed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.world import write_folder

pytestmark = pytest.mark.process
CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [affiliates: pharmacy]\n"
AFFILIATE = """affiliate: rush
agreement: {pharmacy: 2016-01-01}
roster: rosters/rush.csv
send: {file: {folder: out-rush}}
"""


def named(here: Path, command: str, config: str = "channels") -> list[str]:
    """The lines with which a command in the folder `here` names mistakes."""
    arguments = [command, config, *(["--data", "data"] if command == "run" else [])]
    ran = subprocess.run(
        [sys.executable, "-m", "hl7bridge", *arguments], capture_output=True, text=True, timeout=60, cwd=here
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    lines = (ran.stdout + ran.stderr).splitlines()
    assert "1 mistake" in lines.pop()
    return lines


@pytest.mark.parametrize("command", ["check", "test", "run"])
def test_a_mistake_is_named_by_the_path_that_opens_its_file(tmp_path: Path, command: str) -> None:
    write_folder(tmp_path / "channels", {"sub/pharmacy.yaml": CHANNEL + "acept: [RDE^O11]\n"})
    (tmp_path / "channels" / "affiliates").mkdir()
    (tmp_path / "channels" / "affiliates" / "rush.yaml").write_text(AFFILIATE.replace("roster", "# roster"))
    line = "sub/pharmacy.yaml:4:1: 'acept' is not a key of a channel; did you mean accept?"
    assert named(tmp_path, command) == [f"channels/{line}"]
    assert named(tmp_path, command, str(tmp_path / "channels")) == [f"{tmp_path}/channels/{line}"]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_so_is_a_mistake_in_a_roster(tmp_path: Path, command: str, elsewhere: bool) -> None:
    roster = tmp_path / "lists" / "rush.csv" if elsewhere else tmp_path / "channels" / "rosters" / "rush.csv"
    affiliate = AFFILIATE.replace("rosters/rush.csv", str(roster)) if elsewhere else AFFILIATE
    write_folder(tmp_path / "channels", {"pharmacy.yaml": CHANNEL, "affiliates/rush.yaml": affiliate})
    roster.parent.mkdir()
    roster.write_text("id,authority,from\n1,RETAIL,soon\n")
    [line] = named(tmp_path, command)
    path = line.split(":")[0]
    assert path == (str(roster) if elsewhere else "channels/rosters/rush.csv")


def test_a_folder_without_a_channel_is_said(tmp_path: Path, engine: Callable[..., EngineProcess]) -> None:
    running = engine({"destinations/hospital.yaml": "destination: hospital\nsend: {file: {folder: out}}\n"})
    running.stop()
    folder = tmp_path / "config"
    assert f"there is no channel in {folder}: no message is taken" in running.log.read_text()
    ran = subprocess.run(
        [sys.executable, "-m", "hl7bridge", "check", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, "no mistakes" in ran.stdout) == (0, True), "a folder may be begun so"
    assert f"there is no channel in {folder}: " in ran.stderr

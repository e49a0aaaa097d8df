"""The demo as somebody runs it, small: real processes, real ports, from another folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The demo has fixed ports: of the processes that share these tests one at a time may use them."""
    with open(tmp_path_factory.getbasetemp().parent / "demo.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hl7bridge", "demo", *options]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=environment)


def test_a_small_demo_misses_nothing(tmp_path: Path) -> None:
    ran = demo(tmp_path, "--messages", "400", "--seconds", "3", "--seed", "5", "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["problems"] == []
    assert sum(feed["sent"] for feed in result["feeds"]) >= 400
    by_name = {each["name"]: each for each in result["destinations"]}
    assert set(by_name) == {"medstar", "rush", "tucson", "lakeview", "careteam", "archive", "fax", "mail"}
    assert not any(by_name.pop(name)["decided"] for name in ("fax", "mail")), (
        "only the programme writes those"
    )
    assert all(each["got"] == each["sent"] > 0 for each in by_name.values())
    assert by_name["rush"]["refused"] == by_name["rush"]["got_refused"] > 0
    assert "tucson is back" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_story_goes_as_it_is_told(tmp_path: Path) -> None:
    ran = demo(tmp_path, "--only", "story")
    assert ran.returncode == 0, ran.stderr
    told = ran.stdout
    at = [
        told.index(each)
        for each in (
            "|RDE^O11^RDE_O11|",
            "|RDS^O13^RDS_O13|",
            "Not picked up here: filled on",
            "Withdrawn: what was said of",
            "|MDM^T02^MDM_T02|",
            "^application^pdf^Base64^",
            ".ready/document.pdf",
            "fax/done/",
        )
    ]
    assert at == sorted(at)
    assert [line for line in told.splitlines() if line != line.rstrip()] == []
    assert list(tmp_path.iterdir()) == []


def test_the_story_has_no_json_and_says_so(tmp_path: Path) -> None:
    ran = demo(tmp_path, "--only", "story", "--json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--json is for the traffic" in ran.stderr


def test_a_port_in_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 6703))
        other.listen()
        ran = demo(tmp_path, "--messages", "100", "--seconds", "2")
    assert ran.returncode == 2
    assert "port 6703, which tucson needs, is in use" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []

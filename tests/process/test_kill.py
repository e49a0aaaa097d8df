"""kill -9 under load, with real processes, sockets and a real store."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.process
def test_kills_under_load_break_no_promise() -> None:
    command = [
        sys.executable,
        "-m",
        "hl7bridge.testing.kill",
        "--kills",
        "4",
        "--messages",
        "3000",
        "--seed",
        "3",
    ]
    ran = subprocess.run(command, capture_output=True, timeout=200, text=True)
    assert ran.stdout, ran.stderr
    result = json.loads(ran.stdout)
    assert ran.returncode == 0, result
    assert result["kills"] == 4
    assert result["lost_acknowledged"] == result["reordered"] == result["duplicates_unmarked"] == 0

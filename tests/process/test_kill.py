"""kill -9 under load, with real processes, sockets and a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from hl7bridge.store.base import STORE_LOST
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import free_port


def idle() -> dict[str, str]:
    """A site that does nothing."""
    channel = "channel: idle\nsource: {{mllp: {{port: {}, host: 127.0.0.1}}}}\nsend_to: [outbox]\n"
    outbox = "destination: outbox\nsend: {file: {folder: out}}\n"
    return {"idle.yaml": channel.format(free_port()), "destinations/outbox.yaml": outbox}


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


@pytest.mark.process
def test_an_engine_whose_writer_is_killed_ends_and_says_so(engine: Callable[..., EngineProcess]) -> None:
    running = engine(idle())
    os.kill(running.writer_pid, signal.SIGKILL)
    assert running.ended(10) == STORE_LOST
    assert "the process that writes the store ended" in running.log.read_text()
    running.start()
    assert running.running


@pytest.mark.process
def test_an_engine_that_is_stopped_ends_in_order(engine: Callable[..., EngineProcess]) -> None:
    running = engine(idle())
    assert running.stop() == 0
    running.start()
    assert running.stop() == 0

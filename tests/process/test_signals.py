"""Signals to a real process that is still starting."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import free_port
from tests.process.waiting import until

pytestmark = pytest.mark.process
Start = Callable[..., EngineProcess]
#: A hook's file that is read while the engine starts, and takes as long as the test wants.
SLOW = """import pathlib, time
here = pathlib.Path({here!r})
(here / "starting").touch()
while not (here / "go").exists():
    time.sleep(0.01)
def nothing(message):
    pass
"""


@pytest.fixture
def starting(engine: Start, tmp_path: Path) -> EngineProcess:
    """An engine in the middle of its start; a file `go` in the test's folder lets it go on."""
    running = engine(
        {
            "slow.py": SLOW.format(here=str(tmp_path)),
            "pharmacy.yaml": f"channel: pharmacy\nsource: {{mllp: {{port: {free_port()}, host: 127.0.0.1}}}}\n"
            "map: [{python: 'slow:nothing'}]\nsend_to: [hospital]\n",
            "destinations/hospital.yaml": "destination: hospital\n"
            f"send: {{mllp: {{host: 127.0.0.1, port: {free_port()}}}}}\n",
        },
        wait=False,
    )
    until((tmp_path / "starting").exists)
    return running


def test_a_reload_asked_during_the_start_is_done_after_it(starting: EngineProcess, tmp_path: Path) -> None:
    starting._process.send_signal(signal.SIGHUP)
    (tmp_path / "go").touch()
    until(lambda: " is in force" in starting.log.read_text())
    said = starting.log.read_text()
    assert said.index(" ready: process") < said.index(" is in force")
    assert starting.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_asked_during_the_start_ends_it_in_order(
    starting: EngineProcess, tmp_path: Path, number: signal.Signals
) -> None:
    starting._process.send_signal(number)
    starting._process.send_signal(signal.SIGHUP)
    (tmp_path / "go").touch()
    assert starting._process.wait(timeout=30) == 0
    assert "stopped before it was ready" in starting.log.read_text()
    starting.start()  # nothing of it is in the way of the next one
    assert starting.stop() == 0

"""`hl7bridge replay` on a running engine sends what was asked for, once, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from tests.process.test_commands import Site, order

pytestmark = pytest.mark.process


@pytest.fixture
def site(engine: Callable[..., EngineProcess], tmp_path: Path) -> Iterator[Site]:
    made = Site(engine, tmp_path)
    made.receive()
    yield made
    made.close()


def left(site: Site) -> list[bytes]:
    """The control IDs that the hospital has, in the order in which they came."""
    return [path.read_bytes().split(b"|")[9] for path in sorted(site.saved.iterdir())]


def test_a_message_that_is_named_twice_goes_once_and_the_oldest_first(site: Site) -> None:
    site.send(order(1), order(2))
    site.until(lambda: site.statuses() == ["SENT"] * 2)
    first, second = (str(row["id"]) for row in site.rows("messages", "--oldest-first"))
    site.on("replay", "--id", second, "--id", first, "--id", second, "--yes")
    site.until(lambda: set(site.statuses()) == {"SENT"})
    assert left(site) == [b"C1", b"C2", b"C1", b"C2"]


def test_what_came_while_the_operator_was_asked_does_not_go(site: Site) -> None:
    site.send(order(1), order(2))
    site.until(lambda: site.statuses() == ["SENT"] * 2)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "hl7bridge", "replay", "--since", "2h", "--data", str(site.engine.data)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        assert asked.stderr is not None
        said = b""
        while b"replay 2 messages?" not in said:
            said += os.read(asked.stderr.fileno(), 4096)
        site.send(order(3))
        site.until(lambda: site.statuses() == ["SENT"] * 3)
        os.write(ours, b"y\n")
        out, _ = asked.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"2 replayed" in out
    site.until(lambda: site.statuses() == ["SENT"] * 5)
    assert left(site) == [b"C1", b"C2", b"C3", b"C1", b"C2"]


def test_a_file_that_is_named_twice_goes_once(site: Site) -> None:
    file = site.folder / "evening.hl7"
    file.write_text(order(3))
    site.on("replay", str(file), str(file.parent / "." / file.name), "--source", "pharmacy")
    site.until(lambda: site.statuses() == ["SENT"])
    assert left(site) == [b"C3"]


def test_a_replay_that_is_stopped_says_exactly_where_it_goes_on(site: Site) -> None:
    site.send(*map(order, range(1, 7)))
    site.until(lambda: site.statuses() == ["SENT"] * 6)
    command = [sys.executable, "-m", "hl7bridge", "replay", "--channel", "pharmacy", "--yes", "--rate", "1"]
    command += ["--data", str(site.engine.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as replaying:
        site.until(lambda: len(site.rows("messages")) > 7)
        replaying.send_signal(signal.SIGINT)
        _, said = replaying.communicate(timeout=60)
    done = len(site.rows("messages")) - 6
    found = re.search(r"stopped after about (\d) messages?; --after (\d+) goes on", said)
    assert found is not None, said
    assert int(found[1]) == done < 6
    site.on("replay", "--channel", "pharmacy", "--yes", "--after", found[2])
    site.until(lambda: set(site.statuses()) == {"SENT"})
    assert left(site)[6:] == [b"C%d" % number for number in range(1, 7)]


def test_a_replay_whose_engine_is_killed_says_exactly_where_it_goes_on(site: Site) -> None:
    site.send(*map(order, range(1, 7)))
    site.until(lambda: site.statuses() == ["SENT"] * 6)
    command = [sys.executable, "-m", "hl7bridge", "replay", "--channel", "pharmacy", "--yes", "--rate", "1"]
    command += ["--data", str(site.engine.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as replaying:
        site.until(lambda: len(site.rows("messages")) > 7)
        site.engine.kill()
        _, said = replaying.communicate(timeout=60)
    assert replaying.returncode == 2
    done = len(site.rows("messages")) - 6
    assert f"the last that was kept is the copy of message {done}: --after {done} goes on" in said
    site.engine.start()
    site.on("replay", "--channel", "pharmacy", "--yes", "--after", str(done))
    site.until(lambda: set(site.statuses()) == {"SENT"})
    assert sorted(set(left(site)[6:])) == [b"C%d" % number for number in range(1, 7)]
    assert len(site.rows("messages")) == 12

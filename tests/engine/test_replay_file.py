"""A replay of a file through the control socket's own words, beside feeds that go on."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from hl7bridge.connectors import message_file
from hl7bridge.engine.operating.control import Control
from hl7bridge.hl7 import mllp
from hl7bridge.testing.world import World

Site = Callable[..., World]


def order(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|C{number}|P|2.5.1\r"
        f"PID|1||{number % 9}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


class Asked:
    """One command's connection to the engine."""

    def __init__(self, world: World, path: Path, **given: Any) -> None:
        self.transport = StringTransport()
        control = Control(world.engine)
        control.makeConnection(self.transport)
        request = {"verb": "replay_file", "operator": "nurse", "source": "pharmacy", "path": str(path)}
        control.lineReceived(json.dumps(request | given).encode())

    @property
    def last(self) -> dict[str, Any]:
        lines = self.transport.value().splitlines()
        return json.loads(lines[-1]) if lines else {}

    def ended(self) -> bool:
        return "done" in self.last or "error" in self.last


@pytest.mark.parametrize("framed", [False, True])
def test_feeds_are_answered_while_a_large_file_is_read(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framed: bool
) -> None:
    world = site()
    world.commit_s = 0.0  # reading takes no time here either
    path = tmp_path / "large.hl7"
    noise = (b" " * 63 + b"\n") * 16384
    with open(path, "wb") as file:
        file.write(mllp.frame(order(1)) if framed else order(1))
        for _ in range(30):
            file.write(noise)
        file.write(mllp.frame(order(2)) if framed else order(2))
    reads: list[int] = []
    open_file = message_file.open_file
    monkeypatch.setattr(message_file, "open_file", lambda path: Counted(open_file(path), reads))
    if not framed:  # what stands behind a message is its own there
        text = (world.folder / "pharmacy.yaml").read_text()
        (world.folder / "pharmacy.yaml").write_text(text.replace("2575", "2575, max_message_bytes: 1MB"))
        list(world.engine.reload())
    tracemalloc.start()
    try:
        asked = Asked(world, path)
        assert not reads, "nothing is read before others have had their turn"
        client = world.client(2575)
        read_before_answer: list[int] = []
        monkeypatch.setattr(client, "dataReceived", lambda data: read_before_answer.append(sum(reads)))
        client.send(order(3))
        assert world.run(60, asked.ended)
        assert read_before_answer[0] < 8_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(reads) <= message_file.CHUNK_BYTES
    assert peak < 12_000_000
    expected = (2, 0) if framed else (1, 1)
    assert (asked.last["done"]["replayed"], asked.last["done"]["failed"]) == expected
    assert world.run(10, world.settled)
    assert "C2" in world.ledger.ids(6701)


class Counted:
    """A file that counts what is read of it."""

    def __init__(self, file: Any, reads: list[int]) -> None:
        self._file, self._reads = file, reads

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *about: object) -> None:
        self._file.close()

    def seek(self, at: int) -> None:
        self._file.seek(at)

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self._reads.append(len(data))
        return data


def test_all_messages_of_a_file_go_in_order_and_no_faster_than_asked(site: Site, tmp_path: Path) -> None:
    world = site()
    path = tmp_path / "some.hl7"
    path.write_bytes(b"FHS|^~\\&|X\rBHS|^~\\&|X\r" + b"".join(map(order, range(500))) + b"BTS|500\rFTS|1\r")
    asked = Asked(world, path)
    assert world.run(60, asked.ended)
    assert asked.last["done"] == {
        "replayed": 500,
        "deliveries": 500,
        "skipped": 0,
        "failed": 0,
        "last_id": None,
    }
    assert world.run(60, world.settled)
    assert sorted(world.ledger.ids(6701)) == sorted(f"C{number}" for number in range(500))
    assert not world.ledger.reordered(6701, lambda each: int(each[1:]) % 9, lambda each: int(each[1:]))
    path.write_bytes(b"".join(map(order, range(20))))
    before = world.network.clock.seconds()
    asked = Asked(world, path, rate=2.0)
    assert world.run(60, asked.ended)
    assert 9 <= world.network.clock.seconds() - before <= 12


def test_what_is_no_file_is_refused_and_not_waited_for(site: Site, tmp_path: Path) -> None:
    world = site()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nothing"):
        assert Asked(world, path).last["code"] == "unreadable-file"

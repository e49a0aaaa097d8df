"""kill -9 in the middle of a file: from one folder to another, every message once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hl7bridge.hl7.message import Message
from hl7bridge.places import STORE
from hl7bridge.store.base import MessageQuery, MessageStatus
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.testing.engineprocess import EngineProcess
from tests.engine.site import order
from tests.process.waiting import until

COUNT = 1000
FILES = {
    "night.yaml": (
        "channel: night\n"
        "source: {file: {folder: in, every: 100ms, settled: 100ms}, duplicates: off}\n"
        "send_to: [outbox]\n"
    ),
    "destinations/outbox.yaml": (
        "destination: outbox\n"
        "send: {file: {folder: out, name: '${MSH-10}-${id}.hl7'}, connections: 8}\n"
        "order: none\n"
    ),
}


def kept(data: Path) -> int:
    reader = SqliteReader(data / STORE)
    try:
        found = reader.messages(MessageQuery(status=MessageStatus.RECEIVED), None, 2 * COUNT)
        return len(found)
    finally:
        reader.close()


@pytest.mark.process
def test_a_file_is_taken_once_whatever_ends_the_engine(engine: Callable[..., EngineProcess]) -> None:
    running = engine(FILES)
    data = running.data
    (data / "in").mkdir(exist_ok=True)
    aside = data / "in" / ".big.hl7"
    aside.write_bytes(b"".join(order(number) for number in range(1, COUNT + 1)))
    aside.rename(data / "in" / "big.hl7")
    for share in (1, 200, 500, 800):
        until(lambda share=share: kept(data) >= share)  # type: ignore[misc]
        running.kill()
        running.start()
    until(lambda: (data / "in" / "done" / "big.hl7").exists())
    until(lambda: len(list((data / "out").glob("[!.]*"))) >= COUNT)
    assert kept(data) == COUNT, "none was received twice"
    written = [Message(path.read_bytes()).control_id for path in (data / "out").glob("[!.]*")]
    assert len(written) == len(set(written)) == COUNT
    assert list((data / "in" / "failed").iterdir()) == []

"""A small site in memory for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World, write_folder

CHANNEL = """
channel: pharmacy
source:
  mllp: {port: 2575}
accept: [RDE^O11, 'ADT^*', 'ORU^*']
filter: {MSH-11: [P, T]}
map:
  - MSH-5: EPIC
send_to: [hospital]
"""
DESTINATION = """
destination: hospital
send: {mllp: {host: 127.0.0.1, port: 6701}, timeout: 5s, connections: 2}
retry: {first: 1s, factor: 2, most: 10s, jitter: 0%, give_up: 1h}
"""


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., World]:
    """site(script=..., files=...): a world with one hospital on 6701 whose engine runs."""

    def make(
        script: Script | None = None, *, start: bool = True, seed: int | None = None, **files: str
    ) -> World:
        texts = {"pharmacy.yaml": CHANNEL, "destinations/hospital.yaml": DESTINATION}
        texts |= {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
        folder = write_folder(tmp_path / "config", {name: text for name, text in texts.items() if text})

        def open_store(before: Any) -> MemoryStore:
            return MemoryStore() if before is None else before.crash()

        world = World(folder, open_store, seed=seed)
        world.hospital(6701, script)
        if start:
            world.start()
        return world

    return make

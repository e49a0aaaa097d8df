"""Engines as real processes, and blocking sockets to talk to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.world import write_folder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., EngineProcess]]:
    """engine(files) starts one over a folder made of these texts."""
    started: list[EngineProcess] = []

    def start(
        files: dict[str, str], *, environment: dict[str, str] | None = None, wait: bool = True
    ) -> EngineProcess:
        folder = write_folder(tmp_path / "config", files)
        process = EngineProcess(folder, tmp_path / "data", environment=environment)
        process.start(wait=wait)
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()

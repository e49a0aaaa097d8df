"""A site whose source is a folder on the disk: files are put there, and time goes by."""

from __future__ import annotations

from pathlib import Path

from hl7bridge.store.base import MessageQuery
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.world import World, write_folder

CHANNEL = "channel: night\nsource: {file: {folder: in, every: 5s, settled: 10s%s}%s}\naccept: [RDE^O11]\nsend_to: [hospital]\n"
FILES = {
    "night.yaml": CHANNEL % ("", ""),
    "destinations/hospital.yaml": "destination: hospital\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}


class Site:
    """An engine in memory that watches a folder on the disk."""

    def __init__(self, folder: Path, more: str = "", of_source: str = "", start: bool = True) -> None:
        self.store = MemoryStore()
        files = FILES | {"night.yaml": CHANNEL % (more, of_source)}
        self.world = World(write_folder(folder / "config", files), lambda before: self.store)
        self.hospital = self.world.hospital(6701)
        self.inbox = folder / "data" / "in"
        if start:
            self.world.start()
            self.world.run(1)

    def put(self, name: str, *parts: bytes) -> Path:
        self.inbox.mkdir(parents=True, exist_ok=True)
        path = self.inbox / name
        path.write_bytes(b"".join(parts))
        return path

    def within(self, folder: str) -> dict[str, bytes]:
        """The files of one of its folders."""
        return {
            each.name: each.read_bytes()
            for each in sorted((self.inbox / folder).iterdir())
            if each.is_file() and not each.name.startswith(".")
        }

    def taken(self, seconds: float = 60) -> None:
        assert self.world.run(seconds, lambda: not self.within("") and not self.within("working"))
        assert self.world.run(60, self.world.settled)

    @property
    def delivered(self) -> list[str]:
        return self.world.ledger.ids(6701)

    @property
    def times(self) -> list[str]:
        return [control_id for control_id, _ in self.world.ledger.delivered[6701]]

    def statuses(self) -> list[str]:
        return [
            row.status.name for row in self.store.messages(MessageQuery(), None, 1000, newest_first=False)
        ]

    @property
    def kept(self) -> int:
        return len(self.statuses())

    def crashed(self) -> None:
        """The process ends as by kill -9, and is started again."""
        self.store = self.store.crash()
        self.world.crash()
        self.world.start()

"""An engine on a network in memory whose store is a file, and commands on what it leaves there."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from hl7bridge.cli.main import main
from hl7bridge.places import STORE
from hl7bridge.store.base import AuditRecord, records_of
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.store.sqlite.store import SqliteStore
from hl7bridge.testing.world import World, write_folder


class Stored:
    """`world` is to be started. Commands are run on it with `--data`, once the engine has left."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.world = World(
            write_folder(folder / "config", files), lambda before: SqliteStore(self.data / STORE)
        )

    def receives(self, *messages: bytes, seconds: float = 0) -> None:
        """Messages come; then time goes by until all is sent, or for so long."""
        feed = self.world.feed(2575, messages)
        assert self.world.run(3600, lambda: feed.done.called)
        if seconds:
            self.world.run(seconds)
        else:
            assert self.world.run(3600, self.world.settled)

    def leaves(self) -> None:
        """The engine ends as by kill -9."""
        if self.world.engine is not None:
            self.world.crash()
            self.world.store.close()

    def command(self, *words: object) -> Result:
        """What a command does; a traceback is none of it."""
        self.leaves()
        result = CliRunner().invoke(main, [*map(str, words), "--data", str(self.data)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result


def last_audited(data: Path) -> AuditRecord:
    """The last that the audit trail of a data folder was told."""
    reader = SqliteReader(data / STORE)
    try:
        return records_of(reader.audit_rows(0, 1000)[-1])[-1]
    finally:
        reader.close()

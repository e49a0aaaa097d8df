"""The watched folders of sources: begun, replaced and ended as configurations say. A folder that cannot be used is said in the log and
looked at again; it holds up no start. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import WatchedFolder
from hl7bridge.connectors.file_source import FileSource
from hl7bridge.engine.edges.connect import Connector
from hl7bridge.engine.receiving.feed import FileFeed
from hl7bridge.engine.receiving.receive import Receiver

log = Logger(namespace="hl7bridge.engine")


class Folders:
    """Of one engine."""

    def __init__(self, connector: Connector, receiver: Receiver, wall_us: Callable[[], int]) -> None:
        self._connector = connector
        self._wall_us = wall_us
        self._receiver = receiver
        self._watched: dict[str, tuple[WatchedFolder, FileSource]] = {}

    @property
    def files(self) -> dict[str, dict[str, int]]:
        """Of each source: files that wait, that are being read, and that were set aside since the start."""
        return {
            name: {"waiting": each.waiting, "reading": int(each.reading), "set_aside": each.set_aside}
            for name, (_, each) in self._watched.items()
        }

    def take(self, new: Configuration) -> None:
        """The configuration is in force. Who watched a folder otherwise lets go of it when its message has ended, and the next one
        waits for that.
        """
        wanted = {name: each.file for name, each in new.sources.items() if each.file is not None}
        before, self._watched = self._watched, {}
        for name in [name for name, (settings, _) in before.items() if wanted.get(name) == settings]:
            self._watched[name] = before.pop(name)
        left = {settings.folder: watching.stop() for settings, watching in before.values()}
        for name, settings in wanted.items():
            if name in self._watched:
                continue
            watching = self._connector.files(
                name, settings, FileFeed(name, self._receiver).take, self._wall_us
            )
            self._watched[name] = settings, watching
            self._begin(watching, left.get(settings.folder))
            log.info(
                "{name}: watching {folder}", name=name, folder=str(self._connector.data / settings.folder)
            )

    @staticmethod
    def _begin(watching: FileSource, left: Deferred[None] | None) -> None:
        if left is None:
            watching.start()
        else:
            left.addBoth(lambda _: watching.start())

    def stop(self) -> None:
        """No more is taken."""
        for _, watching in self._watched.values():
            watching.stop()

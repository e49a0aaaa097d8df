"""One engine to a data folder: the second one is refused and told of the first. Raises `FolderInUse`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import LOCK


class FolderInUse(HL7BridgeError):
    """Another engine runs on this data folder. Code: `folder-in-use`."""


class FolderLock:
    """Held from its making until `release` or the process's end, however it ends."""

    def __init__(self, data: Path) -> None:
        self._file = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            first = os.pread(self._file, 100, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise FolderInUse(
                f"another engine works in this data folder: process {first}",
                code="folder-in-use",
                place=str(data),
                hint="stop that one first, or give this one its own --data",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Lets the next engine in."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

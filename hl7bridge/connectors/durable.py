"""Files and folders that are on the disk before anybody is told so. Knows nothing of what is in them. Raises OSError."""

from __future__ import annotations

import os
import threading
from itertools import takewhile
from pathlib import Path

#: Held while a folder is made: nobody may find it, and trust in it, before its name is on the disk.
_MAKING = threading.Lock()


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it lies in, where they are not there yet; their names are on the disk afterwards."""
    with _MAKING:
        missing = takewhile(lambda each: not each.exists(), (folder, *folder.parents))
        for each in reversed(list(missing)):
            each.mkdir(exist_ok=True)
            sync_folder(each.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file whose content is on the disk afterwards; its name is so when its folder has been synced. What stands under that
    name is replaced: it may be a half of before, or a link or a pipe that somebody laid there.
    """
    path.unlink(missing_ok=True)
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk."""
    _sync(os.open(folder, os.O_RDONLY | os.O_CLOEXEC))


def sync_file(path: Path) -> None:
    """Puts on the disk what somebody else wrote into a file; no link is followed, and no pipe waited for."""
    _sync(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to `path` so that it is there wholly or not at all, also after a power cut. Raises OSError."""
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.part")
    write_durably(aside, data)
    os.replace(aside, path)
    sync_folder(path.parent)

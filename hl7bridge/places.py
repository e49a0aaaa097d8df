"""What lies where in an engine's data folder. Knows names only."""

from __future__ import annotations

import os
from pathlib import Path

#: The SQLite store.
STORE = "hl7bridge.db"
#: The control socket of a running engine.
SOCKET = "control.sock"
#: A Unix socket's path may not be longer (sockaddr_un on Linux has 108 bytes, one of them a NUL).
LONGEST_SOCKET_PATH = 107
#: Locked while an engine runs; holds its process number.
LOCK = "engine.lock"


def socket_path(data: Path) -> tuple[str, int | None]:
    """The path of the control socket, and a descriptor to keep open while it is used, or None.

    A folder whose own path is too long for a socket is named by its descriptor. Raises OSError.
    """
    path = os.path.abspath(data / SOCKET)
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path, None
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{folder}/{SOCKET}", folder

"""Acts on a running engine, through the control socket in its data folder.

Refuses to know stores. Raises NotRunning where no engine runs, ActRefused where it says no.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import socket_path

#: Seconds without a word after which an engine counts as stuck.
PATIENCE_S = 600.0
#: Codes of errors after which nobody knows how much of an act was done.
HUNG_UP, NO_ANSWER = "hung-up", "no-answer"
#: Seconds in which it says how far it came with what it shall stop.
STOP_S = 10.0


class NotRunning(HL7BridgeError):
    """No engine runs on this data folder. Code: `not-running`."""


class Acting:
    """The acting part of `Operations`."""

    data: Path

    def act(self, verb: str, *, patience_s: float = PATIENCE_S, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Asks the engine; yields its progress, and at last its result under `done`. Raises HL7BridgeError.

        At KeyboardInterrupt the engine stops what it does for it, where that can be stopped; how far that came is yielded before
        KeyboardInterrupt is raised.
        """
        request = {"verb": verb, "operator": operator(), **arguments}
        ended = False
        with self._connected(patience_s) as connection, connection.makefile("rb") as lines:
            for line in _told(connection, lines, json.dumps(request).encode() + b"\n"):
                reply = json.loads(line)
                if "error" in reply:
                    raise ActRefused(reply)
                ended = "done" in reply
                yield reply
        if not ended:
            raise HL7BridgeError(
                "the engine hung up before it was done", code=HUNG_UP, hint="see the engine's log"
            )

    def done(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """`act` without its progress."""
        result: dict[str, Any] = {}
        for reply in self.act(verb, **arguments):
            result = reply.get("done", result)
        return result

    def _connected(self, patience_s: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(patience_s)
        try:
            path, folder = socket_path(self.data)
            try:
                connection.connect(path)
            finally:
                if folder is not None:
                    os.close(folder)
        except OSError:
            connection.close()
            raise NotRunning(
                "no engine runs on this data folder",
                code="not-running",
                place=str(self.data),
                hint="start it with `hl7bridge run`, or name its folder with --data",
            ) from None
        return connection


def _told(connection: socket.socket, lines: BinaryIO, request: bytes) -> Iterator[bytes]:
    """The whole lines that the engine answers until it hangs up. Raises HL7BridgeError where it does not answer."""
    try:
        connection.sendall(request)
        try:
            yield from _whole(lines)
        except KeyboardInterrupt:
            with suppress(OSError):
                connection.settimeout(STOP_S)
                connection.shutdown(socket.SHUT_WR)
                yield from _whole(lines)
            raise
    except TimeoutError:
        raise HL7BridgeError(
            "the engine does not answer",
            code=NO_ANSWER,
            hint="what was asked for may have been done all the same: look before you ask again",
        ) from None
    except ConnectionError:
        return


def _whole(lines: BinaryIO) -> Iterator[bytes]:
    """The engine may end within a line."""
    return (line for line in lines if line.endswith(b"\n"))


class ActRefused(HL7BridgeError):
    """The engine's no, in its own words; `mistakes` are those of a configuration."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["error"], code=reply.get("code", "error"))
        self.mistakes: list[str] = reply.get("mistakes", [])


def operator() -> str:
    """Who acts: the user behind sudo, or the user."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        with suppress(KeyError, OSError):
            name = getpass.getuser()
    return name or f"uid {os.getuid()}"

"""A blocking MLLP peer on a plain or TLS socket, for tests that talk to a real process."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A blocking MLLP peer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(20)
        self._rest = b""

    def write(self, payload: bytes) -> None:
        self.connection.sendall(b"\x0b" + payload + b"\x1c\r")

    def read(self) -> bytes:
        while b"\x1c\r" not in self._rest:
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self._rest += data
        frame, _, self._rest = self._rest.partition(b"\x1c\r")
        return frame[1:]

    def ask(self, payload: bytes) -> bytes:
        self.write(payload)
        return self.read()

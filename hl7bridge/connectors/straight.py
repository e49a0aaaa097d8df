"""Writing straight to the socket while it takes everything at once.

A reactor's transport buffers each write and waits to be told that the socket is writable, which for one small frame costs more
than the frame. Answers and messages nearly always fit into the socket's own buffer, so they are handed to it at once; the first
time it takes less, the rest and all that follows on this connection go through the transport in order. Over TLS, and on
transports without a socket, everything does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import ISSLTransport


def straight(transport: Any) -> Callable[[bytes], None]:
    """A function that writes to this transport's peer; errors of the socket come to light as a lost connection."""
    handle = getattr(transport, "getHandle", None)
    if handle is None or ISSLTransport.providedBy(transport):
        return transport.write
    send = handle().send
    through = False

    def write(data: bytes) -> None:
        nonlocal through
        if not through:
            try:
                sent = send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            through = True
            data = data[sent:]
        transport.write(data)

    return write

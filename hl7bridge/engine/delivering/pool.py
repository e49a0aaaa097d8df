"""What deliveries leave through, as the engine sees it: connections to a hospital, a folder, or nothing at all."""

from __future__ import annotations

from typing import Any, Protocol

#: MSH-10 is looked for within so many bytes.
MOST_HEADER_BYTES = 4096


class Pool(Protocol):
    """What deliveries leave through; see connectors."""

    up: bool

    @property
    def open_connections(self) -> int: ...
    @property
    def busy_connections(self) -> int: ...
    def free(self) -> bool: ...
    def want(self, waiting: int) -> None: ...
    def send(self, payload: bytes, control_id: bytes, token: Any) -> None: ...
    def retire(self) -> None: ...
    def stop(self) -> None: ...


class Nowhere:
    """Stands in until a destination has its connector, and for one that the configuration no longer names."""

    up = False
    open_connections = 0
    busy_connections = 0

    def free(self) -> bool:
        return False

    def want(self, waiting: int) -> None:
        pass

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        raise AssertionError("nothing leaves for nowhere")

    def retire(self) -> None:
        pass

    def stop(self) -> None:
        pass


def control_id_of(payload: bytes) -> bytes:
    """MSH-10 of a message that is about to leave, as the hospital will repeat it in MSA-2; b"" if it has none."""
    start = payload.find(b"MSH")
    if start < 0:
        return b""
    end = payload.find(b"\r", start, start + MOST_HEADER_BYTES)
    header = payload[start : end if end >= 0 else start + MOST_HEADER_BYTES]
    if b"\n" in header:
        header = header.split(b"\n", 1)[0]
    fields = header.split(header[3:4], 10) if len(header) > 3 else []
    return fields[9] if len(fields) > 9 else b""

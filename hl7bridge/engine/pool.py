"""What deliveries leave through, as the engine sees it: connections to a hospital, a folder, or nothing at all."""

from __future__ import annotations

from typing import Any, Protocol


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
    dial_failures = 0
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

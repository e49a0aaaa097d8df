"""What deliveries wait for: an older one, their time, or a connection, and why there is none. Raises nothing of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from hl7bridge.cli.options import soon
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryRow, DeliveryStatus

#: Seconds after which rows are shown without what the engine would have said of its links.
PATIENCE_S = 5.0
_OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


class Waits:
    """What these rows wait for, looked up once. The engine is asked only where nothing in the store explains that one waits."""

    def __init__(self, operations: Operations, rows: Sequence[DeliveryRow]) -> None:
        waiting = operations.waiting()
        now_us = time.time_ns() // 1000
        self._behind = {row.id: waiting.behind(row) for row in rows}
        self._unexplained = {
            row.id: row.destination
            for row in rows
            if row.status in _OPEN
            and self._behind[row.id] is None
            and not (row.status is DeliveryStatus.QUEUED and (row.next_us or 0) > now_us)
        }
        self._unconnected = _unconnected(operations, set(self._unexplained.values()))

    def behind(self, row: DeliveryRow) -> int | None:
        """The delivery after which this one leaves."""
        return self._behind[row.id]

    def all(self, row: DeliveryRow) -> str:
        """What there is to say of a delivery, and all that it waits for."""
        if (behind := self._behind[row.id]) is not None:
            return "; ".join(filter(None, [f"waits for delivery {behind}", self.remark(row)]))
        if row.status is DeliveryStatus.QUEUED and row.id not in self._unexplained:
            return "; ".join(filter(None, [f"next attempt {soon(row.next_us)}", self.remark(row)]))
        return self.remark(row)

    def remark(self, row: DeliveryRow) -> str:
        """What there is to say of a delivery, and what it waits for where no time and no older delivery says it."""
        destination = self._unexplained.get(row.id)
        connection = None
        if destination in self._unconnected:
            connection = self._unconnected[destination] or "waits for a connection"
        words = [row.reason, connection, "possible duplicate" if row.possible_duplicate else None]
        return "; ".join(filter(None, words))


def _unconnected(operations: Operations, names: set[str]) -> dict[str, str | None]:
    """Those of the destinations to which no connection stands, and why. Only a running engine knows; where none answers, nothing is
    said.
    """
    state = {}
    if names:
        with suppress(HL7BridgeError, OSError):
            state = operations.done("status", patience_s=PATIENCE_S)["destinations"]
    return {
        name: state[name]["link_reason"]
        for name in names & state.keys()
        if state[name]["link"] != "up" and not state[name]["held"]
    }

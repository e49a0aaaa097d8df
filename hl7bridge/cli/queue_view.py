"""The table of `queue list`: what is in the store of each delivery, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from hl7bridge.cli.options import soon
from hl7bridge.cli.tables import table
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryRow, DeliveryStatus

#: Seconds after which a list is shown without what the engine would have said of its links.
PATIENCE_S = 5.0
_OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


def show_queue(operations: Operations, rows: Sequence[DeliveryRow], *, none: str) -> None:
    """One row for each delivery. The answer's code has no column: where it was not AA, the remark tells of it."""
    held = operations.reader.held()
    waiting = operations.waiting()
    behind = {row.id: waiting.behind(row) for row in rows}
    dialling = _dialling(operations, [row for row in rows if _unexplained(row, behind[row.id])])
    table(
        ["delivery", "message", "destination", "status", "received", "attempts", "next", "remark"],
        [
            [
                str(row.id),
                str(row.message_id),
                row.destination + (" (held)" if row.destination in held else ""),
                row.status.name,
                soon(row.received_us),
                row.attempts,
                _next(row, behind[row.id]),
                _remark(row, behind[row.id], dialling),
            ]
            for row in rows
        ],
        none=none,
    )


def _unexplained(row: DeliveryRow, behind: int | None) -> bool:
    """Whether a delivery waits for neither another one nor its time."""
    timed = row.status is DeliveryStatus.QUEUED and (row.next_us or 0) > time.time_ns() // 1000
    return row.status in _OPEN and behind is None and not timed


def _next(row: DeliveryRow, behind: int | None) -> str:
    if behind is not None:
        return f"after {behind}"
    return soon(row.next_us) if row.status is DeliveryStatus.QUEUED else ""


def _remark(row: DeliveryRow, behind: int | None, dialling: Collection[str]) -> str:
    connecting = row.destination in dialling and _unexplained(row, behind)
    words = [
        row.reason,
        "waits for a connection" if connecting else None,
        "possible duplicate" if row.possible_duplicate else None,
    ]
    return "; ".join(filter(None, words))


def _dialling(operations: Operations, rows: Sequence[DeliveryRow]) -> set[str]:
    """The destinations of these to which no connection stands. Only a running engine knows; where none answers, nothing is said."""
    state = {}
    if rows:
        with suppress(HL7BridgeError, OSError):
            state = operations.done("status", patience_s=PATIENCE_S)["destinations"]
    return {
        name
        for name in {row.destination for row in rows} & state.keys()
        if state[name]["link"] != "up" and not state[name]["held"]
    }

"""The table of `queue list`: what is in the store of each delivery, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.cli.deliveries import remark
from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At, soon
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryRow, DeliveryStatus


def show_queue(operations: Operations, rows: Sequence[DeliveryRow], *, none: str) -> None:
    """One row for each delivery. The answer's code has no column: where it was not AA, the remark tells of it."""
    held = operations.reader.held()
    waits = operations.waits(rows)
    table(
        ["delivery", "message", "destination", "status", "received", "attempts", "next", "remark"],
        [
            [
                str(row.id),
                str(row.message_id),
                row.destination + (" (held)" if row.destination in held else ""),
                row.status.name,
                At(row.received_us, short=True),
                row.attempts,
                _next(row, waits[row.id].behind),
                remark(row, waits[row.id]),
            ]
            for row in rows
        ],
        none=none,
    )


def _next(row: DeliveryRow, behind: int | None) -> str:
    if behind is not None:
        return f"after {behind}"
    return soon(row.next_us) if row.status is DeliveryStatus.QUEUED else ""

"""What deliveries wait for, in words."""

from __future__ import annotations

from hl7bridge.cli.options import soon
from hl7bridge.operations import Wait
from hl7bridge.store.base import DeliveryRow


def remark(row: DeliveryRow, wait: Wait) -> str:
    """What there is to say of a delivery where columns tell of a hold, an older one and its time."""
    return _joined(row.reason, wait.connection, "possible duplicate" if row.possible_duplicate else None)


def everything(row: DeliveryRow, wait: Wait) -> str:
    """What there is to say of a delivery, and all that it waits for."""
    return _joined(
        "held: nothing leaves before it is released" if wait.held else None,
        None if wait.behind is None else f"waits for delivery {wait.behind}",
        None if wait.held or wait.next_us is None else f"next attempt {soon(wait.next_us)}",
        remark(row, wait),
    )


def _joined(*words: str | None) -> str:
    return "; ".join(filter(None, words))

"""Deliveries in words: what they wait for, what was tried, and what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hl7bridge.cli.times import soon
from hl7bridge.operations import Wait
from hl7bridge.store.base import Attempt, DeliveryRow

#: Letters of a segment that are shown.
_LONGEST = 2000


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


def tried(attempts: Iterable[Attempt]) -> Iterator[tuple[Attempt, bool]]:
    """Each change of deliveries with whether the other side was asked in it: a hold or a cancellation asks nobody."""
    counts: dict[int, int] = {}
    for each in attempts:
        yield each, each.attempts > counts.get(each.delivery_id, 0)
        counts[each.delivery_id] = each.attempts


def message_lines(data: bytes) -> list[str]:
    """A message as text, a segment a line."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    return [
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]}... ({len(line)} characters)"
        for line in text.splitlines()
    ]


def _joined(*words: str | None) -> str:
    return "; ".join(filter(None, words))

"""What deliveries wait for: a release, an older one, their time, or a connection, and why there is none.

The store tells most of it; only a running engine knows its connections. Raises HL7BridgeError for a folder without a store.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations.acting import Acting, NotRunning
from hl7bridge.operations.reading import Reading
from hl7bridge.operations.waiting import Waiting
from hl7bridge.store.base import DeliveryRow, DeliveryStatus

#: Seconds after which rows are shown without what the engine would have said of its connections.
PATIENCE_S: Final = 5.0
_OPEN: Final = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


@dataclass(slots=True)
class Wait:
    """What one delivery waits for; nothing where it has ended. `behind`: the delivery after which it leaves. `next_us`: when it is
    tried again. `connection`: why it has not left though its turn has come, where the engine says so.
    """

    held: bool = False
    behind: int | None = None
    next_us: int | None = None
    connection: str | None = None

    @property
    def unexplained(self) -> bool:
        """Whether nothing in the store says why it has not left."""
        return not self.held and self.behind is None and self.next_us is None


class Queues(Reading, Acting):
    """The part of `Operations` that tells of what waits."""

    def waits(self, rows: Sequence[DeliveryRow]) -> Mapping[int, Wait]:
        """What each of these deliveries waits for. The engine is asked only where the store does not explain it."""
        held, waiting = self.reader.held(), Waiting(self.reader)
        now_us = time.time_ns() // 1000
        found = {row.id: Wait() for row in rows}
        unexplained: list[DeliveryRow] = []
        for row in rows:
            if row.status not in _OPEN:
                continue
            wait = found[row.id]
            wait.held, wait.behind = row.destination in held, waiting.behind(row)
            if row.status is DeliveryStatus.QUEUED and (row.next_us or 0) > now_us and wait.behind is None:
                wait.next_us = row.next_us
            if wait.unexplained:
                unexplained.append(row)
        if unexplained:
            state = self._links()
            for row in unexplained:
                found[row.id].connection = _missing(state, row.destination)
        return found

    def _links(self) -> Mapping[str, Any] | None:
        """The engine's destinations; none where no engine runs, None where it does not answer."""
        try:
            destinations: dict[str, Any] = self.done("status", patience_s=PATIENCE_S)["destinations"]
        except NotRunning:
            return {}
        except (HL7BridgeError, OSError):
            return None
        return destinations


def _missing(state: Mapping[str, Any] | None, name: str) -> str | None:
    """Why nothing leaves for a destination; None where nothing hinders it, or no engine runs."""
    if state is None:
        return "the engine does not say what it waits for"
    link = state.get(name)
    if link is None or link["held"]:
        return None
    if link["stopped"]:
        return "stopped by one that failed (order strict): queue release lets it go on"
    if link["link"] == "up":
        return None
    return link.get("link_reason") or "waits for a connection"

"""What feeds have shown, in a store in memory."""

from __future__ import annotations

from hl7bridge.store.memory.state import State
from hl7bridge.store.rows.seen import SeenRow, Watched


class SeenRows:
    """The verbs of a store that only watching feeds asks for."""

    _state: State

    def seen(self, source: str, type_: str) -> list[SeenRow]:
        """What a source's messages have shown."""
        return [row for place, row in sorted(self._state.seen.items()) if place[:2] == (source, type_)]

    def news(self, since_us: int, until_us: int, limit: int = 1000) -> list[SeenRow]:
        """What was news in a span of time."""
        rows = [
            row for row in self._state.seen.values() if not row.learned and since_us <= row.at_us < until_us
        ]
        return sorted(rows, key=lambda row: (row.at_us, row[:5]))[:limit]

    def watched(self) -> Watched | None:
        """How far messages were looked at."""
        return self._state.watched

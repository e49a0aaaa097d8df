"""Numbers for messages, deliveries and places in queues, handed out in order and never again.

They go on from where the store's counters stand. What was handed out and not kept leaves a gap, which means nothing.
"""

from __future__ import annotations

from hl7bridge.store.base import COUNTER_BITS, Counters


class Numbers:
    """Identifiers are `node << COUNTER_BITS | counter`; positions are plain counters and alone give order."""

    def __init__(self, counters: Counters, node: int = 0) -> None:
        self._base = node << COUNTER_BITS
        self._message = counters.message
        self._delivery = counters.delivery
        self._position = counters.position

    def message(self) -> int:
        """The next message's identifier."""
        self._message += 1
        return self._base | self._message

    @property
    def last_message(self) -> int:
        """The last one handed out."""
        return self._base | self._message

    def delivery(self) -> int:
        """The next delivery's identifier."""
        self._delivery += 1
        return self._base | self._delivery

    def position(self) -> int:
        """The next place at the end of all queues."""
        self._position += 1
        return self._position

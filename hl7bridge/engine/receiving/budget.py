"""Back-pressure: all bytes that came and are not yet acknowledged share one budget.

Above it connections that bring more are paused, so that their senders feel it, until what is held has gone down. One connection
is always favoured and reads on, so that a message can be finished and its bytes leave.
"""

from __future__ import annotations

from typing import Final, Protocol

#: What a connection brings at once, at most (the reactor's buffer).
READ_BYTES = 65_536


class Pausable(Protocol):
    """A connection; `held` is how many bytes of an unfinished message it has."""

    held: int

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Budget:
    """`limit_bytes` for unfinished messages and for whole ones that are not answered yet."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._whole_bytes = 0
        self._paused: dict[Pausable, None] = {}
        self._favoured: Pausable | None = None

    @property
    def paused(self) -> int:
        """How many connections are paused."""
        return len(self._paused)

    def changed(self, connection: Pausable, change_bytes: int) -> None:
        """A connection brought bytes (of an unfinished message, or a whole one that waits), or holds less than before."""
        self.held_bytes += change_bytes
        if change_bytes > 0 and self.held_bytes > self.limit_bytes:
            if self._favoured is None:
                self._favoured = connection
            elif connection is not self._favoured and connection not in self._paused:
                self._paused[connection] = None
                connection.pause()
        elif change_bytes < 0:
            self._let_go()

    def came(self, connection: Pausable, size_bytes: int) -> None:
        """A connection brought a whole message."""
        self._whole_bytes += size_bytes
        self.changed(connection, size_bytes)

    def released(self, size_bytes: int) -> None:
        """A whole message was answered."""
        self.held_bytes -= size_bytes
        self._whole_bytes -= size_bytes
        if self._paused or self._favoured is not None:
            self._let_go()

    def gone(self, connection: Pausable) -> None:
        """The connection closed; its bytes were given back before."""
        self._paused.pop(connection, None)
        if connection is self._favoured:
            self._favoured = None
            self._let_go()

    def _let_go(self) -> None:
        if self.held_bytes <= self.limit_bytes * 3 // 4:
            self._favoured = None
            # No more of them than there is room for what each brings at once.
            for _ in range(min(len(self._paused), 1 + (self.limit_bytes - self.held_bytes) // READ_BYTES)):
                connection = next(iter(self._paused))
                del self._paused[connection]
                connection.resume()
        elif self._paused and not self._whole_bytes and (self._favoured is None or not self._favoured.held):
            self._favoured = max(self._paused, key=lambda each: each.held)
            del self._paused[self._favoured]
            self._favoured.resume()


class InHand:
    """Bytes of a message on its way, counted in the budget until `give_back`; a second call does nothing."""

    __slots__ = ("_budget", "_bytes")

    def __init__(self, size_bytes: int, budget: Budget | None) -> None:
        self._bytes = size_bytes
        self._budget = budget

    def give_back(self) -> None:
        """The message is answered, or will not be."""
        size, self._bytes = self._bytes, 0
        if size and self._budget is not None:
            self._budget.released(size)


NOTHING_IN_HAND: Final = InHand(0, None)

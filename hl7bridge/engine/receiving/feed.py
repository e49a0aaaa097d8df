"""What one source's connections, or its files, hand their messages to: the receiver, with what each holds of the budget. Raises
nothing.
"""

from __future__ import annotations

from hl7bridge.connectors.file_source import Ended
from hl7bridge.connectors.mllp_source import MllpSource
from hl7bridge.engine.receiving.budget import Budget, InHand
from hl7bridge.engine.receiving.receive import Frame, Receiver


class Feed:
    """One source's."""

    def __init__(self, source: str, receiver: Receiver, budget: Budget) -> None:
        self._source = source
        self._receiver = receiver
        self._budget = budget

    def frame(self, connection: MllpSource, payload: bytes) -> None:
        self._budget.came(connection, len(payload))
        self._receiver.frame(Frame(self._source, connection, payload, InHand(len(payload), self._budget)))

    def too_large(self, connection: MllpSource, head: bytes) -> None:
        self._receiver.too_large(self._source, connection, head)

    def held(self, connection: MllpSource, change_bytes: int) -> None:
        self._budget.changed(connection, change_bytes)

    def gone(self, connection: MllpSource) -> None:
        self._budget.gone(connection)


class _OfFile:
    """What stands for a connection: nobody hears an answer, and the file hears how its message ended."""

    __slots__ = ("ended",)

    def __init__(self, ended: Ended) -> None:
        self.ended = ended

    def answer(self, payload: bytes) -> None:
        pass

    def commit(self, positive: bool) -> None:
        pass


class FileFeed:
    """Of one source that is a folder, whose files give on one message at a time."""

    def __init__(self, source: str, receiver: Receiver) -> None:
        self._source = source
        self._receiver = receiver

    def take(self, payload: bytes, taken_us: int, again: bool, ended: Ended) -> None:
        """Receives a message of a file that was taken at `taken_us`; `again`: it may have been kept since then."""
        self._receiver.frame(Frame(self._source, _OfFile(ended), payload, taken_us=taken_us, again=again))

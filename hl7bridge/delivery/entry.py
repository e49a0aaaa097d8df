"""One delivery in a queue, and where it stands there. Knows nothing of queues; raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Place(IntEnum):
    """Where a delivery stands inside its queue."""

    NEW = 0  # admitted, not yet durable
    QUEUED = 1  # durable; waits for its turn
    CLAIMING = 2  # its claim is being made durable
    READY = 3  # claimed; leaves on the next free connection
    SENDING = 4  # bytes have left; until its result is durable
    WAITING = 5  # waits for its next attempt
    STORED = 6  # left to the store: the window or its key is full
    GONE = 7  # finished, cancelled or rolled back


@dataclass(slots=True, eq=False)
class Entry:
    """One delivery in the window.

    `payload` may be None: then it is read from the store when it leaves. `about` is the engine's own, and unread here.
    """

    id: int
    position: int
    keys: tuple[int, ...]
    payload: bytes | None
    received_us: int
    attempts: int = 0
    possible_duplicate: bool = False
    about: Any = None
    place: Place = Place.NEW
    licensed: bool = False

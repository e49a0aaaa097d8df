"""The store's own thread: it alone writes, so that the reactor decides and sends while the disk works.

The interpreter's lock passes between the two for each statement, not for each row: the store's statements carry many rows each.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

#: Seconds after which a thread that computes gives the other a turn; the default of 5 ms is longer than a whole transaction.
SWITCH_S = 0.0001


class WriterThread:
    """A Writer (see journal) in a thread. `reactor` is where results are told."""

    def __init__(self, reactor: Any) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._reactor = reactor
        self._work: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Runs `work` after what was given before it."""
        self._work.put((work, then))

    def stop(self) -> None:
        """Returns when everything given has been done."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            given = self._work.get()
            if given is None:
                return
            work, then = given
            self._reactor.callFromThread(then, work())

"""The process's signals: SIGTERM and SIGINT stop the engine in order, SIGHUP makes it reload.

They are taken from the first moment of a start. What comes before the engine can follow it is held, not lost: the default of SIGHUP
would end a process that somebody only asked to reload.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


class Signals:
    """Takes the signals when it is made; holds them until `serve` says who follows them. For the main thread."""

    def __init__(self) -> None:
        self.stop_asked = False
        self._reload_asked = False
        self._stop: Callable[[], None] | None = None
        self._reload: Callable[[], None] | None = None
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def serve(self, reactor: Any, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        """From now on each signal calls its function in the reactor; what was held does so as soon as the reactor runs."""
        # A handler runs between any two lines here: first it finds whom to call, then what was held before is looked at.
        self._stop = lambda: reactor.callFromThread(stop)
        self._reload = lambda: reactor.callFromThread(reload)
        if self.stop_asked:
            self._stop()
        elif self._reload_asked:
            self._reload()

    def _on_stop(self, number: int, frame: object) -> None:
        if self._stop is not None:
            self._stop()
        elif self.stop_asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # somebody at a terminal does not want to wait for the end of a long start
        self.stop_asked = True

    def _on_reload(self, number: int, frame: object) -> None:
        if self._reload is not None:
            self._reload()
        else:
            self._reload_asked = True

"""How far a long list of patients is: on a terminal in a line that is written again and again, otherwise in the log now and then.

Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from twisted.logger import Logger

from hl7bridge.engine.lists.rosters import Loading

log = Logger(namespace="hl7bridge.rosters")

#: Seconds between two words about it, on a terminal and in the log.
TERMINAL_S = 0.2
LOG_S = 10.0


class Showing:
    """For one process; `seconds` is any steady clock. A list that takes less than the pause between two words is not mentioned."""

    def __init__(self, seconds: Callable[[], float], terminal: TextIO | None) -> None:
        self._seconds = seconds
        self._terminal = terminal
        self._affiliate = ""
        self._began = self._said = seconds()
        self._shown = False

    def __call__(self, loading: Loading) -> None:
        """A step was made."""
        now = self._seconds()
        if loading.affiliate != self._affiliate:
            self._affiliate = loading.affiliate
            self._began = now
        if now - self._said < (LOG_S if self._terminal is None else TERMINAL_S):
            return
        self._said = now
        rate = loading.rows / max(now - self._began, 0.001)
        text = (
            f"roster of {loading.affiliate}: {loading.rows:,} rows read ({loading.share:.0%}), "
            f"{loading.written:,} compared, {rate:,.0f} rows/s"
        )
        if self._terminal is None:
            log.info("{text}", text=text)
        else:
            self._terminal.write(f"\r\x1b[K{text}")
            self._terminal.flush()
            self._shown = True

    def end(self) -> None:
        """Nothing more is shown on the terminal: other lines follow."""
        if self._terminal is not None and self._shown:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
        self._terminal = None

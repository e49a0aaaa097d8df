"""Log lines that somebody at the other end can cause at will: said sparingly, so that no peer fills a disk with them.

The first is said at once. After it comes at most one every `EVERY_S` seconds, with the values of the last and the number of those
that were not said. It knows no peers: an attacker has many addresses, so lines are counted by what they say and about which source
or destination.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

#: Seconds between two lines that say the same about the same source or destination.
EVERY_S = 10.0


class _Said:
    """One line that was said, and what came since."""

    __slots__ = ("at_s", "unsaid", "values")

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.unsaid = 0
        self.values: dict[str, Any] = {}


class Sparing:
    """Speaks for one or several sources or destinations through `log`; `clock` gives and waits seconds.

    What one line says is its format, so formats are literals and never made of what a peer sent; whom it is about is `source` or
    `name` among its values. Memory is bounded by formats and names.
    """

    def __init__(self, log: Logger, clock: IReactorTime) -> None:
        self._log = log
        self._clock = clock
        self._said: dict[tuple[LogLevel, str, object], _Said] = {}

    def info(self, text: str, **values: Any) -> None:
        """A line of level INFO."""
        self._say(LogLevel.info, text, values)

    def warn(self, text: str, **values: Any) -> None:
        """A line of level WARN."""
        self._say(LogLevel.warn, text, values)

    def error(self, text: str, **values: Any) -> None:
        """A line of level ERROR."""
        self._say(LogLevel.error, text, values)

    def failure(self, text: str, **values: Any) -> None:
        """A line of level CRITICAL with the type and place of the exception that is being caught; later ones are only counted."""
        self._say(LogLevel.critical, text, values, caught=True)

    def _say(self, level: LogLevel, text: str, values: dict[str, Any], *, caught: bool = False) -> None:
        key = (level, text, values.get("source") or values.get("name"))
        now = self._clock.seconds()
        said = self._said.get(key)
        if said is None or (not said.unsaid and now - said.at_s >= EVERY_S):
            self._said[key] = _Said(now)
            if caught:
                values["log_failure"] = Failure()
            self._log.emit(level, text, **values)
            return
        said.values = values
        said.unsaid += 1
        if said.unsaid == 1:
            self._clock.callLater(max(0.0, said.at_s + EVERY_S - now), self._tell, key)

    def _tell(self, key: tuple[LogLevel, str, object]) -> None:
        """What came since is told in one line, also when nothing comes any more."""
        level, text, _ = key
        said = self._said[key]
        if said.unsaid > 1:
            text += " (and {more} more like it)"
            said.values["more"] = said.unsaid - 1
        self._said[key] = _Said(self._clock.seconds())
        self._log.emit(level, text, **said.values)

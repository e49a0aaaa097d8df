"""How far a long list is, is said now and then: on a terminal in one line, otherwise in the log."""

from __future__ import annotations

from io import StringIO

from twisted.logger import LogEvent, globalLogPublisher

from hl7bridge.engine.lists.loading import LOG_S, Showing
from hl7bridge.engine.lists.rosters import Loading


class Seconds(list[float]):
    """A clock that shows what was put in."""

    def __call__(self) -> float:
        return self[-1]


def test_a_terminal_shows_share_and_rate_in_one_line() -> None:
    clock, terminal = Seconds([0.0]), StringIO()
    showing = Showing(clock, terminal)
    showing(Loading("rush", 1, 0.0, 0))
    assert terminal.getvalue() == ""
    clock.append(2.0)
    showing(Loading("rush", 100_000, 0.25, 0))
    showing(Loading("rush", 100_001, 0.25, 0))
    [line] = terminal.getvalue().split("\r\x1b[K")[1:]
    assert line == "roster of rush: 100,000 rows read (25%), 0 compared, 50,000 rows/s"
    showing.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_the_log_hears_of_a_long_list_now_and_then_and_of_a_short_one_not() -> None:
    said: list[LogEvent] = []
    clock = Seconds([0.0])
    showing = Showing(clock, None)
    globalLogPublisher.addObserver(said.append)
    try:
        for second in range(int(LOG_S) * 2 + 2):
            clock.append(float(second))
            showing(Loading("rush", second * 10, 0.5, 5))
    finally:
        globalLogPublisher.removeObserver(said.append)
    texts = [event["text"] for event in said if event.get("log_namespace") == "hl7bridge.rosters"]
    assert texts == [
        "roster of rush: 100 rows read (50%), 5 compared, 10 rows/s",
        "roster of rush: 200 rows read (50%), 5 compared, 10 rows/s",
    ]

"""Two clocks: one that only goes forward, for waiting, and the wall's, for saying when.

Twisted's reactors wait by the wall clock; set back by an hour it would hold every retry and timeout for that hour. The reactor
here waits by the machine's monotonic clock. Order never comes from either: sequence numbers give it.
"""

from __future__ import annotations

import time

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


class SteadyReactor(EPollReactor):
    """The epoll reactor, with a clock that is never set, and without a logging context around each event: two events for each
    message made that a thirtieth of its cost, and our lines name their source themselves.
    """

    seconds = staticmethod(time.monotonic)

    def doPoll(self, timeout: float | None) -> None:
        """One turn: waits for events, and lets each be handled. An exception of a handler closes what it belongs to."""
        events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        handle, selectable_of = self._doReadOrWrite, self._selectables.get
        for number, event in events:
            selectable = selectable_of(number)
            if selectable is not None:
                handle(selectable, number, event)

    doIteration = doPoll


def install() -> SteadyReactor:
    """Makes a SteadyReactor the process's reactor; once, before anything else imports one."""
    reactor = SteadyReactor()
    installReactor(reactor)
    return reactor


def wall_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000

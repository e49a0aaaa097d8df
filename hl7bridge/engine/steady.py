"""Two clocks: one that only goes forward, for waiting, and the wall's, for saying when.

Twisted's reactors wait by the wall clock; set back by an hour it would hold every retry and timeout for that hour. The reactor
here waits by the machine's monotonic clock. Order never comes from either: sequence numbers give it.
"""

from __future__ import annotations

import time

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


class SteadyReactor(EPollReactor):
    """The epoll reactor, with a clock that is never set."""

    seconds = staticmethod(time.monotonic)


def install() -> SteadyReactor:
    """Makes a SteadyReactor the process's reactor; once, before anything else imports one."""
    reactor = SteadyReactor()
    installReactor(reactor)
    return reactor


def wall_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000

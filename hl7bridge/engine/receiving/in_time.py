"""Deciding in bounded time, so that one channel's slow expression does not stop every feed.

A site's regular expression may need longer than the world lasts for a text that its author did not think of, and neither its shape
nor the text's length tells reliably. So the decision is bounded as a whole: what it computes for longer than its limit ends with
TooLong, which `decide` makes an error of the channel that ran; the message is kept and answered as any that a channel cannot
process. Time is the process's own computing, so that a slow disk or a machine that was paused is nobody's fault; a hook that sleeps
is not bounded.

A signal does it: Python's expressions look for signals while they search. It comes again and again while the process computes, and
counts how often it met the same decision; to set it for each message would cost a tenth of the message. It can be taken in the main
thread only, and only while a process is `bounded` are its decisions; tests and simulations decide without.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.logger import Logger

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.channel.deciding.decide import decide as decide_unbounded
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message

log = Logger(namespace="hl7bridge.decide")

#: Seconds of computing that a decision may take, and so many more for each megabyte of its message.
LIMIT_S = 1.0
LIMIT_S_PER_MB = 1.0
#: Seconds of computing between two looks.
EVERY_S = 0.1
#: Seconds for each further channel or destination of a message that has used up its time.
FURTHER_S = 0.02


class TooLong(HL7BridgeError):
    """A decision computed for too long. Code: `too-long`."""


class _Watch:
    """Whether this process is bounded, and the decision that is being made."""

    taken = False
    deciding = False
    met = 0  # how often a look met this decision
    limit_s = LIMIT_S
    ended = 0


@contextmanager
def bounded() -> Iterator[None]:
    """Meanwhile this process's decisions are bounded; SIGVTALRM belongs to this module."""
    signal.signal(signal.SIGVTALRM, _look)
    signal.setitimer(signal.ITIMER_VIRTUAL, EVERY_S, EVERY_S)
    _Watch.taken = True
    try:
        yield
    finally:
        # An ending process gives signals back to the system, for which this one is deadly.
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _Watch.taken = False


def decide(
    configuration: Configuration,
    source_name: str,
    message: Message,
    limit_s: float | None = None,
    **about: Any,
) -> Decision:
    """As `deciding.decide`, in bounded time. Raises TooLong where no channel was running when the time was up."""
    watch = _Watch
    watch.met = watch.ended = 0
    watch.limit_s = (LIMIT_S if limit_s is None else limit_s) + LIMIT_S_PER_MB * len(message.raw) / 1e6
    watch.deciding = watch.taken
    try:
        try:
            return decide_unbounded(configuration, source_name, message, **about)
        finally:
            watch.deciding = False
    finally:
        watch.deciding = False  # again, for a signal that came just before the line above
        if watch.ended:
            _tell(source_name)


def _tell(source_name: str) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, EVERY_S, EVERY_S)
    # Each such line has cost a second: they need no other bound.
    log.error(
        "{source}: deciding a message took longer than {limit:.3g} s and was ended; its reason names the channel, "
        "whose regular expressions, loops or hook are too slow for it",
        source=source_name,
        limit=_Watch.limit_s,
    )


def _look(number: int, frame: object) -> None:
    if not _Watch.deciding:
        return
    _Watch.met += 1
    if _Watch.ended or _Watch.met * EVERY_S > _Watch.limit_s:
        if not _Watch.ended:
            # What comes after the piece that is ended here may be as slow.
            signal.setitimer(signal.ITIMER_VIRTUAL, FURTHER_S, FURTHER_S)
        _Watch.ended += 1
        raise TooLong(
            f"deciding took longer than {_Watch.limit_s:.3g} s",
            code="too-long",
            hint="see its regular expressions",
        )

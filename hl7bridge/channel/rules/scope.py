"""What a step sees: the whole message, or within `each` one segment with its run.

A run is a segment and what belongs to it: everything up to the next segment of equal or higher rank. Inside
it a segment name means the first in the run, else the nearest enclosing one of higher rank, never a
sibling's. Holds no rule of the language beyond that; raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.message import Message, Segment

if TYPE_CHECKING:
    from hl7bridge.channel.rules.trace import Trace

#: How high a segment stands, 0 highest. Others stand with OBX; Z segments have no rank.
_RANKS: Final[dict[bytes, int]] = {
    name: rank
    for rank, names in enumerate(
        (
            (b"MSH", b"FHS", b"BHS"),
            (b"PID",),
            (b"ORC",),
            (b"OBR", b"RXO", b"RXE", b"RXD", b"RXA", b"RXG"),
            (b"OBX", b"TQ1", b"RXR", b"RXC", b"FT1", b"SPM"),
            (b"TQ2", b"PV2", b"IN2", b"IN3"),  # the second halves of TQ1, PV1 and IN1
            (b"NTE",),
        )
    )
    for name in names
}
_OTHERS: Final = 4
_ORDER: Final = 2


def rank_of(name: bytes) -> int | None:
    """The rank of a segment ID; None for Z segments and lines without one."""
    rank = _RANKS.get(name)
    if rank is not None:
        return rank
    return None if not name or name.startswith(b"Z") else _OTHERS


class Level:
    """A segment that encloses what follows it, with the segments that are read as part of it (PV1 of PID, TQ1
    of ORC).
    """

    __slots__ = ("attached", "parent", "rank", "segment")

    def __init__(self, segment: Segment, rank: int, parent: Level | None) -> None:
        self.segment = segment
        self.rank = rank
        self.parent = parent
        self.attached: list[Segment] = []


class Work:
    """One message on its way through one channel: what all its scopes share."""

    __slots__ = ("added", "misses", "received", "sequence", "trace", "zone")

    def __init__(
        self,
        received: datetime,
        sequence: int = 0,
        zone: ZoneInfo | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.received = received
        self.sequence = sequence
        self.zone = zone
        self.trace = trace
        self.misses: list[str] | None = None
        self.added: dict[tuple[int, int], Segment] | None = None


class Bound:
    """The repetition that `it` means: segment, field and index from 0; `gone` when a step removes it."""

    __slots__ = ("at", "field", "gone", "segment")

    def __init__(self, segment: Segment, field: int, at: int) -> None:
        self.segment = segment
        self.field = field
        self.at = at
        self.gone = False


class Scope:
    """The segments that a step works on, within what encloses them."""

    __slots__ = (
        "_index",
        "delimiters",
        "dropped",
        "head",
        "it",
        "made",
        "message",
        "original",
        "outer",
        "segments",
        "up",
        "work",
    )

    def __init__(self, message: Message, work: Work) -> None:
        self.message = message
        self.delimiters: Delimiters = message.delimiters
        self.work = work
        self.segments: list[Segment] = message.segments
        self.head: Segment | None = None
        self.up: Level | None = None
        self.outer: Scope | None = None
        self.it: Bound | None = None
        self.original: Scope | None = None
        self.made: Segment | None = None
        self.dropped: list[Segment] | None = None
        self._index: dict[bytes, Segment] | None = None

    def inner(self, segments: list[Segment], head: Segment | None, up: Level | None) -> Scope:
        """A scope of some of this one's segments."""
        made = Scope.__new__(Scope)
        made.message = self.message
        made.delimiters = self.delimiters
        made.work = self.work
        made.segments = segments
        made.head = head
        made.up = up
        made.outer = self
        made.it = self.it
        made.original = self.original
        made.made = self.made
        made.dropped = None
        made._index = None
        return made

    def first(self, name: bytes) -> Segment | None:
        """The segment that `name` means here: the first of the run, else the nearest that encloses it."""
        index = self._index
        if index is None:
            # Backwards, so that of several segments of one name the first remains.
            index = self._index = {segment.name: segment for segment in reversed(self.segments)}
        found = index.get(name)
        if found is not None or self.up is None:
            return found
        enclosing = _enclosing(self.up, name)
        return enclosing[0] if enclosing else None

    def all(self, name: bytes) -> list[Segment]:
        """Every segment that `name` means here: all of the run, else those nearest around it."""
        found = [segment for segment in self.segments if segment.name == name]
        if found or self.up is None:
            return found
        return _enclosing(self.up, name)

    def run_of(self, name: bytes) -> list[Segment]:
        """Only those of the run."""
        return [segment for segment in self.segments if segment.name == name]

    def insert(self, after: Segment, segment: Segment) -> None:
        """Puts a new segment into the message and into every scope that holds `after`."""
        message = self.message.segments
        self.message.insert(message.index(after), segment)
        done: list[list[Segment]] = [
            message
        ]  # a scope of one repetition shares its segments with the one around it
        scope: Scope | None = self
        while scope is not None:
            if not any(scope.segments is each for each in done) and after in scope.segments:
                scope.segments.insert(scope.segments.index(after) + 1, segment)
                done.append(scope.segments)
            scope._index = None
            scope = scope.outer

    def drop(self, segments: Sequence[Segment]) -> None:
        """Takes segments out of the message and of every scope around. The header stays."""
        gone = {id(segment) for segment in segments}
        message = self.message.segments
        gone.discard(id(message[0]))
        if not gone:
            return
        message[:] = [segment for segment in message if id(segment) not in gone]
        scope: Scope | None = self
        while scope is not None:
            if scope.segments is not message:
                scope.segments[:] = [segment for segment in scope.segments if id(segment) not in gone]
            scope._index = None
            scope = scope.outer

    def refresh(self) -> None:
        """Reads the message again after something outside the steps has changed it."""
        scope: Scope | None = self
        known = {id(segment) for segment in self.message.segments}
        while scope is not None:
            if scope.outer is None:
                scope.segments = self.message.segments
            else:
                scope.segments[:] = [segment for segment in scope.segments if id(segment) in known]
            scope._index = None
            scope = scope.outer


def _enclosing(level: Level | None, name: bytes) -> list[Segment]:
    while level is not None:
        if level.segment.name == name:
            return [level.segment]
        found = [segment for segment in level.attached if segment.name == name]
        if found:
            return found
        level = level.parent
    return []


def runs(scope: Scope, name: bytes) -> Iterator[tuple[Segment, Scope]]:
    """Each segment called `name` in the scope, with the scope of its run. What encloses it is found in one
    pass.
    """
    segments = scope.segments
    heads: list[tuple[int, Level | None]] = []
    level = scope.up
    for index, segment in enumerate(segments):
        rank = rank_of(segment.name)
        if rank is None:  # a Z segment belongs to whatever it stands behind
            if segment.name == name:
                heads.append((index, level))
            if level is not None:
                level.attached.append(segment)
            continue
        while level is not None and level.rank >= rank:
            level = level.parent
        if segment.name == name:
            heads.append((index, level))
        if level is not None and _belongs(segment, level):
            level.attached.append(segment)
        level = Level(segment, rank, level)
    for index, up in heads:
        head = segments[index]
        yield head, scope.inner(_run(segments, index), head, up)


def _belongs(segment: Segment, level: Level) -> bool:
    """Whether a segment is read as part of the one above it: those without a rank of their own, and ORC's
    TQ1.
    """
    if segment.name not in _RANKS:
        return True
    return segment.name == b"TQ1" and level.rank == _ORDER


def _run(segments: list[Segment], index: int) -> list[Segment]:
    rank = rank_of(segments[index].name)
    if rank is None:
        return [segments[index]]
    end = index + 1
    while end < len(segments):
        other = rank_of(segments[end].name)
        if other is not None and other <= rank:
            break
        end += 1
    return segments[index:end]

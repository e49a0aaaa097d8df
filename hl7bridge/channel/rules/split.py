"""`split`: one message of each order.

Each piece is the header (what stands before the first order, and the order's own patient), the segments named
by `with`, and the run of one `each`. MSH-10 gets -1, -2 ... A message without the segment goes on whole.
Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hl7bridge.channel.rules.scope import Level, Scope, Work, rank_of, runs
from hl7bridge.hl7.message import Message, Segment

_PATIENT = 1
_ORDER = 2
_DETAIL = 3


@dataclass(frozen=True, slots=True)
class Split:
    """`each` and `with` of a split."""

    each: bytes
    accompanied: frozenset[bytes]


def pieces_of(message: Message, split: Split) -> Iterator[Message]:
    """The messages that one is split into, in order."""
    scope = Scope(message, _NOTHING)
    found = list(runs(scope, split.each))
    if not found:
        yield message
        return
    headers = _headers(message)
    for number, (head, run) in enumerate(found, 1):
        wanted = {id(segment) for segment in headers.get(id(head), ())}
        wanted |= {id(segment) for segment in run.segments}
        wanted |= {id(segment) for segment in _accompanying(run.up, split.accompanied)}
        piece = message.copy()
        # The copy's segments stand in the same order as the message's own.
        kept = [
            mine
            for mine, theirs in zip(piece.segments, message.segments, strict=True)
            if id(theirs) in wanted
        ]
        piece.segments[:] = kept
        header = piece.header
        header.set_field(10, header.field(10) + b"-%d" % number)
        yield piece


def _headers(message: Message) -> dict[int, list[Segment]]:
    """For each order segment, what stands above the orders: MSH and its own, its patient and what belongs
    there.
    """
    top: list[Segment] = []
    patient = top
    in_orders = False
    found: dict[int, list[Segment]] = {}
    for segment in message.segments:
        rank = rank_of(segment.name)
        if rank == _PATIENT:
            patient, in_orders = [*top, segment], False
        elif rank in (_ORDER, _DETAIL):
            in_orders = True
        elif not in_orders:
            patient.append(segment)
        if in_orders:
            found[id(segment)] = patient
    return found


def _accompanying(level: Level | None, names: frozenset[bytes]) -> Iterator[Segment]:
    while level is not None:
        if level.segment.name in names:
            yield level.segment
        for segment in level.attached:
            if segment.name in names or (level.segment.name in names and segment.name[:1] == b"Z"):
                yield segment
        level = level.parent


_NOTHING = Work(datetime.min.replace(tzinfo=UTC))

"""What became of one message for one destination: of each message that was made of it, and of the whole. Raises nothing.

A delivery and those that replays made of the same original are one piece: it is delivered when one of them was accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.channel.deciding.outcome import ERROR, FILTERED
from hl7bridge.channel.deciding.plan import sequence_of
from hl7bridge.store.base import DeliveryRow, DeliveryStatus, MessageRow

#: Why a message that a channel took was made into nothing for the destination.
NO_ROUTE: Final = "taken, and no route led to it: roster, agreement, or a condition of send_to"
_WITHHELD: Final = "withheld: "


class End(StrEnum):
    """Where a message stands for a destination; what needs a person first."""

    FAILED = "failed"
    QUEUED = "still queued"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"
    FILTERED = "filtered"


_SEVERITY: Final = {end: rank for rank, end in enumerate(End)}


class Try(NamedTuple):
    """A delivery, with the control ID that stands in what was sent."""

    row: DeliveryRow
    sent: str


class Copy(NamedTuple):
    """A message, or a replay of it, with its deliveries to the destination in their order."""

    row: MessageRow
    tries: Sequence[Try]


class Piece(NamedTuple):
    """One message that was made for the destination, or that a channel made nothing of (without tries)."""

    channel: str
    end: End
    reason: str
    tries: tuple[Try, ...]


def pieces_of(copies: Sequence[Copy], channels: Collection[str]) -> list[Piece]:
    """What a message and its replays, the oldest first, came to; `channels` are those that send to the destination."""
    tries: dict[tuple[str, str, int], list[Try]] = {}
    numbers = {copy.row.id for copy in copies}
    for copy in copies:
        _link(tries, copy, numbers)
    pieces = [Piece(key[0], *_end(each), tuple(each)) for key, each in tries.items()]
    with_tries = {piece.channel for piece in pieces}
    latest = {
        channel: (status, reason)
        for copy in copies
        for channel, status, reason in copy.row.outcomes
        if channel in channels
    }
    return pieces + [
        Piece(channel, *_without(status, reason), ())
        for channel, (status, reason) in latest.items()
        if channel not in with_tries
    ]


def whole(pieces: Iterable[Piece]) -> Piece | None:
    """The piece that says how the whole message stands: the one that needs a person most."""
    return min(pieces, key=lambda piece: _SEVERITY[piece.end], default=None)


def _link(tries: dict[tuple[str, str, int], list[Try]], copy: Copy, numbers: Collection[int]) -> None:
    """Adds a copy's deliveries to the pieces that they repeat: by the control ID, without a message's own number in it."""
    seen: dict[tuple[str, str], int] = {}
    strange: list[tuple[tuple[str, str, int], Try]] = []
    before = list(tries)
    repeated = set()
    for each in copy.tries:
        name = each.sent[12:] if sequence_of(each.sent) in numbers else each.sent
        place = (each.row.channel, name)
        seen[place] = seen.get(place, 0) + 1
        key = (*place, seen[place])
        if key in tries:
            tries[key].append(each)
            repeated.add(key)
        else:
            strange.append((key, each))
    # A map may write a control ID of its own, another one each time: then the order tells.
    for key, each in strange:
        left = [other for other in before if other[0] == key[0] and other not in repeated]
        if left:
            tries[left[0]].append(each)
            repeated.add(left[0])
        else:
            tries[key] = [each]


def _end(tries: Sequence[Try]) -> tuple[End, str]:
    rows = [each.row for each in tries]
    if any(row.status is DeliveryStatus.SENT for row in rows):
        return End.DELIVERED, ""
    waiting = [row for row in rows if row.status < DeliveryStatus.SENT]
    row = (waiting or rows)[-1]
    reason = row.reason or ""
    if waiting:
        return End.QUEUED, reason
    if row.status is DeliveryStatus.FAILED:
        return End.FAILED, reason
    if reason.startswith(_WITHHELD):
        return End.WITHHELD, reason.removeprefix(_WITHHELD)
    return End.CANCELLED, reason


def _without(status: str, reason: str | None) -> tuple[End, str]:
    if status == ERROR:
        return End.FAILED, reason or ""
    return End.FILTERED, (reason or "") if status == FILTERED else NO_ROUTE

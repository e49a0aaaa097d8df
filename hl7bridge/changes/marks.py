"""What differences became, as marks: hashes with the store's key, of which nobody without it learns a value or tests a guess.

Holds what was accepted, as marks, and how marks are made. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappush, heapreplace
from typing import Final, NamedTuple

from hl7bridge.store.base import keyed_hash

#: Messages of one difference whose marks are kept, and values that are few.
MESSAGES: Final = 512
VALUES: Final = 8

#: Of what a difference is, and what it is.
Name = tuple[str, str]


class Expected(NamedTuple):
    """One accepted difference. `concerned`: messages that concerned what it is of. `values`: marks of all that it came to, None where
    these are not few. `seen`: the marks of some messages.
    """

    messages: int
    concerned: int
    values: frozenset[str] | None
    seen: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a file accepts. `first`, `last`: of the messages that were compared then. `remark`: why a file says nothing here."""

    first: int = 0
    last: int = -1
    differences: Mapping[Name, Expected] = field(default_factory=dict)
    remark: str = ""


#: Where there is no file.
NOTHING: Final = Accepted()


class Marks:
    """Makes marks with a store's key, and knows what was accepted."""

    def __init__(self, key: bytes, accepted: Accepted) -> None:
        self.accepted = accepted
        self._key = key
        self._chosen: dict[Name, list[int]] = {}

        @lru_cache(64)  # what most messages come to is the same; a few of them may be large
        def value(name: Name, text: str) -> str:
            return _mark(key, b"value", name, text)

        self.value = value

    def chosen(self, name: Name, message_id: int) -> bool:
        """Whether a message may be among those whose marks are kept, by those that were asked about before it."""
        heap = self._chosen.setdefault(name, [])
        place = -order(message_id)
        if len(heap) < MESSAGES:
            heappush(heap, place)
            return True
        return place > heap[0] and heapreplace(heap, place) < place

    def message(self, name: Name, message_id: int, became: Sequence[str]) -> str:
        """Of one message: two that became the same have different marks."""
        return _mark(self._key, b"message", name, str(message_id), *became)[:6]


def store_mark(key: bytes) -> str:
    """Tells a store from others: marks that were made with another key say nothing here."""
    return _mark(key, b"store", ("", ""))


def order(message_id: int) -> int:
    """Messages lie in this order as if shuffled, the same in each process: the first of it are a fair choice of all."""
    return message_id * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF


def _mark(key: bytes, kind: bytes, name: Name, *texts: str) -> str:
    parts = [text.encode("utf-8", "surrogatepass") for text in (*name, *texts)]
    return f"{keyed_hash(key, b'accepted', kind, *parts) & 0xFFFF_FFFF_FFFF_FFFF:016x}"

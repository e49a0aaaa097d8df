"""The same difference of many messages is one, with a count and examples. Raises nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hl7bridge.changes.difference import Difference, Signature

#: Messages that are named of each difference.
EXAMPLES: Final = 5


@dataclass(slots=True)
class Found:
    """One difference: how many messages have it, the first of them, and the values of the very first."""

    count: int = 0
    examples: list[int] = field(default_factory=list)
    before: str = ""
    after: str = ""

    def add(self, count: int, examples: Iterable[int], before: str, after: str) -> None:
        """More messages have it."""
        self.count += count
        first = self.examples[:1]
        self.examples = sorted([*self.examples, *examples])[:EXAMPLES]
        if self.examples[:1] != first:
            self.before, self.after = before, after


@dataclass(slots=True)
class Tally:
    """What a comparison found. `messages` were decided twice, `differing` of them differently, `unread` could be decided by neither.

    `totals`: by `Signature.of`, how many messages concerned it under either configuration.
    """

    messages: int = 0
    differing: int = 0
    unread: int = 0
    found: dict[Signature, Found] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)

    def count(self, message_id: int, concerns: Iterable[str], differences: Iterable[Difference]) -> None:
        """One message."""
        self.messages += 1
        self.totals.update(concerns)
        differs = False
        for each in differences:
            differs = True
            found = self.found.setdefault(each.signature, Found())
            found.add(1, [message_id], each.before, each.after)
        self.differing += differs

    def add(self, other: Tally) -> None:
        """What another part of the messages gave."""
        self.messages += other.messages
        self.differing += other.differing
        self.unread += other.unread
        self.totals.update(other.totals)
        for signature, found in other.found.items():
            mine = self.found.setdefault(signature, Found())
            mine.add(found.count, found.examples, found.before, found.after)

    def ordered(self) -> list[tuple[Signature, Found]]:
        """What harms first, then by how often."""
        return sorted(self.found.items(), key=lambda each: (each[0].rank, -each[1].count, each[0]))

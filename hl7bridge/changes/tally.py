"""The same difference of many messages is one, with a count and examples. Raises nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hl7bridge.changes.difference import Difference, Signature
from hl7bridge.changes.marks import MESSAGES, VALUES, Marks, Name, order

#: Messages that are named of each difference.
EXAMPLES: Final = 5


@dataclass(slots=True)
class Found:
    """One difference: how many messages have it, the first of them, and the values of the very first.

    What an acceptance keeps: `values`, the marks of all that it came to, None where these are not few, and `seen`, the marks of some
    messages. What one is held against: of its messages, how many became the `same` and how many something else (`otherwise`); how
    many messages came to a value that is none of its own (`strange`), and how many of those that were compared then differ (`within`).
    """

    count: int = 0
    examples: list[int] = field(default_factory=list)
    before: str = ""
    after: str = ""
    values: set[str] | None = field(default_factory=set)
    seen: dict[int, str] = field(default_factory=dict)
    same: int = 0
    otherwise: int = 0
    strange: int = 0
    within: int = 0

    def add(self, count: int, examples: Iterable[int], before: str, after: str) -> None:
        """More messages have it."""
        self.count += count
        first = self.examples[:1]
        self.examples = sorted([*self.examples, *examples])[:EXAMPLES]
        if self.examples[:1] != first:
            self.before, self.after = before, after

    def mark(self, marks: Marks, name: Name, message_id: int, became: list[str], came_of: list[str]) -> None:
        """What a message became, and of what, is kept, and held against what was accepted."""
        expected = marks.accepted.differences.get(name)
        few = None if expected is None else expected.values
        if self.values is not None or few is not None:
            values = {marks.value(name, text) for text in became}
            self._come_to(values)
            self.strange += few is not None and not values <= few
        known = None if expected is None else expected.seen.get(message_id)
        chosen = marks.chosen(name, message_id)
        if chosen or known is not None:
            mark = marks.message(name, message_id, [*came_of, *became])
            if chosen:
                self._keep({message_id: mark})
            self.same += known == mark
            self.otherwise += known is not None and known != mark
        if expected is not None:
            self.within += marks.accepted.first <= message_id <= marks.accepted.last

    def _come_to(self, values: set[str] | None) -> None:
        if self.values is not None and values is not None and values <= self.values:
            return
        together = None if self.values is None or values is None else self.values | values
        self.values = None if together is None or len(together) > VALUES else together

    def _keep(self, seen: dict[int, str]) -> None:
        self.seen.update(seen)
        if len(self.seen) > 2 * MESSAGES:  # not for each message
            self.seen = self.some()

    def some(self) -> dict[int, str]:
        """The marks of some messages, whichever processes looked at them."""
        return {number: self.seen[number] for number in sorted(self.seen, key=order)[:MESSAGES]}

    def join(self, other: Found) -> None:
        """What another part of the messages gave."""
        self.add(other.count, other.examples, other.before, other.after)
        self._come_to(other.values)
        self._keep(other.seen)
        self.same += other.same
        self.otherwise += other.otherwise
        self.strange += other.strange
        self.within += other.within


@dataclass(slots=True)
class Tally:
    """What a comparison found. `messages` were decided twice, `differing` of them differently, `unread` could be decided by neither.

    `totals`: by `Signature.of`, how many messages concerned it under either configuration. `first`, `last`: of the messages. `within`
    and `totals_within` are of those that were compared when differences were accepted. `programme`: messages that the programme made.
    """

    messages: int = 0
    differing: int = 0
    unread: int = 0
    found: dict[Signature, Found] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    first: int = 0
    last: int = 0
    within: int = 0
    totals_within: Counter[str] = field(default_factory=Counter)
    programme: int = 0

    def count(
        self,
        message_id: int,
        concerns: set[str],
        differences: Iterable[Difference],
        marks: Marks | None = None,
    ) -> None:
        """One message; with `marks`, what it became is kept, and held against what was accepted."""
        self._saw(message_id, message_id)
        self.messages += 1
        self.totals.update(concerns)
        if marks is not None and marks.accepted.first <= message_id <= marks.accepted.last:
            self.within += 1
            self.totals_within.update(concerns)
        found: dict[Signature, list[Difference]] = {}
        for each in differences:  # two channels may do the same to what goes to one destination
            found.setdefault(each.signature, []).append(each)
        for signature, several in found.items():
            of_all = self.found.setdefault(signature, Found())
            of_all.add(1, [message_id], several[0].before, several[0].after)
            if marks is not None:
                became = [text for each in several for text in each.became or (each.after,)]
                came_of = [text for each in several for text in each.came_of or (each.before,)]
                of_all.mark(marks, (signature.of, signature.what), message_id, became, came_of)
        self.differing += bool(found)

    def _saw(self, first: int, last: int) -> None:
        self.first = min(self.first or first, first or self.first)
        self.last = max(self.last, last)

    def add(self, other: Tally) -> None:
        """What another part of the messages gave."""
        self.messages += other.messages
        self.differing += other.differing
        self.unread += other.unread
        self.totals.update(other.totals)
        self._saw(other.first, other.last)
        self.within += other.within
        self.totals_within.update(other.totals_within)
        self.programme += other.programme
        for signature, found in other.found.items():
            self.found.setdefault(signature, Found()).join(found)

    def total(self, of: str, *, within: bool = False) -> int:
        """Messages that concern what differs: those of a destination or channel, or all."""
        totals, all_of_them = (self.totals_within, self.within) if within else (self.totals, self.messages)
        return totals[of] if of in self.totals else all_of_them

    def ordered(self) -> list[tuple[Signature, Found]]:
        """What harms first, then by how often."""
        return sorted(self.found.items(), key=lambda each: (each[0].rank, -each[1].count, each[0]))

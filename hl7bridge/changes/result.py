"""What a comparison says, for a terminal, a program and a page: the lines in order, and whether anything is not expected.

Raises nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hl7bridge.changes.accepted import why_not
from hl7bridge.changes.difference import FAILS, LOST, Signature
from hl7bridge.changes.marks import Accepted
from hl7bridge.changes.tally import Found, Tally
from hl7bridge.changes.traffic import COPY, REPETITION
from hl7bridge.hl7.names import field_name
from hl7bridge.words import counted


@dataclass(frozen=True, slots=True)
class Line:
    """One difference. `total`: messages that concern what it is of. `name`: of the field, by HL7 2.5.1, "" where it has none.

    `accepted`: None where nobody has accepted it, "" where it is what was accepted, else why it is not.
    """

    of: str
    what: str
    name: str
    count: int
    total: int
    examples: tuple[int, ...]
    accepted: str | None
    harms: bool
    before: str
    after: str

    @property
    def share(self) -> str:
        """`412 of 9,830`."""
        return f"{self.count:,} of {self.total:,}"

    @property
    def expected(self) -> bool:
        """Whether it is what was accepted."""
        return self.accepted == ""

    @property
    def whole(self) -> str:
        """What it is, and why it is not what was accepted."""
        what = f"{self.what} ({self.name})" if self.name else self.what
        return f"{what}: {self.accepted}" if self.accepted else what


@dataclass(frozen=True, slots=True)
class Result:
    """A whole comparison; `old` and `new` as a person named them. `programme`: messages that the programme made. `repetitions` and
    `copies` were left out.
    """

    old: str
    new: str
    messages: int
    differing: int
    unread: int
    lines: tuple[Line, ...]
    programme: int = 0
    repetitions: int = 0
    copies: int = 0

    @property
    def unexpected(self) -> int:
        """How many differences are not what was accepted."""
        return sum(not line.expected for line in self.lines)

    def sentence(self) -> str:
        """The whole in one line."""
        left_out = [
            counted(self.repetitions, "repetition") if self.repetitions else "",
            counted(self.copies, "copy of replays", "copies of replays") if self.copies else "",
        ]
        without = f"without {' and '.join(filter(None, left_out))}" if any(left_out) else ""
        if not self.messages:
            return "no message is like this: nothing was compared" + (f", {without}" if without else "")
        same = self.messages - self.differing
        own = f"{self.programme:,} of them made by the programme" if self.programme else ""
        of_what = ", ".join(filter(None, (own, without)))
        said = counted(self.messages, "message") + (f" ({of_what})" if of_what else "")
        said += f": {self.differing:,} decided otherwise, {same:,} as before"
        if self.unread:
            said += f"; {self.unread:,} could not be decided in time or read"
        kinds = counted(len(self.lines), "difference")
        expected = len(self.lines) - self.unexpected
        said += f"; {kinds}" + (f", {expected:,} of them accepted" if expected else "")
        no_more = sum(bool(line.accepted) for line in self.lines)
        return said + (f", {no_more:,} not as accepted" if no_more else "")

    def plain(self, values: bool) -> dict[str, Any]:
        """For JSON."""
        return {
            "old": self.old,
            "new": self.new,
            "messages": self.messages,
            "made_by_programme": self.programme,
            "left_out": {"repetitions": self.repetitions, "copies_of_replays": self.copies},
            "differing": self.differing,
            "unread": self.unread,
            "unexpected": self.unexpected,
            "differences": [
                {
                    "of": line.of,
                    "what": line.what,
                    "name": line.name,
                    "messages": line.count,
                    "concerned": line.total,
                    "examples": list(line.examples),
                    "accepted": line.expected,
                    "not_as_accepted": line.accepted or None,
                    **({"before": line.before, "after": line.after} if values else {}),
                }
                for line in self.lines
            ],
        }


def result_of(old: str, new: str, tally: Tally, accepted: Accepted, left_out: Counter[str]) -> Result:
    """What a tally says; `left_out` as traffic counts it."""
    lines = tuple(_line(signature, found, tally, accepted) for signature, found in tally.ordered())
    return Result(
        old,
        new,
        tally.messages,
        tally.differing,
        tally.unread,
        lines,
        tally.programme,
        left_out[REPETITION],
        left_out[COPY],
    )


def _line(signature: Signature, found: Found, tally: Tally, accepted: Accepted) -> Line:
    return Line(
        signature.of,
        signature.what,
        field_name(signature.path),
        found.count,
        tally.total(signature.of),
        tuple(found.examples),
        why_not(accepted, signature, found, tally),
        signature.rank in (FAILS, LOST),
        found.before,
        found.after,
    )

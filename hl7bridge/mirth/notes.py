"""What an import has to say: what was not carried over, and what is otherwise than it was. Raises nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Missing(NamedTuple):
    """One thing that was not carried over: in which channel, where in it, what, and why."""

    channel: str
    where: str
    what: str
    why: str


class Remark(NamedTuple):
    """One thing that was carried over and works otherwise, or that somebody should look at."""

    channel: str
    where: str
    what: str


@dataclass(slots=True)
class Notes:
    """Everything that is said of one channel."""

    channel: str
    missing: list[Missing] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def lose(self, where: str, what: str, why: str) -> str:
        """Notes what was not carried over; gives the comment for its place."""
        self.missing.append(Missing(self.channel, where, what, why))
        return f"NOT CARRIED OVER: {what}: {why}"

    def remark(self, where: str, what: str) -> None:
        """Notes what somebody should look at, once."""
        made = Remark(self.channel, where, what)
        if made not in self.remarks:
            self.remarks.append(made)


def slug(name: str) -> str:
    """A name of ours for any name: small letters, digits and hyphens."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    return made or "channel"


def unused(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken; it is taken then."""
    made, number = name, 2
    while made in taken:
        made, number = f"{name}-{number}", number + 1
    taken.add(made)
    return made

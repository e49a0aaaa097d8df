"""What the channels share while one message is decided: who it is about, what was found, what leaves so far.

Each thing is worked out once, when it is first asked for. Knows no rule of its own but the order keys. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from hl7bridge.affiliation.who.roster import Roster, RosterRow
from hl7bridge.channel.deciding.leaving import Outgoing
from hl7bridge.channel.privacy.sensitive import Found, Sensitive
from hl7bridge.hl7.identifiers import Identifier
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import MERGES

if TYPE_CHECKING:
    from hl7bridge.channel.deciding.plan import DestinationPlan, SourcePlan
    from hl7bridge.channel.rules.trace import Trace

#: The order key that all deliveries of a destination share under `strict`.
STRICT: Final = (b"*",)
_NONE: Final[tuple[bytes, ...]] = ()
_MOST_KEYS: Final = 16


class Case:
    """What the channels share while one message is decided."""

    __slots__ = (
        "_found",
        "_keys",
        "_rows",
        "day",
        "message",
        "misses",
        "outgoing",
        "people",
        "plan",
        "postponed",
        "processing_id",
        "received",
        "roster",
        "sequence",
        "trace",
        "type_",
    )

    def __init__(
        self,
        plan: SourcePlan,
        message: Message,
        type_: str,
        received: datetime,
        sequence: int,
        roster: Roster,
        trace: Trace | None,
        day: date | None,
        people: tuple[Identifier, ...],
    ) -> None:
        self.plan = plan
        self.message = message
        self.type_ = type_
        self.received = received
        self.sequence = sequence
        self.roster = roster
        self.trace = trace
        self.day = day
        self.people = people
        self.processing_id = message.processing_id
        self.outgoing: list[Outgoing] = []
        self.misses: list[str] = []
        #: By the categories to be withheld: who gets the message without those orders, and under which scope.
        self.postponed: dict[frozenset[str], dict[str, tuple[DestinationPlan, str | None]]] = {}
        self._found: Found | bool | None = False
        self._keys: tuple[bytes, ...] | None = None
        self._rows: dict[str, list[RosterRow]] | None = None

    def keys(self, order: str) -> tuple[bytes, ...]:
        """The order keys of a delivery: none, one for everything, or the patients'. They show what `order` was."""
        if order == "none":
            return _NONE
        if order == "strict":
            return STRICT
        if self._keys is None:
            self._keys = patient_keys(self.people, self.type_ in MERGES, self.plan.name)
        return self._keys

    def found(self, sensitive: Sensitive) -> Found | None:
        """What the message that came holds of withheld categories; looked for once."""
        if isinstance(self._found, bool):
            self._found = sensitive.found(self.message, self.day)
        return self._found

    def held(self) -> Found:
        """What was found, where something was."""
        assert isinstance(self._found, Found)
        return self._found

    def rows(self) -> dict[str, list[RosterRow]]:
        """The patient's roster rows by affiliate, asked for once."""
        if self._rows is None:
            found: dict[str, list[RosterRow]] = {}
            for row in self.roster.rows(self.people):
                found.setdefault(row.affiliate, []).append(row)
            self._rows = found
        return self._rows


def patient_keys(people: Sequence[Identifier], merge: bool, source: str) -> tuple[bytes, ...]:
    """The first identifier with its authority, for a merge all of them; without any, the source."""
    if not people:
        return (b"source\x00" + source.encode(),)
    if not merge:
        first = people[0]
        return (first.id + b"\x00" + first.authority,)
    return tuple(dict.fromkeys(each.id + b"\x00" + each.authority for each in people))[:_MOST_KEYS]

"""Compiled channels: what `decide` walks through. Made by `loading`, never changed. Raises nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from hl7bridge.affiliation.who.agreement import Agreement
from hl7bridge.channel.deciding.outcome import RECEIVED, ChannelOutcome
from hl7bridge.channel.feed.programme import ProgrammePlan
from hl7bridge.channel.privacy.withhold import Privacy
from hl7bridge.channel.rules.condition import Clause, Conditions
from hl7bridge.channel.rules.program import Program
from hl7bridge.channel.rules.reads import Read
from hl7bridge.channel.rules.split import Split
from hl7bridge.channel.settings import PROGRAMME, DestinationSettings
from hl7bridge.hl7.types import canonical

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOST_TYPES: Final = 1024
#: Characters of a control ID of our own, and of the sequence in it.
_OWN_LENGTH: Final = 20
_SEQUENCE_LENGTH: Final = 12


def _base36(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits


def sequence_of(control_id: str) -> int | None:
    """The sequence of which `DestinationPlan.control_id` made a control ID; None for one that it cannot have made."""
    if len(control_id) != _OWN_LENGTH or not set(control_id).issubset(_DIGITS):
        return None
    return int(control_id[:_SEQUENCE_LENGTH], 36)


class DestinationPlan:
    """A destination as one channel sends to it: what is laid over the message, and when nothing is sent."""

    __slots__ = (
        "_tag",
        "agreement",
        "name",
        "order",
        "own_id",
        "place",
        "privacy",
        "processing",
        "program",
        "shadow",
        "unprocessed",
    )

    def __init__(
        self,
        settings: DestinationSettings,
        channel: str,
        program: Program | None,
        place: str,
        privacy: Privacy | None = None,
    ) -> None:
        self.name = settings.name
        self.order = settings.order
        self.place = place
        self.program = program if program else None
        self.privacy = privacy
        self.own_id = settings.control_id == "own"
        self.shadow = "shadow: kept, nothing is sent" if settings.status == "shadow" else None
        wanted = settings.processing
        self.processing = None if wanted is None else frozenset(each.encode() for each in wanted)
        self.unprocessed = None if wanted is None else f"processing: MSH-11 is not {' or '.join(wanted)}"
        affiliate = settings.affiliate
        self.agreement = None if affiliate is None else Agreement(settings.name, affiliate.agreement)
        digest = hashlib.sha256(f"{channel}\0{settings.name}".encode()).digest()
        self._tag = _base36(int.from_bytes(digest[:8], "big"), 5)

    def control_id(self, sequence: int, part: int) -> bytes:
        """20 characters that no other message to this destination has: of the sequence, the part, and the
        channel.
        """
        return (_base36(sequence, _SEQUENCE_LENGTH) + _base36(part, 3) + self._tag).encode("ascii")


@dataclass(slots=True)
class Route:
    """One item of `send_to`: destinations by name, or a scope's affiliates by name, under a condition. `uncovered`: the affiliates
    whose agreement does not name the scope.
    """

    when: Conditions | None = None
    destinations: list[DestinationPlan] = field(default_factory=list)
    scope: str = ""
    affiliates: dict[str, DestinationPlan] = field(default_factory=dict)
    uncovered: tuple[str, ...] = ()
    place: str = ""


class Accept:
    """Which message types a channel takes."""

    __slots__ = ("_everything", "_exact", "_families", "lenient")

    def __init__(self, patterns: Sequence[str] | None, lenient: bool) -> None:
        self.lenient = lenient
        self._everything = patterns is None or "*" in patterns or "*^*" in patterns
        self._exact: set[str] = set()
        self._families: set[str] = set()
        for pattern in patterns or ():
            code, _, event = pattern.partition("^")
            if event == "*":
                self._families.add(code)
            else:
                self._exact.add(canonical(code.encode(), event.encode(), lenient))

    def takes(self, code: bytes, trigger: bytes) -> bool:
        """Whether a message of this type is taken."""
        if self._everything:
            return True
        name = canonical(code, trigger, self.lenient)
        return name in self._exact or name.partition("^")[0] in self._families

    def knows_type(self, code: bytes) -> bool:
        """Whether it takes any event of this type."""
        name = canonical(code, b"", self.lenient)
        return (
            self._everything
            or name in self._families
            or any(each.partition("^")[0] == name for each in self._exact)
        )


@dataclass(slots=True)
class ChannelPlan:
    """A channel, compiled."""

    name: str
    place: str
    accept: Accept
    clauses: tuple[Clause, ...]
    split: Split | None
    program: Program
    routes: tuple[Route, ...]
    errors_answer: str | None = None
    programme: tuple[ProgrammePlan, ...] = ()
    #: The places that it reads of what comes, also for single destinations.
    reads: tuple[Read, ...] = field(default=(), repr=False)
    #: The outcome of all that goes well, made once.
    received: ChannelOutcome = field(init=False)

    def __post_init__(self) -> None:
        self.received = ChannelOutcome(self.name, RECEIVED)


class SourcePlan:
    """A source with the channels that listen to it.

    `addressed`: MSH-6 of its messages names the only affiliate that a route to affiliates may send them to.
    """

    __slots__ = (
        "_accepting",
        "addressed",
        "channels",
        "errors_answer",
        "name",
        "programme",
        "unaccepted",
        "zone",
    )

    def __init__(
        self,
        name: str,
        channels: Sequence[ChannelPlan],
        zone: ZoneInfo | None = None,
        unaccepted: str = "AR",
        errors_answer: str = "AE",
    ) -> None:
        self.name = name
        self.addressed = name == PROGRAMME
        self.zone = zone
        self.unaccepted = unaccepted
        self.errors_answer = errors_answer
        self.channels = tuple(channels)
        #: Whether any of them feeds the programme.
        self.programme = any(channel.programme for channel in channels)
        self._accepting: dict[tuple[bytes, bytes], tuple[str, tuple[ChannelPlan, ...]]] = {}

    def accepting(self, code: bytes, trigger: bytes) -> tuple[str, tuple[ChannelPlan, ...]]:
        """The canonical name of a message type, and the channels that accept it."""
        key = (code, trigger)
        found = self._accepting.get(key)
        if found is None:
            channels = tuple(channel for channel in self.channels if channel.accept.takes(code, trigger))
            found = (canonical(code, trigger), channels)
            if len(self._accepting) < _MOST_TYPES:  # what a sender makes up must not fill the memory
                self._accepting[key] = found
        return found

    def knows_type(self, code: bytes) -> bool:
        """Whether some channel accepts any event of this type."""
        return any(channel.accept.knows_type(code) for channel in self.channels)

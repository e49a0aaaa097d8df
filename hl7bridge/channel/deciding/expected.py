"""What a test beside the channels expects, compiled: the message it sends and what must become of it. Raises nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from hl7bridge.affiliation.who.roster import RosterEntry
from hl7bridge.channel.rules.condition import Condition
from hl7bridge.channel.rules.program import Program
from hl7bridge.channel.rules.scope import Scope


@dataclass(frozen=True, slots=True)
class FieldExpectation:
    """What one path must be, and how what is there is shown. `doubt`: what may have been meant instead."""

    path: str
    expected: str
    test: Condition
    found: Callable[[Scope], str]
    doubt: str | None = None


Expectation = tuple[FieldExpectation, ...]


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test. `expect` says for each destination: True (sent), False, or what its messages hold."""

    __test__ = False

    name: str
    file: str
    place: str
    channel: str
    source: str
    message: str
    inline: bytes | None
    changes: Program
    received: datetime | None
    answer: str | None
    status: str | None
    roster: tuple[tuple[str, RosterEntry], ...] | None
    expect: Mapping[str, list[Expectation] | bool]

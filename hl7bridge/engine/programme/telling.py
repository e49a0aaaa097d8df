"""What the programme's speakers have in common: the patient they speak of, one thing to be told, and what a speaker can do.

A speaker works out what recipients are to be told of a patient, and makes the messages: alerts (`alerting`), visit summaries
(`summaries`). What one tells begins, where it is kept, with a byte of its own. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from hl7bridge.affiliation.alerts.notices import Step, Told
from hl7bridge.affiliation.facts.facts import PatientNumber, PersonFact
from hl7bridge.affiliation.who.known import Known
from hl7bridge.affiliation.who.roster import RosterRow
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import Affiliate


@dataclass(frozen=True, slots=True)
class Looked:
    """A patient as one look finds it: what is known, the roster rows by affiliate, and what was told by recipient.

    `key_of` gives the key of a number of an authority.
    """

    known: Known
    rows: Mapping[str, Sequence[RosterRow]]
    told: Mapping[str, Sequence[Told]]
    today: date
    key_of: Callable[[bytes, bytes], int]

    def affiliates(self, configuration: Configuration) -> list[tuple[str, Affiliate]]:
        """Those on whose rosters the patient is, or who were told of the patient, by name: seldom more than two of hundreds."""
        found = []
        for name in sorted({*self.rows, *self.told}):
            settings = configuration.destinations.get(name)
            if settings is not None and settings.affiliate is not None:
                found.append((name, settings.affiliate))
        return found

    def told_by(self, mark: bytes, recipient: str) -> list[Told]:
        """What a recipient was told by the speaker whose data begins with this byte."""
        return [each for each in self.told.get(recipient, ()) if each.data[:1] == mark]

    def person(self, hidden: Collection[str] = ()) -> PersonFact:
        """Who the patient is, under the patient's own numbers but those of `hidden` authorities."""
        return self.known.person(hidden, self.is_another)

    def is_another(self, number: PatientNumber) -> bool:
        """Whether a number is one that a person's verdict keeps from being this patient's."""
        apart = self.known.patient.apart
        return bool(apart) and self.key_of(number.authority.encode(), number.number.encode()) in apart


class Words(NamedTuple):
    """A message as it enters, what is kept of it, a digest of what it says, and the key under which it is kept."""

    raw: bytes
    data: bytes
    content: int
    patient: int


@dataclass(frozen=True, slots=True)
class Telling:
    """One step for one recipient, and whose it is; `about` is what the speaker needs to make it. `wrong`: it takes back what was
    told of a patient who turned out to be another one. `quietly`: it is taken back only where it has not left. `lost`: what was told
    last reached nobody.
    """

    recipient: str
    step: Step
    speaker: Speaker
    looked: Looked
    about: Any = None
    wrong: bool = False
    quietly: bool = False
    lost: bool = False


class Plan(NamedTuple):
    """What a speaker would tell of a patient, and the day on which it must be asked again, None for never."""

    tellings: Sequence[Telling] = ()
    next_day: date | None = None


class Speaker(Protocol):
    """Makes messages of one kind. `slow`: making one takes tens of milliseconds, and is done in a thread."""

    slow: bool

    def plan(self, looked: Looked, configuration: Configuration) -> Plan:
        """What is to be told now."""

    def say(self, telling: Telling, number: int, configuration: Configuration, at: datetime) -> Words:
        """What a TELL or REPLACE step says, as the `number`-th version of its subject."""

    def unsay(self, telling: Telling, configuration: Configuration, at: datetime) -> bytes:
        """The message of a WITHDRAW step."""

    def continues(self, told: Told) -> bool:
        """Whether what was told last took the place of something that was told before. Raises ValueError."""

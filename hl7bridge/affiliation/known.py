"""Everything that is known of one patient, gathered under all numbers: which numbers those are, and the facts.

Asks for what is kept through callables; refuses to know stores. Raises ValueError for facts in no known format.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from hl7bridge.affiliation.factdata import unpacked
from hl7bridge.affiliation.facts import Fact, FillFact, FillKey, PatientNumber, PersonFact
from hl7bridge.affiliation.people import Patient, PersonSaid, Verdict, patient_of

#: More than this is told of a test patient or of a number that everybody bears; to conclude from it would hold up everybody else.
MOST_FACTS: Final = 3_000


class KeptFact(Protocol):
    """A fact as it is kept: under which key, by which message, and its bytes."""

    @property
    def patient(self) -> int: ...
    @property
    def message_id(self) -> int: ...
    @property
    def data(self) -> bytes: ...


class KeptVerdict(Protocol):
    """What a person settled of a key and `other`, as it is kept; `message_id` was the newest message then."""

    @property
    def other(self) -> int: ...
    @property
    def same(self) -> bool: ...
    @property
    def message_id(self) -> int: ...


class Saying(NamedTuple):
    """A fact, under which of the patient's keys it is kept, and which message said it first."""

    key: int
    message_id: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class Known:
    """One patient and what was said."""

    patient: Patient
    said: tuple[Saying, ...]

    @property
    def facts(self) -> list[Fact]:
        """The facts alone."""
        return [each.fact for each in self.said]

    def person(
        self, hidden: Collection[str] = (), another: Callable[[PatientNumber], bool] = lambda number: False
    ) -> PersonFact:
        """Who the patient is by what was said last, under every number but those of `hidden` authorities and those that are `another`
        patient's; the last said first.
        """
        found = [each for each in self.said if isinstance(each.fact, PersonFact)]
        found.sort(key=lambda each: each.message_id, reverse=True)
        people = [each.fact for each in found if isinstance(each.fact, PersonFact)]
        numbers = {
            number: None
            for person in people
            for number in person.numbers
            if number.authority not in hidden and not another(number)
        }
        if not people:
            return PersonFact("", "", None, "", tuple(numbers))
        last = people[0]
        birth = next((person.birth for person in people if person.birth is not None), None)
        return PersonFact(last.family, last.given, birth, last.sex, tuple(numbers))

    def key_of(self, fills: Iterable[FillKey]) -> int:
        """The key under which something that rests on these fills is kept, so that it stays with them if numbers are parted again."""
        wanted = set(fills)
        for each in self.said:
            if isinstance(each.fact, FillFact) and each.fact.fill in wanted:
                return each.key
        return self.patient.keys[0]


def known_of(
    key: int,
    aliases: Callable[[int], Sequence[tuple[int, bool]]],
    facts: Callable[[Sequence[int]], Iterable[KeptFact]],
    verdicts: Callable[[int], Iterable[KeptVerdict]],
) -> Known:
    """The patient of an identifier; `aliases` as `patient_of` asks for them, `facts(keys)` and `verdicts(key)` in any order."""
    read: dict[int, list[Saying]] = {}

    def said(keys: Sequence[int]) -> list[Saying]:
        missing = [each for each in keys if each not in read]
        read.update((each, []) for each in missing)
        for row in facts(missing) if missing else ():
            read[row.patient].append(Saying(row.patient, row.message_id, unpacked(row.data)))
        return [each for key in keys for each in read[key]]

    def persons(keys: Sequence[int]) -> list[PersonSaid]:
        return [
            PersonSaid(each.key, each.message_id, each.fact)
            for each in said(keys)
            if isinstance(each.fact, PersonFact)
        ]

    def settled(key: int) -> list[Verdict]:
        return [Verdict(each.other, each.same, each.message_id) for each in verdicts(key)]

    patient = patient_of(key, aliases, persons, settled)
    found = tuple(said(patient.keys))
    if patient.held is None and len(found) > MOST_FACTS:
        patient = replace(patient, held="more is told of this number than of any patient")
    return Known(patient, found)

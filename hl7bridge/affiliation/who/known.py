"""Everything that is known of one patient, gathered under all numbers: which numbers those are, and the facts.

Asks for what is kept through callables; refuses to know stores. Raises ValueError for facts in no known format.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, cast

from hl7bridge.affiliation.facts.data import kind_of, unpacked_all
from hl7bridge.affiliation.facts.facts import F, Fact, FillFact, FillKey, PatientNumber, PersonFact
from hl7bridge.affiliation.who.people import Patient, PersonSaid, Verdict, patient_of

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


@dataclass(frozen=True, slots=True)
class Saying(Generic[F]):
    """A fact, under which of the patient's keys it is kept, and which message said it first."""

    key: int
    message_id: int
    fact: F


class Sayings:
    """What was said under a patient's keys. Each kind of fact is read when it is first asked for: most looks need few of them.

    Raises ValueError for what is in no known format: of kinds at once, of the rest when it is read.
    """

    def __init__(self, kept: Iterable[KeptFact]) -> None:
        self._kept: dict[type[Any], list[KeptFact]] = {}
        for row in kept:
            self._kept.setdefault(kind_of(row.data), []).append(row)
        self._read: dict[type[Any], dict[bytes, Fact]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def tells(self, *kinds: type[Fact]) -> bool:
        """Whether there is a fact of one of these kinds."""
        return not self._kept.keys().isdisjoint(kinds)

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        """The facts of these kinds, of all if none is named; each once, under however many keys it was said."""
        return [fact for kind in kinds or tuple(self._kept) for fact in self._of(kind).values()]

    def of(self, kind: type[F]) -> list[Saying[F]]:
        """Every saying of a kind."""
        read = self._of(kind)
        return [
            Saying(row.patient, row.message_id, cast("F", read[row.data])) for row in self._kept.get(kind, ())
        ]

    def _of(self, kind: type[Any]) -> dict[bytes, Fact]:
        found = self._read.get(kind)
        if found is None:
            # Facts are equal where their bytes are.
            kept = list(dict.fromkeys([row.data for row in self._kept.get(kind, ())]))
            found = self._read[kind] = dict(zip(kept, unpacked_all(kept), strict=True))
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """One patient and what was said."""

    patient: Patient
    said: Sayings

    def person(
        self, hidden: Collection[str] = (), another: Callable[[PatientNumber], bool] = lambda number: False
    ) -> PersonFact:
        """Who the patient is by what was said last, under every number but those of `hidden` authorities and those that are `another`
        patient's; the last said first.
        """
        people = [
            each.fact
            for each in sorted(self.said.of(PersonFact), key=lambda each: each.message_id, reverse=True)
        ]
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
        for each in self.said.of(FillFact) if wanted else ():
            if each.fact.fill in wanted:
                return each.key
        return self.patient.keys[0]


def known_of(
    key: int,
    aliases: Callable[[int], Sequence[tuple[int, bool]]],
    facts: Callable[[Sequence[int]], Iterable[KeptFact]],
    verdicts: Callable[[int], Iterable[KeptVerdict]],
) -> Known:
    """The patient of an identifier; `aliases` as `patient_of` asks for them, `facts(keys)` and `verdicts(key)` in any order."""
    read: dict[tuple[int, ...], Sayings] = {}

    def said(keys: Sequence[int]) -> Sayings:
        found = read.get(tuple(keys))
        if found is None:
            found = read[tuple(keys)] = Sayings(facts(keys))
        return found

    def persons(keys: Sequence[int]) -> list[PersonSaid]:
        return [PersonSaid(each.key, each.message_id, each.fact) for each in said(keys).of(PersonFact)]

    def settled(key: int) -> list[Verdict]:
        return [Verdict(each.other, each.same, each.message_id) for each in verdicts(key)]

    patient = patient_of(key, aliases, persons, settled)
    found = said(patient.keys)
    if patient.held is None and len(found) > MOST_FACTS:
        patient = replace(patient, held="more is told of this number than of any patient")
    return Known(patient, found)

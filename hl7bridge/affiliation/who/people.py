"""Which identifiers are one patient: those that messages bear together, those that merges join, and what a person settled.

A number matches a number (PID-3.1 with its authority and type); name, birth date and sex never make a match, and can veto one.
Where they contradict each other within what would be one patient, nothing is guessed: the whole is held for a person to settle.

A person's verdict is about two identifiers. `same`: they are one patient, whatever messages said until then of name, birth date
and sex; what contradicts anew later is held anew. Of one identifier with itself it says that the number is one person's. Not `same`:
they are two, and what messages say of them together joins them no more. Should another number join them all the same, they are held.

Pure; asks for pairs through callables. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import PersonFact

#: More identifiers than this are no patient but a number that everybody bears (a test patient, a default).
MOST_IDENTIFIERS: Final = 64
TOO_MANY: Final = "one number is borne by too many identifiers to be a patient"
JOINED_ALL_THE_SAME: Final = "numbers that were settled to be apart are joined through another number"


@dataclass(frozen=True, slots=True)
class Patient:
    """Identifiers (as keys) of one patient, in ascending order. `held`: why nothing may be concluded of them, or None. `apart`: those
    that a person's verdict keeps from being this patient's.
    """

    keys: tuple[int, ...]
    held: str | None
    apart: tuple[int, ...] = ()


class Verdict(NamedTuple):
    """What a person settled of an identifier and another, or itself. `until`: the newest message of then."""

    other: int
    same: bool
    until: int


class PersonSaid(NamedTuple):
    """Under which identifier a message said who its patient is."""

    key: int
    message_id: int
    person: PersonFact


Aliases = Callable[[int], Sequence[tuple[int, bool]]]
Verdicts = Callable[[int], Sequence[Verdict]]


def patient_of(
    key: int,
    aliases: Aliases,
    persons: Callable[[Sequence[int]], Iterable[PersonSaid]],
    verdicts: Verdicts = lambda key: (),
) -> Patient:
    """The patient of an identifier.

    `aliases(key)` gives the identifiers known to be the same directly, and whether by a merge; `persons(keys)` what messages said of
    who they are; `verdicts(key)` what a person settled of it. The same whichever of the patient's identifiers is asked for.
    """
    asked: dict[int, Sequence[Verdict]] = {}

    def settled(one: int) -> Sequence[Verdict]:
        found = asked.get(one)
        if found is None:
            found = asked[one] = tuple(verdicts(one))
        return found

    found = _reached([key], aliases, settled)
    keys = tuple(sorted(found))
    if len(found) > MOST_IDENTIFIERS:
        return Patient(keys, TOO_MANY)
    rulings = {one: settled(one) for one in keys}
    parted = {each.other for each in _every(rulings) if not each.same}
    apart = tuple(sorted(_reached(parted - found, aliases, settled) - found)) if parted else ()
    if parted & found:
        return Patient(keys, JOINED_ALL_THE_SAME, apart)
    return Patient(keys, contradiction(persons(keys), rulings), apart)


def _reached(starts: Iterable[int], aliases: Aliases, verdicts: Verdicts) -> set[int]:
    """Every identifier that is joined to these; it stops where they are too many."""
    found = set(starts)
    open_ = list(found)
    while open_ and len(found) <= MOST_IDENTIFIERS:
        at = open_.pop()
        ruled = {each.other: each.same for each in verdicts(at)}
        near = [other for other, _ in aliases(at) if ruled.get(other, True)]
        near += [other for other, same in ruled.items() if same]
        for other in near:
            if other not in found:
                found.add(other)
                open_.append(other)
    return found


def _every(rulings: dict[int, Sequence[Verdict]]) -> Iterator[Verdict]:
    for each in rulings.values():
        yield from each


def contradiction(
    said: Iterable[PersonSaid], rulings: dict[int, Sequence[Verdict]] | None = None
) -> str | None:
    """Why these cannot all be one person, or None. Says which fields differ, and never their values.

    Birth dates that differ veto, and so does a different sex (M and F) under a different family name. A family name alone changes
    with a marriage, a given name is shortened, and what is not said contradicts nothing. `rulings` are the verdicts by key.
    """
    said = list(said)
    groups, until = _settled(rulings or {})

    def agree(field: Callable[[PersonFact], Hashable]) -> bool:
        return _agree([(each, field(each.person)) for each in said], groups, until)

    if not agree(lambda person: person.birth):
        return "birth dates differ (PID-7)"
    if agree(lambda person: person.sex if person.sex in ("M", "F") else None):
        return None
    if agree(lambda person: person.family.casefold() or None):
        return None
    return "sex and family name differ (PID-8, PID-5.1)"


def _settled(rulings: dict[int, Sequence[Verdict]]) -> tuple[dict[int, int], dict[int, int]]:
    """By key: its group of what a person settled to be one, and until which message."""
    groups: dict[int, int] = {}
    until: dict[int, int] = {}
    for key, verdicts in rulings.items():
        for each in verdicts:
            if not each.same:
                continue
            one, other = groups.setdefault(key, key), groups.setdefault(each.other, each.other)
            groups.update({at: one for at, group in groups.items() if group == other})
            for end in (key, each.other):
                until[end] = max(until.get(end, each.until), each.until)
    return groups, until


def _agree(
    values: Sequence[tuple[PersonSaid, Hashable]], groups: dict[int, int], until: dict[int, int]
) -> bool:
    """Whether one value fits all that was said. Of a group any that was said until it was settled fits; None is no value."""
    settled: dict[int, set[Hashable]] = {}
    for said, value in values:
        if value is not None and said.message_id <= until.get(said.key, -1):
            settled.setdefault(groups[said.key], set()).add(value)
    sets = list(settled.values())
    for said, value in values:
        if value is not None and value not in settled.get(groups.get(said.key, said.key), ()):
            sets.append({value})
    return not sets or bool(set.intersection(*sets))

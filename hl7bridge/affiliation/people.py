"""Which identifiers are one patient: those that messages bear together, and those that merges join.

A number matches a number (PID-3.1 with its authority and type); name, birth date and sex never make a match, and can veto one.
Where they contradict each other within what would be one patient, nothing is guessed: the whole is held for a person to settle. Pure;
asks for pairs through callables. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hl7bridge.affiliation.facts import PersonFact

#: More identifiers than this are no patient but a number that everybody bears (a test patient, a default).
MOST_IDENTIFIERS: Final = 64


@dataclass(frozen=True, slots=True)
class Patient:
    """Identifiers (as keys) of one patient, in ascending order. `held`: why nothing may be concluded of them, or None."""

    keys: tuple[int, ...]
    held: str | None


def patient_of(
    key: int,
    aliases: Callable[[int], Sequence[tuple[int, bool]]],
    persons: Callable[[Sequence[int]], Iterable[PersonFact]],
) -> Patient:
    """The patient of an identifier.

    `aliases(key)` gives the identifiers known to be the same directly, and whether by a merge; `persons(keys)` what messages said of
    who they are. The same whichever of the patient's identifiers is asked for.
    """
    found = {key}
    open_ = [key]
    while open_:
        for other, _ in aliases(open_.pop()):
            if other not in found:
                found.add(other)
                open_.append(other)
        if len(found) > MOST_IDENTIFIERS:
            return Patient(
                tuple(sorted(found)), "one number is borne by too many identifiers to be a patient"
            )
    keys = tuple(sorted(found))
    return Patient(keys, contradiction(persons(keys)))


def contradiction(persons: Iterable[PersonFact]) -> str | None:
    """Why these cannot all be one person, or None. Says which fields differ, and never their values.

    Birth dates that differ veto, and so does a different sex (M and F) under a different family name. A family name alone changes
    with a marriage, a given name is shortened, and what is not said contradicts nothing.
    """
    said = list(persons)
    if len({person.birth for person in said if person.birth is not None}) > 1:
        return "birth dates differ (PID-7)"
    sexes = {person.sex for person in said if person.sex in ("M", "F")}
    names = {person.family.casefold() for person in said if person.family}
    if len(sexes) > 1 and len(names) > 1:
        return "sex and family name differ (PID-8, PID-5.1)"
    return None

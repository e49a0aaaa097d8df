"""A mistake in what an engineer wrote: where it stands, what is wrong, what to do. All of a folder are named
at once.

Raises `ConfigurationErrors` when somebody asks for a configuration that has any.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hl7bridge.errors import HL7BridgeError


class Place(NamedTuple):
    """A file of the folder, a line and a column, both from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Mistake(NamedTuple):
    """One thing to mend."""

    path: str
    line: int
    column: int
    what: str
    hint: str | None = None

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"; {self.hint}" if self.hint else "")


class ConfigurationErrors(HL7BridgeError):
    """The folder cannot be run: `mistakes` names each reason, in the order of files and lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        first = self.mistakes[0]
        more = len(self.mistakes) - 1
        what = first.what + (f" (and {more} more)" if more else "")
        super().__init__(what, code="configuration-mistakes", place=first.place, hint=first.hint)


class Mistakes:
    """Collects what is wrong, once each."""

    def __init__(self) -> None:
        self._found: dict[Mistake, None] = {}

    def add(self, place: Place, what: str, hint: str | None = None) -> None:
        self._found[Mistake(place.path, place.line, place.column, what, hint)] = None

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Mistake]:
        return iter(self._found)

    def sorted(self) -> list[Mistake]:
        """By file, line and column."""
        return sorted(self._found, key=lambda mistake: (mistake.path, mistake.line, mistake.column))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word that somebody who wrote `word` most likely meant."""
    choices = sorted(words)
    folded = {choice.lower(): choice for choice in reversed(choices)}
    letters = sorted(word.lower())
    for low, choice in folded.items():  # two letters changed places: PDI for PID
        if sorted(low) == letters:
            return choice
    found = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if found:
        return folded[found[0]]
    for low, choice in folded.items():  # 'dest' for 'destination', 'seconds' for 's'
        if len(word) >= 3 and (
            low.startswith(word.lower()) or (word.lower().startswith(low) and len(low) >= 3)
        ):
            return choice
    return None


def rightly_named(column: str, columns: Iterable[str], wanted: Sequence[str]) -> str:
    """The hint for a column that a table must have and has not: the one to rename, else all that it must have."""
    near = nearest(column, sorted(set(columns) - set(wanted)))
    return f"its columns are {', '.join(wanted)}" if near is None else f"rename {near} to {column}"


def meant(word: str, words: Iterable[str], otherwise: str | None = None) -> str:
    """The hint for a word that is not known: the nearest right one, else the choices."""
    known = sorted(words)
    near = nearest(word, known)
    if near is not None:
        return f"did you mean {near}?"
    if otherwise is not None:
        return otherwise
    if not known:
        return "there is none yet"
    return (
        "one of: " + ", ".join(known) if len(known) <= 24 else "see the manual for the words that stand here"
    )

"""What the engine knows of patients: hashes of their identifiers, and the rosters that a store has published.

Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from hl7bridge.affiliation.who.roster import RosterRow
from hl7bridge.hl7.identifiers import Identifier
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import RosterMatch, StoreReader
from hl7bridge.store.hashes import Hashes

#: Patients whose roster rows are remembered.
REMEMBERED = 16_384


def of_message(hashes: Hashes, source: str, message: Message) -> tuple[int, int]:
    """(sender, fingerprint): what a repetition of this message would have in common with it."""
    sender = hashes.sender(source, message.header_field(3), message.header_field(4))
    return sender, hashes.fingerprint(message.raw)


def patient_keys(hashes: Hashes, identifiers: Sequence[Identifier]) -> tuple[int, ...]:
    """One for each identifier."""
    return tuple([hashes.patient(identifier.authority, identifier.id) for identifier in identifiers])


class StoredRoster:
    """The published rosters of a store, as decide() asks them. Patients of late are remembered until `forget`: messages of one
    patient come together, and a look-up reads some pages of the store.
    """

    def __init__(self, store: StoreReader, hashes: Hashes) -> None:
        self._store = store
        self._hashes = hashes
        self._known: dict[tuple[int, ...], list[RosterRow]] = {}

    def rows(self, identifiers: Sequence[Identifier]) -> list[RosterRow]:
        """See hl7bridge.affiliation.who.roster.Roster."""
        return self.by_keys([self._hashes.patient(each.authority, each.id) for each in identifiers])

    def by_keys(self, keys: Sequence[int]) -> list[RosterRow]:
        """The rows of patients of whom only the hashes are known."""
        place = tuple(keys)
        found = self._known.get(place)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = [roster_row(match) for match in self._store.roster_rows(keys)] if keys else []
            self._known[place] = found
        return found

    def forget(self) -> None:
        """Other rosters have been published."""
        self._known.clear()


def roster_row(match: RosterMatch) -> RosterRow:
    """A stored row with its days as dates."""
    return RosterRow(
        match.affiliate, day(match.valid_from), day(match.valid_through), match.npi, match.opt_out
    )


@lru_cache(4096)
def day(number: int | None) -> date | None:
    """YYYYMMDD as a date."""
    return None if number is None else date(number // 10000, number // 100 % 100, number % 100)


def day_number(day: date | None) -> int | None:
    """A date as YYYYMMDD."""
    return None if day is None else day.year * 10000 + day.month * 100 + day.day

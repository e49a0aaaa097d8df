"""Keyed hashes: how the store finds patients, senders and repetitions without knowing them.

All hashes are 64 bits, signed, keyed with the store's secret. Two patients who share one would wait for each other, no more; for
a roster look-up the chance is about one in 10^12 per look-up with ten million rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from hl7bridge.affiliation.roster import RosterRow
from hl7bridge.hl7.identifiers import Identifier
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import RosterMatch, StoreReader, keyed_hash

#: Hashes kept because the next message is often of the same patient.
REMEMBERED = 65536


class Hashes:
    """The hashes of one store. Each kind of value has its own prefix, so equal texts of two kinds differ."""

    def __init__(self, key: bytes) -> None:
        self._key = key

        @lru_cache(REMEMBERED)
        def patient(authority: bytes, number: bytes) -> int:
            return keyed_hash(key, b"patient", authority, number)

        @lru_cache(REMEMBERED)
        def order(text: bytes) -> int:
            return keyed_hash(key, b"order", text)

        @lru_cache(REMEMBERED)
        def sender(source: str, application: bytes, facility: bytes) -> int:
            return keyed_hash(key, b"sender", source.encode(), application, facility)

        self.patient = patient
        self.order = order
        self.sender = sender

    def fingerprint(self, raw: bytes) -> int:
        """Of a message's bytes."""
        return keyed_hash(self._key, raw)

    def of_message(self, source: str, message: Message) -> tuple[int, int]:
        """(sender, fingerprint): what a repetition of this message would have in common with it."""
        header = message.header
        return self.sender(source, header.field(3), header.field(4)), keyed_hash(self._key, message.raw)

    def patients(self, identifiers: Sequence[Identifier]) -> tuple[int, ...]:
        """One for each identifier; the authority is its namespace, so that a number counts within it."""
        return tuple([self.patient(identifier.authority, identifier.id) for identifier in identifiers])


class StoredRoster:
    """The published rosters of a store, as decide() asks them."""

    def __init__(self, store: StoreReader, hashes: Hashes) -> None:
        self._store = store
        self._hashes = hashes

    def rows(self, identifiers: Sequence[Identifier]) -> list[RosterRow]:
        """See hl7bridge.affiliation.roster.Roster."""
        return self.by_keys([self._hashes.patient(each.authority, each.id) for each in identifiers])

    def by_keys(self, keys: Sequence[int]) -> list[RosterRow]:
        """The rows of patients of whom only the hashes are known."""
        return [roster_row(match) for match in self._store.roster_rows(keys)] if keys else []


def roster_row(match: RosterMatch) -> RosterRow:
    """A stored row with its days as dates."""
    return RosterRow(match.affiliate, day(match.valid_from), day(match.valid_through), match.npi, match.opt_out)


@lru_cache(4096)
def day(number: int | None) -> date | None:
    """YYYYMMDD as a date."""
    return None if number is None else date(number // 10000, number // 100 % 100, number % 100)


def day_number(day: date | None) -> int | None:
    """A date as YYYYMMDD."""
    return None if day is None else day.year * 10000 + day.month * 100 + day.day

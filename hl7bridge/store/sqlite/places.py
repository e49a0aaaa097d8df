"""What a writer knows of deliveries before they change: where they go, whether they are open, and what the audit trail says of them.

Deliveries that were accepted of late and have not changed since are remembered, since nearly all change next; others are looked up.
Refuses to write. Raises StoreFault for a delivery that is not there, sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from hl7bridge.store.base import DeliveryChange, StoreFault
from hl7bridge.store.rows.audit import REPLAYED
from hl7bridge.store.sqlite.names import Names, Words
from hl7bridge.store.sqlite.rows import NO_CODE, Standing, unpacked_keys

#: Deliveries looked up in one statement.
MANY = 200
#: Deliveries that are remembered.
REMEMBERED = 20_000
_COLUMNS = """SELECT d.id, d.destination, d.status, d.code, d.attempts, d.scope,
    m.id, m.type, m.event_date, m.version, m.patient_keys, m.operator FROM delivery d"""
_JOINED = "CROSS JOIN message m ON m.id = d.message_id WHERE"
_OF_THESE = f"{_COLUMNS} NOT INDEXED {_JOINED} d.id IN ("
_SENDING = f"{_COLUMNS} INDEXED BY delivery_sending {_JOINED} d.status = 1"


class Places:
    """For one writer's connection."""

    def __init__(self, conn: sqlite3.Connection, names: Names, words: Words, file: str) -> None:
        self._conn = conn
        self._names = names
        self._words = words
        self._file = file
        self._known: dict[int, Standing] = {}

    def settle(self, accepted: Iterable[tuple[int, Standing]], changes: Iterable[DeliveryChange]) -> None:
        """These were accepted open, those changed, durably."""
        known = self._known
        if len(known) > REMEMBERED:
            known.clear()
        known.update(accepted)
        for change in changes:
            known.pop(change.id, None)

    def before(self, changes: list[DeliveryChange]) -> dict[int, Standing]:
        """How deliveries stand before these changes. Raises StoreFault for one that is not there."""
        known = self._known
        found: dict[int, Standing] = {}
        unknown: list[int] = []
        for c in changes:
            standing = known.get(c.id)
            if standing is None:
                unknown.append(c.id)
            else:
                found[c.id] = standing
        for start in range(0, len(unknown), MANY):
            some = unknown[start : start + MANY]
            question = _OF_THESE + ",".join("?" * len(some)) + ")"
            found.update(self._read(question, some))
        if unknown and not found.keys() >= set(unknown):
            raise StoreFault("a delivery was changed that is not in the store", place=self._file)
        return found

    def sending(self) -> list[tuple[int, Standing]]:
        """The deliveries that are being sent, by their identifiers."""
        return sorted(self._read(_SENDING, ()))

    def _read(self, question: str, values: Any) -> Iterator[tuple[int, Standing]]:
        # Words that are new in this transaction are not in their table yet.
        new, known = dict[int | None, str](self._names.pending), self._words

        def word(number: int | None) -> Any:
            return new[number] if number in new else known[number]

        for row in self._conn.execute(question, values).fetchall():
            delivery_id, destination, status, code, attempts, scope = row[:6]
            message_id, type_, event_date, version, keys, operator = row[6:]
            marks = 0 if operator is None else REPLAYED
            about = (message_id, type_, event_date, word(version), unpacked_keys(keys), marks)
            place = (word(destination), word(scope), about)
            yield (
                delivery_id,
                (destination, status < 2, place, None if code == NO_CODE else code, attempts),
            )

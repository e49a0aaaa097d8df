"""Newer messages of the same patients that a destination has: what is repeated after them takes it back to an older state.

What came is asked once for each patient and destination. Raises what a store raises.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from hl7bridge.store.base import DeliveryStatus, MessageQuery, MessageRow, StoreReader

#: Newer messages of one patient that are asked for at once.
PAGE: Final = 50


class Newer:
    """`among`: the identifiers of what is replayed, rising: what is among them goes again too, in its order."""

    def __init__(self, reader: StoreReader, among: Sequence[int]) -> None:
        self._reader = reader
        self._among = array("q", among)
        #: By patient and destination: identifiers of what it accepted, rising, and up to which message was looked, None: to the end.
        self._accepted: dict[tuple[int, str], tuple[array[int], int | None]] = {}

    def of(self, row: MessageRow, destination: str) -> int:
        """How many newer messages of this one's patients the destination has accepted that are not replayed themselves; of very many
        some.
        """
        found: set[int] = set()
        for key in row.patient_keys:
            found.update(self._behind(key, destination, row.id))
        return len(found)

    def _behind(self, key: int, destination: str, after: int) -> Sequence[int]:
        known, until = self._accepted.get((key, destination), (array("q"), 0))
        if until is not None and after >= (known[-1] if known else until):
            known, until = self._accepted[key, destination] = self._ask(key, destination, after)
        return known[bisect_right(known, after) :]

    def _ask(self, key: int, destination: str, after: int) -> tuple[array[int], int | None]:
        query = MessageQuery(patient_key=key, destination=destination, delivery_status=DeliveryStatus.SENT)
        found = array("q")
        while True:
            page = self._reader.messages(query, after, PAGE, newest_first=False)
            # A replay is as old as its original.
            found.extend(each.id for each in page if not each.is_replay and not self._is_among(each.id))
            if len(page) < PAGE:
                return found, None
            after = page[-1].id
            if len(found) >= PAGE:
                return found, after

    def _is_among(self, message_id: int) -> bool:
        place = bisect_left(self._among, message_id)
        return place < len(self._among) and self._among[place] == message_id

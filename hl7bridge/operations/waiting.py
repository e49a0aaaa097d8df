"""What a delivery waits for that has not been tried: an older one of the same patient, or of the same line under order `strict`.

Refuses to know sockets. Raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from hl7bridge.store.base import DeliveryQuery, DeliveryRow, DeliveryStatus, StoreReader


class Waiting:
    """Looks into the queues of a store. What is asked twice is looked up once, so it is for one look and not kept."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._begin: dict[str, int] = {}
        self._sending: dict[str, list[DeliveryRow]] = {}
        self._queued: dict[tuple[str, int], tuple[int, int] | None] = {}

    def behind(self, row: DeliveryRow) -> int | None:
        """The delivery that must end before this one may leave: the oldest with one of its keys; None where it is the oldest."""
        if row.status is not DeliveryStatus.QUEUED or not row.keys:
            return None
        heads = [*self._on_their_way(row), *self._waiting(row)]
        position, id_ = min(heads, default=(row.position, row.id))
        return id_ if position < row.position else None

    def _on_their_way(self, row: DeliveryRow) -> Iterable[tuple[int, int]]:
        name = row.destination
        if name not in self._sending:
            query = DeliveryQuery(destination=name, status=DeliveryStatus.SENDING)
            self._sending[name] = self._reader.deliveries(query, limit=1 << 31)
        return [(each.position, each.id) for each in self._sending[name] if set(each.keys) & set(row.keys)]

    def _waiting(self, row: DeliveryRow) -> Iterable[tuple[int, int]]:
        name = row.destination
        if name not in self._begin:
            # Where the queue begins: what lies before it need not be looked through for each key.
            first = self._reader.open_deliveries(name, -1, 1)
            self._begin[name] = first[0].position - 1 if first else -1
        for key in row.keys:
            if (name, key) not in self._queued:
                found = self._reader.open_deliveries(name, self._begin[name], 1, key)
                self._queued[name, key] = (found[0].position, found[0].id) if found else None
        heads = [self._queued[name, key] for key in row.keys]
        return [head for head in heads if head is not None]

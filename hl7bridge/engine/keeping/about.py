"""What a queue's entry remembers of its delivery beside its place in the queue, and which deliveries a message has had.

Raises what a store raises.
"""

from __future__ import annotations

from typing import NamedTuple

from hl7bridge.delivery.queue import Entry
from hl7bridge.store.base import DeliveryRow, MessageDetail, MessageQuery, OpenDelivery, StoreReader

#: Replays of one message that are looked through.
MOST_REPLAYS = 1000


class About(NamedTuple):
    """What a queue's entry must remember beside its place in the queue."""

    message_id: int
    payload_ref: int
    scope: str | None
    event_date: int | None
    patient_keys: tuple[int, ...]
    generation: int  # of configuration and rosters when its release was last looked at; -1: look again


def loaded_entry(row: OpenDelivery) -> Entry:
    """A queue's entry for a delivery that was read from the store; its release is looked at again when it leaves."""
    about = About(row.message_id, row.payload_ref, row.scope, row.event_date, row.patient_keys, -1)
    return Entry(
        row.id, row.position, row.keys, None, row.received_us, row.attempts, row.possible_duplicate, about
    )


def every_delivery(store: StoreReader, detail: MessageDetail) -> list[DeliveryRow]:
    """The deliveries of a message and of its replays: what a recipient may have of it."""
    found = list(detail.deliveries)
    for replay in store.messages(MessageQuery(original=detail.row.id), None, MOST_REPLAYS):
        more = store.message(replay.id)
        found += [] if more is None else more.deliveries
    return found

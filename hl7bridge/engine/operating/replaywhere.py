"""Where stored payloads go again, and in what order: for a replay of what was sent, and for a delivery that is resent.

Raises StoreUnknown where the store is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hl7bridge.channel.deciding.decide import STRICT, patient_keys
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.identifiers import Identifier, merge_identifiers, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import MERGES
from hl7bridge.store.base import DeliveryRow, DeliveryStatus, MessageDetail, MessageRow, StoreUnknown

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine


def order_keys(order: str, identifiers: Sequence[Identifier], row: MessageRow) -> tuple[bytes, ...]:
    """What keeps a message in its place, under a destination's `order`."""
    if order == "none":
        return ()
    return STRICT if order == "strict" else patient_keys(identifiers, row.type in MERGES, row.source)


def changed_keys(engine: Engine, delivery: DeliveryRow, detail: MessageDetail) -> tuple[int, ...] | None:
    """Today's order keys of a delivery that goes again, if it was decided under another order; None: those it has are right.

    A message that cannot be read any more keeps its keys: its delivery then waits as one of before the change.
    """
    settings = engine.configuration.destinations.get(delivery.destination)
    strict = delivery.keys == (engine.hashes.order(*STRICT),)
    before = "strict" if strict else "patient" if delivery.keys else "none"
    if settings is None or settings.order == before:
        return None
    try:
        raw = engine.store.body(detail.bodies[0][0])
        message = Message(raw, engine.configuration.encoding(detail.row.source))
        identifiers = (*patient_identifiers(message), *merge_identifiers(message))
    except StoreUnknown:
        raise
    except HL7BridgeError:
        return None
    return tuple([engine.hashes.order(key) for key in order_keys(settings.order, identifiers, detail.row)])


def chosen_payloads(
    deliveries: Sequence[DeliveryRow], to: Sequence[str] | None
) -> list[tuple[DeliveryRow, str]]:
    """Which stored payloads go where: each to its own destination, or to those named; a destination that is new to the message
    gets the first payload."""
    left = [each for each in deliveries if each.status is not DeliveryStatus.CANCELLED] or list(deliveries)
    if to is None:
        return [(each, each.destination) for each in left]
    chosen = []
    for destination in to:
        own = [each for each in left if each.destination == destination]
        chosen += [(each, destination) for each in own or left[:1]]
    return chosen

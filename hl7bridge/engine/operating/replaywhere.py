"""Where stored payloads go again, and in what order: for a replay of what was sent, and for a delivery that is resent.

Raises StoreUnknown where the store is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hl7bridge.channel.deciding.configuration import Configuration
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


UNMADE = "it was never made, since its map failed: only the channel can make it"


class Again(NamedTuple):
    """A stored payload that goes again. `unfit`: why this destination cannot have it, or None."""

    delivery: DeliveryRow
    destination: str
    unfit: str | None

    @property
    def of_another(self) -> bool:
        """Whether it was made for another destination."""
        return self.delivery.destination != self.destination


def payloads_again(
    configuration: Configuration, detail: MessageDetail, to: Sequence[str] | None
) -> list[Again]:
    """Which stored payloads go where: each to its own destination, or to those named; a destination that is new to the message
    gets the first payload, an affiliate the first that was shared with one: whether it may have it hangs on what was shared.
    """
    deliveries = detail.deliveries
    left = [each for each in deliveries if each.status is not DeliveryStatus.CANCELLED] or list(deliveries)
    chosen: list[tuple[DeliveryRow, str]] = []
    if to is None:
        chosen = [(each, each.destination) for each in left]
    for destination in to or ():
        own = [each for each in left if each.destination == destination]
        made = [each for each in left if not unmade(each, detail)] or left
        shared = [each for each in made if each.scope is not None]
        new = shared or made if destination in configuration.affiliates else made
        chosen += [(each, destination) for each in own or new[:1]]
    return [Again(each, name, _unfit(configuration, detail, each, name)) for each, name in chosen]


def unmade(delivery: DeliveryRow, detail: MessageDetail) -> bool:
    """Whether a delivery failed because its own map did: what is kept of it was there before that map, and never meant to leave."""
    tried = any(each.delivery_id == delivery.id for each in detail.attempts)
    return delivery.status is DeliveryStatus.FAILED and not delivery.attempts and not tried


def payload_again(configuration: Configuration, again: Again, payload: bytes) -> bytes:
    """What of a stored payload goes: one that was made for another, who may be given more, without what this one is not given."""
    privacy = configuration.privacies.get(again.destination)
    if privacy is None or privacy.share is None or not again.of_another:
        return payload
    return privacy.share.reduced(Message(payload)).emit()


def _unfit(
    configuration: Configuration, detail: MessageDetail, delivery: DeliveryRow, name: str
) -> str | None:
    if name not in configuration.destinations:
        return "it is no longer configured"
    if (delivery.reason or "").startswith("withheld: "):
        return "what was withheld has no payload that was ever meant to leave: only the channel can make one"
    if unmade(delivery, detail):
        return UNMADE
    if name in configuration.affiliates and name != delivery.destination and delivery.scope is None:
        return "it was never shared with an affiliate: only the channel can say whether it may be"
    return None

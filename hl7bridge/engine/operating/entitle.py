"""Which affiliates may now be told of a message that they were never told of: a roster was dated back, or an opt-out lifted.

A row that is dated back sends nothing by itself. Whether a message is for a scope that an agreement covers is the channels' to say,
when it is decided again; here is only whether the patient's place on the list covers the event's day by now, and whether anything of
the message was ever for the affiliate. What was refused because of the list was not. Raises the kinds of StoreError.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hl7bridge.affiliation.who.agreement import NOT_ON_ROSTER, OPTED_OUT, Agreement, entitled
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.engine.keeping.about import every_delivery
from hl7bridge.engine.keeping.identity import day
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import DeliveryRow, DeliveryStatus, MessageDetail, MessageRow

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine


def newly_entitled(engine: Engine, detail: MessageDetail, names: Iterable[str]) -> tuple[str, ...]:
    """Those of these affiliates."""
    row = detail.row
    if row.source == PROGRAMME or not row.patient_keys:
        return ()  # alerts are told by what holds now, not again
    found = tuple(name for name in names if _on_list(engine, row, name))
    if not found:
        return ()
    told = {each.destination for each in every_delivery(engine.store, detail) if not _refused(each)}
    return tuple(name for name in found if name not in told)


def affiliates_of(engine: Engine, given: Iterable[str] | None) -> tuple[str, ...]:
    """The affiliates of these names, or all. Raises HL7BridgeError."""
    known = engine.configuration.affiliates
    for name in given or ():
        if name not in known:
            raise HL7BridgeError(
                f"there is no affiliate {name}", code="unknown-affiliate", hint=", ".join(sorted(known))
            )
    return tuple(known if given is None else given)


def _on_list(engine: Engine, row: MessageRow, name: str) -> bool:
    affiliate = engine.configuration.destinations[name].affiliate
    if affiliate is None:
        return False
    agreement = Agreement(name, affiliate.agreement)
    rows = engine.roster.by_keys(row.patient_keys)
    on = day(row.event_date) or datetime.fromtimestamp(row.received_us / 1e6, UTC).date()
    return any(entitled(agreement, scope, rows, on).entitled for scope in affiliate.agreement)


def _refused(delivery: DeliveryRow) -> bool:
    return delivery.status is DeliveryStatus.CANCELLED and delivery.reason in (NOT_ON_ROSTER, OPTED_OUT)

"""What operators may do to a running engine: hold, release, resend, cancel; and its status.

Every act is durable before it counts, and kept with the operator's name. Raises HL7BridgeError with what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hl7bridge.delivery.queue import Entry
from hl7bridge.engine.delivering.deliver import Delivery
from hl7bridge.engine.keeping.about import About
from hl7bridge.engine.operating.replaywhere import UNMADE, changed_keys, unmade
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import (
    Act,
    Batch,
    DeliveryChange,
    DeliveryRow,
    DeliveryStatus,
    Hold,
    MessageDetail,
    MessageQuery,
    StoreError,
)

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

#: How many newer messages of the same patient are looked at before a resend.
NEWER = 50


class Refused(HL7BridgeError):
    """An operator's wish that cannot be met now."""


Done = Callable[["dict[str, Any] | HL7BridgeError"], None]


class Operators:
    """Acts on one engine. Each takes `done`, which is told the result when it is durable, or the error."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- destinations ---------------------------------------------------------------------------------------------------------

    def hold(self, destination: str, operator: str, done: Done) -> None:
        """Nothing more leaves for a destination; what comes is queued."""
        queue = self._delivery(destination).queue
        before, queue.held = queue.held, True
        now_us = self._engine.wall_us()
        taken_back: list[Entry] = []

        def work() -> None:
            # In the writer's turn: what was admitted before the hold is claimed by now, and is taken back too.
            taken_back.extend(queue.unsent())
            changes = [
                DeliveryChange(
                    each.id, DeliveryStatus.QUEUED, each.attempts, now_us, None, None, each.possible_duplicate
                )
                for each in taken_back
            ]
            holds = [Hold(destination, True, operator, now_us)]
            acts = [Act(now_us, operator, "hold", destination)]
            self._engine.store.commit(Batch(changes=changes, holds=holds, acts=acts))

        def kept(_: object, error: StoreError | None) -> None:
            if error is None:
                queue.unclaimed(taken_back)
                queue.held = True  # a release before this one may have ended in the same turn
            else:
                queue.claimed(taken_back)
                queue.held = self._is_held(destination, before)
                self._delivery(destination).touch()
            done(error or {"destination": destination, "held": True, "held_before": before})

        self._engine.journal.act(work, kept)

    def _is_held(self, destination: str, otherwise: bool) -> bool:
        """Whether a hold of it is kept: one that is not yet may have stood in memory when another was asked for."""
        try:
            return destination in self._engine.store.held()
        except StoreError:
            return otherwise

    def release(self, destination: str, operator: str, done: Done) -> None:
        """A held destination, or one that stopped under order `strict`, goes on, at once."""
        delivery = self._delivery(destination)
        now_us = self._engine.wall_us()
        batch = Batch(
            holds=[Hold(destination, False, operator, now_us)],
            acts=[Act(now_us, operator, "release", destination)],
        )

        def kept(_: object, error: StoreError | None) -> None:
            if error is None:
                delivery.queue.held = delivery.queue.stopped = False
                delivery.retry_now()
            done(error or {"destination": destination, "held": False})

        self._engine.journal.act(lambda: self._engine.store.commit(batch), kept)

    # -- deliveries -------------------------------------------------------------------------------------------------------------

    def cancel(self, ids: Sequence[int], operator: str, done: Done) -> None:
        """Deliveries that wait or have failed are given up."""
        ids = tuple(dict.fromkeys(ids))
        self._cancellable(ids)
        now_us = self._engine.wall_us()
        found: list[DeliveryRow] = []

        def work() -> None:
            found.extend(self._cancellable(ids))
            changes = [
                DeliveryChange(
                    row.id,
                    DeliveryStatus.CANCELLED,
                    row.attempts,
                    now_us,
                    None,
                    f"cancelled by {operator}",
                    row.possible_duplicate,
                )
                for row in found
            ]
            acts = [Act(now_us, operator, "cancel", f"delivery {row.id}") for row in found]
            self._engine.store.commit(Batch(changes=changes, acts=acts))

        def kept(error: HL7BridgeError | None) -> None:
            if error is None:
                for row in found:
                    delivery = self._engine.deliveries.get(row.destination)
                    if delivery is not None:
                        delivery.queue.cancelled(row.id)
                        delivery.touch()
                self._engine.journal.wake()
            done(error or {"cancelled": [row.id for row in found]})

        in_turn(self._engine, work, kept)

    def _cancellable(self, ids: Sequence[int]) -> list[DeliveryRow]:
        found = [self._row(id_) for id_ in ids]
        for row in found:
            delivery = self._engine.deliveries.get(row.destination)
            if row.status not in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.FAILED):
                raise Refused(f"delivery {row.id} is {row.status.name} already", code="not-open")
            if row.status is DeliveryStatus.SENDING or (delivery and not delivery.queue.cancellable(row.id)):
                raise Refused(
                    f"delivery {row.id} is on its way",
                    code="on-its-way",
                    hint=f"hold {row.destination} first, then cancel what has not left",
                )
        return found

    def resend(self, ids: Sequence[int], operator: str, done: Done) -> None:
        """Failed deliveries go again, last in their queues, in the order their destinations have now; tells which patients
        had newer messages meanwhile.
        """
        engine = self._engine
        ids = tuple(dict.fromkeys(ids))
        warnings = [warning for id_ in ids for warning in self._resendable(id_)[2]]
        now_us = engine.wall_us()
        entries: list[tuple[Delivery, Entry]] = []

        def work() -> None:
            found = [self._resendable(id_)[:2] for id_ in ids]
            changes = [self._admit_again(row, detail, now_us, operator, entries) for row, detail in found]
            acts = [Act(now_us, operator, "resend", f"delivery {id_}") for id_ in ids]
            engine.store.commit(Batch(changes=changes, acts=acts))

        def kept(error: HL7BridgeError | None) -> None:
            for delivery, entry in entries if error is None else reversed(entries):
                (delivery.queue.committed if error is None else delivery.queue.rolled_back)(entry)
                delivery.touch()
            engine.journal.wake()
            done(error or {"resent": list(ids), "warnings": warnings})

        in_turn(self._engine, work, kept)

    def _resendable(self, id_: int) -> tuple[DeliveryRow, MessageDetail, list[str]]:
        row = self._row(id_)
        if row.status is not DeliveryStatus.FAILED:
            raise Refused(
                f"delivery {row.id} is {row.status.name}, not FAILED",
                code="not-failed",
                hint="what was sent goes again with `hl7bridge replay`",
            )
        self._delivery(row.destination)
        detail = self._engine.store.message(row.message_id)
        if detail is None:
            raise Refused(f"the message of delivery {row.id} is no longer kept", code="no-message")
        if unmade(row, detail):
            raise Refused(
                f"delivery {row.id}: {UNMADE}",
                code="unmade",
                hint=f"mend the map, then: hl7bridge replay --id {row.message_id} --to {row.destination}",
            )
        newer = self._newer_sent(row, detail)
        text = f"delivery {row.id}: {newer} newer messages of its patient have reached {row.destination}"
        return row, detail, [text] if newer else []

    def _admit_again(
        self,
        row: DeliveryRow,
        detail: MessageDetail,
        now_us: int,
        operator: str,
        entries: list[tuple[Delivery, Entry]],
    ) -> DeliveryChange:
        delivery = self._delivery(row.destination)
        about = About(
            row.message_id, row.payload_ref, row.scope, detail.row.event_date, detail.row.patient_keys, -1
        )
        position = self._engine.numbers.position()
        changed = changed_keys(self._engine, row, detail)
        keys = row.keys if changed is None else changed
        entry = Entry(row.id, position, keys, None, now_us, row.attempts, row.possible_duplicate, about)
        licensed = delivery.queue.admit(entry)
        entries.append((delivery, entry))
        return DeliveryChange(
            row.id,
            DeliveryStatus.SENDING if licensed else DeliveryStatus.QUEUED,
            row.attempts,
            now_us,
            None,
            f"resent by {operator}",
            row.possible_duplicate,
            position=position,
            keys=changed,
        )

    def _newer_sent(self, row: DeliveryRow, detail: MessageDetail) -> int:
        newer: set[int] = set()
        for key in detail.row.patient_keys:
            query = MessageQuery(
                patient_key=key, destination=row.destination, delivery_status=DeliveryStatus.SENT
            )
            page = self._engine.store.messages(query, row.message_id, NEWER, newest_first=False)
            newer.update(each.id for each in page)
        return len(newer)

    # -- everything -------------------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The engine as it stands, for people and programs."""
        engine = self._engine
        return {
            "version": engine.configuration.version,
            "started_us": engine.started_us,
            "received": engine.receiver.received,
            "refusing": engine.receiver.refusing,
            "held_bytes": engine.budget.held_bytes,
            "paused_connections": engine.budget.paused,
            "connections": engine.ports.connections,
            "sources": {
                name: {"last_message_us": engine.receiver.heard_us.get(name)}
                for name in sorted({*engine.ports.connections, *engine.folders.files})
            },
            "files": engine.folders.files,
            "commits": engine.journal.commits,
            "late": sorted(engine.upkeep.late),
            "programme": {
                "looked": engine.programme.looked,
                "told": engine.programme.teller.told,
                "withdrawn": engine.programme.teller.withdrawn,
            },
            "table_misses": dict(engine.receiver.misses),
            "destinations": {
                name: {**_state(each), **self._oldest(name, each)}
                for name, each in sorted(engine.deliveries.items())
            },
        }

    def _oldest(self, name: str, delivery: Delivery) -> dict[str, Any]:
        """When the delivery came that is first in the queue, and why its last attempt was not the last one.

        A hospital that answers AE, or nothing, may have a link like any other: only this tells that it takes nothing.
        """
        store = self._engine.store
        waits = delivery.queue.entries or delivery.queue.overflow
        first = store.open_deliveries(name, -1, 1) if waits else []
        row = store.delivery(first[0].id) if first else None
        return {
            "oldest_us": None if row is None else row.received_us,
            "oldest_reason": None if row is None else row.reason,
        }

    # -- inside -----------------------------------------------------------------------------------------------------------------

    def _delivery(self, destination: str) -> Delivery:
        delivery = self._engine.deliveries.get(destination)
        if delivery is None:
            near = get_close_matches(destination, self._engine.deliveries, 1)
            raise Refused(
                f"there is no destination {destination}",
                code="unknown-destination",
                hint=f"did you mean {near[0]}?" if near else ", ".join(sorted(self._engine.deliveries)),
            )
        return delivery

    def _row(self, delivery_id: int) -> DeliveryRow:
        row = self._engine.store.delivery(delivery_id)
        if row is None:
            raise Refused(
                f"there is no delivery {delivery_id}",
                code="unknown-delivery",
                hint="`hl7bridge queue list` shows them",
            )
        return row


def in_turn(engine: Engine, work: Callable[[], None], kept: Callable[[HL7BridgeError | None], None]) -> None:
    """Does an operator's work in the writer's turn, where nothing can change between looking and keeping."""
    refused: list[Refused] = []

    def unless_refused() -> None:
        try:
            work()
        except Refused as error:
            refused.append(error)

    engine.journal.act(unless_refused, lambda _, error: kept(error or (refused[0] if refused else None)))


def _state(delivery: Delivery) -> dict[str, Any]:
    queue, pool = delivery.queue, delivery.pool
    return {
        # Hospitals are dialled when there is work: one that has had none is not down.
        "link": "up" if pool.up else "idle" if queue.up else "down",
        "link_reason": delivery.down_because or None,
        "held": queue.held,
        "stopped": queue.stopped,
        "connections": pool.open_connections,
        "busy": pool.busy_connections,
        "in_memory": len(queue.entries),
        "more_in_store": queue.overflow,
        "sent": delivery.sent,
    }

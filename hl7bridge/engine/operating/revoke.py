"""Taking back what waits: queued deliveries of patients whose place on a roster has ended, or who opted out.

What is sent is looked at when it leaves in any case; but what waits for a hospital that is down would wait for days. After lists were
published, and at start for those that a stop has interrupted, the queues of their affiliates are gone through, a page at a time
between other work. What may leave no more is CANCELLED with the reason, durably, and its patient's later messages go on.

Raises nothing: what could not be cancelled is refused when it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from hl7bridge.delivery.queue import Entry
from hl7bridge.engine.operating.replay import WAIT, Wait, run_steps
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import Act, Batch, DeliveryChange, DeliveryStatus, OpenDelivery, StoreError
from hl7bridge.words import counted

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.revoke")

#: Deliveries looked at in one step.
PAGE: Final = 100
#: In whose name it is done.
ROSTER: Final = "roster"


class Revoking:
    """For one engine. `cancelled` counts since the start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._left: dict[str, None] = {}
        self._stop: Callable[[], None] | None = None
        self.cancelled = 0

    def begin(self, affiliates: Iterable[str]) -> None:
        """Goes through the queues of these affiliates; once more through one that is being gone through."""
        self._left.update(dict.fromkeys(affiliates))
        if self._left and self._stop is None:
            self._stop = run_steps(self._steps(), self._engine.clock, 0, lambda step: None, self._ended)

    def stop(self) -> None:
        """Ends; what is left is found at the next start."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def _ended(self, error: HL7BridgeError | None) -> None:
        self._stop = None
        if error is not None:
            log.warn("not all that waits could be looked at again: {error}", error=str(error))

    def _steps(self) -> Iterator[Wait | None]:
        engine = self._engine
        while self._left and not engine.stopping:
            name = next(iter(self._left))
            del self._left[name]
            after = -1
            while not engine.stopping:
                while engine.journal.pressed:
                    yield WAIT
                page = engine.store.open_deliveries(name, after, PAGE)
                self._look(name, page)
                yield None
                if len(page) < PAGE:
                    break
                after = page[-1].position

    def _look(self, name: str, page: list[OpenDelivery]) -> None:
        found = [(row.id, self._reason(row)) for row in page]
        refused = {id_: reason for id_, reason in found if reason is not None}
        if refused:
            self._cancel(name, refused)

    def _reason(self, row: OpenDelivery) -> str | None:
        return self._engine.releasing.not_entitled(
            row.destination, row.scope, row.event_date, row.patient_keys
        )

    def _cancel(self, name: str, refused: dict[int, str]) -> None:
        engine = self._engine
        delivery = engine.deliveries.get(name)
        cancelled: list[int] = []
        claims: dict[int, Entry] = {}  # of those whose hospital cannot be dialled: no byte of them has left

        def work() -> None:
            now_us = engine.wall_us()
            changes: list[DeliveryChange] = []
            if delivery is not None:
                claims.update((entry.id, entry) for entry in delivery.queue.unsent(refused))
            for id_, reason in refused.items():
                row = engine.store.delivery(id_)
                waits = row is not None and row.status is DeliveryStatus.QUEUED
                waits = waits and (delivery is None or delivery.queue.cancellable(id_))
                if row is None or not (waits or id_ in claims):
                    continue  # it has left meanwhile, or is looked at as it leaves
                cancelled.append(id_)
                changes.append(
                    DeliveryChange(
                        id_,
                        DeliveryStatus.CANCELLED,
                        row.attempts,
                        now_us,
                        None,
                        reason,
                        row.possible_duplicate,
                    )
                )
            count = counted(len(changes), "delivery", "deliveries")
            act = Act(now_us, ROSTER, "cancel", f"{count} to {name}")
            if changes:
                engine.store.commit(Batch(changes=changes, acts=[act]))

        def kept(_: object, error: StoreError | None) -> None:
            if error is not None:
                if delivery is not None:
                    delivery.queue.claimed(claims.values())
                    delivery.touch()
                log.warn("what waits could not be cancelled: {error}", error=str(error))
                return
            self.cancelled += len(cancelled)
            if delivery is not None:
                for id_ in cancelled:
                    if id_ in claims:
                        delivery.queue.finished(claims[id_])
                    else:
                        delivery.queue.cancelled(id_)
                delivery.touch()
            engine.journal.wake()

        engine.journal.act(work, kept)

"""What an engine does beside messages: watch the disk, checkpoint, delete what is old, notice that the day has changed,
tell the audit trail's head.

Every step is bounded and runs between two commits. Intake stops before the disk is full, so that results, deletions and
checkpoints still have room.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hl7bridge.engine.trailhead import tell_head
from hl7bridge.store.base import DAY_US, Removed, StoreError

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.upkeep")

#: Seconds between two looks at the disk and the calendar.
EVERY_S = 1.0
#: Seconds between two steps of retention while there is something to delete, and while there is not.
RETENTION_BUSY_S = 0.01
RETENTION_IDLE_S = 60.0
#: Looks at the disk for each look at the queues.
ALERT_EVERY = 15
#: What one step may take, in microseconds: acknowledgements wait for it. How many messages it takes at most.
STEP_US = 7_000
STEP_MESSAGES = 1_000
#: Rows of the audit trail, each of which holds what one transaction told, or of facts.
STEP_ROWS = 200
LOW = "the disk is nearly full"
#: A verb of the store, and what it is called with.
_Step = tuple[str, tuple[int, ...]]


class Upkeep:
    """For one engine; `start` and `stop`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = LoopingCall(self._look)
        self._loop.clock = engine.clock
        self._day = engine.wall_us() // DAY_US
        self._retention: Any = None
        self.late: set[str] = set()
        self._looks = 0

    def start(self) -> None:
        """Begins at once."""
        tell_head(self._engine)
        self._loop.start(EVERY_S, now=True).addErrback(lambda failure: log.failure("upkeep ended", failure))
        self._retention = self._engine.clock.callLater(RETENTION_BUSY_S, self._expire)

    def stop(self) -> None:
        """Ends."""
        if self._loop.running:
            self._loop.stop()
        if self._retention is not None and self._retention.active():
            self._retention.cancel()

    def _look(self) -> None:
        engine = self._engine
        day = engine.wall_us() // DAY_US
        if day != self._day:
            # Agreements and roster rows end at midnight: every release is looked at again.
            self._day = day
            engine.releasing.generation += 1
            tell_head(engine)
        self._look_at_disk()
        self._looks += 1
        if self._looks % ALERT_EVERY == 0:
            with suppress(
                StoreError
            ):  # it is looked at again; and the disk must be watched whatever happens here
                self._look_at_queues()

    def _look_at_queues(self) -> None:
        """Tells operators of deliveries that have waited too long, once for each time it comes to that."""
        engine = self._engine
        limit_us = engine.wall_us() - int(engine.configuration.engine.alert_queue_age_s * 1e6)
        for name, delivery in engine.deliveries.items():
            oldest = (
                engine.store.open_deliveries(name, -1, 1)
                if delivery.queue.entries or delivery.queue.overflow
                else []
            )
            late = bool(oldest) and oldest[0].received_us < limit_us
            if late and name not in self.late:
                log.critical(
                    "{name}: {count} deliveries wait, the oldest for over {minutes:g} minutes "
                    "(hl7bridge queue list --destination {name})",
                    name=name,
                    count=engine.store.open_count(name),
                    minutes=engine.configuration.engine.alert_queue_age_s / 60,
                )
                self.late.add(name)
            elif not late and name in self.late:
                log.info("{name}: nothing has waited too long any more", name=name)
                self.late.discard(name)

    def _look_at_disk(self) -> None:
        engine = self._engine
        settings = engine.configuration.engine
        try:
            free = engine.store.free_bytes()
            total = shutil.disk_usage(engine.connector.data).total
        except (OSError, StoreError):
            return
        low = free < min(settings.free_bytes, settings.free_share * total)
        refusing = engine.receiver.refusing
        if low and refusing is None:
            log.critical(
                "{free} MB are free: no messages are taken until there is more room (see store.free)",
                free=free // 1_000_000,
            )
            engine.receiver.refusing = LOW
        elif not low and refusing == LOW:
            log.info("there is room again: messages are taken")
            engine.receiver.refusing = None

    def _expire(self) -> None:
        """One step of each kind of retention; the next ones come soon while there is more to delete."""
        now_us = self._engine.wall_us()
        settings = self._engine.configuration.engine

        def before(keep_s: float) -> int:
            return now_us - int(keep_s * 1e6)

        steps: list[_Step] = []
        if settings.retention_s is not None:
            steps.append(("expire", (before(settings.retention_s), STEP_MESSAGES, STEP_US)))
        if settings.audit_retention_s is not None:
            steps.append(("expire_audit", (before(settings.audit_retention_s), now_us, STEP_ROWS)))
        # Where what the programme knows is kept for ever, the store notes the day all the same.
        facts_us = 0 if settings.patient_retention_s is None else before(settings.patient_retention_s)
        steps.append(("expire_facts", (facts_us, now_us, STEP_ROWS)))
        self._take(steps, False)

    def _take(self, steps: Sequence[_Step], more: bool) -> None:
        """Each in a turn of the writer's, so that messages go between them."""
        if not self._loop.running:
            return
        if not steps:
            seconds = RETENTION_BUSY_S if more else RETENTION_IDLE_S
            self._retention = self._engine.clock.callLater(seconds, self._expire)
            return
        (verb, arguments), *later = steps

        def taken(removed: Removed | None, error: StoreError | None) -> None:
            self._take(later, more or (removed is not None and removed.more))

        self._engine.journal.ask(verb, arguments, taken)

"""Delivery to one destination: claims made durable, messages sent, answers kept.

It joins a DestinationQueue (which may leave next), a pool of connections (how it leaves) and the journal (what is durable), and
looks again at sending whether the delivery may still be released. It knows neither channels nor sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hl7bridge.connectors.sparing import Sparing
from hl7bridge.delivery.outcome import Next, Outcome, next_step, outcome_of
from hl7bridge.delivery.queue import WINDOW, DestinationQueue, Entry
from hl7bridge.delivery.retry import Backoff
from hl7bridge.engine.delivering.pool import Nowhere, Pool, control_id_of
from hl7bridge.engine.keeping.about import About, loaded_entry
from hl7bridge.engine.keeping.journal import Journal
from hl7bridge.hl7.mllp import END
from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryStatus,
    Hold,
    StoreBusy,
    StoreError,
    StoreFault,
    StoreFull,
)

log = Logger(namespace="hl7bridge.deliver")

#: Deliveries read from the store at a time.
PAGE = 500
KEY_PAGE = 16
#: Who holds a queue that stopped at a failure under order `strict`.
_BY_STRICT = "order strict"
#: Pages read in one turn: others wait for the reactor.
PAGES = 2
#: Seconds after which what the store could not claim or read is tried again.
REFUSED_PAUSE_S = 0.5
_NOT_NAMED = "no configuration names it any more"


class Release(Protocol):
    """Looks again, at sending, whether a delivery may leave; a reason means no."""

    def __call__(self, destination: str, about: About, payload: bytes) -> str | None: ...


class Policy(NamedTuple):
    """How a destination's answers are taken."""

    backoff: Backoff
    give_up_s: float
    answers: dict[str, str]


class Delivery:
    """Everything that leaves for one destination."""

    def __init__(
        self,
        name: str,
        queue: DestinationQueue,
        policy: Policy,
        journal: Journal,
        clock: IReactorTime,
        *,
        wall_us: Callable[[], int],
        chance: Callable[[], float],
        release: Release,
        generation: Callable[[], int],
        active: dict[Delivery, None],
    ) -> None:
        self.name = name
        self.queue = queue
        self.policy = policy
        self.pool: Pool = Nowhere()
        self.sent = 0
        self.down_because = _NOT_NAMED  # until it is settled
        self._answered_in_turn = 0
        self._journal = journal
        self._clock = clock
        self._say = Sparing(log, clock)
        self._wall_us = wall_us
        self._chance = chance
        self._release = release
        self._generation = generation
        self._active = active
        self._timer: Any = None
        self._pause: Any = None
        self._stopping = False
        queue.up = False  # until there is a pool

    # -- what the journal and the pool call -----------------------------------------------------------------------------

    def touch(self) -> None:
        """Something changed here: `gather` and `pump` are wanted in this turn."""
        self._active[self] = None

    def answered_since(self) -> int:
        """How many sends have ended since this was asked last."""
        count, self._answered_in_turn = self._answered_in_turn, 0
        return count

    @property
    def behind(self) -> bool:
        """More is ready to leave than may be claimed, and every connection has been busy as often as we looked."""
        queue, pool = self.queue, self.pool
        return pool.up and (queue.overflow or queue.claims >= queue.ahead)

    def gather(self) -> None:
        """Before a commit: claims for what may leave next."""
        if not self.queue.claimable or self._stopping or self._pause is not None:
            return
        claims = self.queue.take_claims()
        if claims:
            self._journal.claim([entry.id for entry in claims], self._claimed, claims)

    def pump(self) -> None:
        """Sends what is claimed while connections are free, asks for connections and for pages."""
        try:
            if not self._stopping and self._pause is None:
                self._pump()
        except Exception:  # one destination's trouble must not keep the others from their turn
            self._say.failure("{name}: the queue cannot go on, and tries again", name=self.name)
            self._rest()

    def _pump(self) -> None:
        queue, pool = self.queue, self.pool
        while queue.ready and pool.free():
            entry = queue.next_to_send()
            if entry is None:
                return
            self._send(entry)
        more = queue.overflow and self._page()
        if queue.key_wanted() is not None:
            more = self._page_keys() or more
        if not queue.held and (queue.ready or queue.claimable):
            pool.want(len(queue.ready) or 1)
        if more or queue.may_claim:
            self.touch()
            self._journal.wake()

    def _rest(self) -> None:
        """The store said no to what could be asked again at once, and for ever: it is left alone for a moment."""
        if self._pause is None and not self._stopping:
            self._pause = self._clock.callLater(REFUSED_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self.touch()
        self._journal.wake()

    def link(self, up: bool, why: str) -> None:
        """The hospital cannot be dialled, and why (claims wait until it can), or a connection stands."""
        self.queue.up = up
        self.down_because = why
        self.touch()
        self._journal.wake()

    def settle(self, policy: Policy, pool: Pool, *, strict: bool, ahead: int) -> None:
        """New settings: the old connections go as they become free, the queue stays."""
        self.policy = policy
        self.queue.strict = strict
        self.queue.ahead = ahead
        self.queue.window = max(WINDOW, ahead)
        self.queue.stopped = self.queue.stopped and strict
        self.pool.retire()
        self.pool = pool
        self.queue.up = not isinstance(pool, Nowhere)
        self.down_because = "" if self.queue.up else _NOT_NAMED
        if not self.queue.up:
            self._give_back()
        self.touch()
        self._journal.wake()

    def retry_now(self) -> None:
        """Ends all waiting for a next attempt."""
        self.queue.retry_now()
        self.touch()
        self._journal.wake()

    def answered(
        self,
        entry: Entry,
        code: str | None,
        why: str | None,
        answer: bytes | None,
        *,
        at_once: bool = False,
    ) -> None:
        """A send ended. With `at_once` its first repetition waits for nothing but a connection."""
        self._answered_in_turn += 1
        now_us = self._wall_us()
        entry.attempts += 1
        age_s = (now_us - entry.received_us) / 1e6
        step = next_step(code, self.policy.answers, age_s=age_s, give_up_s=self.policy.give_up_s)
        if step is Next.SENT:
            self.sent += 1
            change = DeliveryChange(
                entry.id, DeliveryStatus.SENT, entry.attempts, now_us, code, None, entry.possible_duplicate
            )
            self._journal.change(change, self._finished, entry)
            self.touch()
            self.pump()
            return
        if outcome_of(code) is Outcome.UNKNOWN:
            entry.possible_duplicate = True
        reason = why or f"answered {code}"
        say = self._say.error if step is Next.FAIL else self._say.warn
        say(
            "{name}: message {message}: {reason}; {step}",
            name=self.name,
            message=entry.about.message_id,
            reason=reason,
            step="will be tried again" if step is Next.RETRY else "failed",
        )
        change = DeliveryChange(
            entry.id,
            DeliveryStatus.QUEUED if step is Next.RETRY else DeliveryStatus.FAILED,
            entry.attempts,
            now_us,
            code or "none",
            reason,
            entry.possible_duplicate,
            answer,
        )
        if step is Next.RETRY:
            first = at_once and entry.attempts == 1
            delay_s = 0.0 if first else self.policy.backoff.delay_s(entry.attempts, self._chance())
            change.next_us = now_us + int(delay_s * 1e6)
            self._journal.change(change, self._retry, (entry, delay_s))
        else:
            self._keep_failure(change, entry)
        self.pump()

    # -- after the commit --------------------------------------------------------------------------------------------------

    def _claimed(self, claims: list[Entry], error: StoreError | None) -> None:
        if error is None:
            self.queue.claimed(claims)
        elif isinstance(error, StoreFault):
            self._claim_each(claims, error)
        else:
            self.queue.unclaimed(claims)
            self._rest()
        self.touch()  # sending happens in pump, after the whole group's results are known

    def _claim_each(self, claims: list[Entry], error: StoreError) -> None:
        """One of these rows is not as we know it. Alone it is left out, as what the store says counts; the others go on."""
        if len(claims) == 1:
            self._refused(claims[0], error)
            self.queue.finished(claims[0])
            return
        for entry in claims:
            self._journal.claim([entry.id], self._claimed, [entry])

    def _finished(self, entry: Entry, error: StoreError | None) -> None:
        if not self._refused(entry, error):
            self.queue.finished(entry)
            self.touch()

    def _keep_failure(self, change: DeliveryChange, entry: Entry) -> None:
        if self.queue.strict:
            # A person must look at it, also when the engine ends before that: the destination is held.
            hold = Hold(self.name, True, _BY_STRICT, change.at_us)
            batch = Batch(changes=[change], holds=[hold])
            self._journal.act(lambda: self._journal.store.commit(batch), self._held, (change, entry))
        else:
            self._journal.change(change, self._failed, entry)

    def _held(self, change_and_entry: tuple[DeliveryChange, Entry], error: StoreError | None) -> None:
        if isinstance(error, StoreBusy | StoreFull):
            self._clock.callLater(REFUSED_PAUSE_S, self._keep_failure, *change_and_entry)
            return
        self.queue.held = self.queue.held or error is None
        self._failed(change_and_entry[1], error)

    def _failed(self, entry: Entry, error: StoreError | None) -> None:
        if not self._refused(entry, error):
            self.queue.finished(entry, failed=True)
            self.touch()

    def _retry(self, entry_and_delay: tuple[Entry, float], error: StoreError | None) -> None:
        entry, delay_s = entry_and_delay
        if not self._refused(entry, error):
            self.queue.try_again(entry, self._clock.seconds() + delay_s)
            self._set_timer()
            self.touch()

    def _refused(self, entry: Entry, error: StoreError | None) -> bool:
        """A result that the store will never take: the row is not as we know it, so its key stays closed until a restart."""
        if error is None:
            return False
        self._say.error(
            "{name}: the result of delivery {id} cannot be kept: {error}",
            name=self.name,
            id=entry.id,
            error=str(error),
        )
        return True

    def _set_timer(self) -> None:
        due = self.queue.next_due()
        if self._timer is not None and self._timer.active():
            if due is not None and due >= self._timer.getTime():
                return
            self._timer.cancel()
        self._timer = (
            None if due is None else self._clock.callLater(max(0.0, due - self._clock.seconds()), self._due)
        )

    def _due(self) -> None:
        self._timer = None
        self.queue.due(self._clock.seconds())
        self._set_timer()
        self.touch()
        self._journal.wake()

    # -- inside -------------------------------------------------------------------------------------------------------------

    def _send(self, entry: Entry) -> None:
        about: About = entry.about
        generation = self._generation()
        try:
            payload = entry.payload
            if payload is None:
                payload = self._journal.store.body(about.payload_ref)
            reason = None if about.generation == generation else self._release(self.name, about, payload)
        except StoreFault as error:
            self._refuse(entry, f"its payload cannot be read: {error.code}", DeliveryStatus.FAILED)
            return
        except Exception:
            self.queue.not_sent(entry)
            raise
        if reason is not None:
            self._refuse(entry, reason, DeliveryStatus.CANCELLED)
            return
        if END in payload:
            self._refuse(entry, "a byte 0x1C in it would end its frame early", DeliveryStatus.FAILED)
            return
        self.pool.send(payload, control_id_of(payload), entry)

    def could_not_be_made(self, message: int, reason: str) -> None:
        """A map failed, so that there is nothing to send: nobody would hear of it before the hospital asks."""
        self._say.error("{name}: message {id}: {reason}; failed", name=self.name, id=message, reason=reason)

    def _refuse(self, entry: Entry, reason: str, status: DeliveryStatus) -> None:
        self._say.info(
            "{name}: delivery {id} does not leave: {reason}", name=self.name, id=entry.id, reason=reason
        )
        change = DeliveryChange(
            entry.id, status, entry.attempts, self._wall_us(), None, reason, entry.possible_duplicate
        )
        if status is DeliveryStatus.FAILED:
            self._keep_failure(change, entry)
        else:
            self._journal.change(change, self._finished, entry)

    def _page(self) -> bool:
        """Reads what has room; True if more of it lies there and has room, for another turn."""
        for _ in range(PAGES):
            after = self.queue.page_wanted()
            if after is None:
                return False
            rows = self._journal.store.open_deliveries(self.name, after, PAGE)
            self.queue.loaded([loaded_entry(row) for row in rows], exhausted=len(rows) < PAGE)
            if len(rows) < PAGE:
                return False
        return self.queue.page_wanted() is not None

    def _page_keys(self) -> bool:
        """The same for keys; what is not durable yet is asked for again when it is."""
        found = False
        for _ in range(KEY_PAGE):
            wanted = self.queue.key_wanted()
            if wanted is None:
                return False
            key, after = wanted
            rows = self._journal.store.open_deliveries(self.name, after, KEY_PAGE, key)
            self.queue.key_loaded(key, [loaded_entry(row) for row in rows], exhausted=len(rows) < KEY_PAGE)
            found = found or bool(rows) or key not in self.queue.keys
        return found

    def stop_sending(self) -> None:
        """Nothing more leaves; answers that are on their way are still taken."""
        self._stopping = True

    def stop(self) -> None:
        """Nothing more leaves; claims of which no byte has left are given back."""
        self._stopping = True
        for timer in (self._timer, self._pause):
            if timer is not None and timer.active():
                timer.cancel()
        self._give_back()
        self.pool.stop()

    def _give_back(self) -> None:
        """Claims of which no byte has left become what waits."""
        now_us = self._wall_us()
        for entry in self.queue.unsent():
            change = DeliveryChange(
                entry.id, DeliveryStatus.QUEUED, entry.attempts, now_us, None, None, entry.possible_duplicate
            )
            self._journal.change(change, self._given_back, entry)

    def _given_back(self, entry: Entry, error: StoreError | None) -> None:
        if not self._refused(entry, error):
            self.queue.unclaimed([entry])
            self.touch()

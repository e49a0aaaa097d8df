"""Group commit: everything that came while the last transaction was being made durable shares the next one.

Whoever has something to keep adds it here with a callable, which is called when the transaction is durable, or with the error
when it is certain that it is not. Results of deliveries come first, so that what they free can leave first.

One transaction is on its way at a time; meanwhile the reactor reads and decides what the next one will keep. What must find nothing
on its way (an operator's act that looks at the store and then changes it) waits for such a moment, and nothing new is decided until
it has come.

It knows neither messages nor hospitals. Raises nothing; StoreUnknown goes to `fatal`: after an error inside a commit nobody knows
what the disk holds, so nothing is answered any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hl7bridge.engine.writer import Writer, attempt
from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    Earlier,
    NewMessage,
    Store,
    StoreBusy,
    StoreError,
    StoreFault,
    StoreFull,
    StoreUnknown,
)

log = Logger(namespace="hl7bridge.journal")

#: Called with what was given along, and None when durable, or the error when certainly not.
Done = Callable[[Any, "StoreError | None"], None]
#: How a message ended: kept, not kept because it came before, or refused.
Kept = Earlier | StoreError | None

#: Seconds after which results that the store had no time, or no room, for are tried again.
BUSY_PAUSE_S = 0.05
FULL_PAUSE_S = 1.0
#: Rows that may wait for the transaction under way to end; beyond them nothing new is decided.
MOST = 256


@dataclass(slots=True)
class Group:
    """What one transaction keeps, and who is told of it."""

    messages: list[NewMessage] = field(default_factory=list)
    message_done: list[tuple[Callable[[Any, Kept], None], Any]] = field(default_factory=list)
    changes: list[DeliveryChange] = field(default_factory=list)
    change_done: list[tuple[Done, Any]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    claim_done: list[tuple[Done, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.messages or self.changes or self.claims)


@dataclass(slots=True)
class Ended:
    """How a group ended: an error or None for each of its parts, in their order; or the error after which nobody knows."""

    changes: Sequence[StoreError | None]
    claims: StoreError | None
    messages: Sequence[Kept]
    unknown: StoreUnknown | None = None


class Journal:
    """One writer over one store. `gather` is called before each commit and adds what is ready by then; `after` follows it."""

    def __init__(
        self, store: Store, writer: Writer, clock: IReactorTime, fatal: Callable[[StoreUnknown], None]
    ) -> None:
        self.store = store
        self.clock = clock
        self.commits = 0
        self.gather: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.stopped = False
        self._writer = writer
        self._fatal = fatal
        self._scheduled: Any = None
        self._group = Group()
        self._under_way = False
        self._again = 0
        self._looked = False
        self._asks: deque[tuple[str, tuple[Any, ...], Callable[[Any, StoreError | None], None]]] = deque()
        self._others: list[tuple[Callable[[], Any], Done, Any]] = []
        writer.lost = self._lost

    # -- what to keep ---------------------------------------------------------------------------------------------------

    def message(self, message: NewMessage, done: Callable[[Any, Kept], None], about: Any) -> None:
        """A received message with its decision and deliveries; where it cannot be kept this is told at once."""
        self._group.messages.append(message)
        self._group.message_done.append((done, about))
        self.wake()

    def change(self, change: DeliveryChange, done: Done, about: Any) -> None:
        """The result of a send; kept and tried again until the store takes it."""
        self._group.changes.append(change)
        self._group.change_done.append((done, about))
        self.wake()

    def claim(self, ids: Sequence[int], done: Done, about: Any) -> None:
        """Deliveries that are about to leave."""
        self._group.claims.extend(ids)
        self._group.claim_done.append((done, about))
        self.wake()

    def other(self, batch: Batch, done: Done, about: Any = None) -> None:
        """Anything else (an operator's act, a configuration), in a transaction of its own."""
        self.work(lambda: self.store.commit(batch), done, about)

    def work(self, work: Callable[[], Any], done: Done, about: Any = None) -> None:
        """Any other writing of the store, when nothing is on its way; the reactor waits for it."""
        self._others.append((work, done, about))
        self.wake()

    def ask(
        self, verb: str, arguments: tuple[Any, ...], done: Callable[[Any, StoreError | None], None]
    ) -> None:
        """A verb of the store, between two transactions; `done` gets what it returns, or its error."""
        self._asks.append((verb, arguments, done))
        self.wake()

    def wake(self) -> None:
        """A commit is wanted as soon as this turn of the reactor has read what there is."""
        if self._scheduled is None and not self.stopped:
            self._scheduled = self.clock.callLater(0, self._turn)

    @property
    def idle(self) -> bool:
        """Nothing waits to be kept."""
        return not (self._group or self._others or self._asks or self._under_way)

    # -- the commit -----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._scheduled = None
        if self.stopped:
            return
        if not self._others and len(self._group.messages) < MOST:
            for gather in self.gather:
                gather()
        if self._under_way:
            self._follow()  # its end goes on from here
        elif self._others and not (self._group.messages or self._group.claims):
            self._do_others()
        elif self._asks:
            self._ask()
        elif self._group.messages or self._group.claims or self._looked:
            self._looked = False
            self._keep()
        else:
            # Results alone are kept at once, but for one look whether the next message is there already: it often is, since
            # the sender hears of the one before when the hospital gets it, and it would wait for their transaction to end.
            self._looked = not self._rests
            self._follow()
            if self._looked:
                self.wake()

    @property
    def _rests(self) -> bool:
        """Whether there is nothing to keep but results that the store has just had no time or no room for."""
        group = self._group
        return self._again == len(group.changes) and not (group.messages or group.claims)

    def _keep(self) -> None:
        group, self._group = self._group, Group()
        self._again = 0
        self.commits += 1
        batch = Batch(messages=group.messages, claims=group.claims, changes=group.changes)
        self._under_way = True
        self._writer.call("commit", (batch,), lambda repeated, error: self._kept(group, repeated, error))

    def _kept(self, group: Group, repeated: dict[int, Earlier] | None, error: StoreError | None) -> None:
        self._under_way = False
        self._group_ended(group, _ended(self.store, group, repeated or {}, error))
        self._go_on()

    def _ask(self) -> None:
        verb, arguments, done = self._asks.popleft()
        self._under_way = True
        self._writer.call(verb, arguments, lambda result, error: self._asked(done, result, error))

    def _asked(
        self, done: Callable[[Any, StoreError | None], None], result: Any, error: StoreError | None
    ) -> None:
        self._under_way = False
        if not self._heed(error):
            _tell(done, result, error)
        if self._group:
            self._keep()  # not another question before it
        else:
            self._go_on()

    def _do_others(self) -> None:
        others, self._others = self._others, []
        for work, done, about in others:
            if self.stopped:
                return
            error = attempt(work)[1]
            if not self._heed(error):
                _tell(done, about, error)
        self._go_on()

    def _go_on(self) -> None:
        """After anything that was written."""
        self._follow()
        if self.stopped:
            return
        if self.store.checkpoint_due():
            # After the answers have left: a few milliseconds in which nobody waits for a commit that is done.
            self._heed(attempt(self.store.checkpoint)[1])
        if self._others or self._asks or not self._rests:
            self.wake()

    def _follow(self) -> None:
        if not self.stopped:
            for after in self.after:
                after()

    def _group_ended(self, group: Group, ended: Ended) -> None:
        if self._heed(ended.unknown):
            return
        again = [
            place for place, error in enumerate(ended.changes) if isinstance(error, StoreBusy | StoreFull)
        ]
        if again:
            # A result is never given up: the hospital has answered, and only this store can remember it.
            self._group.changes[:0] = [group.changes[place] for place in again]
            self._group.change_done[:0] = [group.change_done[place] for place in again]
            full = isinstance(ended.changes[again[0]], StoreFull)
            self._again = len(again)
            self.clock.callLater(FULL_PAUSE_S if full else BUSY_PAUSE_S, self._try_again)
        skipped = set(again)
        for place, (done, about) in enumerate(group.change_done):
            if place not in skipped:
                _tell(done, about, ended.changes[place])
        for done, about in group.claim_done:
            _tell(done, about, ended.claims)
        for place, (done, about) in enumerate(group.message_done):
            _tell(done, about, ended.messages[place])

    def _try_again(self) -> None:
        self._again = 0
        self.wake()

    def _heed(self, error: StoreError | None) -> bool:
        """Whether the error is the one after which nothing may be done any more."""
        if not isinstance(error, StoreUnknown):
            return False
        self._lost(error)
        return True

    def _lost(self, error: StoreUnknown) -> None:
        if not self.stopped:
            self.stopped = True
            self._fatal(error)

    def stop(self) -> None:
        """Takes no more."""
        self.stopped = True
        self._writer.stop()
        if self._scheduled is not None and self._scheduled.active():
            self._scheduled.cancel()


def _ended(store: Store, group: Group, repeated: dict[int, Earlier], error: StoreError | None) -> Ended:
    """How each part of a group ended. Where its content was refused, each part is kept by itself, so that whoever is at fault does
    not take the neighbours along.
    """
    if isinstance(error, StoreUnknown):
        return Ended((), None, (), error)
    if isinstance(error, StoreFault):
        return _one_by_one(store, group)
    messages = [error or repeated.get(message.id) for message in group.messages]
    return Ended([error] * len(group.changes), error, messages)


def _one_by_one(store: Store, group: Group) -> Ended:
    changes = [Batch(changes=[change]) for change in group.changes]
    claims = [Batch(claims=group.claims)] if group.claims else []
    messages = [Batch(messages=[message]) for message in group.messages]
    ends: list[Kept] = []
    for batch in (*changes, *claims, *messages):
        repeated, error = attempt(partial(store.commit, batch))
        if isinstance(error, StoreUnknown):
            return Ended((), None, (), error)
        ends.append(error or next(iter((repeated or {}).values()), None))
    errors = [end if isinstance(end, StoreError) else None for end in ends]
    return Ended(
        errors[: len(changes)],
        errors[len(changes)] if claims else None,
        ends[len(changes) + len(claims) :],
    )


def _tell(done: Callable[[Any, Any], None], about: Any, error: Any) -> None:
    """A fault of ours behind one result must not keep the neighbours from theirs."""
    try:
        done(about, error)
    except Exception:
        log.failure("what should follow a transaction failed")

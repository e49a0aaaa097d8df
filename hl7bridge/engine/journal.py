"""Group commit: everything that came while the last transaction was being synced shares the next one.

Whoever has something to keep adds it here with a callable, which is called when the transaction is durable, or with the error
when it is certain that it is not. Results of deliveries come first, so that what they free can leave first.

The commit runs in the reactor's own thread. A writer thread was measured beside it, with rows by hundreds in a statement and with
several switch intervals: the two hand the interpreter's lock to and fro, which cost each message a third more than the wait for the
disk that it saves (a sync of 0.1 to 0.2 ms, shared by a group).

It knows neither messages nor hospitals. Raises nothing; StoreUnknown goes to `fatal`: after an error inside a commit nobody knows
what the disk holds, so nothing is answered any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
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

#: Seconds after which results that the store had no time, or no room, for are tried again.
BUSY_PAUSE_S = 0.05
FULL_PAUSE_S = 1.0
#: A transaction waits for more to share it while more keeps coming, up to so many rows and so many turns of the reactor.
GROUP = 64
LOOKS = 4


@dataclass(slots=True)
class Group:
    """What one transaction keeps, and who is told of it."""

    messages: list[NewMessage] = field(default_factory=list)
    message_done: list[tuple[Done, Any]] = field(default_factory=list)
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
    messages: Sequence[StoreError | None]
    unknown: StoreUnknown | None = None


class Journal:
    """One writer over one store. `gather` is called before each commit and adds what is ready by then; `after` follows it."""

    def __init__(self, store: Store, clock: IReactorTime, fatal: Callable[[StoreUnknown], None]) -> None:
        self.store = store
        self.clock = clock
        self.commits = 0
        self.gather: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.stopped = False
        self._fatal = fatal
        self._scheduled: Any = None
        self._group = Group()
        self._others: list[tuple[Callable[[], Any], Done, Any]] = []
        self._looks = 0
        self._seen = 0

    # -- what to keep ---------------------------------------------------------------------------------------------------

    def message(self, message: NewMessage, done: Done, about: Any) -> None:
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
        """Any other writing of the store, in its turn."""
        self._others.append((work, done, about))
        self.wake()

    def wake(self) -> None:
        """A commit is wanted as soon as this turn of the reactor has read what there is."""
        if self._scheduled is None and not self.stopped:
            self._scheduled = self.clock.callLater(0, self._turn)

    @property
    def idle(self) -> bool:
        """Nothing waits to be kept."""
        return not (self._group or self._others)

    # -- the commit -----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._scheduled = None
        if self.stopped:
            return
        for gather in self.gather:
            gather()
        size = len(self._group.messages) + len(self._group.changes)
        if self._seen < size < GROUP and self._looks < LOOKS and not self._others:
            # More came since the last look, so more is on its way: a sync that is shared by more costs each less.
            self._looks += 1
            self._seen = size
            self.wake()
            return
        self._looks = self._seen = 0
        self._keep()
        for after in self.after:
            after()
        if not self.stopped and self.store.checkpoint_due():
            # After the answers have left: a few milliseconds in which nobody waits for a commit that is done.
            self._heed(_attempt(self.store.checkpoint))

    def _keep(self) -> None:
        if self._group:
            group, self._group = self._group, Group()
            self.commits += 1
            self._group_ended(group, commit(self.store, group))
        others, self._others = self._others, []
        for work, done, about in others:
            if self.stopped:
                return
            error = _attempt(work)
            if not self._heed(error):
                _tell(done, about, error)

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
            self.clock.callLater(FULL_PAUSE_S if full else BUSY_PAUSE_S, self.wake)
        skipped = set(again)
        for place, (done, about) in enumerate(group.change_done):
            if place not in skipped:
                _tell(done, about, ended.changes[place])
        for done, about in group.claim_done:
            _tell(done, about, ended.claims)
        for place, (done, about) in enumerate(group.message_done):
            _tell(done, about, ended.messages[place])

    def _heed(self, error: StoreError | None) -> bool:
        """Whether the error is the one after which nothing may be done any more."""
        if not isinstance(error, StoreUnknown):
            return False
        self._lost(error)
        return True

    def _lost(self, error: StoreUnknown) -> None:
        self.stopped = True
        self._fatal(error)

    def stop(self) -> None:
        """Takes no more."""
        self.stopped = True
        if self._scheduled is not None and self._scheduled.active():
            self._scheduled.cancel()


def commit(store: Store, group: Group) -> Ended:
    """Keeps a group in one transaction; where its content is refused, each message by itself, so that whoever is at fault does
    not take the neighbours along.
    """
    error = _attempt(
        lambda: store.commit(Batch(messages=group.messages, claims=group.claims, changes=group.changes))
    )
    if isinstance(error, StoreUnknown):
        return Ended((), None, (), error)
    if not isinstance(error, StoreFault):
        return Ended([error] * len(group.changes), error, [error] * len(group.messages))
    ended = Ended([], None, [])
    batches = [Batch(changes=[change]) for change in group.changes]
    claims = [Batch(claims=group.claims)] if group.claims else []
    messages = [Batch(messages=[message]) for message in group.messages]
    errors: list[StoreError | None] = []
    for batch in (*batches, *claims, *messages):
        refused = _attempt(lambda batch=batch: store.commit(batch))  # type: ignore[misc]
        if isinstance(refused, StoreUnknown):
            return Ended((), None, (), refused)
        errors.append(refused)
    ended.changes = errors[: len(batches)]
    ended.claims = errors[len(batches)] if claims else None
    ended.messages = errors[len(batches) + len(claims) :]
    return ended


def _attempt(work: Callable[[], Any]) -> StoreError | None:
    """Does what writes to the disk; gives the store's no. What nobody expected leaves the disk as unknown as its own error."""
    try:
        work()
    except StoreError as error:
        if not isinstance(error, StoreUnknown):
            log.warn("the store refused a transaction: {error}", error=str(error))
        return error
    except Exception as error:
        log.failure("a transaction failed in a way that no store should")
        return StoreUnknown(f"unexpected {type(error).__name__} in a transaction")
    return None


def _tell(done: Done, about: Any, error: StoreError | None) -> None:
    """A fault of ours behind one result must not keep the neighbours from theirs."""
    try:
        done(about, error)
    except Exception:
        log.failure("what should follow a transaction failed")

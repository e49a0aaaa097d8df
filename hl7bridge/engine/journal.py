"""Group commit: everything that came while the last transaction was being synced shares the next one.

Whoever has something to keep adds it here with a callable, which is called when the transaction is durable, or with the error
when it is certain that it is not. Results of deliveries come first, so that what they free can leave first.

The commit runs in the reactor's own thread. A thread beside it was measured slower: every row hands the interpreter lock over
and back, and a sync of 0.2 ms shared by a group costs less than that.

It knows neither messages nor hospitals. Raises nothing; StoreUnknown goes to `fatal`: after an error inside a commit nobody
knows what the disk holds, so nothing is answered any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

#: Called with None when durable, with the error when certainly not.
Done = Callable[[Any, "StoreError | None"], None]

#: Seconds after which a transaction that the store had no time for is tried again.
BUSY_PAUSE_S = 0.05
FULL_PAUSE_S = 1.0
#: A transaction waits for more to share it while more keeps coming, up to so many rows and so many turns of the reactor.
GROUP = 64
LOOKS = 4


class Journal:
    """One writer over one store. `gather` is called before each commit and adds what is ready by then."""

    def __init__(self, store: Store, clock: IReactorTime, fatal: Callable[[StoreUnknown], None]) -> None:
        self.store = store
        self.clock = clock
        self.commits = 0
        self.gather: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.stopped = False
        self._fatal = fatal
        self._scheduled: Any = None
        self._messages: list[NewMessage] = []
        self._message_done: list[tuple[Done, Any]] = []
        self._changes: list[DeliveryChange] = []
        self._change_done: list[tuple[Done, Any]] = []
        self._claims: list[int] = []
        self._claim_done: list[tuple[Done, Any]] = []
        self._others: list[tuple[Batch, Done, Any]] = []
        self._looks = 0
        self._seen = 0

    # -- what to keep ---------------------------------------------------------------------------------------------------

    def message(self, message: NewMessage, done: Done, about: Any) -> None:
        """A received message with its decision and deliveries; not durable: told at once, never tried again here."""
        self._messages.append(message)
        self._message_done.append((done, about))
        self.wake()

    def change(self, change: DeliveryChange, done: Done, about: Any) -> None:
        """The result of a send; kept and tried again until the store takes it."""
        self._changes.append(change)
        self._change_done.append((done, about))
        self.wake()

    def claim(self, ids: Sequence[int], done: Done, about: Any) -> None:
        """Deliveries that are about to leave."""
        self._claims.extend(ids)
        self._claim_done.append((done, about))
        self.wake()

    def other(self, batch: Batch, done: Done, about: Any = None) -> None:
        """Anything else (an operator's act, a configuration), in a transaction of its own."""
        self._others.append((batch, done, about))
        self.wake()

    def wake(self) -> None:
        """A commit is wanted as soon as this turn of the reactor has read what there is."""
        if self._scheduled is None and not self.stopped:
            self._scheduled = self.clock.callLater(0, self._turn)

    # -- the commit -----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._scheduled = None
        if self.stopped:
            return
        for gather in self.gather:
            gather()
        size = len(self._messages) + len(self._changes)
        if self._seen < size < GROUP and self._looks < LOOKS and not self._others:
            # More came since the last look, so more is on its way: a sync that is shared by more costs each less.
            self._looks += 1
            self._seen = size
            self.wake()
            return
        self._looks = self._seen = 0
        if self._messages or self._changes or self._claims:
            self._commit_group()
        if self._others and not self.stopped:
            self._commit_others()
        for after in self.after:
            after()
        if self.store.checkpoint_due():
            # After the answers have left: a few milliseconds in which nobody waits for a commit that is done.
            self._write(self.store.checkpoint)

    def _commit_group(self) -> None:
        messages, message_done = self._messages, self._message_done
        changes, change_done = self._changes, self._change_done
        claims, claim_done = self._claims, self._claim_done
        self._messages, self._message_done = [], []
        self._changes, self._change_done = [], []
        self._claims, self._claim_done = [], []
        error = self._commit(Batch(messages=messages, claims=claims, changes=changes))
        if self.stopped:
            return
        if type(error) is StoreFault:
            self._one_by_one(messages, message_done, claims, claim_done, changes, change_done)
            return
        if error is not None and changes:
            # A result is never given up: the hospital has answered, and only this store can remember it.
            self._changes[:0] = changes
            self._change_done[:0] = change_done
            pause = FULL_PAUSE_S if type(error) is StoreFull else BUSY_PAUSE_S
            self.clock.callLater(pause, self.wake)
            change_done = []
        for done, about in change_done:
            _tell(done, about, None)
        for done, about in claim_done:
            _tell(done, about, error)
        for done, about in message_done:
            _tell(done, about, error)

    def _one_by_one(
        self,
        messages: list[NewMessage],
        message_done: list[tuple[Done, Any]],
        claims: list[int],
        claim_done: list[tuple[Done, Any]],
        changes: list[DeliveryChange],
        change_done: list[tuple[Done, Any]],
    ) -> None:
        """The store refused the content of a group: whoever is at fault must not take the neighbours along."""
        for change, (done, about) in zip(changes, change_done, strict=True):
            _tell(done, about, self._commit(Batch(changes=[change])))
        if claim_done:
            error = self._commit(Batch(claims=claims))
            for done, about in claim_done:
                _tell(done, about, error)
        for message, (done, about) in zip(messages, message_done, strict=True):
            if self.stopped:
                return
            _tell(done, about, self._commit(Batch(messages=[message])))

    def _commit_others(self) -> None:
        others, self._others = self._others, []
        for batch, done, about in others:
            error = self._commit(batch)
            if self.stopped:
                return
            _tell(done, about, error)

    def _commit(self, batch: Batch) -> StoreError | None:
        self.commits += 1
        return self._write(self.store.commit, batch)

    def _write(self, verb: Callable[..., None], *arguments: Any) -> StoreError | None:
        """Does what writes to the disk; gives the store's certain no. After an uncertain end nothing is done any more."""
        try:
            verb(*arguments)
        except (StoreBusy, StoreFull, StoreFault) as error:
            log.warn("the store refused a transaction: {error}", error=str(error))
            return error
        except StoreUnknown as error:
            self.stopped = True
            self._fatal(error)
            return error
        except Exception as error:
            # A fault of ours inside the store: what the disk holds is as unknown as after an error of the disk.
            log.failure("a transaction failed in a way that no store should")
            self.stopped = True
            unknown = StoreUnknown(f"unexpected {type(error).__name__} in a transaction")
            self._fatal(unknown)
            return unknown
        return None

    def flush(self) -> None:
        """Commits what waits, now; for an orderly stop."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if not self.stopped and (self._messages or self._changes or self._claims):
            self._commit_group()
        if not self.stopped and self._others:
            self._commit_others()


def _tell(done: Done, about: Any, error: StoreError | None) -> None:
    """A fault of ours behind one result must not keep the neighbours from theirs."""
    try:
        done(about, error)
    except Exception:
        log.failure("what should follow a transaction failed")

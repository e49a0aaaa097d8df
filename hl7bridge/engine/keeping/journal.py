"""Group commit: everything that came while the last transaction was being made durable shares the next one.

Whoever has something to keep adds it here with a callable, which is called when the transaction is durable, or with the error
when it is certain that it is not. Results of deliveries come first, so that what they free can leave first.

One thing is on its way to the store at a time; meanwhile the reactor reads and decides what the next transaction will keep. After each
thing that ends, and whenever somebody wakes it, one turn follows: gather what is ready, then do the next thing (`_next`):

    an act whose turn it is        when nothing is gathered; while one waits nothing new is taken in (`pressed`)
    a question to the store        between two transactions
    the group                      when there is something in it; results alone first look once whether a message has come

It knows neither messages nor hospitals. Raises nothing; StoreUnknown goes to `fatal`: after an error inside a commit nobody knows
what the disk holds, so nothing is answered any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hl7bridge.connectors.sparing import Sparing
from hl7bridge.engine.keeping.writer import Then, Writer, attempt
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
End = Earlier | StoreError | None

#: Seconds after which results that the store had no time, or no room, for are tried again.
BUSY_PAUSE_S = 0.05
FULL_PAUSE_S = 1.0
#: Messages that may wait for the transaction under way to end; beyond them nothing new is decided.
MOST = 128


class _NewMessage(NamedTuple):
    row: NewMessage
    done: Callable[[Any, End], None]
    about: Any


class _Change(NamedTuple):
    row: DeliveryChange
    done: Done
    about: Any


class _Claim(NamedTuple):
    ids: Sequence[int]
    done: Done
    about: Any


class _Act(NamedTuple):
    """Something that looks at the store and then writes to it: nothing may be on its way meanwhile."""

    work: Callable[[], Any]
    done: Done
    about: Any


class _Question(NamedTuple):
    """A verb of the store that may be asked between any two transactions."""

    verb: str
    arguments: tuple[Any, ...]
    then: Then


@dataclass(slots=True)
class Group:
    """What one transaction keeps, and who is told of it."""

    messages: list[_NewMessage] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)
    claims: list[_Claim] = field(default_factory=list)

    def batch(self) -> Batch:
        """The rows alone."""
        return Batch(
            messages=[each.row for each in self.messages],
            claims=[id_ for each in self.claims for id_ in each.ids],
            changes=[each.row for each in self.changes],
        )


class Journal:
    """One writer over one store. `gather` is called in each turn and adds what is ready by then; `after` follows it."""

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
        self._say = Sparing(log, clock)
        self._scheduled: Any = None
        self._group = Group()
        self._waiting: deque[_Act | _Question] = deque()
        self._acts = 0  # of those that wait
        self._under_way = False
        self._asked = False  # the last thing was a question: the group's turn comes before the next
        self._looked = False  # results alone have looked for a message that could share their transaction
        self._resting = (
            0  # results at the head of the group that the store has just refused for want of time or room
        )
        writer.lost, writer.say = self._lost, self._say

    # -- what to keep ---------------------------------------------------------------------------------------------------

    def message(self, message: NewMessage, done: Callable[[Any, End], None], about: Any) -> None:
        """A received message with its decision and deliveries; where it cannot be kept this is told at once."""
        self._group.messages.append(_NewMessage(message, done, about))
        if self._scheduled is None:
            self.wake()

    def change(self, change: DeliveryChange, done: Done, about: Any) -> None:
        """The result of a send; kept and tried again until the store takes it."""
        self._group.changes.append(_Change(change, done, about))
        if self._scheduled is None:
            self.wake()

    def claim(self, ids: Sequence[int], done: Done, about: Any) -> None:
        """Deliveries that are about to leave."""
        self._group.claims.append(_Claim(ids, done, about))
        self.wake()

    def act(self, work: Callable[[], Any], done: Done, about: Any = None) -> None:
        """Something that looks at the store and then writes to it, when nothing is on its way; the reactor waits for it."""
        self._acts += 1
        self._waiting.append(_Act(work, done, about))
        self.wake()

    def ask(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        """A verb of the store, between two transactions; `then` gets what it returns, or its error."""
        self._waiting.append(_Question(verb, arguments, then))
        self.wake()

    def wake(self) -> None:
        """A turn is wanted as soon as this one of the reactor's has read what there is. None while the next group is full and the last
        is being kept: it could begin nothing, and would ask for the next one all the time; the end of that wakes.
        """
        if self._under_way and self.pressed:
            return
        if self._scheduled is None and not self.stopped:
            self._scheduled = self.clock.callLater(0, self._turn)

    @property
    def pressed(self) -> bool:
        """Nothing new may be taken in: an act waits for its moment, or enough waits for the transaction under way."""
        return self._acts > 0 or len(self._group.messages) >= MOST

    @property
    def idle(self) -> bool:
        """Nothing waits to be kept."""
        group = self._group
        return not (group.messages or group.changes or group.claims or self._waiting or self._under_way)

    # -- one turn -------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._scheduled = None
        if self.stopped:
            return
        if not self.pressed:
            for gather in self.gather:
                gather()
        if not self._under_way:
            self._next()
        self._follow()

    def _next(self) -> None:
        """Nothing is under way: does what comes next, if anything."""
        group, waiting = self._group, self._waiting
        new = group.messages or group.claims
        if waiting and isinstance(waiting[0], _Act) and not new:
            self._do(waiting[0])
        elif waiting and isinstance(waiting[0], _Question) and not (self._asked and (new or group.changes)):
            self._ask(waiting[0])
        elif new or self._looked:
            self._keep()
        elif len(group.changes) > self._resting:
            # Results alone are kept at once, but for one look whether the next message is there already: it often is, since
            # the sender hears of the one before when the hospital gets it, and it would wait for their transaction to end.
            self._looked = True
            self.wake()

    def _ended(self) -> None:
        """What was under way has ended, and whoever asked for it knows."""
        self._under_way = False
        self._follow()
        self.wake()

    def _follow(self) -> None:
        if not self.stopped:
            for after in self.after:
                after()

    # -- an act, a question ---------------------------------------------------------------------------------------------

    def _do(self, act: _Act) -> None:
        self._waiting.popleft()
        self._acts -= 1
        error = attempt(act.work, self._say)[1]
        if not self._heed(error):
            _tell(act.done, act.about, error)
        self._ended()

    def _ask(self, question: _Question) -> None:
        self._waiting.popleft()
        self._under_way = self._asked = True
        self._writer.call(question.verb, question.arguments, partial(self._answered, question))

    def _answered(self, question: _Question, result: Any, error: StoreError | None) -> None:
        if not self._heed(error):
            _tell(question.then, result, error)
        self._ended()

    # -- the group ------------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        group, self._group = self._group, Group()
        self._asked = self._looked = False
        self._resting = 0
        self.commits += 1
        self._under_way = True
        self._writer.call("commit", (group.batch(),), partial(self._kept, group))

    def _kept(self, group: Group, repeated: dict[int, Earlier] | None, error: StoreError | None) -> None:
        if not self._heed(error):
            if isinstance(error, StoreFault):
                self._one_by_one(group)
            else:
                self._tell_all(group, repeated or {}, error)
        self._ended()

    def _tell_all(self, group: Group, repeated: dict[int, Earlier], error: StoreError | None) -> None:
        if isinstance(error, StoreBusy | StoreFull):
            self._rest(group.changes, error)
        else:
            for change in group.changes:
                _tell(change.done, change.about, error)
        for claim in group.claims:
            _tell(claim.done, claim.about, error)
        for message in group.messages:
            _tell(message.done, message.about, error or repeated.get(message.row.id))

    def _rest(self, changes: list[_Change], error: StoreError) -> None:
        """A result is never given up: the hospital has answered, and only this store can remember it."""
        if changes:
            self._group.changes[:0] = changes
            self._resting += len(changes)
            pause_s = FULL_PAUSE_S if isinstance(error, StoreFull) else BUSY_PAUSE_S
            self.clock.callLater(pause_s, self._try_again)

    def _try_again(self) -> None:
        self._resting = 0
        self.wake()

    def _one_by_one(self, group: Group) -> None:
        """The content of a group was refused: each part is kept by itself, so that whoever is at fault does not take the neighbours
        along.
        """
        for change in group.changes:
            _, error = self._alone(Batch(changes=[change.row]))
            if self.stopped:
                return
            if isinstance(error, StoreBusy | StoreFull):
                self._rest([change], error)
            else:
                _tell(change.done, change.about, error)
        for claim in group.claims:
            _, error = self._alone(Batch(claims=list(claim.ids)))
            if self.stopped:
                return
            _tell(claim.done, claim.about, error)
        for message in group.messages:
            repeated, error = self._alone(Batch(messages=[message.row]))
            if self.stopped:
                return
            _tell(message.done, message.about, error or (repeated or {}).get(message.row.id))

    def _alone(self, batch: Batch) -> tuple[dict[int, Earlier] | None, StoreError | None]:
        repeated, error = attempt(partial(self.store.commit, batch), self._say)
        self._heed(error)
        return repeated, error

    # -- the end --------------------------------------------------------------------------------------------------------

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


def _tell(done: Callable[[Any, Any], None], about: Any, end: Any) -> None:
    """A fault of ours behind one result must not keep the neighbours from theirs."""
    try:
        done(about, end)
    except Exception:
        log.failure("what should follow a transaction failed")

"""What the programme tells of one patient, worked out of the facts and of what was told before, as ordinary messages.

Speakers say what is to be told and make the messages; here these enter through the source `programme`, each in one transaction with
the note that it was told. What never left is cancelled instead of being taken back, so that nobody reads of something that is over.
What was told of a patient who turned out to be the wrong one, since a person parted numbers, is taken back as such and told anew of
the right one. Nothing is told of a patient who is held for a person.

Raises the kinds of StoreError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from hl7bridge.affiliation.alerts.notices import Act, State, Told
from hl7bridge.affiliation.who.known import Known, known_of
from hl7bridge.affiliation.who.roster import RosterRow
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.engine.delivering.release import consent_of
from hl7bridge.engine.keeping.about import every_delivery
from hl7bridge.engine.keeping.identity import of_message
from hl7bridge.engine.keeping.journal import End
from hl7bridge.engine.programme.alerting import Alerting
from hl7bridge.engine.programme.summaries import Summarising
from hl7bridge.engine.programme.telling import Looked, Speaker, Telling, Words
from hl7bridge.engine.receiving.in_time import decide
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryRow,
    DeliveryStatus,
    MessageStatus,
    NewMessage,
    NoticeRow,
    StoreError,
    StoreFault,
)

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.programme")

WITHDRAWN = "taken back before it left: what it says no longer holds"
#: What a delivery is that no hospital has accepted, unless it may be one without our knowing.
_NOT_TAKEN = (DeliveryStatus.QUEUED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)
#: Called when a step is durable, or with the error that kept it from being so.
WhenDone = Callable[[StoreError | None], None]


class Findings(NamedTuple):
    """What is to be told of a patient, and the day on which to look again, None for never."""

    known: Known
    telling: tuple[Telling, ...]
    next_day: date | None


class Teller:
    """For one engine. `told` and `withdrawn` count since the start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        subject = engine.hashes.subject
        self._speakers: tuple[Speaker, ...] = (Alerting(subject), Summarising(subject))
        self.told = 0
        self.withdrawn = 0

    # -- what is to be told ----------------------------------------------------------------------------------------------

    def findings(self, key: int, today: date) -> Findings:
        """What follows from all that is known of the patient of a key. Raises ValueError for what is kept in no known format."""
        store = self._engine.store
        known = known_of(key, store.aliases, store.facts, store.verdicts)
        if known.patient.held is not None:
            return Findings(known, (), None)
        rows: dict[str, list[RosterRow]] = {}
        for row in self._engine.roster.by_keys(known.patient.keys):
            rows.setdefault(row.affiliate, []).append(row)
        told: dict[str, list[Told]] = {}
        for notice in store.notices(known.patient.keys):
            each = Told(*notice[:4], State(notice.state), *notice[5:])
            if not self._kept_back(each):
                told.setdefault(notice.recipient, []).append(each)
        looked = Looked(known, rows, told, today, self._engine.hashes.patient)
        plans = [speaker.plan(looked, self._engine.configuration) for speaker in self._speakers]
        days = [plan.next_day for plan in plans if plan.next_day is not None]
        tellings = tuple(each for plan in plans for each in plan.tellings)
        if any(each.wrong for each in tellings):
            days.append(today)  # what holds is told of the right patient as soon as that is durable
        return Findings(known, tellings, min(days, default=None))

    def _kept_back(self, told: Told) -> bool:
        """Whether a first telling left for nobody since consent or the rules of what is withheld had changed by then: it counts as not
        told, so that it is told if they change back, and by the rules that hold then.
        """
        if told.state is not State.TOLD or told.number > 1:
            return False
        detail = self._engine.store.message(told.message_id)
        if detail is None or not detail.deliveries:
            return False
        if not all(
            row.status is DeliveryStatus.CANCELLED and consent_of(row.reason) for row in detail.deliveries
        ):
            return False
        return self._unsent(told) is not None  # by no replay either

    # -- telling it ------------------------------------------------------------------------------------------------------

    def tell(self, telling: Telling, done: WhenDone) -> None:
        """Makes one step; `done` is told when it is durable, perhaps at once."""
        told = telling.step.told
        if telling.step.act is not Act.WITHDRAW:
            if telling.step.act is Act.REPLACE and told is not None:
                # A roster or an operator may have kept back what it would replace, or the recipient was in shadow.
                telling = replace(telling, lost=self._stuck(told, DeliveryStatus.CANCELLED))
            self._say(telling, done)
            return
        assert told is not None
        if telling.speaker.continues(told):
            # Whatever became of this version, one before it may be there.
            lost = self._stuck(told, DeliveryStatus.CANCELLED, DeliveryStatus.FAILED)
            self._unsay(replace(telling, lost=lost), told, done)
        elif self._unsent(told) is not None:
            self._cancel(telling, told, done)
        else:
            self._gone(telling, told, done)

    def _gone(self, telling: Telling, told: Told, done: WhenDone) -> None:
        """What is over has left, or may have."""
        if telling.quietly:
            done(None)
        else:
            self._unsay(telling, told, done)

    def _say(self, telling: Telling, done: WhenDone) -> None:
        before = telling.step.told
        number = 1 if before is None else before.number + 1

        def made(words: Words) -> None:
            self.told += 1
            notice = Told(
                words.patient,
                telling.recipient,
                telling.step.subject,
                number,
                State.TOLD,
                words.content,
                0,
                words.data,
            )
            self.enter(words.raw, notice, done)

        work = telling.speaker.say, telling, number, self._engine.configuration, self._now()
        self._make(telling, work, made, done)

    def _unsay(self, telling: Telling, told: Told, done: WhenDone) -> None:
        def made(raw: bytes) -> None:
            self.withdrawn += 1
            self.enter(raw, told._replace(state=State.WITHDRAWN), done)

        self._make(
            telling, (telling.speaker.unsay, telling, self._engine.configuration, self._now()), made, done
        )

    def _make(
        self, telling: Telling, work: tuple[Any, ...], made: Callable[[Any], None], done: WhenDone
    ) -> None:
        """Makes a message, in a thread where that takes long; a fault of ours keeps this patient's look from being over."""
        run = self._engine.connector.run_elsewhere if telling.speaker.slow else maybeDeferred
        making: Deferred[Any] = run(*work)

        def failed(failure: Any) -> None:
            log.failure("what follows of a patient's facts could not be said", failure)
            done(StoreFault("its message could not be made"))

        making.addCallback(made).addErrback(failed)

    def enter(self, raw: bytes, notice: Told | None, done: WhenDone) -> None:
        """A message's way into the engine, as any other's from its frame on; nobody waits for an answer. What it tells is `notice`."""
        engine = self._engine
        number = engine.numbers.message()
        message = Message(raw)
        now_us = engine.wall_us()
        sender, fingerprint = of_message(engine.hashes, PROGRAMME, message)
        decision = decide(
            engine.configuration,
            PROGRAMME,
            message,
            received=datetime.fromtimestamp(now_us / 1e6, UTC),
            sequence=number,
            roster=engine.roster,
        )
        new = NewMessage(
            number,
            now_us,
            PROGRAMME,
            "",
            message.control_id.decode("ascii", "replace"),
            sender,
            fingerprint,
            MessageStatus.RECEIVED,
            "",
            engine.configuration.version,
            raw,
            notices=() if notice is None else (_row(notice._replace(message_id=number)),),
        )

        def kept(end: End) -> None:
            done(end if isinstance(end, StoreError) else None)

        engine.acceptor.accept(new, decision, kept)

    def _now(self) -> datetime:
        zone = self._engine.configuration.engine.programme_zone or UTC
        return datetime.fromtimestamp(self._engine.wall_us() / 1e6, zone)

    # -- what never left -------------------------------------------------------------------------------------------------

    def _unsent(self, told: Told) -> list[DeliveryRow] | None:
        """The deliveries of a message, and of its replays, if no hospital has taken any; None if one may know it."""
        store = self._engine.store
        detail = store.message(told.message_id)
        if detail is None:
            return None
        rows = every_delivery(store, detail)
        for row in rows:
            if row.possible_duplicate or row.status not in _NOT_TAKEN:
                return None
            delivery = self._engine.deliveries.get(row.destination)
            if delivery is not None and not delivery.queue.cancellable(row.id):
                return None
        return rows

    def _stuck(self, told: Told, *statuses: DeliveryStatus) -> bool:
        """Whether a message reached nobody, and all that was to be sent of it ended with one of these statuses."""
        rows = self._unsent(told)
        return rows is not None and all(row.status in statuses for row in rows)

    def _cancel(self, telling: Telling, told: Told, done: WhenDone) -> None:
        engine = self._engine
        cancelled: list[DeliveryRow] = []
        left = False

        def work() -> None:
            nonlocal left
            rows = self._unsent(told)
            if rows is None:
                left = True
                return
            cancelled.extend(row for row in rows if row.status is not DeliveryStatus.CANCELLED)
            now_us = engine.wall_us()
            changes = [
                DeliveryChange(row.id, DeliveryStatus.CANCELLED, row.attempts, now_us, None, WITHDRAWN)
                for row in cancelled
            ]
            notice = _row(told._replace(state=State.WITHDRAWN))
            engine.store.commit(Batch(changes=changes, notices=[notice]))

        def kept(_: object, error: StoreError | None) -> None:
            if error is not None:
                done(error)
                return
            if left:  # meanwhile: then it is taken back like any other
                self._gone(telling, told, done)
                return
            for row in cancelled:
                delivery = engine.deliveries.get(row.destination)
                if delivery is not None:
                    delivery.queue.cancelled(row.id)
                    delivery.touch()
            self.withdrawn += 1
            engine.journal.wake()
            done(None)

        engine.journal.act(work, kept)


def _row(told: Told) -> NoticeRow:
    return NoticeRow(*told[:4], int(told.state), *told[5:])

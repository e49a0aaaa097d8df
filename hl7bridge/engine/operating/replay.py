"""Replaying: messages of the store, or of files, go their way again, in order, at a limited rate, linked to their originals.

Through the channel a message is decided anew, by today's configuration; as it was, the stored payloads go again. Every release is
looked at again when it leaves. A replay that is stopped says where, and can go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from hl7bridge.channel.deciding.decide import Decision, Outgoing
from hl7bridge.connectors.message_file import read_messages
from hl7bridge.engine.keeping.identity import of_message
from hl7bridge.engine.keeping.journal import End
from hl7bridge.engine.operating.edited import EDITED, must_be_of_its_patient
from hl7bridge.engine.operating.entitle import newly_entitled
from hl7bridge.engine.operating.replaywhere import order_keys, payload_again, payloads_again
from hl7bridge.engine.receiving.in_time import TooLong, decide
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.identifiers import merge_identifiers, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.mllp import TooLarge
from hl7bridge.store.base import (
    REPLAY,
    MessageDetail,
    MessageQuery,
    MessageRow,
    MessageStatus,
    NewMessage,
    StoreError,
)

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.replay")

#: Messages between two looks at the reactor, and the seconds after which large ones leave it the next turn.
STEP = 20
STEP_S = 0.01
#: Replayed messages that may wait to be durable.
MOST_UNKEPT = 200
PAGE = 200


@dataclass(slots=True)
class Order:
    """What an operator asked for: all that `query` finds, or one `message`, also one that a replay made. `to` None means wherever the
    decision says; `rate` is messages a second, 0 without limit.

    `newly`: only to those of these affiliates that may be told of a message now and never were. `dry_run`: count, and do nothing.
    `edited` goes through the channel in place of the one message that is asked for.
    """

    operator: str
    as_it_was: bool = False
    to: tuple[str, ...] | None = None
    rate: float = 0.0
    limit: int | None = None
    after_id: int | None = None
    message: int | None = None
    query: MessageQuery = field(default_factory=MessageQuery)
    newly: tuple[str, ...] | None = None
    dry_run: bool = False
    edited: bytes | None = None


@dataclass(slots=True)
class Progress:
    """How far a replay has come; `last_id` is where it goes on with `--after`."""

    replayed: int = 0
    deliveries: int = 0
    skipped: int = 0
    failed: int = 0
    last_id: int | None = None


class Wait:
    """A step of a replay in which there is nothing to do but wait for the store."""


WAIT: Final = Wait()
#: Seconds until it is asked again.
WAIT_S = 0.002


class Replaying:
    """Replays for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unkept = 0
        self._refused: StoreError | None = None
        self._last_kept: int | None = None

    def from_store(self, order: Order) -> Iterator[Progress | Wait]:
        """One step for each message; oldest first."""
        progress = Progress(last_id=order.after_id)
        for row in islice(self._rows(order), order.limit):
            yield from self._room(progress)
            self._may_go_on(progress)
            self._again(row, order, progress)
            progress.last_id = row.id
            yield progress
        yield from self._all_kept(progress)

    def from_file(self, source: str, path: str, order: Order) -> Iterator[Progress | Wait | None]:
        """Messages of a file, decided as if `source` had received them now; None where a step has only read on.

        A message that is larger than the source allows counts as failed.
        """
        if source not in self._engine.configuration.sources:
            known = ", ".join(sorted(self._engine.configuration.sources))
            raise HL7BridgeError(
                f"there is no source {source}", code="unknown-source", hint=f"the sources are {known}"
            )
        settings = self._engine.configuration.sources[source]
        progress = Progress()
        for raw in read_messages(path, settings.max_message_bytes):
            if raw is None:
                yield None
                continue
            yield from self._room(progress)
            self._may_go_on(progress)
            try:
                if isinstance(raw, TooLarge):
                    raise HL7BridgeError("larger than the source allows", code="too-large")
                message = Message(raw, settings.encoding)
            except HL7BridgeError:
                progress.failed += 1
            else:
                self._through_channel(message, source, self._engine.wall_us(), None, order, progress)
            yield progress
        yield from self._all_kept(progress)

    def _room(self, progress: Progress) -> Iterator[Wait]:
        """Waits while much of what was replayed is not durable yet, or nothing may be taken in: a replay is intake."""
        while self._unkept >= MOST_UNKEPT or self._engine.journal.pressed:
            self._may_go_on(progress)
            yield WAIT

    def _may_go_on(self, progress: Progress) -> None:
        """A replay is intake: it stops where messages from feeds are refused, and at the first that was not kept."""
        why = self._engine.receiver.refusing or (self._refused and str(self._refused))
        if why or self._engine.journal.stopped:
            done = f"{progress.replayed - progress.failed - self._unkept} messages were replayed"
            hint = f"it can go on with --after {self._last_kept}" if self._last_kept else None
            raise HL7BridgeError(
                f"the replay stopped: {why or 'the engine ends'}; {done}", code="replay-stopped", hint=hint
            )

    def _all_kept(self, progress: Progress) -> Iterator[Wait]:
        """A replay has ended when the last of its messages is durable."""
        while self._unkept:
            self._may_go_on(progress)
            yield WAIT
        if self._refused is not None:
            self._may_go_on(progress)

    def _rows(self, order: Order) -> Iterator[MessageRow]:
        if order.message is not None:
            named = self._engine.store.message(order.message)
            if named is None:
                raise HL7BridgeError(
                    f"there is no message {order.message}",
                    code="unknown-message",
                    hint="retention may have taken it",
                )
            yield named.row
            return
        after = order.after_id
        # What the replay itself adds is not replayed: it stops at the newest message there is now.
        newest = self._engine.numbers.last_message
        while True:
            page = self._engine.store.messages(order.query, after, PAGE, newest_first=False)
            for row in page:
                if row.id > newest:
                    return
                yield row
            if len(page) < PAGE:
                return
            after = page[-1].id

    def _again(self, row: MessageRow, order: Order, progress: Progress) -> None:
        # A copy is not replayed beside its original: the same filter asked twice would double it each time.
        copy = row.status is MessageStatus.DUPLICATE or (row.is_replay and order.message is None)
        if copy or row.status is MessageStatus.REJECTED:
            progress.skipped += 1
            return
        detail = self._engine.store.message(row.id)
        if detail is None:
            progress.skipped += 1
            return
        if order.newly is not None:
            order = replace(order, to=newly_entitled(self._engine, detail, order.newly))
            if not order.to:
                progress.skipped += 1
                return
        configuration = self._engine.configuration
        raw = self._engine.store.body(detail.bodies[0][0]) if order.edited is None else order.edited
        message = Message(raw, configuration.encoding(row.source))
        if order.edited is not None:
            must_be_of_its_patient(self._engine.hashes, message, row)
        if order.as_it_was:
            self._as_it_was(message, detail, order, progress)
        elif row.source not in configuration.plans:
            progress.skipped += 1
        else:
            self._through_channel(message, row.source, row.received_us, row.id, order, progress)

    def _through_channel(
        self,
        message: Message,
        source: str,
        received_us: int,
        original: int | None,
        order: Order,
        progress: Progress,
    ) -> None:
        engine = self._engine
        number = engine.numbers.message()
        try:
            decision = decide(
                engine.configuration,
                source,
                message,
                received=datetime.fromtimestamp(received_us / 1e6, UTC),
                sequence=number,
                roster=engine.roster,
            )
        except TooLong:  # its log line names the channel; the next message is not to blame
            progress.failed += 1
            return
        if order.to is not None:
            decision.outgoing = tuple(each for each in decision.outgoing if each.destination in order.to)
        if order.newly is not None and all(each.refused is not None for each in decision.outgoing):
            progress.skipped += 1  # the channels have nothing of it for them
        elif order.dry_run:
            progress.replayed += 1
            progress.deliveries += sum(each.refused is None for each in decision.outgoing)
        else:
            self._accept(number, message, source, original, decision, order, progress)

    def _as_it_was(self, message: Message, detail: MessageDetail, order: Order, progress: Progress) -> None:
        engine = self._engine
        row = detail.row
        chosen = payloads_again(engine.configuration, detail, order.to)
        outgoing: list[Outgoing] = []
        identifiers = (*patient_identifiers(message), *merge_identifiers(message))
        for again in chosen:
            if again.unfit is not None:
                progress.skipped += 1
                continue
            delivery, name = again.delivery, again.destination
            payload = payload_again(engine.configuration, again, engine.store.body(delivery.payload_ref))
            keys = order_keys(engine.configuration.destinations[name].order, identifiers, row)
            outgoing.append(Outgoing(name, delivery.channel, payload, keys, delivery.scope, None, None))
        decision = Decision(
            status=row.status.name,
            outcomes=(),
            outgoing=tuple(outgoing),
            answer="",
            errors=(),
            type=row.type,
            event_date=None,
            identifiers=identifiers,
            flags=(),
        )
        self._accept(engine.numbers.message(), message, row.source, row.id, decision, order, progress)

    def _accept(
        self,
        number: int,
        message: Message,
        source: str,
        original: int | None,
        decision: Decision,
        order: Order,
        progress: Progress,
    ) -> None:
        engine = self._engine
        _, fingerprint = of_message(engine.hashes, source, message)
        new = NewMessage(
            number,
            engine.wall_us(),
            source,
            "",
            message.control_id.decode("ascii", "replace")[:200],
            0,  # no sender was answered: what the sender itself sends again is no repetition of this
            fingerprint,
            MessageStatus.RECEIVED,
            "",
            engine.configuration.version,
            message.raw,
            flags=(REPLAY,) if order.edited is None else (REPLAY, EDITED),
            original=original,
            operator=order.operator,
        )
        progress.deliveries += sum(each.refused is None and each.error is None for each in decision.outgoing)

        self._unkept += 1

        def kept(end: End) -> None:
            self._unkept -= 1
            if isinstance(end, StoreError):
                progress.failed += 1
                self._refused = end
            elif self._refused is None:
                self._last_kept = original

        engine.acceptor.accept(new, decision, kept, release_again=True)
        progress.replayed += 1


def run_steps(
    steps: Iterator[Any],
    clock: Any,
    rate: float,
    each: Callable[[Any], None],
    ended: Callable[[HL7BridgeError | None], None],
) -> Callable[[], None]:
    """Runs a generator beside the engine's work, at most `rate` steps a second (0: as the engine has time).

    A step that gives None is work that no rate counts; one that gives WAIT has nothing to do now. `each` is told of every other step,
    `ended` of the end. Gives a callable that stops it.
    """
    state = {"stopped": False}
    started = clock.seconds()
    done = 0

    def go() -> None:
        nonlocal done
        began, pause = clock.seconds(), 0.0
        try:
            for _ in range(STEP):
                if state["stopped"]:
                    ended(None)
                    return
                now = clock.seconds()
                if rate > 0 and done >= (now - started) * rate + 1:
                    pause = 1 / rate
                    break
                if now - began > STEP_S:
                    break
                step = next(steps)
                if isinstance(step, Wait):
                    pause = WAIT_S
                    break
                each(step)
                done += step is not None
        except StopIteration:
            ended(None)
            return
        except HL7BridgeError as error:
            ended(error)
            return
        except Exception as error:  # whoever asked must hear of it
            log.failure("what an operator asked for failed")
            ended(
                HL7BridgeError(
                    f"a fault of the engine ({type(error).__name__}); its log tells more", code="fault"
                )
            )
            return
        clock.callLater(pause, go)

    def stop() -> None:
        state["stopped"] = True

    clock.callLater(0, go)
    return stop

"""The walk of one message, from its frame to its acknowledgement.

A frame is read, the channels decide, everything is kept in one durable transaction, and only then the answer leaves. Deliveries
that may leave at once are already claimed in that transaction. It is also what recognises a repetition: then nothing of the
decision is kept, what came before is answered again, and the copy is noted.

    feed.py       hands a connection's frame to `frame`, where it waits; the journal asks for it by `gather` before a commit
    receive       reads it (hl7/message.py)
    _decide       has it decided in bounded time (in_time.py, channel/deciding/decide.py) and gives it to accept.py, which gives it and
                  its deliveries to the journal (engine/keeping/journal.py)
    _answer       follows when that is durable; answer.py says what the sender hears (hl7/ack.py)

Its deliveries leave from there: engine/delivering/deliver.py.

Raises nothing: whatever is wrong with a message becomes its disposition and its answer.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import SourceSettings
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.engine.keeping.identity import StoredRoster, of_message
from hl7bridge.engine.keeping.journal import End, Journal
from hl7bridge.engine.keeping.numbers import Numbers
from hl7bridge.engine.receiving.accept import Acceptor
from hl7bridge.engine.receiving.answer import Answering, Connection, refuse_too_large
from hl7bridge.engine.receiving.budget import NOTHING_IN_HAND, InHand
from hl7bridge.engine.receiving.in_time import decide
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import batch
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import REUSED_CONTROL_ID, Earlier, MessageStatus, NewMessage, StoreError, StoreFault
from hl7bridge.store.hashes import Hashes

log = Logger(namespace="hl7bridge.receive")

#: The most messages decided in one turn: it bounds how long answers of hospitals wait behind new messages, and how long the
#: store's process waits for something to keep.
QUANTUM = 8


class Frame(NamedTuple):
    """A message's bytes on their way in; what is `held` of the budget is given back when it is answered. `taken_us`: when its file was
    taken. `again`: it may have been kept since then, and is looked for so far back, whatever the source says of duplicates.
    """

    source: str
    connection: Connection
    payload: bytes
    held: InHand = NOTHING_IN_HAND
    taken_us: int = 0
    again: bool = False


class Receiver:
    """Receives for every source. `configuration` and `refusing` (why nothing is taken now) are set by the service."""

    def __init__(
        self,
        configuration: Configuration,
        journal: Journal,
        acceptor: Acceptor,
        numbers: Numbers,
        hashes: Hashes,
        roster: StoredRoster,
        *,
        clock: IReactorTime,
        wall_us: Callable[[], int],
    ) -> None:
        self.configuration = configuration
        self.refusing: str | None = None
        self.received = 0
        self.heard_us: dict[str, int] = {}
        self.misses: Counter[str] = Counter()
        self._say = Sparing(log, clock)
        self._journal = journal
        self._acceptor = acceptor
        self._numbers = numbers
        self._hashes = hashes
        self._roster = roster
        self._wall_us = wall_us
        self._waiting: deque[Frame] = deque()
        # By sender and control ID, then by fingerprint: copies that came before the original was durable.
        self._in_flight: dict[tuple[int, str], dict[int, list[Frame]]] = {}

    @property
    def idle(self) -> bool:
        """No frame waits and none is being made durable."""
        return not self._waiting and not self._in_flight

    # -- frames --------------------------------------------------------------------------------------------------------------

    def frame(self, frame: Frame) -> None:
        """A frame came; it is received when its turn comes, before one of the next commits."""
        self.heard_us[frame.source] = self._wall_us()
        self._waiting.append(frame)
        self._journal.wake()

    def gather(self, most: int = QUANTUM) -> None:
        """Before a commit: receives at most so many of the frames that wait."""
        waiting = self._waiting
        for _ in range(min(len(waiting), most)):
            frame = waiting.popleft()
            try:
                self._receive_frame(frame)
            except Exception:  # a fault of ours: this sender hears nothing and sends again; the others go on
                frame.held.give_back()
                frame.connection.ended(None, 0)
                self._say.failure("{source}: a frame could not be received", source=frame.source)
        if waiting:
            self._journal.wake()

    def _receive_frame(self, frame: Frame) -> None:
        if not batch.is_batch(frame.payload):
            self.receive(frame)
            return
        parts = batch.split(frame.payload)
        for error in parts.errors:
            self._say.warn("{source}: in a batch: {error}", source=frame.source, error=str(error))
        if not parts.messages:  # an empty batch is kept and answered like anything unreadable
            self.receive(frame)
            return
        # A batch may hold thousands: its messages are received in order, a few before each commit like anybody's.
        frames = [frame._replace(payload=part, held=NOTHING_IN_HAND) for part in parts.messages]
        frames[-1] = frames[-1]._replace(held=frame.held)
        self._waiting.extendleft(reversed(frames))
        self._journal.wake()

    def too_large(self, source: str, connection: Connection, head: bytes) -> None:
        """A message outgrew its source's limit: it is refused for good, since it will not shrink."""
        self.heard_us[source] = self._wall_us()
        self._say.warn("{source}: refused a message that is larger than the source allows", source=source)
        with suppress(HL7BridgeError):
            refuse_too_large(connection, Message(head), self._wall_us, self._numbers.message())

    # -- the walk -------------------------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> None:
        """Takes one message from its bytes to the journal; `_answer` goes on when it is durable."""
        source = self.configuration.sources.get(frame.source)
        if source is None:
            # A reload took it away meanwhile: nobody is answered, and a file keeps its message.
            frame.held.give_back()
            frame.connection.ended("", 0)
            return
        self.received += 1
        try:
            message = Message(frame.payload, source.encoding)
        except Unreadable as error:
            self._keep_unreadable(frame, source, error)
            return
        number = self._numbers.message()
        answering = Answering(frame.connection, message, source.commit_bytes, self._wall_us, number)
        if self.refusing is not None:
            self._not_kept(answering, frame.held)
            return
        new = self._new(frame, source, message, number)
        try:
            if source.duplicates_s is None or not self._is_in_flight(new, frame, source.duplicates_s):
                if frame.again:
                    new.once_since_us = min(frame.taken_us, new.once_since_us or frame.taken_us)
                self._decide(new, source, message, answering, frame.held)
        except StoreError as error:
            self._say.warn(
                "{source}: the store could not be asked: {error}", source=source.name, error=str(error)
            )
            self._not_kept(answering, frame.held)

    def _is_in_flight(self, new: NewMessage, frame: Frame, within_s: float) -> bool:
        """Whether these bytes are being kept already: then they wait for the first of them. Otherwise the store looks further."""
        place = (new.sender, new.control_id)
        known = self._in_flight.get(place)
        if known is None:
            self._in_flight[place] = {new.fingerprint: []}
        elif new.fingerprint in known:
            known[new.fingerprint].append(frame)
            return True
        else:
            new.flags = (REUSED_CONTROL_ID,)
            known[new.fingerprint] = []
        new.once_since_us = new.received_us - int(within_s * 1e6)
        return False

    def _decide(
        self, new: NewMessage, source: SourceSettings, message: Message, answering: Answering, held: InHand
    ) -> None:
        try:
            decision = decide(
                self.configuration,
                source.name,
                message,
                received=datetime.fromtimestamp(new.received_us / 1e6, UTC),
                sequence=new.id,
                roster=self._roster,
            )
            new.answer = answering.decided(decision)
            misses = decision.misses
            self._acceptor.accept(new, decision, lambda end: self._answer(answering, held, new, misses, end))
        except Exception:
            self._landed(new)
            raise

    def _answer(
        self, answering: Answering, held: InHand, new: NewMessage, misses: tuple[str, ...], end: End
    ) -> None:
        """The message is durable, or certainly not: now, and not before, the sender hears of it."""
        copies = self._landed(new)
        if copies:
            # Next, as frames of their own: whatever happens to one of them stays in it.
            self._waiting.extendleft(reversed(copies))
            self._journal.wake()
        if isinstance(end, Earlier):
            self._keep_duplicate(new, end.message_id, answering, held)
            return
        if misses and end is None:
            self._count_misses(new.source, misses)
        self._ended((answering, held), end)

    def _landed(self, new: NewMessage) -> list[Frame]:
        """The message is in flight no more; gives the copies that waited for it."""
        place = (new.sender, new.control_id)
        known = self._in_flight.get(place, {})
        copies = known.pop(new.fingerprint, [])
        if not known:
            self._in_flight.pop(place, None)
        return copies

    def _count_misses(self, source: str, misses: tuple[str, ...]) -> None:
        """Codes that no table had, and orders of which nothing is taken: by place, said at the first and at every thousandth."""
        for place in misses:
            self.misses[place] += 1
            if self.misses[place] % 1000 == 1:
                log.warn(
                    "{source}: not understood: {place} ({count} so far)",
                    source=source,
                    place=place,
                    count=self.misses[place],
                )

    # -- what is kept without a decision -----------------------------------------------------------------------------------------

    def _new(self, frame: Frame, source: SourceSettings, message: Message, number: int) -> NewMessage:
        sender, fingerprint = of_message(self._hashes, source.name, message)
        return NewMessage(
            number,
            # Where the clock is set back in the middle of a file, its messages are found again all the same.
            max(self._wall_us(), frame.taken_us),
            source.name,
            "",
            message.control_id.decode("ascii", "replace")[:200],
            sender,
            fingerprint,
            MessageStatus.RECEIVED,
            "",
            self.configuration.version,
            frame.payload,
        )

    def _keep_duplicate(self, copy: NewMessage, original: int, answering: Answering, held: InHand) -> None:
        """The sender lost our answer: it hears it again, and nothing is processed twice."""
        note = NewMessage(
            copy.id,
            copy.received_us,
            copy.source,
            copy.type,
            copy.control_id,
            copy.sender,
            copy.fingerprint,
            MessageStatus.DUPLICATE,
            answering.repeated(),
            copy.version,
            b"",  # the same bytes lie under the original
            original=original,
        )
        self._journal.message(note, self._ended, (answering, held))

    def _keep_unreadable(self, frame: Frame, source: SourceSettings, error: Unreadable) -> None:
        number = self._numbers.message()
        answering = Answering(frame.connection, None, source.commit_bytes, self._wall_us, number)
        if self.refusing is not None:
            self._not_kept(answering, frame.held)
            return
        new = NewMessage(
            number,
            self._wall_us(),
            source.name,
            "",
            "",
            0,
            self._hashes.fingerprint(frame.payload),
            MessageStatus.REJECTED,
            answering.unreadable(),
            self.configuration.version,
            frame.payload,
            outcomes=(("", "ERROR", f"{error.code}: {error}"),),
        )
        self._journal.message(new, self._ended, (answering, frame.held))

    def _ended(self, answering_and_held: tuple[Answering, InHand], end: End) -> None:
        answering, held = answering_and_held
        if end is None:
            held.give_back()
            answering.send()
        else:
            self._not_kept(answering, held, for_good=isinstance(end, StoreFault))

    @staticmethod
    def _not_kept(answering: Answering, held: InHand, *, for_good: bool = False) -> None:
        held.give_back()
        answering.not_kept(for_good=for_good)

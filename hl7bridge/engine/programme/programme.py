"""The affiliation programme at work: patients who are due are looked at, and what follows is told.

A patient is due when facts came, and on the day that the last look named. The store knows who is due, so nothing is lost with the
process, and nobody needs to have been here on that day: what is told is worked out when it is told, from what is known then. After a
start, and after facts came, it waits a while for those that belong to them (`programme: settle`): feeds that were held up send what
they have.

One page of patients at a time, in slices, so that messages go first: a ninth of the time while there are any. A patient's next
look is written when all that was told of the patient is durable; what was not is found again by the next look.

Raises nothing.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime, time
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from hl7bridge.affiliation.who.people import Patient
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.engine.programme.tell import Findings, Teller
from hl7bridge.store.base import Batch, DueLook, HeldPatient, Look, StoreError, StoreFault

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.programme")

#: Seconds between two looks at who is due while nobody is.
EVERY_S = 1.0
#: Seconds after a fault of the store, or while nothing may be taken in.
PAUSE_S = 1.0
#: Seconds until a patient is looked at again of whom something could not be read or said.
FAULT_S = 3600.0
#: Patients of one page, and seconds of one slice of it.
PAGE = 100
SLICE_S = 0.005
#: While messages come, so many times a slice's length is left to them.
SHARE = 8


class Programme:
    """For one engine; `start` and `stop`. `looked` counts patients since the start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._say = Sparing(log, engine.clock)
        self.teller = Teller(engine)
        self.looked = 0
        self._page: deque[DueLook] = deque()
        self._seen: set[int] = set()
        self._looks: list[Look] = []
        self._held: list[HeldPatient] = []
        self._whole = False  # all of the page has been looked at
        self._open = 0  # patients of whom something is being told that is not durable yet
        self._faulted = False
        self._pause_s = 0.0
        self._received = 0
        self._next: Any = None
        self._running = False

    def start(self) -> None:
        """Begins when what was held up has had time to come."""
        self._running = True
        self._again(self._engine.configuration.engine.settle_s)

    def stop(self) -> None:
        """Ends; what was begun is found again."""
        self._running = False
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _again(self, seconds: float) -> None:
        if self._running:
            self._next = self._engine.clock.callLater(seconds, self._turn)

    # -- a page ----------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        engine = self._engine
        if engine.journal.stopped:
            return
        if PROGRAMME not in engine.configuration.plans or engine.receiver.refusing is not None:
            self._again(PAUSE_S)  # nobody listens to what the programme says, or nothing may be taken in
            return
        if engine.journal.pressed:
            self._again(SLICE_S)
            return
        try:
            if not self._page:
                settled_us = engine.wall_us() - int(engine.configuration.engine.settle_s * 1e6)
                self._page.extend(engine.store.looks(settled_us, PAGE))
                if not self._page:
                    self._again(EVERY_S)
                    return
            self._slice()
        except StoreError as error:
            self._say.warn("patients could not be looked at: {error}", error=str(error))
            self._page.clear()
            self._whole = True
            self._done()

    def _slice(self) -> None:
        clock = self._engine.clock
        begin = clock.seconds()
        while self._page and not self._engine.journal.pressed:
            self._look(self._page.popleft())
            if clock.seconds() - begin >= SLICE_S:
                break
        if not self._page:
            self._whole = True
            self._done()
            return
        received = self._engine.receiver.received
        busy, self._received = received != self._received, received
        self._again((clock.seconds() - begin) * SHARE if busy else 0)

    def _look(self, due: DueLook) -> None:
        if due.patient in self._seen:
            return  # under another number in this page: what that look told is not durable yet
        self.looked += 1
        try:
            found = self.teller.findings(due.patient, self._today())
            held = self._held_since(found.known.patient)
        except StoreError:
            raise
        except Exception as error:
            # What is kept in a format that this version does not know, or a fault of ours.
            self._say.error("a patient cannot be looked at: {error}", error=_where(error))
            self._looks.append(self._later(due))
            return
        keys = found.known.patient.keys
        if self._seen.intersection(keys):
            return
        self._seen.update(keys)
        self._held += held
        self._tell(due, found)

    def _held_since(self, patient: Patient) -> list[HeldPatient]:
        """What changes in the list of those whom a person must settle; a patient stands there under the first key."""
        rows = self._engine.store.held_patients(patient.keys)
        if patient.held is None:
            return [HeldPatient(row.patient, row.since_us, None) for row in rows]
        since_us = min([row.since_us for row in rows], default=self._engine.wall_us())
        row = HeldPatient(patient.keys[0], since_us, patient.held)
        others = [HeldPatient(each.patient, 0, None) for each in rows if each.patient != row.patient]
        return others if row in rows else [*others, row]

    def _tell(self, due: DueLook, found: Findings) -> None:
        look = Look(due.patient, due.news, self._due_us(found.next_day))
        if not found.telling:
            self._looks.append(look)
            return
        left = len(found.telling)
        faults: list[StoreError] = []

        def told(error: StoreError | None) -> None:
            nonlocal left
            left -= 1
            faults.extend([] if error is None else [error])
            if left:
                return
            self._open -= 1
            if faults and all(isinstance(each, StoreFault) for each in faults):
                # The same would be refused again, and those who cannot be told of must not keep the others waiting.
                self._say.error(
                    "what follows of a patient's facts cannot be kept: {error}", error=str(faults[0])
                )
                self._looks.append(self._later(due))
            elif faults:
                self._faulted = True
                self._say.warn(
                    "what follows of a patient's facts was not kept: {error}", error=str(faults[0])
                )
            else:
                self._looks.append(look)
            self._done()

        self._open += 1
        for telling in found.telling:
            try:
                self.teller.tell(telling, told)
            except StoreError as error:
                told(error)
            except Exception as error:
                told(StoreFault(_where(error)))

    def _done(self) -> None:
        """The page ends when all that it told is durable: then its patients' next looks are written, and the next page follows."""
        if self._open or not self._whole:
            return
        self._whole = False
        self._seen.clear()
        looks, self._looks = self._looks, []
        held, self._held = self._held, []
        self._pause_s = PAUSE_S if self._faulted or not looks else 0
        self._faulted = False
        if not looks:
            self._again(self._pause_s)
            return
        self._engine.journal.ask("commit", (Batch(looks=looks, held_patients=held),), self._written)

    def _written(self, _: object, error: StoreError | None) -> None:
        if error is not None:
            self._say.warn("when to look again was not kept: {error}", error=str(error))
        self._again(self._pause_s if error is None else PAUSE_S)

    # -- days ------------------------------------------------------------------------------------------------------------

    def _today(self) -> date:
        zone = self._engine.configuration.engine.programme_zone or UTC
        return datetime.fromtimestamp(self._engine.wall_us() / 1e6, zone).date()

    def _later(self, due: DueLook) -> Look:
        return Look(due.patient, due.news, self._engine.wall_us() + int(FAULT_S * 1e6))

    def _due_us(self, day: date | None) -> int | None:
        if day is None:
            return None
        zone = self._engine.configuration.engine.programme_zone or UTC
        return int(datetime.combine(day, time(), zone).timestamp() * 1e6)


def _where(error: Exception) -> str:
    """What went wrong and where, without a patient's data, which an exception's own words may hold."""
    places = extract_tb(error.__traceback__)
    return type(error).__name__ + (f" in {places[-1].name}, line {places[-1].lineno}" if places else "")

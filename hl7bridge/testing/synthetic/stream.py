"""The feed: many lives merged by the time of sending, told in dialects, with the disorder of real feeds.

One day of all lives is in memory at a time, with what is to be sent late. The same seed gives the same bytes; a longer run
begins with the shorter one; a life does not depend on how many others there are. Raises UnknownDialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from heapq import heapify, heappop, heappush
from random import Random
from typing import Final, NamedTuple

from hl7bridge.affiliation.who.roster import RosterEntry
from hl7bridge.testing.synthetic import pharmacy, records
from hl7bridge.testing.synthetic.clock import DAY, HOUR, MINUTE, plain, to_utc
from hl7bridge.testing.synthetic.dialects import Dialect, chosen
from hl7bridge.testing.synthetic.events import Event, Kind
from hl7bridge.testing.synthetic.life import Life, Seeds, born
from hl7bridge.testing.synthetic.population import person

PHARMACIES, CLINICS, HOSPITAL = "pharmacy-feed", "clinic-feed", "discharge"
#: The source of channels/ to which each message goes.
SOURCES: Final = (PHARMACIES, CLINICS, HOSPITAL)
#: The health systems that send what happens in their hospitals.
HOSPITALS: Final = frozenset({"medstar"})
#: A day of the feed begins when the easternmost clocks show midnight at the earliest.
_MIDNIGHT: Final = 4 * HOUR


@dataclass(frozen=True, slots=True)
class Disorder:
    """Shares of all messages, from 0 to 1: sent hours or days `late` (up to ten days), sent minutes or hours out of order
    (`disordered`), `repeated` (the same bytes once more), `retold` (the same event under a new control ID).
    """

    late: float = 0.01
    disordered: float = 0.02
    repeated: float = 0.01
    retold: float = 0.005


#: What real feeds do, and none of it.
USUAL, NONE = Disorder(), Disorder(0, 0, 0, 0)


class Manner(StrEnum):
    """How a message was sent."""

    PROMPT = "prompt"
    LATE = "late"
    DISORDERED = "disordered"
    REPEATED = "repeated"
    RETOLD = "retold"


class Sent(NamedTuple):
    """A message as it is sent, and the truth behind it.

    `source` is one of SOURCES; `dialect` the pharmacy's, None for clinics and hospitals; `sent_s` seconds of the same era as
    `Event.at`, in UTC.
    """

    source: str
    dialect: Dialect | None
    sent_s: int
    control_id: bytes
    raw: bytes
    truth: Event
    manner: Manner

    @property
    def sent(self) -> datetime:
        """When, in UTC."""
        return datetime.combine(date.fromordinal(self.sent_s // DAY), datetime.min.time(), UTC) + timedelta(
            seconds=self.sent_s % DAY
        )


class _Waiting(NamedTuple):
    """What is to be sent: the first three sort, and no two are alike."""

    sent_s: int
    place: int
    number: int
    event: Event
    source: str
    dialect: Dialect | None
    manner: Manner
    again: Sent | None = None
    repeat_after_s: int = 0


def generate(
    seed: int,
    patients: int,
    days: int,
    *,
    start: date = date(2026, 1, 1),
    dialects: Sequence[str] = (),
    disorder: Disorder = USUAL,
) -> Iterator[Sent]:
    """Everything that is sent in `days` days from `start`, in the order of sending.

    `dialects` names the pharmacies' (all of DIALECTS without any); clinics and hospitals have one each. Memory grows with `patients`
    and not with `days`. Raises UnknownDialect at once.
    """
    return _Stream(seed, patients, start.toordinal(), chosen(dialects), disorder).run(days)


def roster(seed: int, patients: int, *, start: date = date(2026, 1, 1)) -> Iterator[tuple[str, RosterEntry]]:
    """The health systems' rosters of the people of a run: (affiliate, row), as rosters/AFFILIATE.csv would have them."""
    for index in range(patients):
        who = person(seed, index, start.toordinal())
        entry = who.entry()
        if entry is not None and who.town.system is not None:
            yield who.town.system.name, entry


class _Stream:
    def __init__(
        self, seed: int, patients: int, start: int, dialects: tuple[Dialect, ...], disorder: Disorder
    ) -> None:
        self._seeds = Seeds(seed, Random())
        self._start = start
        self._dialects = dialects
        self._disorder = disorder
        self._waiting: dict[int, list[_Waiting]] = {}
        self._number = 0
        self._control: dict[bytes, int] = {}
        self._calendar: dict[int, list[Life]] = {}
        for index in range(patients):
            self._note(born(self._seeds, index, start))

    def _note(self, life: Life) -> None:
        day = life.next_day
        if day is not None:
            self._calendar.setdefault(day, []).append(life)

    def run(self, days: int) -> Iterator[Sent]:
        for day in range(self._start, self._start + days):
            for life in self._calendar.pop(day, ()):
                random = self._seeds.of(life.person.index, day)
                for event in life.live(day, random):
                    self._tell(event, random)
                self._note(life)
            yield from self._send(day)

    def _send(self, day: int) -> Iterator[Sent]:
        """All of one day; a repetition may fall on the same one."""
        today = self._waiting.setdefault(day, [])
        heapify(today)
        while today:
            waiting = heappop(today)
            sent = self._write(waiting)
            yield sent
            if waiting.repeat_after_s:
                self._wait(
                    waiting._replace(
                        sent_s=waiting.sent_s + waiting.repeat_after_s,
                        manner=Manner.REPEATED,
                        again=sent,
                        repeat_after_s=0,
                    )
                )
        del self._waiting[day]

    # -- what is to be sent, and when

    def _tell(self, event: Event, random: Random) -> None:
        """Puts down when an event is sent: promptly as a rule."""
        route = self._route(event)
        if route is None:
            return
        source, dialect = route
        disorder, roll = self._disorder, random.random()
        told_s = to_utc(event.at, event.person.town.zone)
        manner, delay = Manner.PROMPT, 1 + int(random.random() * 40)
        if roll < disorder.late:
            manner, delay = Manner.LATE, random.randrange(3 * HOUR, 10 * DAY)
        elif roll < disorder.late + disorder.disordered:
            manner, delay = Manner.DISORDERED, random.randrange(5 * MINUTE, 3 * HOUR)
        repeat_after_s = 0
        roll = random.random()
        if roll < disorder.repeated:
            repeat_after_s = random.choice((30, 60, 300, 20 * HOUR))
        waiting = _Waiting(
            told_s + delay, event.person.index, 0, event, source, dialect, manner, None, repeat_after_s
        )
        self._wait(waiting)
        if disorder.repeated <= roll < disorder.repeated + disorder.retold:
            later = waiting.sent_s + random.randrange(MINUTE, 3 * DAY)
            self._wait(waiting._replace(sent_s=later, manner=Manner.RETOLD))

    def _wait(self, waiting: _Waiting) -> None:
        self._number += 1
        day = (waiting.sent_s - _MIDNIGHT) // DAY
        heappush(self._waiting.setdefault(day, []), waiting._replace(number=self._number))

    def _route(self, event: Event) -> tuple[str, Dialect | None] | None:
        """The source and dialect that tell an event; None where nobody does."""
        kind = event.kind
        if kind in pharmacy.KINDS:
            assert event.prescription is not None
            dialect = self._dialects[event.prescription.store.place % len(self._dialects)]
            return (PHARMACIES, dialect) if pharmacy.tells(dialect, event) else None
        if event.stay is not None:
            system = event.person.town.system
            told = system is not None and system.name in HOSPITALS and event.person.theirs
            if told:
                return HOSPITAL, None
        if kind in records.CLINIC_KINDS:
            visit = event.visit
            if kind is Kind.VISIT_ENDED and visit is not None and visit.number[-1] in b"0123":
                return None  # this clinic's record tells no ends
            return CLINICS, None
        return None

    # -- the message itself

    def _write(self, waiting: _Waiting) -> Sent:
        sent_s, _, _, event, source, dialect, manner, again, _ = waiting
        if again is not None:
            return again._replace(sent_s=sent_s, manner=manner)
        if dialect is not None:
            assert event.prescription is not None
            control_id = self._control_id(dialect, event.prescription.store.code, sent_s)
            raw = pharmacy.write(dialect, event, sent_s, control_id)
        elif source == CLINICS:
            control_id = b"CE%09d" % self._count(b"CLINICEHR")
            raw = records.write_clinic(event, sent_s, control_id)
        else:
            control_id = b"%d" % (882_000_000 + self._count(b"EPIC"))
            raw = records.write_hospital(event, sent_s, control_id)
        return Sent(source, dialect, sent_s, control_id, raw, event, manner)

    def _control_id(self, dialect: Dialect, store: bytes, sent_s: int) -> bytes:
        if dialect.control == "store":
            return b"%d" % self._count(store)
        count = self._count(dialect.application)
        if dialect.control == "time":
            return b"%b-%04d" % (plain(sent_s)[2:], count % 10_000)
        return b"%b%09d" % (dialect.application[:2], count)

    def _count(self, of: bytes) -> int:
        self._control[of] = count = self._control.get(of, 0) + 1
        return count

"""A life: what happens to one invented person, day by day, from a seed.

A life keeps a short list of what is planned; each step, when its time has come, says what happened and plans what follows. What
medicines do is told in courses.py, clinics and hospitals in care.py. All chance of one day of one person comes from a generator
seeded with the seed, the person and the day: so lives are independent of each other and of how long the run is, and none has to keep
a generator's two and a half kilobytes. Knows no messages. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

from hl7bridge.testing.synthetic import care, courses
from hl7bridge.testing.synthetic.clock import DAY
from hl7bridge.testing.synthetic.events import Event, Fill, Kind, Prescription, Stay, Visit, Why
from hl7bridge.testing.synthetic.population import Person, Store, person

#: A step of a life: what happens then, and what is planned because of it.
Step = Callable[["Life", int, Any], None]


class Life:
    """One person's. `live` is called with each day that `next_day` names, in their order."""

    __slots__ = ("_events", "_made", "_pending", "active", "dead", "person", "punctual", "random", "stay")

    def __init__(self, person: Person, start: int, random: Random) -> None:
        """`start` is the first day's ordinal; `random` is that of the day before it."""
        self.person = person
        self.dead = False
        self.stay: Stay | None = None
        #: Prescriptions that may still be filled.
        self.active: list[courses.Course] = []
        #: How well the person keeps to what is prescribed, from 0 to 1.
        self.punctual = random.betavariate(5, 1.5)
        self.random = random
        self._pending: list[tuple[int, int, Step, Any]] = []
        self._events: list[Event] = []
        self._made = 0
        care.begin(self, start * DAY)
        courses.begin(self, start * DAY)

    @property
    def next_day(self) -> int | None:
        """The ordinal of the next day on which something happens; None if nothing ever will."""
        return self._pending[0][0] // DAY if self._pending else None

    def live(self, day: int, random: Random) -> list[Event]:
        """What happens on this day, in the order in which it happens."""
        self.random = random
        self._events = []
        end = (day + 1) * DAY
        while self._pending and self._pending[0][0] < end:
            at, _, step, subject = heappop(self._pending)
            step(self, at, subject)
        return self._events

    # -- for steps

    def plan(self, at: int, step: Step, subject: Any = None) -> None:
        """A step for later."""
        self._made += 1
        heappush(self._pending, (at, self._made, step, subject))

    def unplan(self, kept: Step) -> None:
        """Forgets all plans but those for one step."""
        self._pending = sorted(each for each in self._pending if each[2] is kept)

    def number(self) -> int:
        """One that no other prescription, visit or stay has: of the person and of a count."""
        self._made += 1
        return self.person.index * 10_000 + self._made % 10_000

    def happened(
        self,
        kind: Kind,
        at: int,
        prescription: Prescription | None = None,
        fill: Fill | None = None,
        visit: Visit | None = None,
        stay: Stay | None = None,
        why: Why | None = None,
    ) -> None:
        """Says that something happened."""
        store: Store | None = None if prescription is None else prescription.store
        number = self.person.number_at(store, at)
        self._events.append(Event(kind, at, self.person, number, prescription, fill, visit, stay, why))


class Seeds(NamedTuple):
    """Where the chance of a run comes from: a generator for each person and day, all in the one that is handed in."""

    seed: int
    random: Random

    def of(self, index: int, day: int) -> Random:
        """The generator of one person on one day; the one asked for before is no longer of use."""
        self.random.seed((self.seed << 24 | index) << 24 | day)
        return self.random


def born(seeds: Seeds, index: int, start: int) -> Life:
    """The life of the person at a place in the row, before its first day."""
    who = person(seeds.seed, index, start)
    return Life(who, start, seeds.of(index, start - 1))


def history(seed: int, index: int, start: int, days: int) -> list[Event]:
    """All that happens to one person in so many days from `start` (an ordinal), told or not."""
    seeds = Seeds(seed, Random())
    life = born(seeds, index, start)
    found: list[Event] = []
    while (day := life.next_day) is not None and day < start + days:
        found += life.live(day, seeds.of(index, day))
    return found

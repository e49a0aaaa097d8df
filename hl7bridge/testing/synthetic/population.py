"""Who lives where: towns with their stores, clinics and health systems, prescribers, and people who exist nowhere.

A person is a function of the seed and of their place in the row, so that a run with more people holds the same people again.
The first stores and clinics are those of channels/tables/stores.csv; for every 6,000 people there are as many again, with numbers
of their own. No prescriber's number has a valid check digit. Knows no events and no messages. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from hl7bridge.affiliation.who.roster import RosterEntry
from hl7bridge.testing.people import CHAIN, Patient, invent
from hl7bridge.testing.synthetic.clock import DAY

#: Made-up affiliations began before any run does.
_SINCE: Final = date(2024, 1, 1)
_PEOPLE_A_BLOCK: Final = 6_000


class HealthSystem(NamedTuple):
    """An affiliate of channels/: the authority of its numbers, and how they begin. `by_chain`: its roster holds the chain's."""

    name: str
    authority: bytes
    prefix: bytes
    by_chain: bool = False


class Town(NamedTuple):
    """Where people live: what PID-11 and PID-13 say, the zone of its clocks, and who cares for the people there."""

    city: bytes
    state: bytes
    zip: bytes
    area: bytes
    zone: str
    system: HealthSystem | None
    clinic: bytes
    stores: tuple[bytes, ...]


class Store(NamedTuple):
    """A pharmacy: MSH-4, and a number by which it is given its dialect."""

    code: bytes
    place: int


_MEDSTAR: Final = HealthSystem("medstar", b"MEDSTAR", b"E9")
_RUSH: Final = HealthSystem("rush", b"RUSH", b"R9")
_TUCSON: Final = HealthSystem("tucson", b"TMC", b"T9", by_chain=True)
_LAKEVIEW: Final = HealthSystem("lakeview", b"LAKEVIEW", b"L9")
_EAST, _CENTRAL, _WEST = "America/New_York", "America/Chicago", "America/Los_Angeles"

TOWNS: Final[tuple[Town, ...]] = (
    Town(b"Silver Spring", b"MD", b"20902", b"301", _EAST, _MEDSTAR, b"C0033", (b"S00412", b"S00455", b"S00871")),
    Town(b"Washington", b"DC", b"20009", b"202", _EAST, _MEDSTAR, b"C0041", (b"S00907", b"S00911")),
    Town(b"Chicago", b"IL", b"60612", b"312", _CENTRAL, _RUSH, b"C0220", (b"S02201", b"S02244", b"S02310")),
    Town(b"Milwaukee", b"WI", b"53202", b"414", _CENTRAL, _LAKEVIEW, b"C0107", (b"S05530", b"S05531")),
    Town(b"Tucson", b"AZ", b"85712", b"520", "America/Phoenix", _TUCSON, b"C0301", (b"S07113", b"S07120")),
    Town(b"Portland", b"OR", b"97205", b"503", _WEST, None, b"C0400", (b"S06004", b"S06005")),
)  # fmt: skip
_STREETS: Final = (
    b"Larkspur Court",
    b"Ocotillo Bend",
    b"Sawmill Road",
    b"Quill Street",
    b"Tannery Steps",
    b"Foghorn Lane",
    b"Packard Wharf",
)
_NAMES: Final = (
    "PRUITT HANNAH NP,BEGAY LEONA MD,GILBERT ROBERT MD,OYELARAN FOLA MD,FAIRCHILD NAOMI MD,SORENSEN ANDERS DO,"
    "MARCHETTI PAOLA MD,TANAKA REIKO MD,ABUBAKAR SANI NP,WHITLOCK EDITH DO,CASTANEDA LUIS MD,DRUMMOND ISLA MD"
)


def _wrong_npi(number: int) -> bytes:
    """Ten digits of which the last is not what Luhn's formula wants (45 CFR 162.406: prefix 80840)."""
    digits = f"{170_000_000 + number * 7919:09d}"
    doubled = "".join(str(int(digit) * (2 if at % 2 == 0 else 1)) for at, digit in enumerate(digits))
    right = -(24 + sum(map(int, doubled))) % 10
    return f"{digits}{(right + 1 + number % 9) % 10}".encode()


class Clinician(NamedTuple):
    """Somebody who prescribes: NPI and the names of an XCN."""

    npi: bytes
    family: bytes
    given: bytes
    degree: bytes


CLINICIANS: Final = tuple(
    Clinician(_wrong_npi(number), *(part.encode() for part in each.split()))
    for number, each in enumerate(_NAMES.split(","))
)


@dataclass(slots=True)
class Person:
    """One invented person. Times are `at` (clock.py); `old_number` is a second one, given by mistake, until `merged_at`.

    `theirs` is the health system's number of the person, in messages from `assigned_at` until `left_at`. What `died_at` says holds
    whatever else was planned.
    """

    index: int
    patient: Patient
    town: Town
    street: bytes
    store: Store
    second_store: Store
    old_number: bytes | None
    merged_at: int
    theirs: bytes
    assigned_at: int
    left_at: int
    joined_at: int
    died_at: int

    def number_at(self, store: Store | None, at: int) -> bytes:
        """The chain's number under which something is told: the second store keeps to the old one, a week beyond the merge."""
        if self.old_number is not None and store is self.second_store and at < self.merged_at + 7 * DAY:
            return self.old_number
        return self.patient.number

    def on_the_list(self, at: int) -> bool:
        """Whether the health system's roster holds the person then."""
        return self.assigned_at <= at < self.left_at

    def entry(self) -> RosterEntry | None:
        """Their row of the health system's roster, None for those whom no list holds."""
        system = self.town.system
        if system is None or not self.theirs:
            return None
        first = date.fromordinal(self.assigned_at // DAY) if self.assigned_at else _SINCE
        last = date.fromordinal(self.left_at // DAY - 1) if self.left_at < _NEVER else None
        number = self.patient.number if system.by_chain else self.theirs
        authority, type_ = (CHAIN, b"PI") if system.by_chain else (system.authority, b"MR")
        npi = CLINICIANS[self.index % len(CLINICIANS)].npi.decode()
        return RosterEntry(number, authority, type_, first, last, npi, False, self.index + 2)


_NEVER: Final = 10_000 * 366 * DAY


@lru_cache(65536)
def _stores(town: Town, block: int) -> tuple[Store, ...]:
    before = sum(len(each.stores) for each in TOWNS[: TOWNS.index(town)])
    total = sum(len(each.stores) for each in TOWNS)
    return tuple(
        Store(b"S%05d" % (10_000 + block * 50 + before + at) if block else code, block * total + before + at)
        for at, code in enumerate(town.stores)
    )


def person(seed: int, index: int, start: int) -> Person:
    """The person at a place in the row; `start` is the first day's ordinal."""
    random = Random(seed << 64 | index << 24)
    chance, pick = random.random, random.choice
    patient = invent(b"%d" % (20_000_003 + 7 * index), random)
    town = pick(TOWNS)
    stores = _stores(town, index // _PEOPLE_A_BLOCK)
    age = start / 365.2425 - patient.born.toordinal() / 365.2425
    system = town.system
    listed = system is not None and chance() < 0.85
    begin = start * DAY
    assigned, left = 0, _NEVER
    if listed and chance() < 0.2:
        assigned = begin + (1 + int(random.expovariate(1 / 200))) * DAY
    if listed and chance() < 0.2:
        left = max(assigned, begin) + (2 + int(random.expovariate(1 / 300))) * DAY
    # A year's risk of death: one in a thousand at forty, one in eighteen at eighty (Gompertz: it doubles every seven years).
    yearly = 0.001 * 2 ** ((age - 40) / 7)
    store = pick(stores)
    two = chance() < 0.06
    return Person(
        index=index,
        patient=patient,
        town=town,
        street=b"%d %b" % (random.randrange(1, 999), pick(_STREETS)),
        store=store,
        second_store=pick([each for each in stores if each is not store]) if two or chance() < 0.1 else store,
        old_number=b"%d" % (700_000_001 + 7 * index) if two else None,
        merged_at=begin + int(random.expovariate(1 / 120) * DAY) + 9 * 3600 if two else _NEVER,
        theirs=system.prefix + b"%07d" % index if system is not None and listed else b"",
        assigned_at=assigned,
        left_at=left,
        joined_at=begin + random.randrange(200) * DAY + 10 * 3600 if chance() < 0.15 else 0,
        died_at=begin + int(random.expovariate(yearly / 365) * DAY),
    )

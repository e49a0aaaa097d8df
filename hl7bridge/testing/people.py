"""Invented patients: any that somebody asks for, those of the rosters, and some whom no health system knows.

Names come from two lists, everything else from a seeded generator. Knows rosters and numbers, but no message.
Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

from hl7bridge.affiliation.who.roster import RosterEntry, read_roster
from hl7bridge.channel.deciding.configuration import Configuration

#: The authority of the chain's own numbers, as the samples have it.
CHAIN = b"LANTERN"
_FAMILY_NAMES = """
    ABERNATHY ADEYEMI ARCENEAUX BAPTISTE BERGSTROM BOWDITCH CALLOWAY CASTELLANO CHAUDHRY DUBOIS ECKHART
    FAIRWEATHER FITZHUGH GALLARDO GRUENWALD HALLORAN HATHAWAY IWAMOTO JAVIER KAPOOR KESSLER LAFLEUR
    LOMBARDI MACALLISTER MBEKI NAVARRO NORDSTROM OKONKWO OYAMA PELLETIER PETROV QUINTERO RADCLIFFE
    ROSENTHAL SALCEDO SCHROEDER SINGLETARY TAKAHASHI THIBODEAUX UNDERHILL VALENZUELA VANCE WADSWORTH
    WOJCIK YARBOROUGH ZAPATA
"""
_GIVEN_NAMES = """
    ADA ALEJANDRO AMARA ANSEL BEATRIX BRAM CALLIOPE CASPIAN CLEMENTINE DARIO DELPHINE EAMON ELOISE EZRA
    FELICITY FINNEGAN GRETA HADRIAN IMANI INDIRA JASPER JUNIPER KAZUO LEONORA LUCIUS MARISOL MIRA
    NIKOLAI OCTAVIA ODESSA PERCIVAL PRIYA QUILL ROSALIND RUFUS SABINE SILAS THEODORA TOBIAS URSULA
    VIKRAM WILHELMINA XIMENA YUSUF ZELDA
"""
_FAMILIES, _GIVENS = _FAMILY_NAMES.split(), _GIVEN_NAMES.split()
_RACES = "WWWBBAIOPU"


@dataclass(frozen=True, slots=True)
class Number:
    """A patient's number as a message writes it: PID-3.1, .4 and .5."""

    id: bytes
    authority: bytes
    type: bytes


@dataclass(slots=True)
class Patient:
    """One invented person. `affiliates` are those whose list bears a number of theirs, whatever it says."""

    number: bytes
    family: str
    given: str
    born: date
    sex: str
    race: str
    phone: str
    others: list[Number] = field(default_factory=list)
    affiliates: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[Number]:
        """The chain's own first."""
        return [Number(self.number, CHAIN, b"PI"), *self.others]

    def number_of(self, authority: bytes) -> Number | None:
        """The first one given by an authority."""
        return next((each for each in self.numbers if each.authority == authority), None)


def patients(
    rosters: Mapping[str, Sequence[RosterEntry]], random: Random, *, nobodys: float = 0.2
) -> list[Patient]:
    """Everybody on the rosters, some of them on two, and `nobodys` of all whom no roster holds."""
    made: list[Patient] = []
    numbers = iter(range(4_500_017, 9_000_000, 13))  # beyond those that rosters and samples have
    shared: list[Patient] = []
    for affiliate, entries in sorted(rosters.items()):
        for at, entry in enumerate(entries):
            own = entry.authority == CHAIN
            moved = [each for each in shared if affiliate not in each.affiliates]
            if not own and at % 9 == 4 and moved:
                person = moved[0]  # is on two lists now
                shared.remove(person)
            else:
                person = invent(entry.id if own else b"%d" % next(numbers), random)
                made.append(person)
                if not own and at % 9 == 7:
                    shared.append(person)
            person.affiliates.append(affiliate)
            if not own:
                person.others.append(Number(entry.id, entry.authority, entry.type or b"MR"))
    strangers = round(len(made) * nobodys / (1 - nobodys))
    return made + [invent(b"%d" % next(numbers), random) for _ in range(strangers)]


def invent(number: bytes, random: Random) -> Patient:
    """Somebody who exists nowhere, under this number of the chain's."""
    return Patient(
        number,
        random.choice(_FAMILIES),
        random.choice(_GIVENS),
        date(1935, 1, 1) + timedelta(days=random.randrange(29_000)),
        random.choice("FM"),
        random.choice(_RACES),
        f"555{random.randrange(100, 200):04d}",
    )


def rosters(folder: Path, configuration: Configuration) -> dict[str, list[RosterEntry]]:
    """Every affiliate's roster file, whole. Raises OSError, RosterErrors."""
    return {
        name: list(read_roster((folder / settings.affiliate.roster).read_bytes(), settings.affiliate.roster))
        for name, settings in configuration.affiliates.items()
        if settings.affiliate is not None and settings.affiliate.roster is not None
    }

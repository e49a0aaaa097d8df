"""Segments that all made-up senders write: the header, the patient, names of clinicians.

Knows events and times. Raises nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from hl7bridge.testing.people import CHAIN
from hl7bridge.testing.synthetic.clock import from_utc, plain, stamp
from hl7bridge.testing.synthetic.events import Event, Kind
from hl7bridge.testing.synthetic.population import Clinician

HEAD_OFFICE: Final = "America/New_York"
_RACES: Final = {
    "A": b"A^Asian^LRACE",
    "B": b"B^Black^LRACE",
    "I": b"I^American Indian^LRACE",
    "O": b"O^Other^LRACE",
    "P": b"P^Pacific Islander^LRACE",
    "U": b"U^Unknown^LRACE",
    "W": b"W^White^LRACE",
}


def header(
    application: bytes,
    facility: bytes,
    receiver: bytes,
    time: bytes,
    type_: bytes,
    control_id: bytes,
    version: bytes,
) -> bytes:
    """MSH, processing ID P."""
    return b"MSH|^~\\&|%b|%b|%b|HUB|%b||%b|%b|P|%b\r" % (
        application, facility, receiver, time, type_, control_id, version,
    )  # fmt: skip


def told_at(sent_utc: int, event: Event, offsets: bool = True) -> bytes:
    """MSH-7: with the offset of the person's town, or without one by the head office's clock."""
    if offsets:
        zone = event.person.town.zone
        return stamp(from_utc(sent_utc, zone), zone)
    return plain(from_utc(sent_utc, HEAD_OFFICE))


def patient(event: Event, *, hospital: bool = False) -> bytes:
    """PID of 2.5.1: the chain's number, and the health system's while it has the person on its list; the hospital's first in its own
    messages. Of the dead, PID-29 and PID-30 too.
    """
    person, at = event.person, event.at
    who, town = person.patient, person.town
    own = event.number + b"^^^" + CHAIN + b"^PI"
    if town.system is not None and person.theirs and (hospital or person.on_the_list(at)):
        theirs = person.theirs + b"^^^" + town.system.authority + b"^MR"
        own = theirs + b"~" + own if hospital else own + b"~" + theirs
    area, phone = town.area, who.phone.encode()
    died = b""
    if event.kind is Kind.DIED:
        died = b"|" * 10 + stamp(person.died_at, town.zone) + b"|Y"
    return b"PID|1||%b||%b^%b^^^^^L||%b|%b||%b|%b^^%b^%b^%b^USA^H||^PRN^PH^^1^%b^%b||en^English^ISO639||||000-55-%b%b\r" % (
        own, who.family.encode(), who.given.encode(), b"%d%02d%02d" % (who.born.year, who.born.month, who.born.day),
        who.sex.encode(), _RACES[who.race], person.street, town.city, town.state, town.zip, area, phone, phone[-4:], died,
    )  # fmt: skip


def old_patient(event: Event) -> bytes:
    """PID as the stores of 2.3 and 2.4 write it: short, and in capitals."""
    person = event.person
    who, town = person.patient, person.town
    own = event.number + b"^^^" + CHAIN + b"^PI"
    if town.system is not None and person.theirs and person.on_the_list(event.at):
        own += b"~" + person.theirs + b"^^^" + town.system.authority + b"^MR"
    born = who.born
    phone = who.phone.encode()
    return b"PID|1||%b||%b^%b||%d%02d%02d|%b||%b|%b^^%b^%b^%b||(%b)%b-%b\r" % (
        own, who.family.encode(), who.given.encode(), born.year, born.month, born.day, who.sex.encode(),
        who.race.encode(), person.street.upper(), town.city.upper(), town.state, town.zip,
        town.area, phone[:3], phone[3:],
    )  # fmt: skip


@cache
def clinician(who: Clinician, old: bytes = b"") -> bytes:
    """An XCN with its NPI; `old` versions leave out what kind of number it is."""
    name = (
        who.npi
        + b"^"
        + who.family
        + b"^"
        + who.given
        + b"^^^"
        + (b"^" if who.degree == b"NP" else b"DR^")
        + who.degree
    )
    return name if old else name + b"^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"

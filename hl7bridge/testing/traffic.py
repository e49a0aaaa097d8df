"""Made-up traffic of a pharmacy chain with clinics: the samples, varied over patients, stores, dates and IDs.

The same samples, patients, seed and time give the same bytes. Knows what the feeds send, and nothing of what
becomes of it. Raises KeyError where a sample is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.message import Message, Segment
from hl7bridge.hl7.path import Path
from hl7bridge.testing.people import Patient
from hl7bridge.testing.synthetic.medicines import CHRONIC


@dataclass(frozen=True, slots=True)
class Kind:
    """A sample, and how often messages are made of it."""

    sample: str
    weight: int


#: What each feed sends. The names of feeds are for people; `SOURCES` says where they send.
KINDS: dict[str, tuple[Kind, ...]] = {
    "pharmacies": (
        Kind("rds_o13_alexander.hl7", 30),
        Kind("rde_o11_alexander.hl7", 20),
        Kind("rds_o13_yellowhorse.hl7", 8),
        Kind("dialects/rde_o01_okafor_v23.hl7", 8),
        Kind("dialects/rds_o01_okafor_v23.hl7", 8),
        Kind("dialects/rde_o11_alexander_v24_zrx.hl7", 6),
        Kind("rds_o13_alexander_returned.hl7", 4),
        Kind("dialects/rde_o11_alexander_custom_delimiters.hl7", 2),
        Kind("rde_o25_alexander_refill.hl7", 2),
    ),
    "clinics": (
        Kind("adt_a04_haddad.hl7", 10),
        Kind("adt_a03_haddad.hl7", 10),
        Kind("oru_r01_haddad.hl7", 8),
        Kind("oru_r01_yellowhorse_vitals.hl7", 8),
        Kind("adt_a08_haddad.hl7", 4),
        Kind("adt_a31_lindqvist.hl7", 2),
        Kind("adt_a28_nakamura.hl7", 2),
        Kind("oru_r01_haddad_summary_pdf.hl7", 1),
        Kind("adt_a40_yellowhorse.hl7", 1),
        Kind("dialects/adt_a08_muller_latin1.hl7", 1),
    ),
    "medstar's feed": (
        Kind("hospital/adt_a01_medstar_admit.hl7", 4),
        Kind("hospital/adt_a03_medstar_discharge.hl7", 4),
        Kind("hospital/rde_o11_medstar_discharge.hl7", 3),
        Kind("hospital/rde_o11_medstar_ward.hl7", 2),
    ),
}
SOURCES = {"pharmacies": "pharmacy-feed", "clinics": "clinic-feed", "medstar's feed": "discharge"}
_SHARES = {"pharmacies": 0.66, "clinics": 0.28, "medstar's feed": 0.06}
_LETTERS = {"pharmacies": "P", "clinics": "C", "medstar's feed": "H"}

#: One message in so many is odd: a training message, a test patient, a type nobody takes, the same once more.
_TRAINING, _TEST_PATIENT, _UNKNOWN_TYPE, _REPEATED = 90, 110, 250, 120
_UNKNOWN = {"pharmacies": b"ORM^O01", "clinics": b"ADT^A24", "medstar's feed": b"ADT^A02"}

_MEDICINES = tuple(product.code for product in CHRONIC[:4])
#: The times of a message that move with it.
_TIMES = {
    b"MSH": (7,),
    b"EVN": (2, 6),
    b"PV1": (44, 45),
    b"ORC": (9, 15),
    b"RXD": (3,),
    b"FT1": (4,),
    b"OBR": (7, 22),
    b"OBX": (14,),
}
_TIME = re.compile(rb"(\d{14})(?:([+-])(\d{2})(\d{2}))?")
_HEAD_OFFICE = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as a feed sends it."""

    control_id: str
    patient: Patient
    raw: bytes


@dataclass(slots=True)
class Traffic:
    """All messages of a run: for each feed, in the order in which they were made."""

    feeds: dict[str, list[Sent]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Of all feeds."""
        return sum(len(messages) for messages in self.feeds.values())

    def lines(self, feed: str, count: int) -> list[list[bytes]]:
        """A feed's messages dealt to so many connections, each patient's on one: so their order is known."""
        dealt: list[list[bytes]] = [[] for _ in range(count)]
        for message in self.feeds[feed]:
            dealt[int(message.patient.number) // 13 % count].append(message.raw)
        return [line for line in dealt if line]


def make(
    samples: Mapping[str, bytes],
    people: Sequence[Patient],
    stores: Sequence[str],
    count: int,
    random: Random,
    now: datetime,
) -> Traffic:
    """`count` messages or a few more. `samples` by their path in samples/; of `stores`, clinics begin with C
    and pharmacies with S.
    """
    traffic = Traffic()
    admitted = [each for each in people if each.number_of(b"MEDSTAR")] or list(people)
    for feed, kinds in KINDS.items():
        models = [read_file(samples[kind.sample]).messages[0] for kind in kinds]
        sites = [each for each in stores if each.startswith("C" if feed == "clinics" else "S")]
        wanted = round(count * _SHARES[feed])
        messages: list[Sent] = []
        for number in range(1, wanted + 1):
            model = random.choices(models, [kind.weight for kind in kinds])[0]
            patient = random.choice(admitted if feed == "medstar's feed" else people)
            moment = now - timedelta(seconds=20 * (wanted - number) + random.randrange(20))
            site = None if feed == "medstar's feed" else random.choice(sites).encode()
            control_id = f"{_LETTERS[feed]}{number:07d}"
            sent = Sent(
                control_id, patient, vary(model, patient, control_id, site, moment, random, _UNKNOWN[feed])
            )
            messages += [sent, sent] if random.randrange(_REPEATED) == 0 else [sent]
        traffic.feeds[feed] = messages
    return traffic


def vary(
    model: bytes,
    patient: Patient,
    control_id: str,
    site: bytes | None,
    moment: datetime,
    random: Random,
    unknown: bytes = b"ORM^O01",
) -> bytes:
    """A sample as it would be sent for another patient, at another store and time."""
    message = Message(model)
    number = b"%d" % random.randrange(1_000_000, 9_999_999)
    medicine = random.choice(_MEDICINES)
    for segment in message.segments:
        _move(segment, moment)
        if segment.name == b"PID":
            _identify(segment, patient)
        elif segment.name == b"MRG":
            _put(segment, "MRG-1.1", b"449%05d" % random.randrange(100_000))
            _put(segment, "MRG-7.1", patient.family.encode())
        elif segment.name == b"PV1" and site is not None:
            _put(segment, "PV1-3.1", site)
        elif segment.name == b"ORC" and site is not None and site.startswith(b"S"):
            number = b"%d" % (int(number) + 1)
            _put(segment, "ORC-3.1", site[1:] + b"-" + number)
            if segment.field(21):
                _put(segment, "ORC-21.1", b"Lantern Pharmacy " + site[1:])
        elif segment.name in (b"RXE", b"RXD"):
            if segment.delimiters.component == b"^":
                segment.set_field(2, medicine)
            _put(segment, "RXE-15" if segment.name == b"RXE" else "RXD-7", number)
    header = message.header
    header.set_field(10, control_id.encode())
    if site is not None:
        header.set_field(4, site)
    _make_odd(message, random, unknown)
    return message.emit()


def _make_odd(message: Message, random: Random, unknown: bytes) -> None:
    if random.randrange(_TRAINING) == 0:
        message.header.set_field(11, b"T")
    elif random.randrange(_UNKNOWN_TYPE) == 0:
        message.header.set_field(9, unknown.replace(b"^", message.delimiters.component))
    elif random.randrange(_TEST_PATIENT) == 0 and (pid := message.first(b"PID")) is not None:
        _put(pid, "PID-5.1", b"ZZTEST")


def _identify(pid: Segment, patient: Patient) -> None:
    component, repetition = pid.delimiters.component, pid.delimiters.repetition
    pid.set_field(
        3,
        repetition.join(
            each.id + component * 3 + each.authority + component + each.type for each in patient.numbers
        ),
    )
    _put(pid, "PID-5.1", patient.family.encode())
    _put(pid, "PID-5.2", patient.given.encode())
    _put(pid, "PID-5.3", b"")
    pid.set_field(7, patient.born.strftime("%Y%m%d").encode())
    pid.set_field(8, patient.sex.encode())
    if pid.field(10):
        pid.set_field(10, component.join((patient.race.encode(), b"", b"LRACE")))
    if pid.field(13) and not pid.field(13).startswith(b"("):
        _put(pid, "PID-13.7", patient.phone.encode())
    if pid.field(19):
        pid.set_field(19, b"000-55-" + patient.phone[-4:].encode())


def _move(segment: Segment, moment: datetime) -> None:
    """Sets the segment's times to `moment`, each in the zone in which it was written."""
    for number in _TIMES.get(segment.name, ()):
        match = _TIME.match(segment.field(number))
        if match is None:
            continue
        zone: tzinfo = _HEAD_OFFICE
        if match[2]:
            ahead = timedelta(hours=int(match[3]), minutes=int(match[4]))
            zone = timezone(-ahead if match[2] == b"-" else ahead)
        local = moment.astimezone(zone).strftime("%Y%m%d%H%M%S").encode()
        segment.set_field(number, local + segment.field(number)[14:])


def _put(segment: Segment, path: str, value: bytes) -> None:
    _path(path).assign(segment, segment.delimiters, value)


@cache
def _path(text: str) -> Path:
    return Path.parse(text)


def utc_now() -> datetime:
    """The wall's time, for those who make traffic of today."""
    return datetime.now(UTC)

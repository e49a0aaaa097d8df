"""Facts as bytes, to be kept by a store: the first byte names the format, 0 for a JSON array behind it.

Equal facts have equal bytes, so that a store may know them by those. Refuses to know stores. Raises ValueError for bytes in no known
format.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from hl7bridge.affiliation.facts import (
    Clinician,
    Coded,
    Concept,
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    InterventionFact,
    Medicine,
    ObservationFact,
    Ordered,
    OrderFact,
    PatientNumber,
    PersonFact,
    PrescriptionKey,
    StayFact,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)

#: Facts that are remembered.
REMEMBERED: Final = 32_768
_PLAIN: Final = b"\x00"


def packed(fact: Fact) -> bytes:
    """A fact's bytes."""
    values: list[Any]
    if isinstance(fact, FillFact):
        values = [
            "fill",
            *fact.fill.prescription,
            fact.fill.number,
            _day(fact.fill.part),
            fact.event.value,
            _day(fact.on),
            *fact.medicine,
            fact.days_supply,
            int(fact.knows_sold),
            int(fact.counts),
            fact.refills,
            fact.prescriber_npi,
        ]
    elif isinstance(fact, OrderFact):
        values = [
            "order",
            *fact.prescription,
            fact.event.value,
            _day(fact.on),
            *fact.medicine,
            fact.refills,
            fact.prescriber_npi,
            int(fact.discharge),
            fact.knows_sold,
        ]
    elif isinstance(fact, StayFact):
        values = ["stay", fact.visit, _day(fact.admitted), _day(fact.discharged), int(fact.cancelled)]
    elif isinstance(fact, VisitFact):
        values = ["visit", *_visit_values(fact)]
    elif isinstance(fact, ObservationFact):
        values = ["observation", *_observation_values(fact)]
    elif isinstance(fact, DeathFact):
        values = ["death", _day(fact.on), int(fact.withdrawn)]
    elif isinstance(fact, InterventionFact):
        fill = (
            None if fact.fill is None else [*fact.fill.prescription, fact.fill.number, _day(fact.fill.part)]
        )
        values = [
            "intervention",
            *fact.prescription,
            fill,
            _day(fact.on),
            *fact.medicine,
            fact.code,
            fact.text,
        ]
    else:
        values = ["person", fact.family, fact.given, _day(fact.birth), fact.sex]
        values += [part for number in fact.numbers for part in number]
    return _PLAIN + json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


@lru_cache(REMEMBERED)
def unpacked(data: bytes) -> Fact:
    """The fact that `packed` packed. Raises ValueError. Facts of late are remembered: who is looked at is looked at again soon."""
    if data[:1] != _PLAIN:
        raise ValueError(f"a fact is kept in format {data[0] if data else 'none'}, which is not known")
    kind, *values = json.loads(data[1:].decode("utf-8", "surrogatepass"))
    read = _READERS.get(kind)
    if read is None:
        raise ValueError("a fact is kept whose kind is not known")
    return read(values)


def _day(day: date | None) -> int | None:
    return None if day is None else day.year * 10_000 + day.month * 100 + day.day


def _date(number: int | None) -> date | None:
    return None if number is None else _known(number)


def _known(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def _fill(v: list[Any]) -> Fact:
    key = FillKey(PrescriptionKey(v[0], v[1]), v[2], _date(v[3]))
    medicine = Medicine(*v[6:9])
    return FillFact(
        key, Dispensed(v[4]), _known(v[5]), medicine, v[9], bool(v[10]), bool(v[11]), v[12], v[13]
    )


def _order(v: list[Any]) -> Fact:
    key = PrescriptionKey(v[0], v[1])
    return OrderFact(key, Ordered(v[2]), _known(v[3]), Medicine(*v[4:7]), v[7], v[8], bool(v[9]), v[10])


def _visit_values(fact: VisitFact) -> list[Any]:
    return [
        *fact.visit,
        fact.event.value,
        fact.told.isoformat(),
        fact.facility,
        fact.place,
        _moment(fact.began),
        _moment(fact.ended),
        fact.attending,
        fact.primary_care,
        fact.reason,
        fact.diagnoses,
        fact.marks,
    ]


def _visit(v: list[Any]) -> Fact:
    return VisitFact(
        VisitKey(v[0], v[1]),
        VisitEvent(v[2]),
        datetime.fromisoformat(v[3]),
        v[4],
        v[5],
        _when(v[6]),
        _when(v[7]),
        None if v[8] is None else Clinician(*v[8]),
        None if v[9] is None else Clinician(*v[9]),
        _concept(v[10]),
        tuple(_concept(each) for each in v[11]),
        _concept(v[12]),
    )


def _observation_values(fact: ObservationFact) -> list[Any]:
    return [
        *fact.visit,
        fact.order,
        fact.code,
        fact.sub_id,
        fact.status,
        fact.reported.isoformat(),
        fact.sent.isoformat(),
        fact.value,
        int(fact.cut),
        fact.coded,
        fact.units,
        fact.reference,
        fact.flag,
        _moment(fact.observed),
        fact.panel,
        fact.marks,
    ]


def _observation(v: list[Any]) -> Fact:
    return ObservationFact(
        VisitKey(v[0], v[1]),
        v[2],
        _concept(v[3]),
        v[4],
        v[5],
        datetime.fromisoformat(v[6]),
        datetime.fromisoformat(v[7]),
        v[8],
        bool(v[9]),
        _concept(v[10]),
        v[11],
        v[12],
        v[13],
        _when(v[14]),
        _concept(v[15]),
        _concept(v[16]),
    )


def _moment(when: When | None) -> list[Any] | None:
    return None if when is None else [_day(when.day), when.time]


def _when(value: list[Any] | None) -> When | None:
    return None if value is None else When(_known(value[0]), value[1])


def _concept(values: list[Any]) -> Concept:
    return tuple(Coded(*each) for each in values)


def _numbers(v: list[Any]) -> tuple[PatientNumber, ...]:
    return tuple([PatientNumber(*v[at : at + 3]) for at in range(0, len(v), 3)])


def _intervention(v: list[Any]) -> Fact:
    fill = None if v[2] is None else FillKey(PrescriptionKey(v[2][0], v[2][1]), v[2][2], _date(v[2][3]))
    return InterventionFact(PrescriptionKey(v[0], v[1]), fill, _known(v[3]), Medicine(*v[4:7]), v[7], v[8])


_READERS: Final[dict[str, Callable[[list[Any]], Fact]]] = {
    "fill": _fill,
    "order": _order,
    "stay": lambda v: StayFact(v[0], _date(v[1]), _date(v[2]), bool(v[3])),
    "intervention": _intervention,
    "death": lambda v: DeathFact(_date(v[0]), bool(v[1])),
    "visit": _visit,
    "observation": _observation,
    "person": lambda v: PersonFact(v[0], v[1], _date(v[2]), v[3], _numbers(v[4:])),
}

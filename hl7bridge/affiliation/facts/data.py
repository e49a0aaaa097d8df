"""Facts as bytes, to be kept by a store: the first byte names the format, 0 for a JSON array behind it.

Equal facts have equal bytes, so that a store may know them by those. Refuses to know stores. Raises ValueError for bytes in no known
format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from hl7bridge.affiliation.facts.facts import (
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
        values += [fact.at] if fact.at else []
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


def unpacked(data: bytes) -> Fact:
    """The fact that `packed` packed. Raises ValueError."""
    kind_of(data)
    return unpacked_all([data])[0]


def kind_of(data: bytes) -> type[Fact]:
    """What kind of fact these bytes are, found without reading the whole. Raises ValueError."""
    if data[:1] != _PLAIN:
        raise ValueError(f"a fact is kept in format {data[0] if data else 'none'}, which is not known")
    kind = _KINDS.get(data[:_HEAD])
    if kind is None:
        raise ValueError("a fact is kept whose kind is not known")
    return kind


def unpacked_all(kept: Sequence[bytes]) -> list[Fact]:
    """The facts of all of these bytes, in their order: read at once, which takes half the time. Raises ValueError."""
    whole = b"[" + b",".join([data[1:] for data in kept]) + b"]"
    values = json.loads(whole.decode("utf-8", "surrogatepass"))
    if len(values) != len(kept):
        raise ValueError("a fact is kept in bytes that are not one")
    try:
        return [_READERS[v[0]](v) for v in values]
    except (LookupError, TypeError) as error:
        raise ValueError("a fact is kept in words that are not known") from error


def _day(day: date | None) -> int | None:
    return None if day is None else day.year * 10_000 + day.month * 100 + day.day


def _date(number: int | None) -> date | None:
    return None if number is None else _known(number)


@lru_cache(4096)
def _known(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


# A patient's year is read at each look, and most of it is fills: hence no call for each part of one, as NamedTuple's own `__new__`
# would be. Each list begins with its kind.


def _fill(v: list[Any]) -> Fact:
    key = _made(FillKey, (_made(PrescriptionKey, (v[1], v[2])), v[3], _date(v[4])))
    medicine = _made(Medicine, (v[7], v[8], v[9]))
    knows_sold, counts = v[11] == 1, v[12] == 1
    return _made(
        FillFact,
        (key, _DISPENSED[v[5]], _known(v[6]), medicine, v[10], knows_sold, counts, v[13], v[14]),
    )


def _order(v: list[Any]) -> Fact:
    key = PrescriptionKey(v[1], v[2])
    return OrderFact(key, _ORDERED[v[3]], _known(v[4]), Medicine(*v[5:8]), v[8], v[9], bool(v[10]), v[11])


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
        VisitKey(v[1], v[2]),
        _EVENTS[v[3]],
        datetime.fromisoformat(v[4]),
        v[5],
        v[6],
        _when(v[7]),
        _when(v[8]),
        None if v[9] is None else Clinician(*v[9]),
        None if v[10] is None else Clinician(*v[10]),
        _concept(v[11]),
        tuple([_concept(each) for each in v[12]]),
        _concept(v[13]),
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
        VisitKey(v[1], v[2]),
        v[3],
        _concept(v[4]),
        v[5],
        v[6],
        datetime.fromisoformat(v[7]),
        datetime.fromisoformat(v[8]),
        v[9],
        bool(v[10]),
        _concept(v[11]),
        v[12],
        v[13],
        v[14],
        _when(v[15]),
        _concept(v[16]),
        _concept(v[17]),
    )


def _moment(when: When | None) -> list[Any] | None:
    return None if when is None else [_day(when.day), when.time]


def _when(value: list[Any] | None) -> When | None:
    return None if value is None else When(_known(value[0]), value[1])


def _concept(values: list[Any]) -> Concept:
    return tuple([Coded(*each) for each in values])


def _intervention(v: list[Any]) -> Fact:
    fill = None if v[3] is None else FillKey(PrescriptionKey(v[3][0], v[3][1]), v[3][2], _date(v[3][3]))
    return InterventionFact(PrescriptionKey(v[1], v[2]), fill, _known(v[4]), Medicine(*v[5:8]), v[8], v[9])


def _person(v: list[Any]) -> Fact:
    numbers = tuple([PatientNumber(*v[at : at + 3]) for at in range(5, len(v), 3)])
    return PersonFact(v[1], v[2], _date(v[3]), v[4], numbers)


_made: Final = tuple.__new__
_DISPENSED: Final = {each.value: each for each in Dispensed}
_ORDERED: Final = {each.value: each for each in Ordered}
_EVENTS: Final = {each.value: each for each in VisitEvent}
_READERS: Final[dict[str, Callable[[list[Any]], Fact]]] = {
    "fill": _fill,
    "order": _order,
    "stay": lambda v: StayFact(v[1], _date(v[2]), _date(v[3]), bool(v[4]), *v[5:]),
    "intervention": _intervention,
    "death": lambda v: DeathFact(_date(v[1]), bool(v[2])),
    "visit": _visit,
    "observation": _observation,
    "person": _person,
}
#: What a kind's bytes begin with: two letters tell them apart, and the whole word is looked at when the fact is read.
_HEAD: Final = 5
_KINDS: Final[dict[bytes, type[Fact]]] = {
    _PLAIN + b'["fi': FillFact,
    _PLAIN + b'["or': OrderFact,
    _PLAIN + b'["st': StayFact,
    _PLAIN + b'["in': InterventionFact,
    _PLAIN + b'["de': DeathFact,
    _PLAIN + b'["vi': VisitFact,
    _PLAIN + b'["ob': ObservationFact,
    _PLAIN + b'["pe': PersonFact,
}

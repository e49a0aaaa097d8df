"""Facts of a visit, made of a few words."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    ObservationFact,
    Ordered,
    OrderFact,
    PatientNumber,
    PersonFact,
    PrescriptionKey,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)
from hl7bridge.affiliation.history.visits import visits
from hl7bridge.affiliation.messages.summary import Record, Summary, summary

KEY = VisitKey("LANTERN", "V55")
DAY = date(2026, 11, 19)
NINE = datetime(2026, 11, 19, 15, 0)
LATER = date(2026, 12, 24)
PERSON = PersonFact("NÚÑEZ", "ŁUCJA", date(1985, 1, 30), "F")
DOCTOR = Clinician("1650912233", "PRUITT", "HANNAH", "NP")
NUMBERS = [PatientNumber("L551207", "LAKEVIEW", "MR"), PatientNumber("44^12", "LANTERN", "PI")]


def minutes(count: int) -> datetime:
    """So many minutes after nine."""
    return NINE + timedelta(minutes=count)


def told(event: VisitEvent, at: int, **more: Any) -> VisitFact:
    """An event of the visit, told so many minutes after nine."""
    ended = When(DAY, "09:48") if event is VisitEvent.ENDED else None
    return VisitFact(KEY, event, minutes(at), **{"facility": "C0107", "ended": ended, **more})


def result(code: str, value: str, status: str = "F", at: int = 0, **more: Any) -> ObservationFact:
    """A version of a result, reported so many minutes after nine."""
    concept = (Coded(code, "LN", code.title()),)
    known = {"observed": When(DAY, "09:17"), "order": "F1"} | more
    return ObservationFact(
        KEY, known.pop("order"), concept, "1", status, minutes(at), minutes(at), value, **known
    )


def ordered(number: str, medicine: str, on: date, event: Ordered = Ordered.NEW) -> OrderFact:
    """An event of a prescription."""
    return OrderFact(PrescriptionKey("S1", number), event, on, Medicine(medicine, "NDC", medicine), 2)


def filled(number: str, medicine: str, event: Dispensed, on: date) -> FillFact:
    """An event of a fill."""
    key = FillKey(PrescriptionKey("S1", number), "1")
    return FillFact(key, event, on, Medicine(medicine, "NDC", medicine), 30, True)


VISIT: list[Fact] = [
    told(VisitEvent.BEGUN, 0, began=When(DAY, "09:01"), attending=DOCTOR, place="Northgate clinic"),
    told(
        VisitEvent.ENDED,
        48,
        reason=(Coded("R05", "I10", "Cough"),),
        diagnoses=((Coded("J02.0", "I10", "Streptococcal pharyngitis"),),),
    ),
    PERSON,
]


def summed(*more: Fact, **how: Any) -> Summary:
    """The summary of the visit with further facts."""
    facts = [*VISIT, *more]
    [visit] = visits(facts, LATER)
    return summary(visit, Record(facts), **how)

"""Clinics, hospitals and registration: visits with results, stays with discharge prescriptions, lists, merges, deaths.

Each function is a step of a life, which says what happened and plans what follows. Shares are guesses, as in courses.py. Raises
nothing.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from hl7bridge.testing.synthetic import courses
from hl7bridge.testing.synthetic.clock import DAY, HOUR, MINUTE
from hl7bridge.testing.synthetic.events import Kind, Result, Stay, Value, Visit
from hl7bridge.testing.synthetic.medicines import CHRONIC
from hl7bridge.testing.synthetic.population import CLINICIANS

if TYPE_CHECKING:
    from hl7bridge.testing.synthetic.life import Life

_DAYS_BETWEEN_VISITS, _DAYS_BETWEEN_STAYS = 250, 1100
_DIAGNOSES: Final = (
    b"J02.9^Acute pharyngitis, unspecified^I10",
    b"I10^Essential (primary) hypertension^I10",
    b"E11.9^Type 2 diabetes mellitus without complications^I10",
    b"Z23^Encounter for immunization^I10",
    b"R05.9^Cough, unspecified^I10",
    b"F32.A^Depression, unspecified^I10",
)
_ADMISSIONS: Final = (
    b"I21.4^Non-ST elevation myocardial infarction^I10",
    b"I50.9^Heart failure, unspecified^I10",
    b"J18.9^Pneumonia, unspecified organism^I10",
    b"K35.80^Unspecified acute appendicitis^I10",
)


def begin(life: Life, at: int) -> None:
    """Plans what does not depend on medicines."""
    who, chance = life.person, life.random
    if who.joined_at:
        life.plan(who.joined_at, join)
    since = max(at, who.joined_at)
    if who.theirs and who.assigned_at > since:
        life.plan(who.assigned_at + 10 * HOUR, change_list)
    if who.theirs and since < who.left_at < since + 4000 * DAY:
        life.plan(who.left_at + 10 * HOUR, change_list)
    if who.old_number is not None:
        life.plan(max(who.merged_at, since + DAY), merge)
    life.plan(max(who.died_at, since + 20 * HOUR), die)
    life.plan(
        _clinic_hours(chance, since + int(chance.expovariate(1 / _DAYS_BETWEEN_VISITS) * DAY) + DAY), visit
    )
    life.plan(since + int(chance.expovariate(1 / _DAYS_BETWEEN_STAYS) * DAY) + DAY, admit)


def _clinic_hours(random: Random, at: int) -> int:
    return at // DAY * DAY + random.randrange(8 * HOUR, 18 * HOUR)


# -- registration


def join(life: Life, at: int, _: Any) -> None:
    """The chain meets the person for the first time."""
    life.happened(Kind.ADDED, at)


def change_list(life: Life, at: int, _: Any) -> None:
    """The health system's list begins or ceases to hold the person."""
    life.happened(Kind.ROSTER_CHANGED, at)


def merge(life: Life, at: int, _: Any) -> None:
    """Two of the chain's numbers turn out to be one person; that happens to the dead, too."""
    life.person.merged_at = at
    life.happened(Kind.MERGED, at)


def die(life: Life, at: int, _: Any) -> None:
    """Nothing follows but a merge."""
    life.dead = True
    life.person.died_at = at
    life.happened(Kind.DIED, at, stay=life.stay)
    life.stay = None
    life.active.clear()
    life.unplan(merge)


# -- clinics


def visit(life: Life, at: int, _: Any) -> None:
    """Somebody walks in; the next time some day."""
    random, who = life.random, life.person
    life.plan(
        _clinic_hours(random, at + int(random.expovariate(1 / _DAYS_BETWEEN_VISITS) * DAY) + DAY), visit
    )
    if courses.away(life, at):
        return
    infusion = random.random() < 0.06
    lasts = random.randrange(2 * HOUR, 4 * HOUR) if infusion else random.randrange(12 * MINUTE, 50 * MINUTE)
    found = Visit(
        number=b"V%d" % (10_000_000 + life.number()),
        clinic=who.town.clinic,
        clinician=random.choice(CLINICIANS),
        begun_at=at,
        ended_at=at + lasts,
        infusion=infusion,
        diagnoses=tuple(random.sample(_DIAGNOSES, 2 if random.random() < 0.3 else 1)),
        results=_results(random),
    )
    life.happened(Kind.VISIT_BEGUN, at, visit=found)
    if found.results:
        life.plan(at + lasts - random.randrange(MINUTE, 10 * MINUTE), result, found)
    life.plan(found.ended_at, end_visit, found)


def result(life: Life, at: int, found: Visit) -> None:
    """What the clinic measured."""
    life.happened(Kind.RESULTED, at, visit=found)


def end_visit(life: Life, at: int, found: Visit) -> None:
    """The person goes home; what was written down is put right at times, hours later."""
    random = life.random
    life.happened(Kind.VISIT_ENDED, at, visit=found)
    if random.random() < 0.2:
        life.plan(at + random.randrange(HOUR, DAY), update, found)


def update(life: Life, at: int, found: Visit) -> None:
    """A correction."""
    life.happened(Kind.VISIT_UPDATED, at, visit=found)


def _results(random: Random) -> tuple[Result, ...]:
    """Vital signs, and at times a laboratory's values: the sensitive ones never alone."""
    if random.random() < 0.25:
        return ()
    pressure, weight = random.randrange(104, 172), random.randrange(480, 1200)
    vital = Result(
        b"85353-1^Vital signs panel^LN",
        (
            Value(b"8480-6^Systolic blood pressure^LN", b"%d" % pressure, b"mm[Hg]^^UCUM"),
            Value(b"8462-4^Diastolic blood pressure^LN", b"%d" % (pressure * 6 // 10), b"mm[Hg]^^UCUM"),
            Value(b"29463-7^Body weight^LN", b"%d.%d" % divmod(weight, 10), b"kg^^UCUM"),
        ),
    )
    if random.random() < 0.5:
        return (vital,)
    sugar, share = random.randrange(74, 190), random.randrange(48, 96)
    chemistry = Result(
        b"CHEM2^Point of care chemistry^99LAN",
        (
            Value(
                b"4548-4^Hemoglobin A1c^LN",
                b"%d.%d" % divmod(share, 10),
                b"%^percent^UCUM",
                b"4.0-5.6",
                b"H" if share > 56 else b"",
            ),
            Value(
                b"2345-7^Glucose^LN",
                b"%d" % sugar,
                b"mg/dL^milligram per deciliter^UCUM",
                b"70-99",
                b"H" if sugar > 99 else b"",
            ),
        ),
    )
    if random.random() < 0.85:
        return (vital, chemistry)
    hiv = b"68961-2^HIV 1 Ab, rapid^LN"
    rapid = Result(hiv, (Value(hiv, b"131194007^Nonreactive^SCT", type=b"CE"),))
    return (vital, chemistry, rapid)


# -- hospitals


def admit(life: Life, at: int, _: Any) -> None:
    """A stay; what was planned at the pharmacy waits."""
    random = life.random
    stay = Stay(
        number=b"3%09d" % life.number(),
        admitted_at=at,
        diagnosis=random.choice(_ADMISSIONS),
        clinician=random.choice(CLINICIANS),
        discharged_at=at // DAY * DAY + random.randrange(1, 13) * DAY + random.randrange(9 * HOUR, 17 * HOUR),
    )
    life.stay = stay
    life.happened(Kind.ADMITTED, at, stay=stay)
    if random.random() < 0.6:
        life.plan(stay.discharged_at - random.randrange(10 * MINUTE, 2 * HOUR), order_discharge, stay)
    life.plan(stay.discharged_at, discharge, stay)


def order_discharge(life: Life, at: int, stay: Stay) -> None:
    """A medicine that the person did not take before; the pharmacy has the prescription hours later."""
    product = life.random.choice(CHRONIC)
    if any(each.prescription.product is product for each in life.active):
        return
    new = courses.prescribe(life, at, product, refills=3, discharge=True)
    life.happened(Kind.DISCHARGE_ORDERED, at, new.prescription, stay=stay)
    life.plan(stay.discharged_at + life.random.randrange(HOUR, DAY), courses.order_after_stay, new)


def discharge(life: Life, at: int, stay: Stay) -> None:
    """Home; the next stay some day."""
    random = life.random
    life.happened(Kind.DISCHARGED, at, stay=stay)
    life.stay = None
    life.plan(at + int(random.expovariate(1 / _DAYS_BETWEEN_STAYS) * DAY) + 3 * DAY, admit)

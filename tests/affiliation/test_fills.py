"""Prescriptions, fills, stays and death are read out of a set of facts by the days of the events, never by their arrival."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest

from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PrescriptionKey,
    StayFact,
)
from hl7bridge.affiliation.history.fills import Fill, Prescription
from hl7bridge.affiliation.history.history import History, history

RX = PrescriptionKey("0412", "7001")
METFORMIN = Medicine("00093-1048-01", "NDC", "metformin 500 mg")
TODAY = date(2026, 6, 1)
F, S, R = Dispensed.FILLED, Dispensed.SOLD, Dispensed.RETURNED


def march(day: int) -> date:
    return date(2026, 3, day)


def fact(
    event: Dispensed,
    day: int,
    number: str = "1",
    part: date | None = None,
    medicine: Medicine = METFORMIN,
    days_supply: int | None = 30,
    knows: bool = True,
    counts: bool = False,
    refills: int | None = None,
) -> FillFact:
    return FillFact(
        FillKey(RX, number, part), event, march(day), medicine, days_supply, knows, counts, refills
    )


def order(event: Ordered, day: int, refills: int | None = None, knows: bool | None = None) -> OrderFact:
    return OrderFact(RX, event, march(day), METFORMIN, refills, knows_sold=knows)


def told(*facts: Fact, today: date = TODAY) -> History:
    """The history of some facts, the same in whatever order and however often they come."""
    known = history(facts, today)
    for other in permutations(facts):
        assert history([*other, *facts], today) == known
    return known


def one_fill(*facts: Fact, today: date = TODAY) -> Fill:
    (fill,) = told(*facts, today=today).fills
    return fill


def one_prescription(*facts: Fact) -> Prescription:
    (prescription,) = told(*facts).prescriptions
    return prescription


@pytest.mark.parametrize(
    ("events", "standing", "filled", "sold", "returned", "taken"),
    [
        ([(F, 3)], F, 3, None, None, None),
        ([(F, 3), (S, 5)], S, 3, 5, None, 5),
        ([(S, 5)], S, None, 5, None, 5),
        ([(F, 3), (R, 17)], R, 3, None, 17, None),
        ([(F, 3), (S, 5), (R, 17)], R, 3, 5, 17, None),
        ([(R, 17)], R, None, None, 17, None),
        # What comes after a return counts from then.
        ([(F, 3), (R, 17), (S, 20)], S, 3, 20, 17, 20),
        ([(F, 3), (S, 5), (R, 17), (S, 20)], S, 3, 20, 17, 20),
        ([(F, 3), (R, 17), (F, 25)], F, 25, None, 17, None),
        ([(F, 3), (S, 5), (R, 17), (F, 25)], F, 25, None, 17, None),
        ([(F, 3), (R, 17), (F, 25), (S, 26)], S, 25, 26, 17, 26),
        ([(F, 3), (R, 17), (F, 25), (R, 30)], R, 25, None, 30, None),
        # Said again on a later day: the first day counts, within a round.
        ([(F, 3), (F, 5)], F, 3, None, None, None),
        ([(F, 3), (S, 5), (F, 7), (S, 9)], S, 3, 5, None, 5),
        ([(F, 3), (R, 17), (R, 19)], R, 3, None, 17, None),
        # On one day: filled, returned, sold.
        ([(F, 3), (R, 3)], R, 3, None, 3, None),
        ([(F, 3), (S, 5), (R, 5)], S, 3, 5, 5, 5),
        ([(F, 3), (R, 3), (S, 3)], S, 3, 3, 3, 3),
    ],
)
def test_a_fill_is_what_its_last_event_left(
    events: list[tuple[Dispensed, int]],
    standing: Dispensed,
    filled: int | None,
    sold: int | None,
    returned: int | None,
    taken: int | None,
) -> None:
    fill = one_fill(*(fact(event, day) for event, day in events))
    assert fill.standing is standing
    assert [fill.filled, fill.sold, fill.returned, fill.taken] == [
        None if day is None else march(day) for day in (filled, sold, returned, taken)
    ]
    assert fill.waiting == (standing is F)


@pytest.mark.parametrize(
    ("knows", "counts", "taken", "perhaps", "waiting"),
    [(True, False, None, None, True), (False, True, 3, None, False), (False, False, None, 3, False)],
)
def test_what_a_filled_one_means_depends_on_the_feed(
    knows: bool, counts: bool, taken: int | None, perhaps: int | None, waiting: bool
) -> None:
    fill = one_fill(fact(F, 3, knows=knows, counts=counts))
    assert fill.taken == (march(taken) if taken else None)
    assert fill.perhaps_taken == (march(perhaps) if perhaps else None)
    assert fill.waiting is waiting
    back = one_fill(fact(F, 3, knows=knows, counts=counts), fact(R, 9, knows=knows, counts=counts))
    assert (back.taken, back.perhaps_taken, back.waiting) == (None, None, False)


def test_a_feed_knows_only_if_every_fact_says_so() -> None:
    fill = one_fill(fact(F, 3, knows=True), fact(F, 3, knows=False))
    assert not fill.knows_sold
    assert not fill.waiting


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ((30,), 30),
        ((30, None), 30),
        ((30, 30), 30),
        ((30, 90), None),
        ((None, None), None),
        ((0,), None),
        ((-30,), None),
        ((1000,), None),
        ((999,), 999),
        ((1,), 1),
    ],
)
def test_days_supply_is_known_where_facts_agree(said: tuple[int | None, ...], days: int | None) -> None:
    facts = [fact(F, 3 + index, days_supply=each) for index, each in enumerate(said)]
    assert one_fill(*facts).days_supply == days


def test_a_partial_fill_and_its_completion_are_two() -> None:
    known = told(
        fact(S, 3, part=march(3), days_supply=10), fact(S, 6, part=march(6), days_supply=20), fact(S, 3, "2")
    )
    assert [(fill.key.number, fill.taken, fill.days_supply) for fill in known.fills] == [
        ("1", march(3), 10),
        ("1", march(6), 20),
        ("2", march(3), 30),
    ]


def test_a_medicine_without_a_code_gives_way() -> None:
    fill = one_fill(fact(F, 3), fact(S, 5, medicine=Medicine("", "", "METFORMIN")))
    assert fill.medicine == METFORMIN


def test_without_a_prescription_number_there_is_nothing() -> None:
    nothing = PrescriptionKey("0412", "")
    known = told(
        FillFact(FillKey(nothing, "1"), S, march(3), METFORMIN, 30, True),
        OrderFact(nothing, Ordered.NEW, march(1), METFORMIN),
    )
    assert known.fills == ()
    assert known.prescriptions == ()


NEW, RENEWED, CANCELLED = Ordered.NEW, Ordered.RENEWED, Ordered.CANCELLED
DISCONTINUED, HELD, RESUMED = Ordered.DISCONTINUED, Ordered.HELD, Ordered.RESUMED


@pytest.mark.parametrize(
    ("events", "ordered", "new", "ended", "held", "since"),
    [
        ([(NEW, 1)], 1, True, None, False, 1),
        ([(RENEWED, 1)], 1, False, None, False, 1),
        ([(NEW, 1), (RENEWED, 9)], 1, True, None, False, 1),
        ([(NEW, 1), (CANCELLED, 5)], 1, True, 5, False, 1),
        ([(NEW, 1), (DISCONTINUED, 5), (CANCELLED, 9)], 1, True, 5, False, 1),
        ([(NEW, 1), (CANCELLED, 5), (NEW, 7)], 7, True, None, False, 7),
        ([(NEW, 1), (DISCONTINUED, 5), (RENEWED, 7)], 7, False, None, False, 7),
        ([(NEW, 5), (CANCELLED, 5)], 5, True, 5, False, 5),
        ([(CANCELLED, 5)], None, False, 5, False, None),
        ([(NEW, 1), (HELD, 4)], 1, True, None, True, 1),
        ([(NEW, 1), (HELD, 4), (RESUMED, 8)], 1, True, None, False, 8),
        ([(NEW, 1), (RESUMED, 8)], 1, True, None, False, 1),
    ],
)
def test_a_prescription_is_what_its_orders_left(
    events: list[tuple[Ordered, int]],
    ordered: int | None,
    new: bool,
    ended: int | None,
    held: bool,
    since: int | None,
) -> None:
    found = one_prescription(*(order(event, day) for event, day in events))
    assert (found.new, found.held) == (new, held)
    assert [found.ordered, found.ended, found.since] == [
        None if day is None else march(day) for day in (ordered, ended, since)
    ]


def test_a_cancellation_undoes_no_fill_that_was_sold() -> None:
    known = told(order(NEW, 1), fact(F, 3), fact(S, 5), order(CANCELLED, 5), order(DISCONTINUED, 9))
    assert known.prescriptions[0].ended == march(5)
    assert known.fills[0].taken == march(5)


@pytest.mark.parametrize(
    ("facts", "refills"),
    [
        ([order(NEW, 1)], None),
        ([order(NEW, 1, refills=3)], 3),
        ([order(NEW, 1, refills=3), fact(F, 3, refills=2)], 2),
        ([order(NEW, 3, refills=3), fact(F, 3, refills=2)], 2),
        ([order(NEW, 1, refills=3), fact(F, 3)], 3),
        ([order(NEW, 1, refills=1), fact(F, 3, refills=0), fact(R, 9)], 1),
        ([order(NEW, 1, refills=1), fact(F, 3, refills=0), fact(R, 9, refills=1)], 1),
        ([order(NEW, 1, refills=0), order(RENEWED, 20, refills=5)], 5),
    ],
)
def test_refills_left_are_those_of_the_latest_word(facts: list[Fact], refills: int | None) -> None:
    assert one_prescription(*facts).refills == refills


@pytest.mark.parametrize(
    ("facts", "knows"),
    [
        ([order(NEW, 1)], False),
        ([order(NEW, 1, knows=True)], True),
        ([order(NEW, 1, knows=False)], False),
        ([order(NEW, 1), fact(F, 3)], True),
        ([order(NEW, 1), fact(F, 3, knows=False)], False),
        ([order(NEW, 1, knows=True), fact(F, 3, knows=False)], False),
    ],
)
def test_whether_a_store_tells_what_is_sold(facts: list[Fact], knows: bool) -> None:
    assert one_prescription(*facts).knows_sold is knows


def spans(*facts: Fact, today: date = TODAY) -> list[tuple[date, date]]:
    return [
        (date.fromordinal(each.begin), date.fromordinal(each.end)) for each in told(*facts, today=today).stays
    ]


def stay(
    admitted: int | None, discharged: int | None, visit: str = "V1", cancelled: bool = False, at: int = 0
) -> StayFact:
    return StayFact(visit, admitted and march(admitted), discharged and march(discharged), cancelled, at)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([stay(3, 9)], [(3, 9)]),
        ([stay(3, None), stay(None, 9)], [(3, 9)]),
        ([stay(3, None)], [(3, None)]),
        ([stay(None, 9)], [(9, 9)]),
        ([stay(3, None), stay(4, None), stay(None, 8), stay(None, 9)], [(3, 9)]),
        ([stay(3, 9), stay(7, 12, "V2")], [(3, 12)]),
        ([stay(3, 9), stay(10, 12, "V2")], [(3, 12)]),
        ([stay(3, 9), stay(11, 12, "V2")], [(3, 9), (11, 12)]),
        ([stay(9, 3)], [(9, None)]),
        ([stay(3, 9), stay(3, None, cancelled=True)], []),
        ([stay(3, 9), stay(None, None, cancelled=True)], []),
        ([stay(3, None), stay(None, 9), stay(None, 9, cancelled=True)], [(3, None)]),
        ([stay(3, None), stay(None, 9), stay(None, 9, cancelled=True), stay(None, 12)], [(3, 12)]),
        # Discharged, taken back, discharged again: on one day, which only the times of the messages tell apart.
        ([stay(3, None, at=1), stay(None, 9, at=2), stay(None, 9, cancelled=True, at=3)], [(3, None)]),
        (
            [
                stay(3, None, at=1),
                stay(None, 9, at=2),
                stay(None, 9, cancelled=True, at=3),
                stay(None, 9, at=4),
            ],
            [(3, 9)],
        ),
        # A cancelled discharge may name another day than the discharge did.
        ([stay(3, None, at=1), stay(None, 9, at=2), stay(None, 10, cancelled=True, at=3)], [(3, None)]),
        # Withdrawn, and begun anew under the same number.
        ([stay(3, None, at=1), stay(None, None, cancelled=True, at=2)], []),
        ([stay(3, None, at=1), stay(None, None, cancelled=True, at=2), stay(5, None, at=3)], [(5, None)]),
        ([stay(3, None), stay(None, None, cancelled=True, at=2)], []),
    ],
)
def test_stays(facts: list[Fact], expected: list[tuple[int, int | None]]) -> None:
    assert spans(*facts) == [(march(begin), march(end) if end else date.max) for begin, end in expected]


@pytest.mark.parametrize(
    ("facts", "dead", "died"),
    [
        ([DeathFact(march(9))], True, march(9)),
        ([DeathFact(None)], True, None),
        ([DeathFact(None), DeathFact(march(9))], True, march(9)),
        ([DeathFact(march(9)), DeathFact(march(9), withdrawn=True)], False, None),
        ([DeathFact(march(9)), DeathFact(march(12), withdrawn=True)], False, None),
        ([DeathFact(march(9)), DeathFact(None, withdrawn=True)], False, None),
        ([DeathFact(None), DeathFact(march(12), withdrawn=True)], False, None),
        ([DeathFact(march(20)), DeathFact(march(12), withdrawn=True)], True, march(20)),
        ([DeathFact(date(2026, 6, 2))], False, None),
    ],
)
def test_death_and_its_withdrawal(facts: list[Fact], dead: bool, died: date | None) -> None:
    known = told(*facts)
    assert (known.life.dead, known.life.died) == (dead, died)


def test_what_is_dated_later_has_not_happened_yet() -> None:
    facts: list[Fact] = [order(NEW, 1), fact(F, 3), fact(S, 5), stay(4, 8), DeathFact(march(20))]
    known = told(*facts, today=march(4))
    assert known.fills[0].standing is F
    assert spans(*facts, today=march(4)) == [(march(4), date.max)]
    assert not known.life.dead
    assert known.next_day == march(5)
    assert told(*facts, today=march(20)).next_day is None

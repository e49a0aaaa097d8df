"""Proportion of days covered: PQA's worked figures, and a slow count day by day that must agree on any history."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.adherence import Adherence, Measures, adherence
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
from hl7bridge.affiliation.history.history import history, lay_out
from hl7bridge.affiliation.history.stays import Span
from tests.affiliation.made import medicines

MAKEUP = {
    "metformin": {"6809": "diabetes"},
    "glipizide": {"4821": "diabetes"},
    "insulin": {"5856": "insulin"},
    "lisinopril": {"29046": "ras"},
    "lisinopril/HCTZ": {"29046": "ras", "5487": "diuretic"},
    "losartan/HCTZ": {"52175": "ras", "5487": "diuretic"},
    "amlodipine/benazepril": {"17767": "ccb", "18867": "ras"},
    "dolutegravir": {"1433868": "antiretroviral"},
    "lamivudine": {"68244": "antiretroviral"},
    "dolutegravir/lamivudine": {"1433868": "antiretroviral", "68244": "antiretroviral"},
}
MEDICINES = medicines(MAKEUP)
LATER = date(2030, 1, 1)


def sold(name: str, on: date, days: int | None = 30, rx: str | None = None, number: str = "1") -> FillFact:
    key = FillKey(PrescriptionKey("0412", rx or f"{name} {on}"), number)
    return FillFact(key, Dispensed.SOLD, on, Medicine(name, "NDC", name), days, True)


def measured(
    facts: list[Fact],
    end: date,
    class_: str = "diabetes",
    begin: date | None = None,
    measures: Measures | None = None,
    enrolled_through: date | None = None,
) -> Adherence:
    known = history(facts, LATER)
    return adherence(known, MEDICINES, class_, begin or date(end.year, 1, 1), end, measures, enrolled_through)


def figures(found: Adherence) -> tuple[int, int, str | None, str]:
    return found.covered, found.days, None if found.percent is None else str(found.percent), found.reason


UNDER_91 = "a period of less than 91 days"
ONE_DAY = "fills on fewer than two days"
UNKNOWN = "it is not known how long a fill lasts"
RETURNED_ONE = [
    FillFact(
        FillKey(PrescriptionKey("0412", "b"), "1"),
        event,
        on,
        Medicine("metformin", "NDC", "metformin"),
        30,
        True,
    )
    for event, on in [(Dispensed.FILLED, date(2026, 1, 30)), (Dispensed.RETURNED, date(2026, 1, 31))]
]


@pytest.mark.parametrize(
    ("facts", "end", "expected"),
    [
        pytest.param(
            [
                sold("metformin", date(2018, 3, 25), 90),
                sold("metformin", date(2018, 7, 5), 90),
                sold("metformin", date(2018, 9, 25), 90),
            ],
            date(2018, 12, 31),
            (270, 282, "95.74", ""),
            id="an early refill shifts",
        ),
        pytest.param(
            [sold("metformin", date(2018, 1, 1), 90), sold("glipizide", date(2018, 4, 1), 90)],
            date(2018, 12, 31),
            (180, 365, "49.32", ""),
            id="two of a class, one after the other",
        ),
        pytest.param(
            [sold("metformin", date(2018, 1, 1), 90), sold("glipizide", date(2018, 1, 1), 90)],
            date(2018, 12, 31),
            (90, 365, "24.66", ONE_DAY),
            id="two of a class side by side do not shift",
        ),
        pytest.param(
            [sold("metformin", date(2026, 1, 1)), *RETURNED_ONE, sold("metformin", date(2026, 2, 20))],
            date(2026, 3, 31),
            (60, 90, "66.67", UNDER_91),
            id="a returned fill counts nothing",
        ),
        pytest.param(
            [
                sold("metformin", date(2026, 1, 1)),
                sold("metformin", date(2026, 1, 1)),
                sold("metformin", date(2026, 2, 10)),
            ],
            date(2026, 3, 31),
            (60, 90, "66.67", UNDER_91),
            id="a replay counts nothing",
        ),
        pytest.param(
            [
                sold("metformin", date(2026, 1, 1)),
                sold("metformin", date(2026, 1, 31)),
                DeathFact(date(2026, 2, 15)),
            ],
            date(2026, 12, 31),
            (46, 46, "100.00", UNDER_91),
            id="death ends the period",
        ),
        pytest.param(
            [
                sold("metformin", date(2018, 1, 1), 90),
                sold("metformin", date(2018, 3, 25), 90),
                sold("metformin", date(2018, 7, 5), 90),
                sold("metformin", date(2018, 10, 15), 90),
            ],
            date(2018, 12, 31),
            (348, 365, "95.34", ""),
            id="supply that ends after the period is cut",
        ),
        pytest.param([], date(2018, 12, 31), (0, 0, None, "no fill in the period"), id="nothing"),
        pytest.param(
            [sold("metformin", date(2018, 1, 1)), sold("metformin", date(2018, 3, 1), None)],
            date(2018, 12, 31),
            (30, 365, "8.22", UNKNOWN),
            id="a supply of unknown length",
        ),
    ],
)
def test_the_programmes_table(
    facts: list[Fact], end: date, expected: tuple[int, int, str | None, str]
) -> None:
    found = measured(facts, end)
    assert figures(found) == expected
    assert found.counted == (expected[3] == "")


@pytest.mark.parametrize(
    ("end", "reason"), [(date(2026, 4, 1), UNDER_91), (date(2026, 4, 2), "")], ids=["90 days", "91 days"]
)
def test_a_period_counts_from_91_days(end: date, reason: str) -> None:
    facts: list[Fact] = [sold("metformin", date(2026, 1, 2)), sold("metformin", date(2026, 2, 2))]
    found = measured(facts, end)
    assert found.reason == reason
    assert found.low is (reason == "")


def test_disenrolment_ends_the_period() -> None:
    facts: list[Fact] = [sold("metformin", date(2026, 1, 1)), sold("metformin", date(2026, 1, 31))]
    found = measured(facts, date(2026, 12, 31), enrolled_through=date(2026, 2, 15))
    assert figures(found) == (46, 46, "100.00", UNDER_91)


def test_a_death_of_an_unknown_day_leaves_the_period_open() -> None:
    facts: list[Fact] = [
        sold("metformin", date(2026, 1, 1)),
        sold("metformin", date(2026, 1, 31)),
        DeathFact(None),
    ]
    assert measured(facts, date(2026, 12, 31)).reason == "the day of death is not known"


@pytest.mark.parametrize(
    ("second", "shifts"),
    [
        ("lisinopril", True),
        ("lisinopril/HCTZ", True),
        ("losartan/HCTZ", False),
        ("amlodipine/benazepril", False),
    ],
)
def test_supply_shifts_where_a_combination_shares_an_ingredient_of_the_class(
    second: str, shifts: bool
) -> None:
    facts: list[Fact] = [sold("lisinopril", date(2026, 1, 1), 90), sold(second, date(2026, 1, 11), 90)]
    found = measured(facts, date(2026, 12, 31), "ras")
    assert found.covered == (180 if shifts else 100)


def test_an_ingredient_of_another_class_shifts_nothing() -> None:
    facts: list[Fact] = [
        sold("lisinopril/HCTZ", date(2026, 1, 1), 90),
        sold("losartan/HCTZ", date(2026, 1, 11), 90),
    ]
    assert measured(facts, date(2026, 12, 31), "ras").covered == 100
    assert measured(facts, date(2026, 12, 31), "diuretic").covered == 180


def test_a_partial_fill_and_its_completion_add_up() -> None:
    prescription = PrescriptionKey("0412", "1")
    facts: list[Fact] = [
        FillFact(
            FillKey(prescription, "1", on), Dispensed.SOLD, on, Medicine("metformin", "NDC", ""), days, True
        )
        for on, days in [(date(2026, 1, 1), 10), (date(2026, 1, 4), 20)]
    ]
    assert measured(facts, date(2026, 1, 31)).covered == 30


@pytest.mark.parametrize(
    ("stay", "expected"),
    [
        # Days 5 to 6 in hospital: two days fewer in the period, and their supply is used after day 8.
        ((5, 6), (10, 13, 2)),
        # Between two supplies: nothing moves.
        ((10, 11), (10, 13, 2)),
        # At the end of the last supply: it moves out of the period.
        ((14, 15), (8, 13, 2)),
        ((1, 2), (10, 13, 2)),
    ],
)
def test_days_in_hospital_are_taken_out_and_supply_moves_past_them(
    stay: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    def day(number: int) -> date:
        return date(2026, 5, number)

    facts: list[Fact] = [
        sold("metformin", day(1), 8),
        sold("metformin", day(14), 2),
        StayFact("V1", day(stay[0]), day(stay[1])),
    ]
    found = measured(facts, day(15))
    assert (found.covered, found.days, found.in_hospital) == expected


@pytest.mark.parametrize(
    ("begin", "days", "stays", "expected"),
    [
        (5, 3, [], [(5, 7)]),
        (5, 3, [(1, 4)], [(5, 7)]),
        (5, 3, [(1, 5)], [(6, 8)]),
        (5, 3, [(5, 9)], [(10, 12)]),
        (5, 3, [(7, 9)], [(5, 6), (10, 10)]),
        (5, 3, [(8, 9)], [(5, 7)]),
        (5, 3, [(6, 6), (8, 9)], [(5, 5), (7, 7), (10, 10)]),
        (5, 1, [(6, 6)], [(5, 5)]),
    ],
)
def test_supply_is_laid_out_around_stays(
    begin: int, days: int, stays: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    assert lay_out(begin, days, [Span(*each) for each in stays]) == expected


def test_a_stay_without_end_leaves_no_days() -> None:
    facts: list[Fact] = [sold("metformin", date(2026, 5, 3)), StayFact("V1", date(2026, 5, 1), None)]
    found = measured(facts, date(2026, 12, 31))
    assert (found.covered, found.days, found.fraction, found.percent) == (0, 0, None, None)
    assert not found.low


def test_thresholds_are_of_the_class_and_reached_counts_as_reached() -> None:
    assert Measures().threshold("statins") == 80
    assert Measures().threshold("Antiretroviral") == 90
    facts: list[Fact] = [sold("metformin", date(2026, 1, 1), 40), sold("metformin", date(2026, 3, 1), 40)]
    found = measured(facts, date(2026, 4, 10))
    assert found.fraction == Fraction(80, 100)
    assert not found.low
    assert measured(facts, date(2026, 4, 11)).low
    assert measured(facts, date(2026, 4, 10), measures=Measures(percent=81)).low
    assert not measured(facts, date(2026, 4, 11), measures=Measures(by_class={"diabetes": 70})).low


@pytest.mark.parametrize(
    ("fills", "one", "two"),
    [
        (["dolutegravir"], 30, 0),
        (["dolutegravir", "lamivudine"], 30, 30),
        (["dolutegravir/lamivudine"], 30, 30),
        (["dolutegravir", "dolutegravir/lamivudine"], 60, 30),
    ],
)
def test_the_antiretroviral_measure_asks_for_two_medicines_if_turned_on(
    fills: list[str], one: int, two: int
) -> None:
    facts: list[Fact] = [sold(name, date(2026, 1, 1)) for name in fills]
    wanted = Measures(two_medicines=frozenset({"antiretroviral"}))
    assert measured(facts, date(2026, 12, 31), "antiretroviral").covered == one
    assert measured(facts, date(2026, 12, 31), "antiretroviral", measures=wanted).covered == two


def test_insulin_excludes_from_the_diabetes_measure_if_turned_on() -> None:
    facts: list[Fact] = [
        sold("metformin", date(2026, 1, 1)),
        sold("metformin", date(2026, 2, 1)),
        sold("insulin", date(2026, 6, 1)),
    ]
    wanted = Measures(excluded_by={"diabetes": "insulin"})
    assert measured(facts, date(2026, 12, 31)).low
    found = measured(facts, date(2026, 12, 31), measures=wanted)
    assert found.reason == "a fill of insulin excludes from the measure"
    assert not found.low
    assert measured(facts, date(2026, 5, 31), measures=wanted).low


def test_a_feed_that_does_not_know_sales_counts_only_where_it_is_mapped_to() -> None:
    first = sold("metformin", date(2026, 1, 1), 90)
    for counts, covered, reason in [
        (True, 180, ""),
        (False, 90, "it is not known whether a fill was taken home"),
    ]:
        key = FillKey(PrescriptionKey("0999", "1"), "1")
        other = FillFact(
            key, Dispensed.FILLED, date(2026, 5, 1), Medicine("metformin", "NDC", ""), 90, False, counts
        )
        found = measured([first, other], date(2026, 12, 31))
        assert (found.covered, found.reason) == (covered, reason)


def test_a_product_outside_the_table_leaves_the_figure_uncounted_if_its_prescription_is_of_the_class() -> (
    None
):
    first = sold("metformin", date(2026, 1, 1), rx="1")
    second = sold("another maker's", date(2026, 2, 1), rx="1", number="2")
    stranger = sold("something", date(2026, 2, 1), rx="2")
    third = sold("metformin", date(2026, 3, 1), rx="1", number="3")
    assert measured([first, stranger, third], date(2026, 12, 31)).counted
    assert measured([first, second, third], date(2026, 12, 31)).reason == UNKNOWN


# -- the slow count -----------------------------------------------------------------------------------------------------

BEGIN = date(2026, 1, 1)
NAMES = ["lisinopril", "lisinopril/HCTZ", "losartan/HCTZ", "amlodipine/benazepril", "metformin"]
DAYS = st.integers(0, 150).map(lambda offset: BEGIN + timedelta(offset))
FILLS = st.builds(
    lambda name, on, days, rx: sold(name, on, days, str(rx)),
    st.sampled_from(NAMES),
    DAYS,
    st.integers(1, 60),
    st.integers(10, 24),
)
STAYS = st.builds(
    lambda visit, on, length: StayFact(visit, on, None if length is None else on + timedelta(length)),
    st.sampled_from("VW"),
    DAYS,
    st.none() | st.integers(0, 20),
)


def counted_slowly(facts: list[Fact], class_: str, end: date) -> tuple[int, int]:
    """Walks the days one by one, with a box of tablets for each fill. Facts here are sales, stays with both days, one death."""
    fills: dict[FillKey, FillFact] = {}
    hospital: set[date] = set()
    visits: dict[str, list[StayFact]] = {}
    for fact in facts:
        if isinstance(fact, FillFact):
            known = fills.get(fact.fill)
            if known is None or fact.on < known.on:
                fills[fact.fill] = fact
        elif isinstance(fact, StayFact):
            visits.setdefault(fact.visit, []).append(fact)
        elif isinstance(fact, DeathFact) and fact.on is not None:
            end = min(end, fact.on)
    for stays in visits.values():
        day = min(stay.admitted for stay in stays if stay.admitted)
        ends = [stay.discharged for stay in stays if stay.discharged]
        while day <= (max(ends) if ends else date(2027, 12, 31)):
            hospital.add(day)
            day += timedelta(1)
    used: dict[str, set[date]] = {}
    mine = []
    for fact in sorted(fills.values(), key=lambda each: (each.on, each.fill.prescription)):
        parts = [ingredient for ingredient, its in MAKEUP[fact.medicine.code].items() if its == class_]
        if not parts or not BEGIN <= fact.on <= end:
            continue
        mine.append(fact.on)
        day = max([fact.on, *(max(used[part]) + timedelta(1) for part in parts if part in used)])
        left = fact.days_supply or 0
        while left and day < date(2027, 12, 31):
            if day not in hospital:
                left -= 1
                for part in parts:
                    used.setdefault(part, set()).add(day)
            day += timedelta(1)
        if left:
            for part in parts:
                used.setdefault(part, set()).add(date(2027, 12, 31))
    if not mine:
        return 0, 0
    period = [min(mine) + timedelta(index) for index in range((end - min(mine)).days + 1)]
    outside = [day for day in period if day not in hospital]
    covered = [day for day in outside if any(day in days for days in used.values())]
    return len(covered), len(outside)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(FILLS, max_size=10, unique_by=lambda fact: fact.fill),
    st.lists(STAYS, max_size=3),
    st.none() | DAYS,
    st.integers(0, 250),
)
def test_the_figure_is_what_a_slow_count_gives(
    fills: list[FillFact], stays: list[StayFact], died: date | None, length: int
) -> None:
    facts: list[Fact] = [*fills, *stays, *([] if died is None else [DeathFact(died)])]
    end = BEGIN + timedelta(length)
    for class_ in ("ras", "diuretic", "diabetes"):
        found = measured(facts, end, class_, BEGIN)
        assert (found.covered, found.days) == counted_slowly(facts, class_, end)
        assert 0 <= found.covered <= found.days
        assert found.fraction is None or 0 <= found.fraction <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(FILLS, max_size=8), st.lists(STAYS, max_size=3), st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_change_the_figure(
    fills: list[FillFact], stays: list[StayFact], chance: object
) -> None:
    facts: list[Fact] = [*fills, *stays]
    shuffled = [*facts, *facts]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert measured(shuffled, date(2026, 12, 31), "ras") == measured(facts, date(2026, 12, 31), "ras")


def test_a_year_at_the_end_of_time_breaks_nothing() -> None:
    facts: list[Fact] = [sold("metformin", date(9999, 12, 1), 90), sold("metformin", date(9999, 12, 31), 90)]
    known = history(facts, date.max)
    found = adherence(known, MEDICINES, "diabetes", date(9999, 1, 1), date.max)
    assert found.percent == Decimal("100.00")


def test_an_order_alone_is_no_fill() -> None:
    order = OrderFact(
        PrescriptionKey("0412", "1"), Ordered.NEW, date(2026, 1, 1), Medicine("metformin", "NDC", "")
    )
    assert measured([order], date(2026, 12, 31)).first is None

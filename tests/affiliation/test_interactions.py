"""Warnings of interactions: which medicines are active on a day, which warnings follow, and what never raises one."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.alerts import Alert, Kind, Thresholds, assess
from hl7bridge.affiliation.alerts.chart import chart_of
from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillKey,
    Medicine,
    Ordered,
    StayFact,
)
from hl7bridge.affiliation.history.regimen import ORDER_DAYS, UNKNOWN_DAYS, active_on, not_screened
from hl7bridge.affiliation.tables.interactions import NO_LIST, Group, Interactions
from tests.affiliation.made import fill, medicines, on, order, rx

SIMVASTATIN, CLARITHROMYCIN, METFORMIN = "simvastatin", "clarithromycin", "metformin"
MEDICINES = medicines(
    {
        SIMVASTATIN: {"36567": "statins"},
        "simvastatin, other maker": {"36567": "statins"},
        "simvastatin/ezetimibe": {"36567": "statins", "341248": ""},
        CLARITHROMYCIN: {"21212": ""},
        "lopinavir/ritonavir": {"195088": "", "85762": ""},
        "simvastatin/clarithromycin": {"36567": "", "21212": ""},
        METFORMIN: {"6809": "diabetes"},
        "tranylcypromine": {"10734": ""},
        "fluoxetine": {"4493": ""},
    }
)
STATINS = Group(
    "25",
    "Statins with inhibitors",
    {"36567": "simvastatin"},
    {"21212": "clarithromycin", "195088": "lopinavir", "85762": "ritonavir"},
)
LIST = Interactions(
    "a list",
    "7",
    [
        STATINS,
        Group("8", "SSRIs with MAO inhibitors", {"4493": "fluoxetine"}, {"10734": "tranylcypromine"}),
        Group("21", "QT with QT", {}, {}),
    ],
)
F, S, R = Dispensed.FILLED, Dispensed.SOLD, Dispensed.RETURNED
NEW, RENEWED, CANCELLED, DISCONTINUED = Ordered.NEW, Ordered.RENEWED, Ordered.CANCELLED, Ordered.DISCONTINUED


def warnings(facts: list[Fact], today: date = date(2028, 12, 31), listed: Interactions = LIST) -> list[Alert]:
    found = assess(facts, MEDICINES, Thresholds(), today, listed=listed).alerts
    return [alert for alert in found if alert.kind is Kind.INTERACTION]


def second(day: date) -> list[Fact]:
    """Clarithromycin for ten days, ordered and taken home on a day."""
    return [
        order(NEW, day, CLARITHROMYCIN, "2", refills=0),
        fill(S, day, CLARITHROMYCIN, "2.1", 10),
    ]


# -- what is active ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "first", "last"),
    [
        pytest.param([order(NEW, on(3, 1))], on(3, 1), on(2, 28, 2027), id="ordered: for a year"),
        pytest.param([order(NEW, on(3, 1)), order(CANCELLED, on(3, 9))], on(3, 1), on(3, 8), id="cancelled"),
        pytest.param([order(NEW, on(3, 1)), order(CANCELLED, on(3, 1))], None, None, id="cancelled that day"),
        pytest.param([order(NEW, on(3, 1)), order(Ordered.HELD, on(3, 9))], on(3, 1), on(3, 8), id="on hold"),
        pytest.param(
            [order(NEW, on(3, 1)), order(RENEWED, on(9, 1))],
            on(3, 1),
            on(8, 31, 2027),
            id="renewed: a year more",
        ),
        pytest.param([order(NEW, on(3, 1)), fill(S, on(3, 2))], on(3, 1), on(3, 31), id="dispensed once"),
        pytest.param(
            [order(NEW, on(3, 1)), fill(S, on(3, 2), refills=2)], on(3, 1), on(2, 28, 2027), id="refills left"
        ),
        pytest.param(
            [order(NEW, on(3, 1)), fill(S, on(3, 2), refills=0)], on(3, 1), on(3, 31), id="no refills left"
        ),
        pytest.param(
            [order(NEW, on(3, 1)), fill(S, on(3, 2)), order(DISCONTINUED, on(3, 9))],
            on(3, 1),
            on(3, 31),
            id="discontinued: what is at home is at home",
        ),
        pytest.param([fill(S, on(3, 2))], on(3, 2), on(3, 31), id="taken home, no order known"),
        pytest.param([fill(F, on(3, 2))], on(3, 2), on(3, 31), id="filled and waiting"),
        pytest.param([fill(F, on(3, 2), knows=False)], on(3, 2), on(3, 31), id="nobody knows if taken home"),
        pytest.param([fill(F, on(3, 2)), fill(R, on(3, 12))], on(3, 2), on(3, 11), id="returned to stock"),
        pytest.param(
            [fill(F, on(3, 2)), fill(R, on(3, 2))], None, None, id="returned on the day it was filled"
        ),
        pytest.param([fill(R, on(3, 2))], None, None, id="a return that waits for its fill"),
        pytest.param(
            [fill(S, on(3, 2), days_supply=None)],
            on(3, 2),
            on(3, 2) + timedelta(UNKNOWN_DAYS - 1),
            id="supply not known",
        ),
        pytest.param(
            [fill(S, on(3, 2)), fill(S, on(3, 22), key="1.2")], on(3, 2), on(4, 30), id="an early refill"
        ),
        pytest.param(
            [fill(S, on(3, 2)), StayFact("V", on(3, 10), on(3, 14))],
            on(3, 2),
            on(4, 5),
            id="days in hospital",
        ),
        pytest.param([fill(S, on(3, 2), key=".1")], None, None, id="no prescription number"),
    ],
)
def test_active(facts: list[Fact], first: date | None, last: date | None) -> None:
    days = [day for number in range(800) if active_on(day := on(2, 1) + timedelta(number), facts, MEDICINES)]
    assert (days[0] if days else None, days[-1] if days else None) == (first, last)
    if days:
        assert len(days) == (days[-1] - days[0]).days + 1


def test_a_course_that_was_dispensed_is_over_when_its_days_are_and_not_a_year_later() -> None:
    assert warnings([*second(on(3, 1)), order(NEW, on(3, 11))]) == []
    assert [each.day for each in warnings([*second(on(3, 1)), order(NEW, on(3, 10))])] == [on(3, 10)]


def test_a_prescription_is_good_for_a_year() -> None:
    begun: list[Fact] = [order(NEW, on(1, 1))]
    assert warnings([*begun, *second(on(1, 1) + timedelta(ORDER_DAYS - 1))])
    assert not warnings([*begun, *second(on(1, 1) + timedelta(ORDER_DAYS))])


# -- which warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        pytest.param(
            [order(NEW, on(3, 1)), *second(on(3, 9))], on(3, 9), id="a new order beside an active one"
        ),
        pytest.param([*second(on(3, 1)), fill(S, on(3, 9))], on(3, 9), id="a fill beside a supply"),
        pytest.param([order(NEW, on(3, 1)), *second(on(3, 1))], on(3, 1), id="both on one day"),
        pytest.param(
            [order(NEW, on(3, 1)), order(DISCONTINUED, on(3, 9)), *second(on(3, 9))], None, id="a switch"
        ),
        pytest.param(
            [fill(S, on(3, 1)), order(DISCONTINUED, on(3, 9)), *second(on(3, 9))],
            on(3, 9),
            id="discontinued, and still at home",
        ),
        pytest.param([fill(S, on(3, 1)), *second(on(3, 31))], None, id="used up the day before"),
        pytest.param([fill(S, on(3, 1)), *second(on(3, 30))], on(3, 30), id="on its last day"),
        pytest.param([order(NEW, on(3, 1), METFORMIN), *second(on(3, 9))], None, id="not on the list"),
        pytest.param(
            [order(NEW, on(3, 1), "simvastatin/ezetimibe"), *second(on(3, 9))],
            on(3, 9),
            id="in a combination",
        ),
        pytest.param(
            [order(NEW, on(3, 1), "simvastatin/clarithromycin")], None, id="two ingredients of one product"
        ),
        pytest.param(
            [order(NEW, on(3, 1)), fill(F, on(3, 1), CLARITHROMYCIN)],
            None,
            id="two products of one prescription",
        ),
        pytest.param([order(NEW, on(3, 1), "nobody knows"), *second(on(3, 9))], None, id="not mapped"),
        pytest.param(
            [order(NEW, on(3, 1), "nobody knows"), fill(S, on(3, 2)), *second(on(3, 9))],
            on(3, 9),
            id="the order not mapped, its fill is",
        ),
        pytest.param(
            [fill(S, on(3, 1)), order(NEW, on(3, 1)), fill(S, on(3, 5), "simvastatin, other maker", "3.1")],
            None,
            id="one ingredient twice",
        ),
        pytest.param(
            [order(NEW, on(3, 1)), order(NEW, on(3, 5), number="1", name=SIMVASTATIN), *second(on(3, 9))],
            on(3, 9),
            id="an order that is told again",
        ),
        pytest.param([order(NEW, on(3, 1)), *second(on(3, 9)), DeathFact(on(3, 20))], None, id="death"),
        pytest.param([order(NEW, on(3, 1)), *second(on(3, 9)), DeathFact(None)], None, id="on some day"),
    ],
)
def test_warnings(facts: list[Fact], day: date | None) -> None:
    assert [each.day for each in warnings(facts)] == ([] if day is None else [day])


def test_a_warning_says_list_version_medicines_prescriptions_fills_and_days() -> None:
    [found] = warnings([order(NEW, on(3, 1)), fill(S, on(3, 2)), *second(on(3, 9))])
    assert found.reason == (
        "a list, version 7, names simvastatin with clarithromycin (Statins with inhibitors). Both were active here on 2026-03-09: "
        "simvastatin (prescription 1 of 0412: ordered on 2026-03-01; fill 1 taken home on 2026-03-02, a supply of 30 days); "
        "and clarithromycin (prescription 2 of 0412: ordered on 2026-03-09; fill 1 taken home on 2026-03-09, a supply of 10 days). "
        "The list is not complete, and doses are not looked at."
    )
    assert found.subject == "interaction/25/0412/1/0412/2"
    assert found.fills == (FillKey(rx("1"), "1"), FillKey(rx("2"), "1"))
    assert found.medicine == Medicine(CLARITHROMYCIN, "NDC", CLARITHROMYCIN), "what came to it"
    assert found.prescription == rx("2")
    assert [each.code for each in found.medicines] == [CLARITHROMYCIN, SIMVASTATIN]


def test_a_warning_holds_the_medicine_that_was_ordered_and_the_one_that_was_dispensed_for_it() -> None:
    [found] = warnings([order(NEW, on(3, 1)), fill(S, on(3, 2), "nobody knows"), *second(on(3, 9))])
    assert [each.code for each in found.medicines] == [CLARITHROMYCIN, "nobody knows", SIMVASTATIN]


def test_what_is_not_known_is_said() -> None:
    [found] = warnings([fill(F, on(3, 2), knows=False, days_supply=None), *second(on(3, 9))])
    assert (
        "it is not known whether it was picked up, days' supply not known and taken to be 30" in found.reason
    )
    [waits] = warnings([fill(F, on(3, 2)), *second(on(3, 9))])
    assert "not yet picked up" in waits.reason


def test_one_warning_for_two_prescriptions_and_a_new_one_for_a_new_prescription() -> None:
    facts: list[Fact] = [order(NEW, on(3, 1), refills=5), *second(on(3, 9))]
    facts += [fill(S, on(3, 2), refills=5), fill(S, on(3, 10), CLARITHROMYCIN, "2.2", 10)]
    assert len(warnings(facts)) == 1
    facts.append(order(NEW, on(6, 1), CLARITHROMYCIN, "9"))
    assert [each.subject for each in warnings(facts)] == [
        "interaction/25/0412/1/0412/2",
        "interaction/25/0412/1/0412/9",
    ]


def test_a_combination_that_interacts_twice_in_a_group_is_one_warning() -> None:
    [found] = warnings([order(NEW, on(3, 1)), order(NEW, on(3, 2), "lopinavir/ritonavir", "2")])
    assert "names simvastatin with lopinavir and ritonavir" in found.reason


def test_each_list_and_only_a_list_screens() -> None:
    facts: list[Fact] = [
        order(NEW, on(3, 1)),
        *second(on(3, 2)),
        order(NEW, on(3, 3), "fluoxetine", "3"),
        order(NEW, on(3, 4), "tranylcypromine", "4"),
    ]
    assert len(warnings(facts)) == 2
    assert [each.day for each in warnings(facts, listed=Interactions("another", "1", [STATINS]))] == [
        on(3, 2)
    ]
    assert warnings(facts, listed=NO_LIST) == []


def test_who_wants_no_interactions_gets_none() -> None:
    facts: list[Fact] = [order(NEW, on(3, 1)), *second(on(3, 9))]
    found = assess(facts, MEDICINES, Thresholds(kinds=frozenset({Kind.REFILL_LATE})), on(3, 9), listed=LIST)
    assert found.alerts == ()


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([order(DISCONTINUED, on(3, 20))], id="the one is discontinued"),
        pytest.param([order(CANCELLED, on(3, 20), CLARITHROMYCIN, "2")], id="the other is cancelled"),
        pytest.param([fill(R, on(3, 20), CLARITHROMYCIN, "2.1", 10)], id="a fill comes back"),
        pytest.param([fill(S, on(4, 20)), fill(S, on(5, 20), key="1.2")], id="more fills"),
        pytest.param([StayFact("V", on(3, 12), None)], id="a stay in hospital"),
        pytest.param([order(NEW, on(5, 1), METFORMIN)], id="the prescription is changed"),
    ],
)
def test_what_happens_later_takes_no_warning_back_and_changes_no_word_of_it(later: list[Fact]) -> None:
    facts: list[Fact] = [order(NEW, on(3, 1)), *second(on(3, 9))]
    before = warnings(facts, on(3, 9))
    assert len(before) == 1
    assert warnings([*facts, *later]) == before


def test_a_late_fact_that_changes_the_day_itself_takes_it_back() -> None:
    facts: list[Fact] = [order(NEW, on(3, 1)), *second(on(3, 9))]
    assert warnings([*facts, order(CANCELLED, on(3, 5))]) == []


def test_a_warning_of_a_day_to_come_waits_for_it() -> None:
    facts: list[Fact] = [order(NEW, on(3, 1)), *second(on(3, 9))]
    found = assess(facts, MEDICINES, Thresholds(), on(3, 8), listed=LIST)
    assert (found.alerts, found.next_day) == ((), on(3, 9))


# -- what is not screened ---------------------------------------------------------------------------------------------------


def test_active_medicines_without_a_mapping_are_shown_as_not_screened_and_so_is_the_empty_group() -> None:
    facts: list[Fact] = [
        order(NEW, on(3, 1), "mystery"),
        fill(S, on(3, 2), "riddle", "2.1"),
        fill(S, on(1, 2), "used up", "3.1"),
        order(NEW, on(3, 1), METFORMIN, "4"),
    ]
    chart = chart_of(facts, None, MEDICINES, on(3, 9), LIST)
    assert [each.code for each in chart.not_screened] == ["mystery", "riddle"]
    assert chart.screened_by == "a list, version 7"
    assert chart.list_leaves_out == ("QT with QT",)
    assert not_screened(active_on(on(3, 9), facts, MEDICINES)) == chart.not_screened


# -- always -----------------------------------------------------------------------------------------------------------------

NAMES = [
    SIMVASTATIN,
    "simvastatin/ezetimibe",
    CLARITHROMYCIN,
    "lopinavir/ritonavir",
    "fluoxetine",
    "tranylcypromine",
    "x",
]
#: A prescription is of one medicine, and its fills last as long as they do: what facts contradict is tested above.
STEPS = st.tuples(
    st.integers(0, 4),
    st.sampled_from([*Ordered, *Dispensed]),
    st.integers(0, 90),
    st.sampled_from([1, 2]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=5, max_size=5))
    facts: list[Fact] = []
    for which, event, after, number in draw(st.lists(STEPS, max_size=14)):
        day = on(1, 1) + timedelta(after)
        if isinstance(event, Ordered):
            facts.append(order(event, day, names[which], str(which)))
        else:
            facts.append(fill(event, day, names[which], f"{which}.{number}", [None, 5, 20, 30, 90][which]))
    for after, days in draw(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 20)), max_size=1)):
        begin = on(1, 1) + timedelta(after)
        facts.append(StayFact("V", begin, begin + timedelta(days)))
    return facts


@settings(max_examples=60, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_order_and_repeats_make_no_difference(facts: list[Fact], chance: Random) -> None:
    again = [*facts, *facts[: len(facts) // 2]]
    chance.shuffle(again)
    assert warnings(again) == warnings(facts)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_warning_stands_from_its_day_on_as_it_was_first_said(facts: list[Fact]) -> None:
    last = warnings(facts)
    assert len({each.subject for each in last}) == len(last)
    for each in last:
        assert each in warnings(facts, each.day)
        assert each.subject not in {other.subject for other in warnings(facts, each.day - timedelta(1))}
        on_that_day = {active.prescription for active in active_on(each.day, facts, MEDICINES)}
        assert each.prescription in on_that_day
        assert len(each.medicines) == 2


@settings(max_examples=30, deadline=None)
@given(histories())
def test_every_pair_that_is_active_on_a_day_has_been_warned_of_by_then(facts: list[Fact]) -> None:
    """The rule looks only at days of events; this looks at every day."""
    warned = {each.subject: each.day for each in warnings(facts)}
    seen: dict[str, date] = {}
    for number in range(0, 130):
        day = on(1, 1) + timedelta(number)
        active = active_on(day, facts, MEDICINES)
        for one in active:
            for other in active:
                if one.prescription < other.prescription:
                    for found in LIST.between(one.ingredients, other.ingredients):
                        name = "/".join(
                            ("interaction", found.group.number, *one.prescription, *other.prescription)
                        )
                        seen.setdefault(name, day)
    assert warned == seen


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(0, 100))
def test_nothing_changes_before_the_day_to_ask_again(facts: list[Fact], after: int) -> None:
    today = on(1, 1) + timedelta(after)
    found = assess(facts, MEDICINES, Thresholds(kinds=frozenset({Kind.INTERACTION})), today, listed=LIST)
    for number in range(1, 20):
        later = today + timedelta(number)
        if found.next_day is not None and later >= found.next_day:
            break
        again = assess(facts, MEDICINES, Thresholds(kinds=frozenset({Kind.INTERACTION})), later, listed=LIST)
        assert again == found

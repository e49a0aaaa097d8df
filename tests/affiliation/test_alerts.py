"""Alerts of non-adherence: each rule, each thing that must never raise one, and that `assess` knows when to ask again."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.adherence import Measures, adherence
from hl7bridge.affiliation.alerts.alerts import Alert, Assessment, Kind, Thresholds, assess
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
from hl7bridge.affiliation.history.history import history
from tests.affiliation.made import fill, medicines, on, order, rx

MAKEUP = {
    "simvastatin": {"36567": "statins"},
    "simvastatin, other maker": {"36567": "statins"},
    "atorvastatin": {"83367": "statins"},
    "amlodipine": {"17767": "ccb"},
    "amlodipine/atorvastatin": {"17767": "ccb", "83367": "statins"},
    "metformin": {"6809": "diabetes"},
    "gabapentin": {"25480": ""},
}
MEDICINES = medicines(MAKEUP)
F, S, R = Dispensed.FILLED, Dispensed.SOLD, Dispensed.RETURNED
NEW, RENEWED, CANCELLED = Ordered.NEW, Ordered.RENEWED, Ordered.CANCELLED
SIMVASTATIN, ATORVASTATIN = "simvastatin", "atorvastatin"


def alerts(facts: list[Fact], today: date, kind: Kind, thresholds: Thresholds | None = None) -> list[Alert]:
    found = assess(facts, MEDICINES, thresholds or Thresholds(), today).alerts
    return [alert for alert in found if alert.kind is kind]


def first_day(facts: list[Fact], kind: Kind, begin: date, through: date) -> date | None:
    """The first day on which an alert of the kind is in force, asked only on the days that `assess` names."""
    today: date | None = begin
    while today is not None and today <= through:
        found = assess(facts, MEDICINES, Thresholds(), today)
        if any(alert.kind is kind for alert in found.alerts):
            assert min(alert.day for alert in found.alerts if alert.kind is kind) == today
            return today
        assert found.next_day is None or found.next_day > today
        today = found.next_day
    return None


# -- not picked up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        pytest.param([fill(F, on(3, 3))], on(3, 17), id="ready for 14 days"),
        pytest.param([fill(F, on(3, 3)), fill(R, on(3, 12))], on(3, 12), id="returned before that"),
        pytest.param([fill(F, on(3, 3)), fill(R, on(3, 20))], on(3, 17), id="returned after that"),
        pytest.param([fill(F, on(3, 3)), fill(S, on(3, 16))], None, id="sold in time"),
        pytest.param([fill(R, on(3, 12))], None, id="a return without its fill waits for it"),
        pytest.param([fill(F, on(3, 3)), fill(R, on(3, 9)), fill(S, on(3, 9))], None, id="sold after all"),
        pytest.param([fill(F, on(3, 3), knows=False)], None, id="the feed does not know sales"),
        pytest.param([fill(F, on(3, 3), knows=False), fill(R, on(3, 12), knows=False)], None, id="nor then"),
        pytest.param([fill(F, on(3, 3), knows=False, counts=True)], None, id="nor where filled counts"),
        pytest.param([fill(F, on(3, 3), days_supply=None)], on(3, 17), id="days' supply is of no matter"),
        pytest.param([fill(F, on(3, 3), "unmapped")], on(3, 17), id="nor what it is made of"),
        pytest.param([fill(F, on(3, 3)), order(CANCELLED, on(3, 17))], None, id="cancelled by then"),
        pytest.param([fill(F, on(3, 3)), order(CANCELLED, on(3, 18))], on(3, 17), id="cancelled later"),
        pytest.param([fill(F, on(3, 3)), DeathFact(on(3, 17))], None, id="death"),
        pytest.param([fill(F, on(3, 3)), DeathFact(None)], None, id="death on some day"),
        pytest.param([fill(F, on(3, 3)), fill(S, on(3, 3), key="1.2")], None, id="another fill of it sold"),
        pytest.param(
            [fill(F, on(3, 3)), fill(S, on(3, 9), "simvastatin, other maker", "2.1", store="0999")],
            None,
            id="its ingredient sold at another store",
        ),
        pytest.param([fill(F, on(3, 3)), fill(S, on(3, 2), key="1.0")], on(3, 17), id="sold before it"),
        pytest.param(
            [fill(F, on(3, 3)), fill(S, on(3, 9), ATORVASTATIN, "2.1")], on(3, 17), id="a different one"
        ),
        pytest.param([fill(F, on(3, 3)), fill(R, on(3, 9)), fill(F, on(3, 20))], on(3, 9), id="filled again"),
    ],
)
def test_not_picked_up(facts: list[Fact], day: date | None) -> None:
    assert first_day(facts, Kind.NOT_PICKED_UP, on(3, 1), on(12, 31)) == day


def test_not_picked_up_is_worded_by_what_is_known() -> None:
    waiting: list[Fact] = [fill(F, on(3, 3))]
    (alert,) = alerts(waiting, on(3, 17), Kind.NOT_PICKED_UP)
    assert alert.reason == (
        "Not picked up here: filled on 2026-03-03, ready for 14 days and not sold. It may have been filled elsewhere."
    )
    assert alert.subject == "not-picked-up/0412/1/1"
    assert alert.fills == (FillKey(rx("1"), "1"),)
    assert (alert.prescription, alert.medicine) == (rx("1"), Medicine(SIMVASTATIN, "NDC", SIMVASTATIN))
    (same,) = alerts([*waiting, fill(R, on(3, 20))], on(3, 20), Kind.NOT_PICKED_UP)
    assert same.reason == (
        "Not picked up here: filled on 2026-03-03, not sold, returned to stock on 2026-03-20. It may have been filled elsewhere."
    )
    assert (same.subject, same.day) == (alert.subject, alert.day)
    (sold,) = alerts([*waiting, fill(S, on(3, 5)), fill(R, on(3, 20))], on(3, 20), Kind.NOT_PICKED_UP)
    assert "recorded as sold on 2026-03-05" in sold.reason
    assert sold.day == on(3, 20)


def test_a_later_sale_ends_it() -> None:
    facts: list[Fact] = [fill(F, on(3, 3)), fill(R, on(3, 17))]
    assert alerts(facts, on(3, 19), Kind.NOT_PICKED_UP)
    facts.append(fill(S, on(3, 20)))
    assert alerts(facts, on(3, 19), Kind.NOT_PICKED_UP)
    assert not alerts(facts, on(3, 20), Kind.NOT_PICKED_UP)


def test_a_fill_that_was_filled_again_waits_anew() -> None:
    facts: list[Fact] = [fill(F, on(3, 3)), fill(R, on(3, 9)), fill(F, on(3, 20))]
    assert not alerts(facts, on(3, 20), Kind.NOT_PICKED_UP)
    assert [alert.day for alert in alerts(facts, on(4, 3), Kind.NOT_PICKED_UP)] == [on(4, 3)]


def test_subjects_are_names_that_hl7_leaves_alone_and_never_the_same_for_two() -> None:
    numbers = ["1|2", "1^2", "1&2", "1/2", "1~2", "1\\2"]
    facts: list[Fact] = [fill(F, on(3, 3), f"m{index}", f"{each}.1") for index, each in enumerate(numbers)]
    part = FillKey(rx("9"), "1", on(3, 3))
    facts.append(FillFact(part, F, on(3, 3), Medicine("part", "NDC", ""), 10, True))
    found = {alert.subject for alert in alerts(facts, on(3, 17), Kind.NOT_PICKED_UP)}
    assert len(found) == 7
    assert "not-picked-up/0412/9/1/2026-03-03" in found
    assert not any(set("|^&~\\") & set(each) for each in found)


# -- primary non-adherence ----------------------------------------------------------------------------------------------

EXAMPLE: list[Fact] = [order(NEW, on(3, 1)), fill(F, on(3, 3)), fill(R, on(3, 17))]


@pytest.mark.parametrize(
    ("more", "day"),
    [
        pytest.param([], on(4, 1), id="prescribed 1 March, filled 3, returned 17"),
        pytest.param(
            [fill(S, on(3, 20), ATORVASTATIN, "2.1")], None, id="an alternative of the class on 20 March"
        ),
        pytest.param([fill(S, on(3, 31), ATORVASTATIN, "2.1")], None, id="on day 30"),
        pytest.param([fill(S, on(4, 1), ATORVASTATIN, "2.1")], on(4, 1), id="on day 31"),
        pytest.param(
            [fill(S, on(3, 20), "amlodipine/atorvastatin", "2.1")], None, id="a combination of the class"
        ),
        pytest.param([fill(S, on(3, 20), "amlodipine", "2.1")], on(4, 1), id="another class"),
        pytest.param([fill(S, on(3, 31))], None, id="sold after all"),
        pytest.param(
            [fill(F, on(3, 20), ATORVASTATIN, "2.1")], on(4, 1), id="an alternative filled, not sold"
        ),
        pytest.param(
            [fill(F, on(3, 20), ATORVASTATIN, "2.1", knows=False, store="0999")],
            None,
            id="perhaps taken home",
        ),
        pytest.param(
            [fill(F, on(3, 20), ATORVASTATIN, "2.1", knows=False, counts=True, store="0999")],
            None,
            id="filled where that counts",
        ),
        pytest.param(
            [fill(S, on(3, 20), "unmapped", "1.2")], None, id="its own prescription, whatever the product"
        ),
        pytest.param([fill(S, date(2025, 9, 2), key="0.1")], None, id="dispensed 180 days before"),
        pytest.param([fill(S, date(2025, 9, 1), key="0.1")], on(4, 1), id="dispensed 181 days before"),
        pytest.param([fill(S, on(2, 1), ATORVASTATIN, "0.1")], on(4, 1), id="another of the class before"),
        pytest.param([order(CANCELLED, on(3, 31))], None, id="cancelled on day 30"),
        pytest.param([order(CANCELLED, on(4, 1))], on(4, 1), id="cancelled on day 31"),
        pytest.param([order(Ordered.HELD, on(3, 5))], None, id="on hold"),
        pytest.param(
            [order(Ordered.HELD, on(3, 5)), order(Ordered.RESUMED, on(3, 11))],
            on(4, 11),
            id="resumed on 11 March",
        ),
        pytest.param([DeathFact(on(3, 31))], None, id="death"),
        pytest.param([order(RENEWED, on(3, 2))], on(4, 1), id="renewed"),
        pytest.param(
            [order(NEW, on(3, 1), knows_sold=False)], None, id="the store's feed does not know sales"
        ),
        pytest.param([fill(F, on(2, 1), key="0.1", knows=False)], None, id="as another fill of it says"),
    ],
)
def test_primary_non_adherence(more: list[Fact], day: date | None) -> None:
    assert first_day([*EXAMPLE, *more], Kind.PRIMARY, date(2025, 1, 1), on(12, 31)) == day


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        pytest.param([order(NEW, on(3, 1))], None, id="nobody says that the feed knows sales"),
        pytest.param([order(NEW, on(3, 1), knows_sold=True)], on(4, 1), id="never even filled"),
        pytest.param([order(RENEWED, on(3, 1), knows_sold=True)], None, id="a renewal is not new"),
        pytest.param([order(NEW, on(3, 1), "unmapped", knows_sold=True)], None, id="what is it made of?"),
        pytest.param([order(NEW, on(3, 1), "gabapentin", knows_sold=True)], on(4, 1), id="without a class"),
        pytest.param([fill(F, on(3, 3)), fill(R, on(3, 17))], None, id="no order is known"),
        pytest.param([order(NEW, date(9999, 12, 20), knows_sold=True)], None, id="beyond all days"),
    ],
)
def test_primary_non_adherence_needs_a_new_order_of_a_known_medicine(
    facts: list[Fact], day: date | None
) -> None:
    assert first_day(facts, Kind.PRIMARY, on(3, 1), date.max) == day


def test_primary_non_adherence_stays_true_and_tells_of_a_later_sale() -> None:
    (alert,) = alerts(EXAMPLE, on(4, 9), Kind.PRIMARY)
    assert alert.subject == "primary-non-adherence/0412/1"
    assert alert.fills == (FillKey(rx("1"), "1"),)
    assert alert.reason == (
        "Newly prescribed on 2026-03-01; neither it nor another medicine of its class was picked up here within 30 days. "
        "It may have been filled elsewhere."
    )
    (later,) = alerts([*EXAMPLE, fill(S, on(4, 10))], on(4, 10), Kind.PRIMARY)
    assert (later.subject, later.day) == (alert.subject, on(4, 1))
    assert "Dispensed later, on 2026-04-10." in later.reason


def test_a_sale_that_is_told_of_late_takes_it_back() -> None:
    assert not alerts([*EXAMPLE, fill(S, on(3, 30))], on(4, 9), Kind.PRIMARY)


# -- refill late --------------------------------------------------------------------------------------------------------

#: Thirty days from 1 March on: the last is 30 March, and 4 April five days later.
ONE_SOLD: list[Fact] = [order(NEW, on(3, 1), refills=3), fill(F, on(3, 1)), fill(S, on(3, 1), refills=2)]


@pytest.mark.parametrize(
    ("more", "day"),
    [
        pytest.param([], on(4, 4), id="five days after the supply ended"),
        pytest.param([fill(S, on(4, 3), key="1.2", refills=1)], on(5, 7), id="refilled in time"),
        pytest.param([fill(S, on(3, 20), key="1.2", refills=1)], on(5, 4), id="an early refill shifts"),
        pytest.param(
            [fill(S, on(3, 20), "simvastatin, other maker", "1.2")], on(5, 4), id="by whatever maker"
        ),
        pytest.param([fill(S, on(3, 20), key="7.1", store="0999")], on(5, 4), id="at whatever store"),
        pytest.param([fill(F, on(3, 28), key="1.2", refills=1)], on(4, 4), id="a refill that is not sold"),
        pytest.param(
            [fill(S, on(3, 20), key="1.2", days_supply=None)], None, id="a refill of unknown length"
        ),
        pytest.param([fill(S, on(1, 1), key="0.1", days_supply=None)], None, id="so was one before"),
        pytest.param([fill(S, on(3, 2), days_supply=90)], None, id="facts that disagree"),
        pytest.param([fill(S, on(3, 20), "unmapped", "1.2")], None, id="a refill of an unknown product"),
        pytest.param(
            [fill(F, on(4, 1), key="5.1", knows=False, store="0999")], None, id="perhaps taken elsewhere"
        ),
        pytest.param([order(CANCELLED, on(3, 20))], None, id="cancelled"),
        pytest.param([order(Ordered.DISCONTINUED, on(3, 20))], None, id="discontinued"),
        pytest.param([order(Ordered.HELD, on(3, 20))], None, id="on hold"),
        pytest.param(
            [order(NEW, on(3, 1), refills=0), fill(S, on(3, 1), refills=0)], None, id="no refills left"
        ),
        pytest.param([fill(S, on(3, 28), ATORVASTATIN, "2.1")], None, id="a switch in class"),
        pytest.param([order(NEW, on(3, 28), ATORVASTATIN, "2")], None, id="ordered"),
        pytest.param([fill(F, on(3, 28), ATORVASTATIN, "2.1")], None, id="filled"),
        pytest.param(
            [fill(F, on(3, 28), ATORVASTATIN, "2.1"), fill(R, on(3, 29), ATORVASTATIN, "2.1")],
            on(4, 4),
            id="put back",
        ),
        pytest.param([fill(S, on(2, 20), ATORVASTATIN, "2.1")], on(4, 4), id="two of a class side by side"),
        pytest.param(
            [fill(S, on(2, 20), ATORVASTATIN, "2.1"), fill(S, on(3, 20), ATORVASTATIN, "2.2")],
            on(4, 4),
            id="and the other one refilled",
        ),
        pytest.param(
            [fill(S, date(2025, 9, 2), ATORVASTATIN, "2.1"), fill(S, on(3, 20), ATORVASTATIN, "2.2")],
            on(4, 4),
            id="back to one that was taken within 180 days",
        ),
        pytest.param(
            [fill(S, date(2025, 9, 1), ATORVASTATIN, "2.1"), fill(S, on(3, 20), ATORVASTATIN, "2.2")],
            None,
            id="back to one that was not",
        ),
        pytest.param(
            [order(NEW, on(3, 28), ATORVASTATIN, "2"), order(CANCELLED, on(3, 29), ATORVASTATIN, "2")],
            on(4, 4),
            id="a switch that was cancelled",
        ),
        pytest.param([fill(S, on(3, 28), "amlodipine", "2.1")], on(4, 4), id="another class"),
        pytest.param(
            [StayFact("V", on(3, 10), on(3, 14))], on(4, 9), id="in hospital while there was supply"
        ),
        pytest.param([StayFact("V", on(4, 1), on(4, 3))], on(4, 7), id="in hospital after it"),
        pytest.param([StayFact("V", on(4, 1), None)], None, id="still in hospital"),
        pytest.param([DeathFact(on(4, 4))], None, id="death"),
        pytest.param([fill(R, on(3, 9))], None, id="returned, so that nothing was at hand"),
    ],
)
def test_refill_late(more: list[Fact], day: date | None) -> None:
    assert first_day([*ONE_SOLD, *more], Kind.REFILL_LATE, on(2, 1), on(12, 31)) == day


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        pytest.param([fill(S, on(3, 1))], None, id="whether refills are left is not known"),
        pytest.param([fill(S, on(3, 1), refills=1)], on(4, 4), id="a fill says so"),
        pytest.param([fill(S, on(3, 1), "unmapped", refills=1)], None, id="what is it made of?"),
        pytest.param([fill(F, on(3, 1), refills=1)], None, id="nothing was taken home"),
        pytest.param([fill(F, on(3, 1), knows=False, counts=True, refills=1)], on(4, 4), id="filled counts"),
        pytest.param(
            [fill(S, on(3, 1), refills=0), fill(F, on(3, 28), key="1.2")], on(4, 4), id="a fill waits"
        ),
        pytest.param(
            [fill(S, on(3, 1), refills=0), order(RENEWED, on(4, 10), number="2")], on(4, 15), id="renewed"
        ),
        pytest.param(
            [fill(S, on(3, 1), refills=0), order(NEW, on(3, 25), number="2")], on(4, 4), id="ordered anew"
        ),
        pytest.param(
            [fill(S, on(3, 1), refills=0), order(NEW, on(4, 25), number="2")], None, id="a new beginning"
        ),
        pytest.param([fill(S, date(9999, 12, 20), refills=1)], None, id="beyond all days"),
    ],
)
def test_refill_late_needs_a_refill_to_be_expected(facts: list[Fact], day: date | None) -> None:
    assert first_day(facts, Kind.REFILL_LATE, on(2, 1), date.max) == day


def test_refill_late_says_what_is_known_and_ends_with_the_refill() -> None:
    (alert,) = alerts(ONE_SOLD, on(4, 20), Kind.REFILL_LATE)
    assert alert.reason == (
        "The supply known here ran out on 2026-03-30; refills left: 2, and none was picked up here within 5 days "
        "(days in hospital not counted). It may have been filled elsewhere."
    )
    assert alert.subject == "refill-late/0412/1/1"
    assert not alerts([*ONE_SOLD, fill(S, on(4, 20), key="1.2")], on(4, 20), Kind.REFILL_LATE)
    assert not alerts([*ONE_SOLD, order(CANCELLED, on(4, 20))], on(4, 20), Kind.REFILL_LATE)
    # A stay that begins later does not undo it.
    assert alerts([*ONE_SOLD, StayFact("V", on(4, 10), None)], on(4, 20), Kind.REFILL_LATE) == [alert]


# -- adherence falling --------------------------------------------------------------------------------------------------

#: 90 days from 1 January through 31 March: 90 of 113 days on 23 April are 79.65 %, 90 of 112 the day before 80.36 %.
FALLING: list[Fact] = [fill(S, on(1, 1), days_supply=60), fill(S, on(2, 20), key="1.2")]


def test_adherence_falls_on_the_day_it_comes_under_the_threshold() -> None:
    assert first_day(FALLING, Kind.ADHERENCE, on(1, 1), on(12, 31)) == on(4, 23)
    (alert,) = alerts(FALLING, on(12, 31), Kind.ADHERENCE)
    assert (alert.day, alert.value, alert.class_) == (on(4, 23), Decimal("79.65"), "statins")
    assert alert.subject == "adherence-falling/statins/2026"
    assert alert.fills == (FillKey(rx("1"), "1"), FillKey(rx("1"), "2"))
    assert alert.reason == (
        "Of the 113 days from the first fill on 2026-01-01 through 2026-04-23, 90 were covered by statins dispensed here. "
        "The threshold is 80 %. It may have been filled elsewhere."
    )


@pytest.mark.parametrize(
    ("more", "day"),
    [
        pytest.param(
            [fill(S, on(4, 20), key="1.3", days_supply=None)], None, id="a supply of unknown length"
        ),
        pytest.param([fill(F, on(4, 20), key="5.1", knows=False)], None, id="perhaps taken home"),
        pytest.param([DeathFact(on(4, 23))], None, id="death"),
        pytest.param([StayFact("V", on(4, 1), on(4, 10))], on(5, 3), id="days in hospital"),
        pytest.param(
            [fill(F, on(4, 20), key="1.3"), fill(R, on(4, 21), key="1.3")], on(4, 23), id="a returned fill"
        ),
        pytest.param([fill(S, on(4, 20), "metformin", "2.1")], on(4, 23), id="another class"),
        pytest.param(
            [fill(S, on(4, 20), ATORVASTATIN, "2.1", days_supply=90)], None, id="another of the class"
        ),
    ],
)
def test_what_adherence_depends_on(more: list[Fact], day: date | None) -> None:
    assert first_day([*FALLING, *more], Kind.ADHERENCE, on(1, 1), on(7, 1)) == day


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        pytest.param([fill(S, on(1, 1))], None, id="one fill date"),
        pytest.param(
            [fill(S, on(1, 1)), fill(S, on(1, 1), ATORVASTATIN, "2.1")], None, id="two fills of one day"
        ),
        pytest.param([fill(S, on(1, 1)), fill(S, on(1, 11), key="1.2")], on(4, 1), id="not before day 91"),
        pytest.param(
            [fill(S, on(1, 1)), fill(S, on(6, 1), key="1.2")], on(6, 1), id="nor before the second fill"
        ),
        pytest.param(
            [fill(S, on(10, 3)), fill(S, on(10, 12), key="1.2")], None, id="nor in the year that is left"
        ),
        pytest.param(
            [fill(S, on(1, 1), "gabapentin"), fill(S, on(1, 11), "gabapentin", "1.2")], None, id="no class"
        ),
    ],
)
def test_adherence_is_said_only_where_it_is_counted(facts: list[Fact], day: date | None) -> None:
    assert first_day(facts, Kind.ADHERENCE, on(1, 1), date(2027, 12, 31)) == day


def test_adherence_rises_again_with_supply_and_a_year_that_is_over_stays() -> None:
    facts = [*FALLING, fill(S, on(4, 25), key="1.3", days_supply=90)]
    assert alerts(facts, on(4, 25), Kind.ADHERENCE)
    found = assess(facts, MEDICINES, Thresholds(), on(4, 25))
    assert found.next_day is not None
    assert not alerts(facts, found.next_day, Kind.ADHERENCE)
    assert alerts(facts, found.next_day - timedelta(1), Kind.ADHERENCE)
    # 90 of 115 days by 25 April, 100 of 125 by 5 May: the threshold is reached.
    refilled = [*FALLING, fill(S, on(4, 26), key="1.3")]
    assert assess(refilled, MEDICINES, Thresholds(), on(4, 30)).next_day == on(5, 5)
    (old,) = alerts(FALLING, date(2027, 6, 1), Kind.ADHERENCE)
    assert old.subject == "adherence-falling/statins/2026"
    assert assess(FALLING, MEDICINES, Thresholds(), on(12, 31)).next_day is None


def test_adherence_that_has_fallen_stays_so_in_hospital() -> None:
    (alert,) = alerts(FALLING, on(4, 30), Kind.ADHERENCE)
    in_hospital = [*FALLING, StayFact("V", on(5, 1), None)]
    assert assess(in_hospital, MEDICINES, Thresholds(), on(5, 2)) == Assessment((alert,), None)


def test_thresholds_and_kinds_are_the_affiliates_own() -> None:
    strict = Thresholds(ready=10, primary=20, late=3, measures=Measures(percent=90))
    assert alerts([fill(F, on(3, 3))], on(3, 13), Kind.NOT_PICKED_UP, strict)
    assert [alert.day for alert in alerts(EXAMPLE, on(4, 1), Kind.PRIMARY, strict)] == [on(3, 22)]
    assert [alert.day for alert in alerts(ONE_SOLD, on(4, 4), Kind.REFILL_LATE, strict)] == [on(4, 2)]
    assert [alert.day for alert in alerts(FALLING, on(4, 30), Kind.ADHERENCE, strict)] == [on(4, 11)]
    assert not alerts(FALLING, on(4, 30), Kind.ADHERENCE, Thresholds(measured=frozenset({"diabetes"})))
    assert alerts(FALLING, on(4, 30), Kind.ADHERENCE, Thresholds(measured=frozenset({"statins"})))
    for kind in Kind:
        wanted = Thresholds(kinds=frozenset(Kind) - {kind})
        assert not alerts([*EXAMPLE, *FALLING, *ONE_SOLD], on(12, 1), kind, wanted)


def test_disenrolment_ends_the_period() -> None:
    left = assess(FALLING, MEDICINES, Thresholds(), on(5, 1), enrolled_through=on(4, 22))
    assert not left.alerts
    assert left.next_day is None
    stayed = assess(FALLING, MEDICINES, Thresholds(), on(5, 1), enrolled_through=on(4, 23))
    assert [alert.day for alert in stayed.alerts] == [on(4, 23)]


def test_nothing_known_is_nothing_said() -> None:
    assert assess([], MEDICINES, Thresholds(), on(1, 1)) == Assessment((), None)


# -- whatever happened --------------------------------------------------------------------------------------------------

BEGIN = on(1, 1)
DAYS = st.integers(0, 200).map(lambda offset: BEGIN + timedelta(offset))
FEEDS = st.sampled_from([("0412", True, False)] * 4 + [("0777", False, True), ("0999", False, False)])
NAMES = st.sampled_from([*MAKEUP, "unmapped"])
FILLS = st.builds(
    lambda event, day, name, key, days, feed, refills: fill(
        event, day, name, key, days, feed[1], feed[2], refills, feed[0]
    ),
    st.sampled_from([F, S, S, R]),
    DAYS,
    NAMES,
    st.sampled_from([f"{number}.{which}" for number in range(4) for which in range(4)]),
    st.sampled_from([7, 30, 30, 30, 90, None]),
    FEEDS,
    st.sampled_from([None, 0, 2]),
)
ORDERS = st.builds(
    lambda event, day, name, number, refills, knows: order(
        event, day, name, str(number), refills=refills, knows_sold=knows
    ),
    st.sampled_from([NEW, NEW, NEW, *Ordered]),
    DAYS,
    NAMES,
    st.integers(0, 4),
    st.sampled_from([None, 0, 3]),
    st.sampled_from([None, None, True, False]),
)
STAYS = st.builds(
    StayFact, st.sampled_from("VW"), st.none() | DAYS, st.none() | DAYS, st.sampled_from([False, False, True])
)
DEATHS = st.builds(DeathFact, st.none() | DAYS, st.booleans())
OFTEN = st.lists(FILLS | FILLS | FILLS | ORDERS, max_size=14)
SELDOM = st.lists(STAYS | DEATHS, max_size=2)
HISTORIES = st.builds(lambda often, seldom: [*often, *seldom], OFTEN, SELDOM)


@settings(max_examples=120, deadline=None)
@given(HISTORIES, DAYS, st.integers(0, 2**32))
def test_neither_order_nor_repeats_change_anything(facts: list[Fact], today: date, seed: int) -> None:
    shuffled = [*facts, *facts]
    Random(seed).shuffle(shuffled)
    assert history(shuffled, today) == history(facts, today)
    assert assess(shuffled, MEDICINES, Thresholds(), today) == assess(facts, MEDICINES, Thresholds(), today)


@settings(max_examples=60, deadline=None)
@given(HISTORIES, DAYS)
def test_nothing_changes_before_the_day_that_was_named(facts: list[Fact], today: date) -> None:
    for _ in range(3):
        found = assess(facts, MEDICINES, Thresholds(), today)
        through = today + timedelta(400) if found.next_day is None else found.next_day - timedelta(1)
        assert through >= today
        day = today
        while day <= through:
            assert assess(facts, MEDICINES, Thresholds(), day).alerts == found.alerts
            day += timedelta(1 if (through - day).days < 40 else 7)
        if found.next_day is None:
            break
        today = found.next_day


@settings(max_examples=120, deadline=None)
@given(HISTORIES, DAYS)
def test_alerts_are_true_by_their_day_and_rest_on_fills_that_are_there(
    facts: list[Fact], today: date
) -> None:
    found = assess(facts, MEDICINES, Thresholds(), today).alerts
    known = history(facts, today)
    fills = {each.key: each for each in known.fills}
    assert len({alert.subject for alert in found}) == len(found)
    assert not (found and known.life.dead)
    for alert in found:
        assert alert.day <= today
        assert set(alert.fills) <= set(fills)
        if alert.kind is Kind.NOT_PICKED_UP:
            assert fills[alert.fills[0]].knows_sold
            assert fills[alert.fills[0]].taken is None
        if alert.kind is Kind.REFILL_LATE:
            assert fills[alert.fills[0]].days_supply is not None
            assert fills[alert.fills[0]].taken is not None


@settings(max_examples=120, deadline=None)
@given(HISTORIES, DAYS)
def test_adherence_is_said_to_fall_exactly_where_the_figure_is_low(facts: list[Fact], today: date) -> None:
    known = history(facts, today)
    found = assess(facts, MEDICINES, Thresholds(), today).alerts
    said = {alert.class_: alert for alert in found if alert.kind is Kind.ADHERENCE}
    for class_ in ("statins", "ccb", "diabetes"):
        figure = adherence(known, MEDICINES, class_, BEGIN, today)
        assert (class_ in said) == (figure.low and not known.life.dead)
        if class_ in said:
            day = said[class_].day
            assert adherence(known, MEDICINES, class_, BEGIN, day).percent == said[class_].value
            assert not adherence(known, MEDICINES, class_, BEGIN, day - timedelta(1)).low


# -- a discharge -------------------------------------------------------------------------------------------------------------

AT_DISCHARGE = OrderFact(
    PrescriptionKey("MEDSTAR", "661"),
    Ordered.NEW,
    on(3, 10),
    Medicine(SIMVASTATIN, "NDC", SIMVASTATIN),
    discharge=True,
)
STAY = [StayFact("V", on(3, 5), None), StayFact("V", None, on(3, 12))]


def test_a_discharge_starts_the_clock_of_its_prescriptions() -> None:
    facts = [AT_DISCHARGE, *STAY]
    assert not alerts(facts, on(3, 25), Kind.NOT_PICKED_UP)
    (alert,) = alerts(facts, on(3, 26), Kind.NOT_PICKED_UP)
    assert (alert.day, alert.fills, alert.prescription) == (on(3, 26), (), AT_DISCHARGE.prescription)
    assert alert.medicines == (AT_DISCHARGE.medicine,)
    assert "Prescribed at discharge on 2026-03-10" in alert.reason
    assert "14 days at home" in alert.reason
    assert not alerts(facts, on(12, 31), Kind.PRIMARY), "it has one clock"


def test_one_who_is_still_in_hospital_is_not_late() -> None:
    assert not alerts([AT_DISCHARGE, STAY[0]], on(5, 1), Kind.NOT_PICKED_UP)


@pytest.mark.parametrize(
    "more",
    [
        fill(S, on(3, 20)),
        fill(F, on(3, 20)),
        AT_DISCHARGE._replace(prescription=rx("9"), on=on(3, 13), discharge=False, knows_sold=True),
        AT_DISCHARGE._replace(event=Ordered.CANCELLED, on=on(3, 14)),
    ],
    ids=["dispensed", "ready", "a store has it", "cancelled"],
)
def test_what_ends_the_clock_of_a_discharge(more: Fact) -> None:
    facts = [AT_DISCHARGE, *STAY, more]
    of_it = [
        alert
        for alert in alerts(facts, on(4, 30), Kind.NOT_PICKED_UP)
        if alert.prescription == AT_DISCHARGE.prescription
    ]
    assert not of_it

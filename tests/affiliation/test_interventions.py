"""The pharmacist's interventions as alerts: each once, in the words of the site's table."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.alerts import Alert, Kind, Thresholds, assess
from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    InterventionFact,
    Medicine,
    PrescriptionKey,
)
from hl7bridge.affiliation.tables.medicines import Medicines

RX = PrescriptionKey("0412", "7")
FILL = FillKey(RX, "1")
WARFARIN = Medicine("W", "NDC", "warfarin 5 mg tablet")
DAY = date(2026, 3, 5)


def made(
    code: str = "DD/M0",
    fill: FillKey | None = FILL,
    on: date = DAY,
    text: str = "interaction; prescriber consulted",
) -> InterventionFact:
    return InterventionFact(RX, fill, on, WARFARIN, code, text)


def told(facts: list[Fact], today: date = date(2027, 1, 1), **more: frozenset[Kind]) -> list[Alert]:
    found = assess(facts, Medicines(), Thresholds(**more), today).alerts
    return [alert for alert in found if alert.kind is Kind.INTERVENTION]


def test_an_intervention_is_told_in_the_words_of_its_table() -> None:
    [alert] = told([made()])
    assert alert.subject == "intervention/0412/7/fill/1/DD%2FM0"
    assert alert.reason == (
        "The pharmacist on 2026-03-05: interaction; prescriber consulted. warfarin 5 mg tablet (prescription 7 of 0412, fill 1)."
    )
    assert (alert.day, alert.fills, alert.medicine, alert.prescription) == (DAY, (FILL,), WARFARIN, RX)
    assert alert.medicines == (WARFARIN,)


def test_one_about_an_order_rests_on_no_fill() -> None:
    [alert] = told([made(fill=None)])
    assert (alert.subject, alert.fills) == ("intervention/0412/7/order/DD%2FM0", ())
    assert alert.reason.endswith("warfarin 5 mg tablet (prescription 7 of 0412).")


@pytest.mark.parametrize(
    ("facts", "count"),
    [
        pytest.param([made(), made()], 1, id="told twice"),
        pytest.param([made(), made(on=DAY + timedelta(3))], 1, id="told again with the sale"),
        pytest.param([made(), made("PC/P0")], 2, id="two codes"),
        pytest.param([made(), made(fill=None)], 2, id="of the order and of the fill"),
        pytest.param([made(), made(fill=FillKey(RX, "2"))], 2, id="of two fills"),
        pytest.param([made(), made(fill=FillKey(RX, "1", DAY))], 2, id="of a part of a fill"),
        pytest.param([made(), DeathFact(DAY)], 0, id="death"),
        pytest.param(
            [InterventionFact(PrescriptionKey("0412", ""), None, DAY, WARFARIN, "X", "x")],
            0,
            id="of no prescription",
        ),
    ],
)
def test_once_each(facts: list[Fact], count: int) -> None:
    assert len(told(facts)) == count


def test_the_first_day_counts_and_a_day_to_come_is_waited_for() -> None:
    facts: list[Fact] = [made(on=DAY + timedelta(3)), made()]
    assert [alert.day for alert in told(facts)] == [DAY]
    found = assess(facts, Medicines(), Thresholds(), DAY - timedelta(1))
    assert (found.alerts, found.next_day) == ((), DAY)


def test_who_wants_none_gets_none() -> None:
    assert told([made()], kinds=frozenset({Kind.INTERACTION})) == []


def test_it_names_the_medicine_that_was_dispensed_too() -> None:
    other = Medicine("W2", "NDC", "warfarin, other maker")
    fact = FillFact(FILL, Dispensed.FILLED, DAY, other, 30, knows_sold=False)
    [alert] = told([made(), fact])
    assert alert.medicines == (WARFARIN, other)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            made,
            st.sampled_from(["DD/M0", "PC"]),
            st.sampled_from([None, FILL, FillKey(RX, "2")]),
            st.dates(DAY, DAY + timedelta(5)),
            st.sampled_from(["this", "that"]),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_order_and_repeats_make_no_difference(facts: list[Fact], chance: Random) -> None:
    again = [*facts, *facts]
    chance.shuffle(again)
    assert told(again) == told(facts)

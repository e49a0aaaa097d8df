"""Every medicine that an alert names or rests on is in it, so that who withholds a medicine can withhold the alert."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.alerts import Alert, Kind, Thresholds, assess
from hl7bridge.affiliation.facts.facts import (
    Dispensed,
    Fact,
    FillFact,
)
from tests.affiliation.made import fill, medicines, prescribed

MEDICINES = medicines(
    {
        "simvastatin": {"36567": "statins"},
        "simvastatin, other maker": {"36567": "statins"},
        "atorvastatin": {"83367": "statins"},
        "amlodipine": {"17767": "ccb"},
        "amlodipine/atorvastatin": {"17767": "ccb", "83367": "statins"},
    }
)
F, S = Dispensed.FILLED, Dispensed.SOLD


def only(facts: list[Fact], kind: Kind, today: date) -> Alert:
    [found] = [each for each in assess(facts, MEDICINES, Thresholds(), today).alerts if each.kind is kind]
    return found


def codes(alert: Alert) -> list[str]:
    return [each.code for each in alert.medicines]


def test_not_picked_up_names_what_was_filled_and_what_was_ordered() -> None:
    facts: list[Fact] = [
        prescribed(date(2026, 3, 1), "simvastatin"),
        fill(F, date(2026, 3, 2), "simvastatin, other maker"),
    ]
    assert codes(only(facts, Kind.NOT_PICKED_UP, date(2026, 3, 20))) == [
        "simvastatin",
        "simvastatin, other maker",
    ]


def test_primary_non_adherence_names_the_alternative_that_its_reason_tells_of() -> None:
    facts: list[Fact] = [prescribed(date(2026, 3, 1), "simvastatin")]
    assert codes(only(facts, Kind.PRIMARY, date(2026, 4, 2))) == ["simvastatin"]
    facts.append(fill(S, date(2026, 4, 10), "atorvastatin", "2.1"))
    alert = only(facts, Kind.PRIMARY, date(2026, 4, 10))
    assert "Dispensed later, on 2026-04-10" in alert.reason
    assert codes(alert) == ["atorvastatin", "simvastatin"]


def test_a_late_refill_names_all_whose_supply_was_used_before_it() -> None:
    """The combination's supply begins when amlodipine is used up, atorvastatin's when the combination is."""
    facts: list[Fact] = [
        fill(S, date(2026, 1, 1), "amlodipine", "1.1"),
        fill(S, date(2026, 1, 2), "amlodipine/atorvastatin", "2.1"),
        fill(S, date(2026, 1, 3), "atorvastatin", "3.1"),
        prescribed(date(2026, 1, 1), "atorvastatin", "3"),
    ]
    found = assess(facts, MEDICINES, Thresholds(), date(2026, 12, 1)).alerts
    [late] = [
        each
        for each in found
        if each.kind is Kind.REFILL_LATE and each.medicine and each.medicine.code == "atorvastatin"
    ]
    assert codes(late) == ["amlodipine", "amlodipine/atorvastatin", "atorvastatin"]


def test_adherence_names_every_medicine_of_the_class() -> None:
    facts: list[Fact] = [
        fill(S, date(2026, 1, 1), "simvastatin", "1.1"),
        fill(S, date(2026, 2, 1), "atorvastatin", "2.1"),
        fill(S, date(2026, 2, 1), "amlodipine", "3.1"),
    ]
    found = assess(facts, MEDICINES, Thresholds(), date(2026, 6, 1)).alerts
    [falling] = [each for each in found if each.class_ == "statins"]
    assert codes(falling) == ["atorvastatin", "simvastatin"]


FACTS = st.one_of(
    st.builds(
        prescribed,
        st.dates(date(2026, 1, 1), date(2026, 6, 1)),
        st.sampled_from(["simvastatin", "atorvastatin", "unmapped"]),
        st.sampled_from("123"),
    ),
    st.builds(
        fill,
        st.sampled_from(Dispensed),
        st.dates(date(2026, 1, 1), date(2026, 6, 1)),
        st.sampled_from(["simvastatin", "atorvastatin", "amlodipine/atorvastatin", "unmapped"]),
        st.sampled_from(["1.1", "1.2", "2.1", "3.1"]),
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FACTS, max_size=10), st.integers(0, 300))
def test_every_alert_names_the_medicines_of_its_fills_and_its_own(facts: list[Fact], after: int) -> None:
    for alert in assess(facts, MEDICINES, Thresholds(), date(2026, 1, 1) + timedelta(after)).alerts:
        assert alert.medicines
        assert list(alert.medicines) == sorted(set(alert.medicines))
        assert alert.medicine is None or alert.medicine in alert.medicines
        for key in alert.fills:
            of_fill = {fact.medicine for fact in facts if isinstance(fact, FillFact) and fact.fill == key}
            assert of_fill & set(alert.medicines)

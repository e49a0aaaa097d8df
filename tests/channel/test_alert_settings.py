"""What an affiliate says of its alerts, as the loader reads it."""

from __future__ import annotations

from hl7bridge.affiliation.alerts.adherence import Measures
from hl7bridge.affiliation.alerts.case import Kind, Thresholds
from hl7bridge.channel.loading.folder import load
from tests.channel.conftest import folder

AFFILIATE = "affiliate: a\nagreement: {pharmacy: 2016-01-01}\nsend: {mllp: {host: h, port: 6000}}\n"


def thresholds(alerts: str) -> Thresholds:
    """Of an affiliate that says this."""
    found = load(folder("", {"affiliates/a.yaml": (AFFILIATE + alerts).encode()})).destinations["a"].affiliate
    assert found is not None
    return found.thresholds


def test_each_key_is_the_threshold_of_its_name() -> None:
    said = (
        "alerts: {kinds: [primary-non-adherence, interaction], ready: 1, primary: 2, new: 3, late: 4, days_covered: 75,"
        " days_covered_by_class: {Statins: 85}, classes: [statins, HIV], two_medicines: HIV, excluded_by: {diabetes: insulin}}\n"
    )
    assert thresholds(said) == Thresholds(
        ready=1,
        primary=2,
        new=3,
        late=4,
        measures=Measures(
            percent=75,
            by_class={"antiretroviral": 90, "antiretrovirals": 90, "statins": 85},
            two_medicines=frozenset({"HIV"}),
            excluded_by={"diabetes": "insulin"},
        ),
        measured=frozenset({"statins", "HIV"}),
        kinds=frozenset({Kind.PRIMARY, Kind.INTERACTION}),
    )


def test_what_is_not_said_is_as_the_measures_have_it() -> None:
    assert thresholds("") == thresholds("alerts: {}\n") == Thresholds()

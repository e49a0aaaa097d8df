"""What became true long ago is history, and what the programme knows goes after its span: neither is told nor taken back."""

from __future__ import annotations

from datetime import timedelta

from hl7bridge.testing.world import World
from tests.engine import test_programme as base
from tests.engine.test_programme import TODAY, Site, days_ago, dispense, send, texts

programme = base.programme
KEPT = base.ENGINE + "retention: {messages: 30d, patients: 3y}\n"
YEAR = 366


def facts(world: World) -> int:
    assert world.engine is not None
    return len(world.store.facts([world.engine.hashes.patient(b"RETAIL", b"7")]))


def not_picked_up(world: World) -> str:
    """OBX-11 of each of these alerts, in their order."""
    return "".join(status for status, kind in texts(world) if kind == "not-picked-up")


def goes_to(world: World, day: int) -> None:
    world.days = day
    world.run(600)


def test_an_alert_of_over_a_year_ago_is_not_taken_back(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert not_picked_up(world) == "F"
    goes_to(world, YEAR)  # it became true yesterday a year ago
    send(world, dispense(1, days_ago(15), event="sold", on=TODAY))
    world.run(300)
    assert not_picked_up(world) == "F"


def test_an_alert_of_just_a_year_ago_is_taken_back(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    goes_to(world, YEAR - 1)
    send(world, dispense(1, days_ago(15), event="sold", on=TODAY))
    world.run(300)
    assert not_picked_up(world) == "FC"


def test_what_comes_to_be_known_of_over_a_year_ago_alerts_nobody(programme: Site) -> None:
    world = programme(
        roster=base.ROSTER.replace("2026", "2016"),
        affiliates__medstar=base.MEDSTAR.replace("2026-06-01", "2020-01-01"),
    )
    send(world, dispense(1, days_ago(YEAR + 14)))
    send(world, dispense(2, days_ago(YEAR + 16)))
    world.run(300)
    assert not_picked_up(world) == "F"


def test_what_the_programme_knows_goes_after_its_span_and_nothing_is_taken_back(programme: Site) -> None:
    world = programme(hl7bridge=KEPT)
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert not_picked_up(world) == "F"
    assert facts(world) == 2, "the fill and the person"
    goes_to(world, 3 * YEAR)
    assert facts(world) == 2
    send(world, dispense(2, TODAY))
    goes_to(world, 3 * YEAR + 2)
    assert facts(world) == 3, "a patient of whom anything younger is known is known whole"
    world.crash()
    world.start()
    world.run(600)
    assert not_picked_up(world) == "F"
    assert facts(world) == 3
    goes_to(world, 6 * YEAR + 4)
    assert facts(world) == 0


def test_of_a_patient_who_comes_for_years_alerts_go_on(programme: Site) -> None:
    """Who the patient is was said first with what has gone, and every message since said the same."""
    world = programme(hl7bridge=KEPT)
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    goes_to(world, 3 * YEAR)
    send(world, dispense(2, TODAY + timedelta(3 * YEAR)))
    goes_to(world, 3 * YEAR + 13)
    assert not_picked_up(world) == "F"
    goes_to(world, 3 * YEAR + 14)
    assert not_picked_up(world) == "FF"


def test_without_a_span_what_the_programme_knows_is_kept(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    goes_to(world, 20 * YEAR)
    assert facts(world) == 2

"""Summaries whose recipients change after they were sent: what is withdrawn, replaced or told anew then."""

from __future__ import annotations

from hl7bridge.testing.world import World
from tests.engine import test_summaries as base
from tests.engine.site import act, deliveries, send
from tests.engine.test_summaries import (
    MEDSTAR,
    NPI,
    PROVIDERS,
    ROSTER,
    Site,
    documents,
    faxes,
    kinds,
    result,
    visit,
)

clinic = base.clinic


def reload(world: World) -> None:
    for _ in world.engine.reload():
        world.run(1)


def cancelled(world: World, message: bytes) -> None:
    """A message comes, and what follows of it is cancelled before it leaves for medstar."""
    act(world, "hold", "medstar")
    send(world, message)
    world.run(120)
    [waits] = [row for row in deliveries(world) if row.status.name == "QUEUED"]
    act(world, "cancel", [waits.id])
    act(world, "release", "medstar")


def test_a_fax_number_that_is_taken_off_the_table_withdraws_nothing(clinic: Site) -> None:
    world = clinic(roster=ROSTER.replace("7,", "9,"))
    send(world, visit("A03", "094800"))
    world.run(120)
    assert len(faxes(world)) == 1
    (world.folder / "tables" / "providers.csv").write_text(PROVIDERS.replace(NPI, "1987654328"))
    reload(world)
    send(world, visit("A08", "100000"))
    world.run(120)
    assert len(faxes(world)) == 1, "the visit still stands, and the number may be what was wrong"


def test_a_visit_that_names_another_physician_is_not_withdrawn_from_the_first(clinic: Site) -> None:
    world = clinic(roster=ROSTER.replace("7,", "9,"))
    send(world, visit("A03", "094800"))
    world.run(120)
    send(world, visit("A08", "100000").replace(NPI.encode(), b"1987654328"))
    world.run(120)
    assert len(faxes(world)) == 1


def test_a_correction_of_what_never_left_is_told_as_new(clinic: Site) -> None:
    world = clinic(affiliates__medstar=MEDSTAR + "status: shadow\n")
    send(world, visit("A03", "094800"))
    world.run(120)
    assert kinds(world) == []
    (world.folder / "affiliates" / "medstar.yaml").write_text(MEDSTAR)
    reload(world)
    send(world, result("101500", "5.9"))
    world.run(120)
    assert kinds(world) == ["MDM^T02"]


def test_a_result_is_withdrawn_by_its_own_day(clinic: Site) -> None:
    world = clinic(
        affiliates__medstar=MEDSTAR.replace("{from: 2026-01-01}", "{from: 2026-01-01, as: ORU}"),
        roster=ROSTER.replace(",,1", ",2026-11-20,1"),
    )
    send(world, visit("A03", "094800"))
    world.run(120)
    assert kinds(world) == ["ORU^R01"]
    send(world, visit("A11", "110000"))
    world.run(120)
    assert kinds(world) == ["ORU^R01"] * 2


def test_a_version_that_waits_does_not_hide_the_one_that_was_sent(clinic: Site) -> None:
    world = clinic()
    send(world, visit("A03", "094800"))
    world.run(120)
    act(world, "hold", "medstar")
    send(world, result("101500", "5.9"))
    world.run(120)
    send(world, visit("A11", "110000"))
    world.run(120)
    act(world, "release", "medstar")
    world.run(120)
    assert kinds(world) == ["MDM^T02", "MDM^T10", "MDM^T11"]


def test_where_a_version_never_left_the_one_before_is_replaced_and_withdrawn(clinic: Site) -> None:
    world = clinic()
    send(world, visit("A03", "094800"))
    world.run(120)
    cancelled(world, result("101500", "5.9"))
    cancelled(world, result("102500", "6.1"))
    send(world, result("103500", "6.3"))
    world.run(120)
    first, second = documents(world)
    assert kinds(world) == ["MDM^T02", "MDM^T10"]
    assert second.all(b"TXA")[0].field(13) == first.all(b"TXA")[0].field(12)
    cancelled(world, result("104500", "6.5"))
    send(world, visit("A11", "110000"))
    world.run(120)
    assert kinds(world)[2:] == ["MDM^T11"]
    assert documents(world)[2].all(b"TXA")[0].field(12) == second.all(b"TXA")[0].field(12)

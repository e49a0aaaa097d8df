"""What of one patient can no longer be read or said keeps nobody else waiting."""

from __future__ import annotations

from hl7bridge.store.base import Batch, NoticeRow
from tests.engine import test_programme as base
from tests.engine.test_programme import ROSTER, Site, days_ago, dispense, send, texts

programme = base.programme


def test_one_patient_whose_notices_cannot_be_read_keeps_nobody_else_waiting(programme: Site) -> None:
    world = programme(roster=ROSTER + "8,RETAIL,PI,2026-01-01,,1234567893\n")
    key = world.engine.hashes.patient(b"RETAIL", b"8")
    world.store.commit(Batch(notices=[NoticeRow(key, "medstar", 1, 1, 1, 0, 1, b"\x00[]")]))
    send(world, dispense(2, days_ago(15), patient="8^^^RETAIL^PI"))
    world.run(300)
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert texts(world) == [("F", "not-picked-up")]

"""What was told and did not leave, or left by another way: nobody hears of it for nothing, or not at all."""

from __future__ import annotations

from hl7bridge.engine.operating.replay import Order, Replaying
from hl7bridge.store.base import MessageQuery
from tests.engine import test_programme as base
from tests.engine.site import act, deliveries
from tests.engine.test_programme import TODAY, Site, days_ago, dispense, send, texts, told

programme = base.programme


def test_what_a_replay_has_sent_is_taken_back(programme: Site) -> None:
    world = programme()
    answer = world.hospitals[6701].script.answer
    world.hospitals[6701].script.answer = "AR"
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert [row.status.name for row in deliveries(world) if row.destination == "medstar"] == ["FAILED"]
    world.hospitals[6701].script.answer = answer
    for _ in Replaying(world.engine).from_store(Order("nurse", query=MessageQuery(source="programme"))):
        world.run(1)
    world.run(60)
    assert texts(world) == [("F", "not-picked-up")]
    send(world, dispense(1, days_ago(15), event="sold", on=TODAY))
    world.run(300)
    assert [status for status, _ in texts(world)] == ["F", "C"]


def test_what_waits_does_not_leave_after_death(programme: Site) -> None:
    world = programme()
    act(world, "hold", "medstar")
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    send(world, base.DEATH)
    world.run(300)
    act(world, "release", "medstar")
    world.run(60)
    assert told(world) == []

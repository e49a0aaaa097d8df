"""Who is who is settled by a person where messages contradict each other, and what was told follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hl7bridge.engine.operating.operate import Refused
from hl7bridge.engine.operating.settle import Settling
from hl7bridge.hl7 import conformance
from hl7bridge.hl7.message import Message
from hl7bridge.testing.world import World
from tests.engine import test_programme as base

Site = Callable[..., World]
programme = base.programme
TWO = base.ROSTER + "8,RETAIL,PI,2026-01-01,,1234567893\n"
SEVEN, EIGHT, BOTH = "7^^^RETAIL^PI", "8^^^RETAIL^PI", "7^^^RETAIL^PI~8^^^RETAIL^PI"


def key(world: World, number: str) -> int:
    assert world.engine is not None
    return world.engine.hashes.patient(b"RETAIL", number.encode())


def act(world: World, verb: str, *arguments: Any) -> dict[str, Any]:
    """Does what an operator asks, and gives the result or raises the error."""
    told: list[Any] = []
    assert world.engine is not None
    getattr(Settling(world.engine), verb)(*arguments, "nurse", told.append)
    world.run(1, lambda: bool(told))
    if isinstance(told[0], Exception):
        raise told[0]
    return dict(told[0])


def settle(world: World, one: str, other: str, *, same: bool, because: str = "asked them") -> dict[str, Any]:
    return act(world, "settle", key(world, one), key(world, other), same, because)


def dispense(patient: str, number: int = 1, born: bytes = b"19480203") -> bytes:
    message = base.dispense(number, base.days_ago(15), patient=patient)
    return message.replace(b"19480203", born)


def listed(world: World) -> list[str | None]:
    return [row.reason for row in world.store.held_patients()]


@pytest.fixture
def contradictory(programme: Site) -> World:
    """Two numbers that a message bore together, with different birth dates."""
    world = programme(roster=TWO)
    base.send(world, dispense(BOTH), dispense(EIGHT, 2, b"19990909"))
    world.run(300)
    assert base.told(world) == []
    assert listed(world) == ["birth dates differ (PID-7)"]
    return world


def test_one_who_is_held_is_listed_since_the_first_look_that_found_it(contradictory: World) -> None:
    [before] = contradictory.store.held_patients()
    base.send(contradictory, dispense(SEVEN, 3))
    contradictory.run(300)
    assert contradictory.store.held_patients() == [before]


def test_one_patient_in_spite_of_the_contradiction_is_told_of_at_once(contradictory: World) -> None:
    assert settle(contradictory, "7", "8", same=True) == {"patients": [{"identifiers": 2, "held": None}]}
    contradictory.run(30)
    assert [status for status, _ in base.texts(contradictory)] == ["F"] * 2
    assert listed(contradictory) == []
    acts = [(each.operator, each.verb, each.detail.split(": ", 1)[1]) for each in contradictory.store.acts()]
    assert ("nurse", "settle", "one patient: asked them") in acts
    contradictory.crash()
    contradictory.start()
    contradictory.run(300)
    assert len(base.told(contradictory)) == 2
    base.send(contradictory, dispense(EIGHT, 3, b"19700101"))
    contradictory.run(300)
    assert listed(contradictory) == ["birth dates differ (PID-7)"], "what contradicts anew is held anew"


def test_two_patients_are_told_of_each_under_their_own_number_whatever_messages_say_later(
    contradictory: World,
) -> None:
    result = settle(contradictory, "7", "8", same=False)
    assert result == {"patients": [{"identifiers": 1, "held": None}] * 2}
    contradictory.run(30)
    assert sorted(m.all(b"PID")[0].field(3) for m in base.told(contradictory)) == [
        SEVEN.encode(),
        EIGHT.encode(),
    ]
    assert listed(contradictory) == []
    base.send(contradictory, dispense(BOTH, 4))
    contradictory.run(300)
    assert listed(contradictory) == []
    assert base.told(contradictory)[2].all(b"PID")[0].field(3) == SEVEN.encode()
    settle(contradictory, "8", "7", same=True)
    contradictory.run(300)
    assert contradictory.store.held_patients() == []


def test_a_number_with_contradicting_people_can_be_settled_by_itself(programme: Site) -> None:
    world = programme()
    base.send(world, dispense(SEVEN), dispense(SEVEN, 2, b"19990909"))
    world.run(300)
    assert len(listed(world)) == 1
    with pytest.raises(Refused, match="apart from itself"):
        settle(world, "7", "7", same=False)
    settle(world, "7", "7", same=True)
    world.run(30)
    assert listed(world) == []
    assert len(base.told(world)) == 2


def test_what_is_not_known_is_not_settled(contradictory: World) -> None:
    with pytest.raises(Refused, match="second number"):
        settle(contradictory, "7", "99", same=True)
    with pytest.raises(Refused, match="no merge"):
        act(contradictory, "unmerge", key(contradictory, "7"), key(contradictory, "8"), "")
    assert contradictory.store.acts() == []


def merged(programme: Site) -> World:
    """Two patients who were told of as one since a merge."""
    world = programme(roster=TWO)
    base.send(world, dispense(SEVEN, 1), base.MERGE)
    base.send(world, dispense(EIGHT, 2))
    world.run(300)
    found = {message.all(b"PID")[0].field(3) for message in base.told(world)}
    assert found == {f"{EIGHT}~{SEVEN}".encode()}
    return world


def test_undoing_a_merge_takes_back_what_was_told_of_the_wrong_patient_and_tells_the_right_one(
    programme: Site,
) -> None:
    world = merged(programme)
    assert [status for status, _ in base.texts(world)] == ["F", "F"]
    act(world, "unmerge", key(world, "8"), key(world, "7"), "two people")
    world.run(300)
    standing: dict[str, list[Message]] = {status: [] for status in "FW"}
    for message, (status, _) in zip(base.told(world), base.texts(world), strict=True):
        standing[status].append(message)
    first, second, *right = standing["F"]
    back = standing["W"]
    assert len(right) == len(back) == 2
    for message in back:
        assert message.all(b"OBR")[0].field(25) == b"C", "table 0123 has no W"
        assert b"wrong patient" in message.all(b"OBX")[0].field(5)
        assert {obx.field(11) for obx in message.all(b"OBX")} == {b"W"}
        assert conformance.check(message) == []
        assert message.all(b"PID")[0].field(3) == first.all(b"PID")[0].field(3), (
            "under the number it was told"
        )
    names = {message.all(b"OBR")[0].field(3) for message in (first, second)}
    assert {message.all(b"OBR")[0].field(3) for message in back} == names
    anew = {message.all(b"PID")[0].field(3): message for message in right}
    assert anew.keys() == {SEVEN.encode(), EIGHT.encode()}
    assert names.isdisjoint(message.all(b"OBR")[0].field(3) for message in anew.values())
    [undone] = world.store.acts()
    assert (undone.operator, undone.verb) == ("nurse", "unmerge")
    assert undone.detail.endswith("two patients: two people")
    world.run(3600)
    base.send(world, base.MERGE.replace(b"|merge|", b"|again|"))
    world.run(300)
    assert len(base.told(world)) == 6, "what messages say of the pair later changes nothing"


def test_what_was_told_of_one_who_is_on_no_roster_by_a_merge_is_only_taken_back(programme: Site) -> None:
    world = programme()
    base.send(world, dispense(SEVEN, 1), base.MERGE, dispense(EIGHT, 2))
    world.run(300)
    act(world, "unmerge", key(world, "8"), key(world, "7"), "two people")
    world.run(300)
    assert [status for status, _ in base.texts(world)] == ["F", "F", "W", "F", "W"]
    assert base.told(world)[3].all(b"PID")[0].field(3) == SEVEN.encode()


def test_a_merge_of_several_numbers_is_undone_as_a_whole(programme: Site) -> None:
    world = programme(roster=TWO)
    old = f"{EIGHT}~R8^^^RUSH^MR"
    base.send(world, dispense(SEVEN, 1), dispense(old, 2), base.MERGE.replace(EIGHT.encode(), old.encode()))
    world.run(300)
    result = act(world, "unmerge", key(world, "8"), key(world, "7"), "two people")
    assert result == {"patients": [{"identifiers": 2, "held": None}, {"identifiers": 1, "held": None}]}

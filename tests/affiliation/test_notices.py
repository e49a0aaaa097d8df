"""What is told, told anew and taken back: for every course of what holds, recipients end up with exactly that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.notices import Act, State, Step, Told, steps


def told(
    subject: int = 1, *, state: State = State.TOLD, number: int = 1, content: int = 0, key: int = 7
) -> Told:
    return Told(key, "medstar", subject, number, state, content, 100, b"")


def all_of(*rows: Told, holds: dict[int, int], tellable: set[int] | None = None) -> list[Step]:
    return steps(holds, holds.__getitem__, set(holds) if tellable is None else tellable, rows, lambda _: True)


BACK = told(state=State.WITHDRAWN)
CONTENT = {1: 0}.__getitem__


@pytest.mark.parametrize(
    ("rows", "holds", "tellable", "wanted"),
    [
        ([], {1: 0}, {1}, [Step(Act.TELL, 1, None)]),
        ([], {1: 0}, set(), []),
        ([told()], {1: 0}, {1}, []),
        ([told()], {1: 0}, set(), []),
        ([told()], {1: 5}, {1}, [Step(Act.REPLACE, 1, told())]),
        ([told()], {}, set(), [Step(Act.WITHDRAW, 1, told())]),
        ([BACK], {}, set(), []),
        ([BACK], {1: 0}, {1}, [Step(Act.TELL, 1, BACK)]),
        ([told(), told(key=8)], {1: 0}, {1}, []),
        (
            [told(), told(key=8)],
            {},
            set(),
            [Step(Act.WITHDRAW, 1, told()), Step(Act.WITHDRAW, 1, told(key=8))],
        ),
        ([told(), BACK._replace(patient=8)], {1: 0}, {1}, []),
    ],
)
def test_what_follows(
    rows: list[Told], holds: dict[int, int], tellable: set[int], wanted: list[Step]
) -> None:
    assert steps(holds, holds.__getitem__, tellable, rows, lambda _: True) == wanted


def test_what_is_not_judged_stands() -> None:
    assert steps({}, CONTENT, set(), [told()], lambda _: False) == []


def test_what_was_told_of_the_wrong_patient_is_taken_back_before_it_is_told_anew() -> None:
    found = steps({1}, CONTENT, {1}, [told()], lambda _: True, lambda _: True)
    assert found == [Step(Act.WITHDRAW, 1, told())]
    assert steps({1}, CONTENT, {1}, [BACK], lambda _: True, lambda _: True) == [Step(Act.TELL, 1, BACK)]


@given(st.lists(st.dictionaries(st.integers(1, 4), st.integers(0, 2))))
def test_recipients_end_up_with_what_holds_and_hear_nothing_twice(course: list[dict[int, int]]) -> None:
    rows: dict[int, Told] = {}
    for holds in course:
        for _ in range(2):  # the second look finds nothing to do
            found = all_of(*rows.values(), holds=holds)
            assert len({step.subject for step in found}) == len(found)
            for step in found:
                number = step.told.number if step.told is not None else 0
                if step.act is Act.WITHDRAW:
                    assert step.told is not None
                    rows[step.subject] = step.told._replace(state=State.WITHDRAWN)
                else:
                    content = holds[step.subject]
                    rows[step.subject] = told(step.subject, number=number + 1, content=content)
        assert not all_of(*rows.values(), holds=holds)
        assert {each.subject: each.content for each in rows.values() if each.state is State.TOLD} == holds

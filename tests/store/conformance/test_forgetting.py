"""Retention of what the programme knows: whole days of facts and of what was told go, in steps, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.store.base import Batch, HeldPatient, Look, NewMessage, NoticeRow, Store, VerdictRow
from tests.store.conftest import DAY_US, MemoryKit, Rows, SqliteKit

Kit = MemoryKit | SqliteKit


def forgotten(store: Store, before_day: int, on_day: int, limit: int = 200) -> int:
    """Steps until there are no more; how many rows went."""
    gone = 0
    for _ in range(1000):
        step = store.expire_facts(before_day * DAY_US, on_day * DAY_US + 1, limit)
        assert step.messages <= limit
        gone += step.messages
        if not step.more:
            return gone
    raise AssertionError("retention comes to no end")


def speaking(rows: Rows, patient: int, fact: int) -> NewMessage:
    return rows.message(patient_keys=(patient,), facts=((fact, b"\x00%d" % fact),))


def known(store: Store, *patients: int) -> list[bytes]:
    return [row.data for row in store.facts(patients)]


def notice(patient: int, message: int) -> NoticeRow:
    return NoticeRow(patient, "medstar", 77, 1, 1, 0, message, b"\x00words")


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_what_was_said_before_a_day_goes_and_what_came_since_stays(kit: Kit, rows: Rows, limit: int) -> None:
    store = kit.store
    old = [speaking(rows, patient, patient + 10) for patient in (5, -6, 1 << 62)]
    store.commit(rows.batch(*old, rows.message(aliases=((5, 6, True),))))
    store.commit(Batch(notices=[notice(5, old[0].id), notice(-6, old[1].id)]))
    store.commit(Batch(verdicts=[VerdictRow(5, 9, True, old[0].id, 1, "sue", "is one")]))
    assert forgotten(store, 0, 100, limit) == 0
    new = speaking(rows, 9, 99)
    store.commit(rows.batch(new))
    store.commit(Batch(notices=[notice(-6, new.id)]))
    assert forgotten(store, 0, 101, limit) == 0
    assert forgotten(store, 100, 201, limit) == 0, "of day 100 nothing is older than that day's end"
    assert forgotten(store, 101, 202, limit) == 4
    assert forgotten(store, 101, 202, limit) == 0
    for each in (kit.reader(), kit.crash()):
        assert known(each, 5, -6, 1 << 62, 9) == [b"\x0099"]
        assert each.notices([5, -6]) == [notice(-6, new.id)]
        assert each.aliases(5) == [(6, True)], "which numbers are one patient is kept"
        assert [row.other for row in each.verdicts(5)] == [9]
    assert forgotten(kit.store, 102, 203, limit) == 2


def test_what_has_gone_is_learned_anew_when_it_is_said_again(store: Store, rows: Rows) -> None:
    store.commit(rows.batch(speaking(rows, 5, 11)))
    forgotten(store, 0, 100)
    assert forgotten(store, 101, 300) == 1
    again = speaking(rows, 5, 11)
    store.commit(rows.batch(again))
    assert [(row.message_id, row.data) for row in store.facts([5])] == [(again.id, b"\x0011")]
    assert forgotten(store, 102, 301) == 0


def test_days_on_which_nobody_was_here_are_older_than_the_next_that_was_noted(
    store: Store, rows: Rows
) -> None:
    store.commit(rows.batch(speaking(rows, 5, 11)))
    forgotten(store, 0, 100)
    store.commit(rows.batch(speaking(rows, 6, 12)))
    assert forgotten(store, 150, 400) == 1
    assert known(store, 5, 6) == [b"\x0012"], (
        "between the notes of day 100 and day 400 it may have come on any day"
    )
    assert forgotten(store, 400, 700) == 0
    assert forgotten(store, 401, 701) == 1


def test_a_patients_facts_go_together_under_whatever_number_they_are_known(store: Store, rows: Rows) -> None:
    store.commit(
        rows.batch(speaking(rows, 5, 11), speaking(rows, 6, 12), speaking(rows, 7, 13), speaking(rows, 8, 14))
    )
    store.commit(rows.batch(rows.message(aliases=((5, 6, False), (6, 7, True)))))
    forgotten(store, 0, 100)
    store.commit(rows.batch(speaking(rows, 5, 99)))
    forgotten(store, 0, 110)
    assert forgotten(store, 101, 200) == 1
    assert known(store, 5, 6, 7, 8) == [b"\x0011", b"\x0099", b"\x0012", b"\x0013"]
    assert forgotten(store, 111, 201) == 4
    assert known(store, 5, 6, 7, 8) == []


def test_a_clock_that_was_set_back_ages_nothing(store: Store, rows: Rows) -> None:
    store.commit(rows.batch(speaking(rows, 5, 11)))
    forgotten(store, 0, 1000)
    store.commit(rows.batch(speaking(rows, 6, 12)))
    forgotten(store, -500, 500)
    forgotten(store, 0, 1002)
    assert forgotten(store, 700, 1003) == 0
    assert forgotten(store, 1001, 1500) == 1
    assert known(store, 5, 6) == [b"\x0012"]
    assert forgotten(store, 1003, 1501) == 1


def test_whoever_is_held_is_looked_at_again_when_something_went(store: Store, rows: Rows) -> None:
    """What contradicted may have gone."""
    store.commit(rows.batch(speaking(rows, 5, 11)))
    store.commit(
        Batch(looks=[Look(5, 0, None)], held_patients=[HeldPatient(5, 1, "birth dates differ (PID-7)")])
    )
    forgotten(store, 0, 100)
    assert store.looks(1 << 60) == []
    assert forgotten(store, 101, 200) == 1
    assert [look.patient for look in store.looks(1 << 60)] == [5]
    [look] = store.looks(1 << 60)
    store.commit(Batch(looks=[Look(5, look.news, None)]))
    assert forgotten(store, 102, 201) == 0
    assert store.looks(1 << 60) == []


def test_however_days_pass_what_is_younger_stays_and_what_is_a_day_older_goes(kit: Kit, rows: Rows) -> None:
    """Every day is noted; on each some facts come."""
    store = kit.store
    today = 0
    forgotten(store, 0, today)

    @settings(max_examples=20, deadline=None)
    @given(
        days=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=20),
        keep=st.integers(1, 30),
        limit=st.integers(1, 9),
    )
    def check(days: list[tuple[int, int]], keep: int, limit: int) -> None:
        nonlocal today
        said: dict[int, int] = {}
        for passed, count in days:
            for _ in range(passed):
                today += 1
                forgotten(store, today - keep, today, limit)
            for _ in range(count):
                message = speaking(rows, rows.messages, rows.messages)
                store.commit(rows.batch(message))
                said[message.id] = today
        today += 1
        forgotten(store, today - keep, today, limit)
        kept = {row.message_id for row in store.facts(range(rows.messages + 1))}
        for message_id, day in said.items():
            if day >= today - keep:
                assert message_id in kept
            if day < today - keep - 1:
                assert message_id not in kept

    check()

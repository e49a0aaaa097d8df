"""What every store promises of the programme's facts: kept with their message, known by content, looked at when due."""

from __future__ import annotations

import pytest

from hl7bridge.store.base import Batch, FactRow, Look, Store, StoreFault
from tests.store.conftest import MemoryKit, Rows, SqliteKit


def test_facts_are_kept_with_their_message_and_known_by_their_content(store: Store, rows: Rows) -> None:
    first = rows.message(patient_keys=(5, 6), facts=((11, b"\x00a"), (12, b"\x00b")))
    again = rows.message(patient_keys=(5,), facts=((12, b"\x00b"), (13, b"\x00c")))
    store.commit(rows.batch(first, again))
    assert store.facts([5]) == [
        FactRow(5, first.id, b"\x00a"),
        FactRow(5, first.id, b"\x00b"),
        FactRow(5, again.id, b"\x00c"),
    ]
    assert store.facts([6, 7]) == []
    assert len(store.facts([7, 5, 5])) == 3


def test_a_batch_that_is_refused_teaches_nothing(store: Store, rows: Rows) -> None:
    good = rows.message(patient_keys=(5,), facts=((11, b"\x00a"),), aliases=((5, 6, False),))
    bad = rows.message(patient_keys=(), facts=((12, b"\x00b"),))
    with pytest.raises(StoreFault):
        store.commit(rows.batch(good, bad))
    assert store.facts([5]) == store.aliases(5) == store.looks(1 << 60) == []


def test_what_a_repetition_says_is_known_already(store: Store, rows: Rows) -> None:
    first = rows.message(
        patient_keys=(5,), facts=((11, b"\x00a"),), once_since_us=0, control_id="A", fingerprint=1
    )
    copy = rows.message(
        patient_keys=(5,), facts=((99, b"\x00z"),), once_since_us=0, control_id="A", fingerprint=1
    )
    store.commit(rows.batch(first))
    store.commit(rows.batch(copy))
    assert [row.data for row in store.facts([5])] == [b"\x00a"]


def test_facts_outlive_a_crash(kit: MemoryKit | SqliteKit, rows: Rows) -> None:
    message = rows.message(patient_keys=(5,), facts=((11, b"\x00a"),), aliases=((5, 6, True),))
    kit.store.commit(rows.batch(message))
    store = kit.crash()
    assert [row.data for row in store.facts([5])] == [b"\x00a"]
    assert store.aliases(5) == [(6, True)]
    assert store.aliases(6) == [(5, True)]
    assert store.looks(1 << 60) == [(5, message.received_us)]


def test_what_was_once_merged_stays_merged(store: Store, rows: Rows) -> None:
    for merged, wanted in ((False, False), (True, True), (False, True)):
        store.commit(rows.batch(rows.message(aliases=((5, 6, merged),))))
        assert store.aliases(6) == [(5, wanted)]


def test_a_patient_is_looked_at_when_facts_came_and_again_when_the_look_says(
    store: Store, rows: Rows
) -> None:
    early = rows.message(patient_keys=(5,), facts=((11, b"\x00a"),))
    late = rows.message(patient_keys=(6,), facts=((12, b"\x00b"),))
    store.commit(rows.batch(late, early))
    assert store.looks(1 << 60) == [(5, early.received_us), (6, late.received_us)]
    assert store.looks(early.received_us) == [(5, early.received_us)]
    assert store.looks(1 << 60, limit=1) == [(5, early.received_us)]
    store.commit(Batch(looks=[Look(5, early.received_us, 1 << 50), Look(6, late.received_us, None)]))
    assert store.looks(1 << 60) == [(5, 1 << 50)]


def test_facts_that_came_during_a_look_are_not_forgotten_by_it(store: Store, rows: Rows) -> None:
    first = rows.message(patient_keys=(5,), facts=((11, b"\x00a"),))
    store.commit(rows.batch(first))
    store.commit(Batch(looks=[Look(5, first.received_us, 1 << 50)]))
    second = rows.message(patient_keys=(5,), facts=((12, b"\x00b"),))
    store.commit(rows.batch(second))
    store.commit(Batch(looks=[Look(5, 1 << 50, None)]))
    assert store.looks(1 << 60) == [(5, second.received_us)]

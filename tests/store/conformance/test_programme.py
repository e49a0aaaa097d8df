"""What every store promises of the programme's facts: kept with their message, known by content, looked at when due."""

from __future__ import annotations

import pytest

from hl7bridge.store.base import Batch, DueLook, FactRow, Look, NoticeRow, Store, StoreFault
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
    assert [(look.patient, look.due_us) for look in store.looks(1 << 60)] == [
        (5, message.received_us),
        (6, message.received_us),
    ]


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
    assert store.looks(1 << 60) == [DueLook(5, early.received_us, 0), DueLook(6, late.received_us, 0)]
    assert store.looks(early.received_us) == [DueLook(5, early.received_us, 0)]
    assert store.looks(1 << 60, limit=1) == [DueLook(5, early.received_us, 0)]
    store.commit(Batch(looks=[Look(5, 0, 1 << 50), Look(6, 0, None)]))
    assert store.looks(1 << 60) == [DueLook(5, 1 << 50, 0)]


@pytest.mark.parametrize("waited_us", [0, 1 << 50])
def test_facts_that_came_during_a_look_are_not_forgotten_by_it(
    store: Store, rows: Rows, waited_us: int
) -> None:
    """Also where the patient was due already, so that they change nothing about when."""
    store.commit(rows.batch(rows.message(patient_keys=(5,), facts=((11, b"\x00a"),))))
    store.commit(Batch(looks=[Look(5, 0, waited_us)]))
    [seen] = store.looks(1 << 60)
    second = rows.message(patient_keys=(5,), facts=((12, b"\x00b"),))
    store.commit(rows.batch(second))
    store.commit(Batch(looks=[Look(5, seen.news, None)]))
    [left] = store.looks(1 << 60)
    assert (left.patient, left.due_us) == (5, min(waited_us, second.received_us))
    store.commit(Batch(looks=[Look(5, left.news, None)]))
    assert store.looks(1 << 60) == []


def test_numbers_that_are_merged_are_looked_at_and_those_borne_together_are_not(
    store: Store, rows: Rows
) -> None:
    store.commit(rows.batch(rows.message(aliases=((5, 6, True), (7, 8, False)))))
    assert [look.patient for look in store.looks(1 << 60)] == [5, 6]


def test_what_a_recipient_was_told_is_kept_with_the_message_that_tells_it(store: Store, rows: Rows) -> None:
    first = NoticeRow(5, "medstar", 77, 1, 1, 0, 901, b"\x00words")
    store.commit(rows.batch(rows.message(notices=(first, first._replace(recipient="rush")))))
    assert store.notices([5, 6]) == [first, first._replace(recipient="rush")]
    assert store.notices_to("medstar") == [first]
    taken_back = first._replace(state=2, message_id=902)
    store.commit(rows.batch(rows.message(notices=(taken_back,))))
    assert store.notices_to("medstar", 901) == [taken_back]
    assert store.notices_to("medstar", 902) == []
    again = first._replace(number=2)
    store.commit(Batch(notices=[again]))
    assert store.notices_to("medstar") == [again]
    assert len(store.notices([5])) == 2


def test_what_was_told_outlives_a_crash_and_goes_with_a_message_that_is_refused(
    kit: MemoryKit | SqliteKit, rows: Rows
) -> None:
    told = NoticeRow(5, "medstar", 77, 1, 1, 0, 901, b"\x00words")
    kit.store.commit(rows.batch(rows.message(notices=(told,))))
    wrong = told._replace(state=2, data="text")  # type: ignore[arg-type]
    with pytest.raises(StoreFault):
        kit.store.commit(rows.batch(rows.message(notices=(wrong,))))
    assert kit.crash().notices([5]) == [told]

"""What every store promises of the programme's facts: kept with their message, known by content, looked at when due."""

from __future__ import annotations

import pytest

from hl7bridge.store.base import (
    Batch,
    DueLook,
    FactRow,
    HeldPatient,
    Joined,
    Look,
    NoticeRow,
    Store,
    StoreFault,
    VerdictRow,
)
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


def test_what_joined_two_numbers_first_is_kept_and_of_a_merge_the_merge(store: Store, rows: Rows) -> None:
    borne = rows.message(aliases=((5, 6, False),))
    merges = [rows.message(aliases=((5, 6, True),)) for _ in range(2)]
    store.commit(rows.batch(borne))
    assert store.joined(5, 6) == store.joined(6, 5) == Joined(False, borne.id)
    for merge in merges:
        store.commit(rows.batch(merge))
    assert store.joined(5, 6) == store.joined(6, 5) == Joined(True, merges[0].id)
    assert store.joined(5, 7) is None


def test_a_verdict_stands_both_ways_and_the_last_word_counts(kit: MemoryKit | SqliteKit) -> None:
    apart = VerdictRow(5, 6, False, 900, 1_000, "sue", "two sisters")
    kit.store.commit(Batch(verdicts=[apart, VerdictRow(7, 7, True, 900, 1_000, "sue", "")]))
    store = kit.crash()
    assert store.verdicts(5) == [apart]
    assert store.verdicts(6) == [VerdictRow(6, 5, False, 900, 1_000, "sue", "two sisters")]
    assert store.verdicts(7) == [VerdictRow(7, 7, True, 900, 1_000, "sue", "")]
    assert store.verdicts(8) == []
    same = VerdictRow(6, 5, True, 950, 2_000, "joe", "one after all")
    store.commit(Batch(verdicts=[same]))
    assert store.verdicts(6) == [same]
    assert [row.same for row in store.verdicts(5)] == [True]


def test_whom_a_verdict_is_about_is_due_before_all_others(store: Store, rows: Rows) -> None:
    store.commit(rows.batch(rows.message(patient_keys=(5,), facts=((11, b"\x00a"),))))
    store.commit(Batch(looks=[Look(5, 0, 1 << 50)]))
    store.commit(Batch(verdicts=[VerdictRow(5, 6, False, 1, 1_000, "sue", "")]))
    assert {look.patient for look in store.looks(0)} == {5, 6}
    store.commit(Batch(looks=[Look(5, 0, None)]))
    assert {look.patient for look in store.looks(0)} == {5, 6}, "a look of before the verdict does not count"


def test_a_verdict_that_cannot_be_kept_is_refused_with_its_batch(store: Store) -> None:
    with pytest.raises(StoreFault):
        store.commit(Batch(verdicts=[VerdictRow(5, 6, True, 1, 1, "sue", None)]))  # type: ignore[arg-type]
    assert store.verdicts(5) == store.looks(1 << 60) == []


def test_patients_held_for_a_person_are_listed_until_they_are_not(kit: MemoryKit | SqliteKit) -> None:
    late, early = HeldPatient(5, 2_000, "birth dates differ"), HeldPatient(6, 1_000, "too many")
    kit.store.commit(Batch(held_patients=[late, early]))
    store = kit.crash()
    assert store.held_patients() == [early, late]
    assert store.held_patients(limit=1) == [early]
    assert store.held_patients([4, 5, 5]) == [late]
    store.commit(Batch(held_patients=[HeldPatient(5, 0, None), HeldPatient(8, 0, None)]))
    assert store.held_patients() == [early]
    assert store.held_patients([5]) == []

"""The audit trail of any store: what is told in it, under whom it is found, and that it can be checked."""

from __future__ import annotations

from typing import Any

import pytest

from hl7bridge.store.audit_check import check
from hl7bridge.store.base import (
    Act,
    AuditRecord,
    Batch,
    DeliveryChange,
    DeliveryStatus,
    Store,
    StoreBusy,
    View,
    records_of,
)
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.store.rows.audit import DISCLOSURES, MOST_RECORDS, AuditHead

QUEUED, SENDING, SENT, FAILED, CANCELLED = DeliveryStatus


def told(store: Any) -> list[AuditRecord]:
    """Every record but the beginning's."""
    rows = store.audit_rows(0, 10_000)
    return [record for row in rows for record in records_of(row) if record.kind != "begin"]


def kinds(store: Any) -> list[str]:
    return [record.kind for record in told(store)]


def change(status: DeliveryStatus, code: str | None, **fields: Any) -> DeliveryChange:
    given = {"attempts": 1, "at_us": 9, "reason": None if code in ("AA", None) else f"answered {code}"}
    return DeliveryChange(1, status, code=code, **(given | fields))


def test_a_disclosure_says_who_received_what_when_and_under_which_agreement(kit: Any, rows: Any) -> None:
    store = kit.store
    store.commit(rows.batch(rows.message(rows.delivery(scope="pharmacy", status=SENDING))))
    store.commit(Batch(changes=[rows.sent(1, at_us=1_500_000)]))
    for each in (store, kit.reader(), kit.crash()):
        assert told(each) == [
            AuditRecord(
                1,
                1_500_000,
                "sent",
                delivery=1,
                message=1,
                destination="rush",
                scope="pharmacy",
                type="RDE^O11",
                event_date=20261121,
                version="v1",
                attempts=1,
                code="AA",
                patients=(-5, 1),
            )
        ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([change(SENT, "AA")], ["sent"]),
        (
            [change(QUEUED, "none", possible_duplicate=True), change(SENT, "CA", attempts=2)],
            ["maybe", "sent"],
        ),
        ([change(QUEUED, "AE", attempts=n) for n in (1, 2, 3)], ["answered"]),
        (
            [change(QUEUED, "AE"), change(QUEUED, "none"), change(FAILED, "AR")],
            ["answered", "maybe", "answered"],
        ),
        ([change(FAILED, "AR"), change(QUEUED, None), change(SENT, "AA")], ["answered", "sent"]),
        ([change(QUEUED, None)], []),
        ([change(FAILED, None, reason="its payload cannot be read")], []),
        ([change(CANCELLED, None, reason="the patient has opted out")], ["refused"]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_each_end_of_an_attempt_is_told_once(
    store: Store, rows: Any, changes: list[DeliveryChange], expected: list[str], at_once: bool
) -> None:
    store.commit(rows.batch(rows.message(rows.delivery(status=SENDING))))
    for each in [changes] if at_once else [[one] for one in changes]:
        store.commit(Batch(changes=each))
    assert kinds(store) == expected
    assert all(record.delivery == 1 for record in told(store))
    assert check(store).faults == []


def test_refusals_at_the_decision_give_their_reason_and_no_disclosure(store: Store, rows: Any) -> None:
    refused = rows.delivery(status=CANCELLED, reason="withheld: hiv", scope="clinic")
    store.commit(rows.batch(rows.message(refused, rows.delivery(status=FAILED, reason="map.yaml: no value"))))
    [record] = told(store)
    assert (record.kind, record.reason, record.scope, record.code) == (
        "refused",
        "withheld: hiv",
        "clinic",
        None,
    )


def test_what_was_being_sent_when_the_engine_stopped_may_have_been_received(kit: Any, rows: Any) -> None:
    waits, flies = rows.delivery(), rows.delivery(status=SENDING)
    kit.store.commit(rows.batch(rows.message(waits, flies)))
    store = kit.crash()
    store.recover(77)
    [record] = told(store)
    assert (record.kind, record.delivery, record.at_us) == ("maybe", flies.id, 77)
    assert record.possible_duplicate
    assert record.kind in DISCLOSURES


def test_views_and_acts_are_told_with_the_operator(store: Store) -> None:
    act, view = Act(5, "sue", "hold", "rush"), View(6, "tom", "show", 12, (3, -4))
    store.commit(Batch(acts=[act], views=[view]))
    assert told(store) == [
        AuditRecord(1, 5, "act", operator="sue", verb="hold", detail="rush"),
        AuditRecord(1, 6, "view", operator="tom", verb="show", message=12, patients=(3, -4)),
    ]
    assert [row.sequence for row in store.audit_of([-4])] == [1]


def test_patients_are_found_under_each_number_in_old_and_new_rows(kit: Any, rows: Any) -> None:
    store = kit.store
    for number in range(1, 61):
        store.commit(
            rows.batch(rows.message(rows.delivery(status=SENDING), patient_keys=(number % 4, -number)))
        )
        store.commit(Batch(changes=[rows.sent(number)]))
    for each in (store, kit.reader(), kit.crash()):
        rows_of_two = each.audit_of([2], 0, 100)
        assert [record.delivery for row in rows_of_two for record in records_of(row)][:3] == [2, 6, 10]
        assert len(rows_of_two) == 15
        assert [row.sequence for row in each.audit_of([-9, -60, -30], 0, 2)] == [9, 30]
        assert [row.sequence for row in each.audit_of([-9, -60, -30], 30, 2)] == [60]
        assert each.audit_of([4444]) == []
        assert each.audit_unfound() is None


def test_a_transaction_with_many_records_makes_several_rows(kit: Any, rows: Any) -> None:
    many = 2 * MOST_RECORDS + 1
    deliveries = [rows.delivery(status=SENDING) for _ in range(many)]
    kit.store.commit(rows.batch(*[rows.message(each) for each in deliveries]))
    kit.store.commit(Batch(changes=[rows.sent(each.id, at_us=each.id) for each in deliveries]))
    for store in (kit.store, kit.reader(), kit.crash()):
        assert [record.delivery for record in told(store)] == [each.id for each in deliveries]
        assert [record.at_us for record in told(store)] == [each.id for each in deliveries]
        assert [row.sequence for row in store.audit_of([many])] == [3]
        assert [row.sequence for row in store.audit_of([1, MOST_RECORDS + 5])] == [1, 2]
        assert check(store).faults == []


def test_what_is_not_kept_is_not_told(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message(rows.delivery(status=SENDING))))
    before = store.audit_head()
    wrong = Batch(changes=[rows.sent(1), rows.sent(99)], views=[View(1, "sue", "show")])
    with pytest.raises(Exception, match="not in the store"):
        store.commit(wrong)
    assert store.audit_head() == before
    store.commit(Batch(changes=[rows.sent(1)]))
    assert kinds(store) == ["sent"]
    assert check(store).faults == []


def test_a_transaction_that_the_store_had_no_time_for_leaves_no_gap() -> None:
    store = MemoryStore()
    store.commit(Batch(views=[View(1, "sue", "show")]))
    store.refuse_next(StoreBusy("later"))
    with pytest.raises(StoreBusy):
        store.commit(Batch(views=[View(2, "sue", "show")]))
    store.commit(Batch(views=[View(3, "sue", "show")]))
    assert [record.at_us for record in told(store)] == [1, 3]
    assert check(store).faults == []


def cut(store: Store, before_us: int, limit: int) -> int:
    total = 0
    for _ in range(1000):
        step = store.expire_audit(before_us, 1_000_000, limit)
        assert step.messages <= limit
        total += step.messages
        if not step.more:
            return total
    raise AssertionError("retention comes to no end")


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_what_retention_leaves_is_still_a_chain_and_says_what_went(kit: Any, rows: Any, limit: int) -> None:
    store = kit.store
    for number in range(1, 41):
        store.commit(Batch(views=[View(number, "sue", "show", None, (number % 3, -number))]))
    head = store.audit_head()
    assert cut(store, 31, limit) == 30
    assert cut(store, 31, limit) == 0
    for each in (store, kit.reader(), kit.crash()):
        assert each.audit_rows()[0].sequence == 31
        assert check(each, [head]).faults == []
        assert [row.sequence for row in each.audit_of([2])] == [32, 35, 38]
        assert each.audit_of([-4]) == []
    # Heads of rows that have gone prove nothing any more, and accuse nobody.
    assert check(kit.store, [AuditHead(3, 0, b"x" * 32)]).faults == []
    assert cut(kit.store, 1 << 60, limit) > 0
    assert kit.store.audit_rows(), "the newest row stays"
    kit.store.commit(Batch(views=[View(1 << 60, "sue", "show")]))
    assert check(kit.crash()).faults == []


def test_deliveries_whose_records_were_cut_accuse_nobody(kit: Any, rows: Any) -> None:
    store = kit.store
    for number in (1, 2, 3):
        store.commit(rows.batch(rows.message(rows.delivery(status=SENDING))))
        store.commit(Batch(changes=[rows.sent(number, at_us=number * 100)]))
    assert cut(store, 250, 200) == 2
    assert check(store).faults == []

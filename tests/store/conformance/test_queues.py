"""Queues of open deliveries, and how an earlier message is recognised."""

from __future__ import annotations

from typing import Any

import pytest

from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryQuery,
    DeliveryStatus,
    MessageStatus,
    Store,
)


def ids(found: list[Any]) -> list[int]:
    return [each.id for each in found]


def test_a_queue_is_read_in_pages_by_position(store: Store, rows: Any) -> None:
    for n in range(10):
        store.commit(
            rows.batch(rows.message(rows.delivery("rush"), rows.delivery("tucson", position=1000 - n)))
        )
    assert [d.position for d in store.open_deliveries("tucson", 0, 99)] == list(range(991, 1001))
    page = store.open_deliveries("rush", 0, 4)
    assert ids(page) == [1, 3, 5, 7]
    assert ids(store.open_deliveries("rush", page[-1].position, 4)) == [9, 11, 13, 15]
    assert store.open_deliveries("nobody", 0, 4) == []
    one = page[1]
    assert (one.message_id, one.source, one.type, one.control_id) == (2, "feed", "RDE^O11", "C2")
    assert (one.version, one.event_date, one.patient_keys, one.received_us) == (
        "v1",
        20261121,
        (-5, 2),
        2_000_000,
    )
    assert (one.attempts, one.first_attempt_us, one.next_us, one.channel) == (0, None, None, "pharmacy")
    assert store.body(one.payload_ref) == b"MSH|payload 2"
    assert one.size == len(b"MSH|payload 2")


def test_what_is_being_sent_is_open_too_and_keeps_its_place(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message(*[rows.delivery() for _ in range(6)])))
    store.commit(Batch(claims=[2, 5], changes=[rows.sent(3)]))
    assert ids(store.open_deliveries("rush", 0, 99)) == [1, 2, 4, 5, 6]
    assert ids(store.open_deliveries("rush", 1, 3)) == [2, 4, 5]
    assert [d.status for d in store.open_deliveries("rush", 1, 2)] == [1, 0]
    assert store.open_count("rush") == 5
    assert store.destinations_with_work() == ["rush"]
    assert store.failed_count("rush") == 0
    store.commit(Batch(changes=[rows.sent(2, status=DeliveryStatus.FAILED), rows.sent(5)]))
    assert store.open_count("rush") == 3
    assert store.failed_count("rush") == 1
    assert store.failed_count("tucson") == 0


def test_a_key_finds_what_is_queued_under_it_merges_included(store: Store, rows: Any) -> None:
    keys = [(1,), (2,), (1, 2), (), (2, 3), (1,), (1,)]
    store.commit(rows.batch(rows.message(*[rows.delivery(keys=each) for each in keys])))
    store.commit(
        rows.batch(rows.message(rows.delivery("tucson", keys=(1,)), rows.delivery("tucson", keys=(2, 1))))
    )
    store.commit(Batch(claims=[7], changes=[rows.sent(6)]))
    assert ids(store.open_deliveries("rush", 0, 9, 1)) == [1, 3]
    assert ids(store.open_deliveries("rush", 0, 9, 2)) == [2, 3, 5]
    assert ids(store.open_deliveries("rush", 2, 1, 2)) == [3]
    assert ids(store.open_deliveries("rush", 0, 9, 4)) == []
    assert [d.keys for d in store.open_deliveries("rush", 0, 9, 3)] == [(2, 3)]
    assert ids(store.open_deliveries("tucson", 0, 9, 1)) == [8, 9]


def test_a_delivery_that_moves_may_get_other_order_keys(kit: Any, rows: Any) -> None:
    store = kit.store
    message = rows.message(rows.delivery(keys=(4,)), rows.delivery(keys=(4,)), rows.delivery(keys=(1, 2)))
    store.commit(rows.batch(message))
    store.commit(Batch(changes=[DeliveryChange(each, DeliveryStatus.FAILED, 1, 9, "AR") for each in (1, 3)]))

    def moved(position: int, keys: tuple[int, ...] | None, under: dict[int, list[int]]) -> None:
        change = DeliveryChange(1, DeliveryStatus.QUEUED, 1, 10, None, "resend", position=position, keys=keys)
        kit.store.commit(Batch(changes=[change]))
        for each in (kit.store, kit.crash()):
            assert {key: ids(each.open_deliveries("rush", 0, 9, key)) for key in under} == under
            assert ids(each.open_deliveries("rush", 0, 9)) == [2, 1]
            if keys is not None:
                assert each.delivery(1).keys == keys

    moved(10, (5, 6), {4: [2], 5: [1], 6: [1]})
    moved(11, None, {4: [2], 5: [1], 6: [1]})
    moved(12, (6, 7), {5: [], 6: [1], 7: [1]})
    moved(13, (), {4: [2], 6: [], 7: []})
    moved(14, (4,), {4: [2, 1], 6: [], 7: []})
    done = [DeliveryChange(each, DeliveryStatus.CANCELLED, 1, 11) for each in (1, 2, 3)]
    kit.store.commit(Batch(changes=done))
    assert kit.store.expire(1 << 60).messages == 1


def test_a_resent_delivery_goes_last_and_is_open_again(kit: Any, rows: Any) -> None:
    store = kit.store
    store.commit(rows.batch(rows.message(*[rows.delivery(keys=(4,)) for _ in range(3)])))
    store.commit(Batch(changes=[DeliveryChange(1, DeliveryStatus.FAILED, 3, 9, "AR", "answered AR")]))
    assert store.open_count("rush") == 2
    store.commit(
        Batch(changes=[DeliveryChange(1, DeliveryStatus.QUEUED, 0, 10, None, "resend", False, None, 50)])
    )
    store = kit.crash()
    assert [(d.id, d.position) for d in store.open_deliveries("rush", 0, 9)] == [(2, 2), (3, 3), (1, 50)]
    assert ids(store.open_deliveries("rush", 0, 9, 4)) == [2, 3, 1]
    assert store.open_count("rush") == 3


def test_open_counts_follow_every_change(kit: Any, rows: Any) -> None:
    store = kit.store
    store.commit(rows.batch(rows.message(*[rows.delivery() for _ in range(5)])))
    for status in (
        DeliveryStatus.FAILED,
        DeliveryStatus.QUEUED,
        DeliveryStatus.CANCELLED,
        DeliveryStatus.SENDING,
    ):
        store.commit(Batch(changes=[DeliveryChange(1, status, 1, 5)]))
        expected = 5 if status < DeliveryStatus.SENT else 4
        assert store.open_count("rush") == expected == kit.reader().open_count("rush")
    both = [DeliveryChange(2, DeliveryStatus.QUEUED, 1, 5), rows.sent(2)]
    store.commit(Batch(changes=both))
    assert store.open_count("rush") == 4
    assert kit.crash().open_count("rush") == 4
    for each in (3, 4, 5):
        store.commit(Batch(changes=[rows.sent(each)]))
    assert kit.crash().destinations_with_work() == ["rush"]
    assert kit.reader().destinations_with_work() == ["rush"]
    kit.store.commit(Batch(changes=[rows.sent(1), rows.sent(2), *map(rows.sent, (3, 4, 5))]))
    assert kit.store.destinations_with_work() == [] == kit.reader().destinations_with_work()


@pytest.mark.parametrize("copies", [1, 5])
def test_an_exact_copy_is_found_before_other_bytes(store: Store, rows: Any, copies: int) -> None:
    same = {"control_id": "201", "sender": 3, "fingerprint": 8}
    assert store.duplicate_of("201", 3, 8, 0) is None
    store.commit(rows.batch(rows.message(**same, answer="CA")))
    store.commit(
        rows.batch(rows.message(**(same | {"fingerprint": 9}), answer="AE", status=MessageStatus.ERROR))
    )
    for _ in range(copies):
        store.commit(rows.batch(rows.message(**same, status=MessageStatus.DUPLICATE, original=1)))
    earlier = store.duplicate_of("201", 3, 8, 0)
    assert earlier is not None
    assert (earlier.message_id, earlier.same_bytes, earlier.answer) == (1, True, "CA")
    assert earlier.status is MessageStatus.RECEIVED
    other = store.duplicate_of("201", 3, 7, 0)
    assert other is not None
    assert (other.message_id, other.same_bytes, other.answer) == (2, False, "AE")
    assert store.duplicate_of("201", 4, 8, 0) is None
    assert store.duplicate_of("202", 3, 8, 0) is None


def test_an_earlier_message_counts_only_within_its_time(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message(control_id="1", fingerprint=8, received_us=100)))
    store.commit(rows.batch(rows.message(control_id="1", fingerprint=9, received_us=200)))
    at_100 = store.duplicate_of("1", 17, 8, 100)
    assert at_100 is not None
    assert at_100.same_bytes
    at_101 = store.duplicate_of("1", 17, 8, 101)
    assert at_101 is not None
    assert not at_101.same_bytes
    assert store.duplicate_of("1", 17, 8, 201) is None


def test_the_newest_of_several_that_were_processed_is_the_earlier_one(store: Store, rows: Any) -> None:
    for answer in ("AE", "AA"):
        store.commit(rows.batch(rows.message(control_id="1", fingerprint=8, answer=answer)))
    earlier = store.duplicate_of("1", 17, 8, 0)
    assert earlier is not None
    assert (earlier.message_id, earlier.answer) == (2, "AA")


def test_failed_deliveries_are_listed(store: Store, rows: Any) -> None:
    store.commit(
        rows.batch(rows.message(*[rows.delivery(each) for each in ("rush", "tucson", "rush", "rush")]))
    )
    failed = DeliveryStatus.FAILED
    store.commit(
        Batch(changes=[DeliveryChange(each, failed, 2, 9, "AR", "answered AR") for each in (1, 2, 4)])
    )
    assert ids(store.deliveries(DeliveryQuery(status=failed))) == [1, 2, 4]
    assert ids(store.deliveries(DeliveryQuery(status=failed, destination="rush"), newest_first=True)) == [
        4,
        1,
    ]
    assert ids(store.deliveries(DeliveryQuery(open=True))) == [3]
    assert ids(store.deliveries(DeliveryQuery(open=False), after_id=1, limit=1)) == [2]

"""Retention takes what is old and finished, in steps, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hl7bridge.store.base import (
    BODY_BITS,
    Batch,
    Counters,
    DeliveryChange,
    DeliveryQuery,
    DeliveryStatus,
    MessageQuery,
    MessageStatus,
    Store,
    StoreFault,
)


def expire(store: Store, before_us: int, **options: Any) -> tuple[int, int]:
    """Take steps until there are no more; how many messages and bytes went."""
    messages = size = 0
    for _ in range(10_000):
        step = store.expire(before_us, **options)
        messages += step.messages
        size += step.bytes
        if not step.more:
            return messages, size
    raise AssertionError("retention comes to no end")


def left(store: Store) -> list[int]:
    return [row.id for row in store.messages(MessageQuery(), limit=10_000, newest_first=False)]


def test_what_is_open_or_failed_stays_and_so_does_what_is_newer(kit: Any, rows: Any) -> None:
    store = kit.store
    finished, failed, queued, sending, plain = (
        rows.message(rows.delivery(), rows.delivery(status=DeliveryStatus.CANCELLED)),
        rows.message(rows.delivery()),
        rows.message(rows.delivery(), rows.delivery()),
        rows.message(rows.delivery()),
        rows.message(status=MessageStatus.FILTERED, payloads=()),
    )
    newer = rows.message()
    store.commit(rows.batch(finished, failed, queued, sending, plain, newer))
    store.commit(
        Batch(
            claims=[6],
            changes=[rows.sent(1), DeliveryChange(3, DeliveryStatus.FAILED, 2, 9, "AR"), rows.sent(4)],
        )
    )
    removed, size = expire(store, newer.received_us)
    assert removed == 2
    assert size >= len(finished.raw) + len(finished.payloads[0]) + len(plain.raw)
    assert left(store) == [failed.id, queued.id, sending.id, newer.id]
    store.commit(Batch(changes=[rows.sent(5), rows.sent(6)]))
    assert expire(store, newer.received_us)[0] == 2
    assert left(kit.crash()) == [failed.id, newer.id]
    assert expire(kit.store, newer.received_us, failed_too=True)[0] == 1
    assert left(kit.store) == [newer.id]


def test_nothing_is_found_of_what_was_removed(kit: Any, rows: Any) -> None:
    store = kit.store
    gone = rows.message(rows.delivery(keys=(1, 2)), control_id="GONE", patient_keys=(-777,))
    store.commit(rows.batch(gone))
    store.commit(Batch(claims=[1]))
    store.commit(Batch(changes=[DeliveryChange(1, DeliveryStatus.SENT, 3, 9, "AA", None, True, b"MSA|AA")]))
    for _ in range(600):
        store.commit(rows.batch(rows.message()))
    expire(store, 2_000_000)
    for each in (store, kit.reader(), kit.crash()):
        assert each.message(gone.id) is None
        assert each.delivery(1) is None
        assert each.deliveries(DeliveryQuery()) == []
        assert each.messages(MessageQuery(control_id="GONE")) == []
        assert each.messages(MessageQuery(patient_key=-777)) == []
        with pytest.raises(StoreFault):
            each.body(gone.id << BODY_BITS)
    assert kit.store.duplicate_of("GONE", gone.sender, gone.fingerprint, 0) is None


def test_counters_go_on_when_nothing_is_left(kit: Any, rows: Any) -> None:
    for _ in range(5):
        kit.store.commit(rows.batch(rows.message(rows.delivery()), *[rows.message() for _ in range(200)]))
    kit.store.commit(Batch(changes=[rows.sent(each) for each in range(1, 6)]))
    assert expire(kit.store, 1 << 60)[0] == 1005
    assert left(kit.store) == []
    assert kit.crash().counters() == Counters(1005, 5, 5)
    kit.store.commit(rows.batch(rows.message(rows.delivery())))
    assert kit.crash().counters() == Counters(1006, 6, 6)


def test_a_clock_that_was_set_back_keeps_nothing_from_being_removed(store: Store, rows: Any) -> None:
    times = [5_000, 9_000, 1_000, 8_000, 2_000, 7_000]
    for at_us in times:
        store.commit(rows.batch(rows.message(received_us=at_us), *[rows.message() for _ in range(300)]))
    assert expire(store, 5_500)[0] == 3
    assert [
        row.received_us for row in store.messages(MessageQuery(until_us=100_000), newest_first=False)
    ] == [
        9_000,
        8_000,
        7_000,
    ]


def test_a_step_takes_no_more_than_it_may(store: Store, rows: Any) -> None:
    store.commit(rows.batch(*[rows.message() for _ in range(100)]))
    sizes = []
    while True:
        step = store.expire(1 << 60, limit=7)
        sizes.append(step.messages)
        if not step.more:
            break
    assert max(sizes) <= 7
    assert sum(sizes) == 100


def test_an_empty_store_has_nothing_to_remove(store: Store) -> None:
    assert expire(store, 1 << 60) == (0, 0)
    assert expire(store, 1 << 60) == (0, 0)

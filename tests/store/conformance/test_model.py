"""Any store against the one in memory: after the same batches, every question has the same answer."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest

from hl7bridge.store.audit_check import check
from hl7bridge.store.base import (
    Counters,
    DeliveryQuery,
    DeliveryStatus,
    MessageQuery,
    MessageStatus,
    Store,
    StoreFault,
)
from hl7bridge.store.memory.store import MemoryStore

MESSAGE_QUERIES = [
    MessageQuery(),
    MessageQuery(channel="clinic"),
    MessageQuery(channel="nowhere"),
    MessageQuery(type="ADT^A08", source="feed"),
    MessageQuery(source="nowhere"),
    MessageQuery(patient_key=2),
    MessageQuery(patient_key=2, since_us=8_000_000, until_us=20_000_000),
    MessageQuery(control_id="1", status=MessageStatus.ERROR),
    MessageQuery(status=MessageStatus.FILTERED, since_us=5_000_000),
    MessageQuery(original=3),
    MessageQuery(destination="rush"),
    MessageQuery(destination="nowhere"),
    MessageQuery(since_us=10_000_000, until_us=15_000_000),
    *[MessageQuery(delivery_status=status) for status in DeliveryStatus],
    *[MessageQuery(delivery_status=status, destination="tucson", patient_key=1) for status in DeliveryStatus],
]
DELIVERY_QUERIES = [
    DeliveryQuery(),
    DeliveryQuery(channel="pharmacy", destination="rush"),
    DeliveryQuery(channel="nowhere"),
    DeliveryQuery(message_id=3),
    DeliveryQuery(message_id=999),
    DeliveryQuery(since_us=8_000_000, until_us=20_000_000),
    DeliveryQuery(open=False, destination="medstar"),
    *[DeliveryQuery(open=True, destination=name) for name in (None, "rush", "nowhere")],
    *[
        DeliveryQuery(status=status, destination=name)
        for status in DeliveryStatus
        for name in (None, "tucson")
    ],
    DeliveryQuery(status=DeliveryStatus.FAILED, open=True),
]


@pytest.mark.parametrize("seed", range(8))
def test_the_same_batches_give_the_same_answers(kit: Any, rows: Any, seed: int) -> None:
    random = Random(seed)
    model = MemoryStore()
    open_ids: list[int] = []
    for number in range(25):
        batch = rows.random_batch(random, open_ids)
        refusals = []
        for store in (model, kit.store):
            try:
                store.commit(batch)
                refusals.append(None)
            except StoreFault as error:
                refusals.append(error.code)
        assert refusals[0] == refusals[1], f"seed {seed}, batch {number}"
        if random.random() < 0.1:
            assert model.recover(number) == kit.store.recover(number)
        if random.random() < 0.1:
            model = model.crash()
            kit.crash()
        if random.random() < 0.1:
            kit.store.checkpoint()
    compare(model, kit.store, random)
    compare(model, kit.reader(), random, writer=False)
    compare(model, kit.crash(), random)
    before = random.randrange(1, 30) * 1_000_000
    removed = [expired(store, before) for store in (model, kit.store)]
    assert removed[0] == removed[1], f"seed {seed}"
    compare(model, kit.crash(), random)


def expired(store: Store, before_us: int) -> int:
    """How many messages retention removes in all."""
    total = 0
    for _ in range(1000):
        removed = store.expire(before_us)
        total += removed.messages
        if not removed.more:
            return total
    raise AssertionError("retention comes to no end")


def compare(model: MemoryStore, store: Any, random: Random, writer: bool = True) -> None:
    """Ask both everything."""
    for query, newest_first in product(MESSAGE_QUERIES, (True, False)):
        whole = model.messages(query, None, 1000, newest_first)
        assert store.messages(query, None, 1000, newest_first) == whole, query
        after = random.choice(whole).id if whole else 10
        assert store.messages(query, after, 3, newest_first) == model.messages(
            query, after, 3, newest_first
        ), query
    for delivery_query, newest_first in product(DELIVERY_QUERIES, (True, False)):
        all_rows = model.deliveries(delivery_query, None, 1000, newest_first)
        assert store.deliveries(delivery_query, None, 1000, newest_first) == all_rows, delivery_query
        after = random.choice(all_rows).id if all_rows else 10
        page = model.deliveries(delivery_query, after, 3, newest_first)
        assert store.deliveries(delivery_query, after, 3, newest_first) == page, delivery_query
    for row in model.messages(MessageQuery(), None, 1000):
        have, want = store.message(row.id), model.message(row.id)
        assert (have.row, have.deliveries, have.attempts) == (want.row, want.deliveries, want.attempts)
        assert sorted(size for _, size in have.bodies) == sorted(size for _, size in want.bodies)
        for one, two in zip(have.deliveries, want.deliveries, strict=True):
            assert store.body(one.payload_ref) == model.body(two.payload_ref)
    for since in (0, 7_000_000, 1 << 50):
        assert store.stats(since) == model.stats(since)
    assert store.audit_rows(0, 10_000) == model.audit_rows(0, 10_000)
    for patients, after in product(((0,), (1, 2), (-1,), (3, 99)), (0, 7)):
        assert store.audit_of(patients, after, 3) == model.audit_of(patients, after, 3)
    assert store.audit_head() == model.audit_head()
    assert check(store).faults == []
    assert store.destinations_with_work() == model.destinations_with_work()
    for name in ("rush", "tucson", "medstar", "nowhere"):
        assert store.open_count(name) == model.open_count(name)
    if writer:
        compare_writer(model, store)


def compare_writer(model: MemoryStore, store: Store) -> None:
    """Ask both what only a writer is asked."""
    assert isinstance(store.counters(), Counters)
    assert store.counters() == model.counters()
    for name in ("rush", "tucson", "medstar", "nowhere"):
        for after, key in product((0, 12), (None, -1, 0, 1)):
            assert store.open_deliveries(name, after, 5, key) == model.open_deliveries(name, after, 5, key)
    for control_id, fingerprint, since in product(("1", "201", "C3"), range(4), (0, 9_000_000)):
        have = store.duplicate_of(control_id, 17, fingerprint, since)
        want = model.duplicate_of(control_id, 17, fingerprint, since)
        assert have == want, (control_id, fingerprint, since)

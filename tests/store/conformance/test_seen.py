"""What every store promises of what feeds have shown: each thing once, as it came first."""

from __future__ import annotations

import pytest

from hl7bridge.store.base import Batch, SeenKind, SeenRow, Store, StoreFault, Watched
from tests.store.conftest import MemoryKit, Rows, SqliteKit

FIELD = SeenRow("clinic", "ADT^A08", "PV1-44", SeenKind.FIELD, 0, 5, 70, False, "pharmacy.yaml:9:5")
CODE = SeenRow("clinic", "ADT^A08", "PV1-2", SeenKind.CODE, -(1 << 63), 6, 71, False, None)
LEARNED = SeenRow("clinic", "ORU^R01", "OBX", SeenKind.SEGMENT, 0, 7, 72, True, None)


def test_what_was_seen_is_found_by_its_feed(store: Store) -> None:
    store.commit(Batch(seen=[FIELD, CODE, LEARNED]))
    assert sorted(store.seen("clinic", "ADT^A08")) == sorted([FIELD, CODE])
    assert store.seen("clinic", "ORU^R01") == [LEARNED]
    assert store.seen("clinic", "") == store.seen("rush", "ADT^A08") == []


def test_it_stays_as_it_came_first(store: Store) -> None:
    store.commit(Batch(seen=[FIELD]))
    store.commit(Batch(seen=[FIELD._replace(at_us=9, message_id=99, learned=True), CODE, CODE]))
    assert sorted(store.seen("clinic", "ADT^A08")) == sorted([FIELD, CODE])


def test_news_are_what_was_not_learned_in_the_order_in_which_it_came(store: Store) -> None:
    store.commit(Batch(seen=[LEARNED, CODE, FIELD]))
    assert store.news(0, 100) == [FIELD, CODE]
    assert store.news(6, 100) == [CODE]
    assert store.news(0, 6) == [FIELD]
    assert store.news(0, 100, limit=1) == [FIELD]


def test_how_far_was_watched_moves_by_itself_and_outlives_a_crash(kit: MemoryKit | SqliteKit) -> None:
    assert kit.store.watched() is None
    kit.store.commit(Batch(seen=[FIELD], watched=Watched(70, 20_000)))
    kit.store.commit(Batch(watched=Watched(80, 20_001)))
    kit.store.commit(Batch(seen=[CODE]))
    store = kit.crash()
    assert store.watched() == Watched(80, 20_001)
    assert len(store.seen("clinic", "ADT^A08")) == 2


def test_a_batch_that_is_refused_was_not_seen(store: Store, rows: Rows) -> None:
    bad = rows.message(patient_keys=(), facts=((12, b"\x00b"),))
    with pytest.raises(StoreFault):
        store.commit(Batch(messages=[bad], seen=[FIELD], watched=Watched(1, 1)))
    assert store.seen("clinic", "ADT^A08") == []
    assert store.watched() is None


def test_a_row_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(StoreFault):
        store.commit(Batch(seen=[FIELD._replace(place=None)]))  # type: ignore[arg-type]

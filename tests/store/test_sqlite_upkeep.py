"""Files: what a store on a disk gives back, and that what is deleted cannot be read from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hl7bridge.store.base import Batch, MessageQuery, MessageStatus
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.store.sqlite import control, names, upkeep
from hl7bridge.store.sqlite.store import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.db")
    yield made
    made.close()


def size(tmp_path: Path, ending: str = "") -> int:
    return (tmp_path / f"store.db{ending}").stat().st_size


def fill(store: SqliteStore, rows: Any, messages: int, body: int = 3_000) -> None:
    """So many messages, all finished."""
    for _ in range(messages // 50):
        new = [rows.message(rows.delivery(), raw=b"MSH|SECRETNAME" * (body // 14)) for _ in range(50)]
        changes = [rows.sent(each.deliveries[0].id) for each in new]
        store.commit(Batch(messages=new, changes=changes))
        if store.checkpoint_due():
            store.checkpoint()


@pytest.mark.parametrize("holes", [50, 100_000])
def test_retention_gives_the_space_back(
    store: SqliteStore, rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holes: int
) -> None:
    monkeypatch.setattr(upkeep, "MOST_HOLES", holes)
    fill(store, rows, 2_000)
    store.checkpoint()
    before = size(tmp_path)
    assert before > 6_000_000
    while store.expire(1_900 * 1_000_000).more:
        if store.checkpoint_due():
            store.checkpoint()
    store.checkpoint()
    store.commit(Batch())
    assert size(tmp_path) < before / 2
    assert len(store.messages(MessageQuery(), limit=1000)) == 101
    assert store._database.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_was_deleted_is_in_no_file(store: SqliteStore, rows: Any, tmp_path: Path) -> None:
    fill(store, rows, 100)
    store.checkpoint()
    assert b"SECRETNAME" in (tmp_path / "store.db").read_bytes()
    while store.expire(1 << 60).more:
        pass
    store.close()
    assert b"SECRETNAME" not in (tmp_path / "store.db").read_bytes()
    assert not (tmp_path / "store.db-wal").exists()


def test_the_wal_begins_again_when_the_engine_heeds_or_forgets_the_checkpoint(
    store: SqliteStore, rows: Any, tmp_path: Path
) -> None:
    fill(store, rows, 3_000)
    heeded = size(tmp_path, "-wal")
    assert heeded < 12_000_000
    for _ in range(60):
        store.commit(rows.batch(*[rows.message(raw=b"x" * 3_000) for _ in range(200)]))
    assert size(tmp_path, "-wal") < 40_000_000
    assert size(tmp_path) > 30_000_000


def test_a_large_message_is_kept_and_removed(store: SqliteStore, rows: Any, tmp_path: Path) -> None:
    large = rows.message(rows.delivery(), raw=b"x" * 10_000_000, payloads=(b"y" * 10_000_000,))
    store.commit(rows.batch(large))
    store.commit(Batch(changes=[rows.sent(1)]))
    assert [size for _, size in store.message(large.id).bodies] == [10_000_000, 10_000_000]  # type: ignore[union-attr]
    assert store.body(large.id << 16 | 1) == large.payloads[0]
    while store.expire(1 << 60).more:
        pass
    store.checkpoint()
    assert size(tmp_path) < 3_000_000


@pytest.mark.parametrize("seed", range(4))
def test_every_earlier_message_is_found_while_entries_are_carried_on(
    tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(control, "WAITING", 60)
    monkeypatch.setattr(control, "_AT_ONCE", 5)
    monkeypatch.setattr(control, "_LONGEST", 6)
    random = Random(seed)
    model, path = MemoryStore(), tmp_path / "store.db"
    store = SqliteStore(path)
    late: list[Any] = []
    asked = [(f"C{n}", sender, fingerprint) for n in range(40) for sender in (1, 2) for fingerprint in (1, 2)]
    for number in range(120):
        new = []
        for _ in range(random.randrange(1, 9)):
            control_id, sender, fingerprint = random.choice(asked)
            duplicate = random.random() < 0.1
            message = rows.message(
                control_id=control_id,
                sender=sender,
                fingerprint=fingerprint,
                status=MessageStatus.DUPLICATE if duplicate else MessageStatus.RECEIVED,
            )
            # Some messages become durable long after others that have a higher number.
            (late if random.random() < 0.1 else new).append(message)
        if random.random() < 0.1:
            new, late = new + late, []
        for each in (model, store):
            each.commit(Batch(messages=new))
        if random.random() < 0.1:
            store.close()
            store = SqliteStore(path)
        if number % 10 == 9:
            since = random.choice((0, rows.messages * 500_000))
            for control_id, sender, fingerprint in asked:
                have = store.duplicate_of(control_id, sender, fingerprint, since)
                assert have == model.duplicate_of(control_id, sender, fingerprint, since), f"seed {seed}"
    count, mark = store._conn.execute(
        "SELECT (SELECT count(*) FROM control), (SELECT value FROM setting WHERE name = 'control')"
    ).fetchone()
    assert count > 300
    assert mark > 0
    store.close()


def test_old_control_ids_go_with_their_part(
    store: SqliteStore, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "WAITING", 1)
    for start in (1, 1 << 22, 2 << 22):
        rows.messages = start
        for _ in range(20):
            store.commit(rows.batch(*[rows.message(received_us=start + 1) for _ in range(60)]))
    assert store._conn.execute("SELECT count(DISTINCT part) FROM control").fetchone() == (3,)
    assert store.duplicate_of(f"C{(1 << 22) + 5}", 17, 1000 + (1 << 22) + 5, 0) is not None
    while store.expire((1 << 22) + 2).more:
        pass
    assert store._conn.execute("SELECT DISTINCT part FROM control").fetchall() == [(2,)]
    assert len(store.messages(MessageQuery(), limit=5_000)) == 1_200


def test_names_that_vary_too_much_cost_memory_only_so_long(
    store: SqliteStore, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 20)
    for number in range(50):
        reason = f"reason {number}"
        store.commit(rows.batch(rows.message(rows.delivery(reason=reason), source=f"feed {number % 7}")))
        store.commit(rows.batch(rows.message(outcomes=(("pharmacy", "ERROR", reason),))))
    assert len(store._names) < 30
    found = store.messages(MessageQuery(source="feed 3"))
    assert {row.source for row in found} == {"feed 3"}
    details = [store.message(row.id) for row in found]
    assert [d.deliveries[0].reason for d in details if d] == [f"reason {n}" for n in range(45, 0, -7)]

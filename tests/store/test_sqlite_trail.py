"""The audit trail in a file: whatever is changed in it is found, at its row; its index is written in runs and survives a crash."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hl7bridge.store.audit_check import check
from hl7bridge.store.base import Batch, DeliveryStatus, View, records_of
from hl7bridge.store.rows.audit import AuditHead
from hl7bridge.store.sqlite import trail as of_sqlite
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.store.sqlite.store import SqliteStore

ROWS = 40


@pytest.fixture
def trail(tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with some whole runs and some rows in none, and 20 deliveries that were sent; closed."""
    monkeypatch.setattr(of_sqlite, "RUN_ENTRIES", 10)
    monkeypatch.setattr(of_sqlite, "_BUCKETS", 4)
    monkeypatch.setattr(of_sqlite, "_SHIFT", 62)
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    for number in range(1, ROWS // 2 + 1):
        store.commit(rows.batch(rows.message(rows.delivery(status=DeliveryStatus.SENDING))))
        store.commit(Batch(changes=[rows.sent(number, at_us=number)]))
        store.commit(Batch(views=[View(number, "sue", "show", number, (number, 99))]))
    assert store._conn.execute("SELECT count(*) FROM audit_run").fetchone()[0] > 1
    store.close()
    return path


def tampered(path: Path, *statements: str) -> list[str]:
    conn = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        conn.execute(statement)
    conn.close()
    reader = SqliteReader(path)
    faults = check(reader).faults
    reader.close()
    return faults


@pytest.mark.parametrize("row", [1, 2, 17, ROWS])
@pytest.mark.parametrize(
    "what",
    [
        "at_us = at_us + 1",
        "data = CAST(replace(CAST(data AS TEXT), '[[', '[ [') AS BLOB)",
        "hash = zeroblob(32)",
        "hash = x'00'",
        "data = x''",
    ],
)
def test_a_changed_row_is_named(trail: Path, row: int, what: str) -> None:
    [fault] = tampered(trail, f"UPDATE audit SET {what} WHERE sequence = {row}")
    assert fault.startswith(f"row {row}: its hash")


@pytest.mark.parametrize("row", [1, 2, 17])
def test_a_row_left_out_is_named(trail: Path, row: int) -> None:
    assert tampered(trail, f"DELETE FROM audit WHERE sequence = {row}")[0].startswith(f"row {row}: ")


def test_rows_that_change_places_are_found(trail: Path) -> None:
    move = "UPDATE audit SET sequence = {} WHERE sequence = {}"
    faults = tampered(trail, move.format(1000, 7), move.format(7, 8), move.format(8, 1000))
    assert faults[0].startswith("row 7: its hash")


def test_a_row_put_in_at_the_end_is_found(trail: Path) -> None:
    assert tampered(
        trail, f"INSERT INTO audit SELECT {ROWS + 1}, at_us, data, hash FROM audit WHERE sequence = 5"
    )[0].startswith(f"row {ROWS + 1}: its hash")


def test_the_end_cut_off_is_found_by_what_was_sent(trail: Path) -> None:
    [fault] = tampered(trail, f"DELETE FROM audit WHERE sequence > {ROWS - 2}", "DELETE FROM audit_patient")[
        :1
    ]
    assert fault == "1 delivery was sent and has no record: 20"


def test_the_beginning_cut_off_needs_a_row_that_says_so(trail: Path) -> None:
    forged = "INSERT INTO audit_anchor SELECT 1, sequence, at_us, hash FROM audit WHERE sequence = 9"
    faults = tampered(trail, forged, "DELETE FROM audit WHERE sequence <= 9")
    assert "the rows up to 9 are gone, and no row of the trail says that retention took them" in faults


def test_a_chain_written_anew_is_found_by_a_head_that_was_kept_and_by_nothing_else(
    trail: Path, tmp_path: Path
) -> None:
    reader = SqliteReader(trail)
    heads = [AuditHead(row.sequence, 0, row.hash) for row in reader.audit_rows(20, 3)]
    told = [record for row in reader.audit_rows(0, 100) for record in records_of(row)]
    deliveries = [record.delivery for record in told if record.kind == "sent"]
    assert check(reader, heads).faults == []
    reader.close()
    conn = sqlite3.connect(trail, isolation_level=None)
    for table in ("audit", "audit_run", "audit_patient"):
        conn.execute(f"DELETE FROM {table}")
    conn.close()
    forger = SqliteStore(trail)
    for _ in range(22):
        forger.commit(Batch(views=[View(1, "nobody", "show")]))
    assert deliveries
    # A forger who is thorough: the deliveries count as sent before there was a trail.
    assert check(forger).faults == []
    faults = check(forger, heads).faults
    forger.close()
    assert faults == [
        "row 21: it is not the one that was kept as a head: the trail was written anew up to here"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_patient WHERE key = 99 AND sequence = (SELECT min(sequence) FROM audit_patient WHERE key = 99)",
        "UPDATE audit_patient SET key = 77 WHERE key = 99",
        "INSERT INTO audit_patient SELECT run, 5555, sequence FROM audit_patient LIMIT 1",
    ],
)
def test_an_index_that_hides_somebody_is_found(trail: Path, statement: str) -> None:
    [fault] = tampered(trail, statement)
    assert "the index by patient does not agree" in fault


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"2[[],[]]",
        b"1",
        b"1[]",
        b"1[[[[]]],[[0,0]]]",
        b"1[[],[[0]]]",
        b'1[[["view","a","b"]],[[0,0,1,"x",null,[1]]]]',
        b'1[[["view","a","b"]],[[0,0,1,99999999999999999999]]]',
        b'1[[["view"]],[[0,0,1]]]',
        b'1[[["gossip",1,2]],[[0,0,1]]]',
        b"1" + b"[" * 100_000,
    ],
)
def test_a_trail_that_was_tampered_with_keeps_nobody_from_working(trail: Path, data: bytes) -> None:
    conn = sqlite3.connect(trail)
    with conn:
        conn.execute("UPDATE audit SET data = ? WHERE sequence > 30", (data,))
    conn.close()
    store = SqliteStore(trail)
    store.commit(Batch(views=[View(1, "sue", "show", None, (7,))]))
    assert store.audit_of([7])
    assert check(store).faults[0].startswith("row 31: ")
    store.close()


def test_an_index_that_a_crash_interrupted_is_whole_again(trail: Path, tmp_path: Path, rows: Any) -> None:
    store = SqliteStore(trail)
    for number in range(100, 160):
        store.commit(Batch(views=[View(number, "sue", "show", number, (number, -99))]))
        if number % 7 == 0:  # the file as it is at this moment, in the midst of a run
            crashed = tmp_path / f"{number}.db"
            for end in ("", "-wal"):
                if Path(f"{trail}{end}").exists():
                    shutil.copy(f"{trail}{end}", f"{crashed}{end}")
            again = SqliteStore(crashed)
            for more in range(30):
                again.commit(Batch(views=[View(more, "tom", "show", more, (-99, more))]))
            assert check(again).faults == []
            assert len(again.audit_of([-99], 0, 1000)) == number - 99 + 30
            again.close()
    store.close()


def test_a_store_from_before_the_trail_accuses_nobody(tmp_path: Path, rows: Any) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.commit(rows.batch(*[rows.message(rows.delivery(status=DeliveryStatus.SENDING)) for _ in range(3)]))
    store.commit(Batch(changes=[rows.sent(1), rows.sent(2)]))
    store.close()
    conn = sqlite3.connect(path)
    with conn:
        conn.execute("DELETE FROM audit")  # as if only now brought up to the version that has one
    conn.close()
    store = SqliteStore(path)
    store.recover(50)
    store.commit(Batch(changes=[rows.sent(3, at_us=60)]))
    assert check(store).faults == []
    store.close()

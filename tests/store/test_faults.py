"""When the world fails: what an SQLite store then says, and what is in it afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import pytest

from hl7bridge.store.base import (
    Batch,
    DeliveryQuery,
    MessageQuery,
    StoreBusy,
    StoreError,
    StoreFault,
    StoreFull,
    StoreUnusable,
)
from hl7bridge.store.sqlite.connect import APPLICATION_ID, assert_durable
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "power_cut"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store.db"


def ids(path: Path) -> list[int]:
    """What the next process finds."""
    store = SqliteStore(path)
    try:
        (said,) = store._database.conn.execute("PRAGMA integrity_check").fetchone()
        assert said == "ok"
        return [row.id for row in store.messages(MessageQuery(), newest_first=False)]
    finally:
        store.close()


# A crash inside a transaction


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "INSERT INTO message",
        "INSERT INTO body",
        "INSERT INTO delivery",
        "INSERT OR IGNORE INTO search",
        "INSERT INTO slice",
        "UPDATE delivery",
        "INSERT INTO name",
        "COMMIT",
    ],
)
def test_a_crash_between_two_writes_leaves_nothing_of_the_batch(
    path: Path, rows: Any, statement: str
) -> None:
    first = SqliteStore(path)
    first.commit(rows.batch(rows.message(rows.delivery())))
    first.close()
    child = os.fork()
    if child == 0:
        store = SqliteStore(path)

        def die(sql: str) -> None:
            if sql.startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        store._database.conn.set_trace_callback(die)
        store.commit(Batch(messages=[rows.message(rows.delivery("new"))], changes=[rows.sent(1)]))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{statement} was never run"
    assert ids(path) == [1]
    store = SqliteStore(path)
    assert [row.status for row in store.deliveries(DeliveryQuery())] == [0]
    store.close()


def test_a_connection_dropped_in_a_transaction_leaves_nothing(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    store.commit(rows.batch(rows.message()))
    store._database.conn.execute("BEGIN")
    store._keep(rows.batch(rows.message()))
    store.close()
    assert ids(path) == [1]


# Durability is asserted


@pytest.mark.parametrize(
    "undone",
    ["synchronous = NORMAL", "synchronous = OFF", "wal_autocheckpoint = 1000", "secure_delete = OFF"],
)
def test_a_connection_that_would_not_be_durable_is_refused(path: Path, undone: str) -> None:
    store = SqliteStore(path)
    conn = store._database.conn
    assert_durable(conn, path)
    conn.execute(f"PRAGMA {undone}")
    with pytest.raises(StoreUnusable, match=undone.split()[0]):
        assert_durable(conn, path)
    store.close()


def test_a_file_that_cannot_give_space_back_is_refused_at_opening(path: Path) -> None:
    SqliteStore(path).close()
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA auto_vacuum = NONE")
    conn.execute("VACUUM")
    conn.close()
    with pytest.raises(StoreUnusable, match="auto_vacuum"):
        SqliteStore(path)


def test_only_the_owner_may_read_the_files(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    store.commit(rows.batch(rows.message()))
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "store.db": 0o600,
        "store.db-wal": 0o600,
        "store.db-shm": 0o600,
        "store.db.lock": 0o600,
    }
    store.close()


# A full disk


def test_a_store_without_room_says_so_and_goes_on_once_there_is_some(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    conn = store._database.conn
    store.commit(rows.batch(rows.message(rows.delivery())))
    conn.execute("PRAGMA max_page_count = 60")
    big = rows.message(rows.delivery("elsewhere"), raw=b"x" * 900_000)
    for _ in range(2):
        with pytest.raises(StoreFull, match="full"):
            store.commit(Batch(messages=[big], changes=[rows.sent(1)]))
    assert store.open_count("rush") == 1
    assert store.open_count("elsewhere") == 0
    store.commit(Batch(changes=[rows.sent(1)]))
    conn.execute("PRAGMA max_page_count = 100000")
    store.commit(rows.batch(big))
    assert store.open_count("elsewhere") == 1
    store.close()
    assert ids(path) == [1, 2]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount a small disk")
def test_a_disk_that_is_full_and_then_is_not(tmp_path: Path, rows: Any) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", small], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        filler = small / "filler"
        filler.write_bytes(b"\0" * 900_000)
        store = SqliteStore(small / "store.db")
        kept = []

        def fill() -> None:
            for _ in range(100):
                message = rows.message(raw=b"x" * 30_000)
                store.commit(rows.batch(message))
                kept.append(message.id)
                if store.checkpoint_due():
                    store.checkpoint()

        with pytest.raises(StoreFull):
            fill()
        assert kept
        with pytest.raises(StoreFull):
            store.commit(rows.batch(rows.message(raw=b"x" * 30_000)))
        filler.unlink()
        last = rows.message(raw=b"x" * 30_000)
        store.commit(rows.batch(last))
        store.close()
        assert ids(small / "store.db") == [*kept, last.id]
    finally:
        subprocess.run(["umount", small], check=True)


# A disk that fails


def steps(disk: Path, tmp_path: Path, *what: str) -> list[str]:
    """Take steps in a process of its own on a disk that fails on demand; how each went."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "live").mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(disk),
        "DISK_FOLDER": str(tmp_path / "live"),
        "DISK_SHADOW": str(tmp_path / "shadow"),
        "DISK_FAULT": str(tmp_path / "fault"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, HERE / "failing.py", tmp_path / "live" / "store.db", *what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(what)
    return [each.split(":")[0] for each in said]


def test_an_input_output_error_in_a_commit_leaves_its_outcome_unknown_for_good(
    disk: Path, tmp_path: Path
) -> None:
    said = steps(
        disk, tmp_path, "commit", f"fdatasync:-wal:{EIO}", "commit", "well", "commit", "checkpoint", "expire"
    )
    assert said == ["ok", "ok", "StoreUnknown", "ok", "StoreUnknown", "StoreUnknown", "StoreUnknown"]
    assert ids(tmp_path / "live" / "store.db")[0] == 1


def test_an_input_output_error_in_a_checkpoint_is_not_passed_over(disk: Path, tmp_path: Path) -> None:
    said = steps(disk, tmp_path, "commit", f"fdatasync:.db:{EIO}", "commit", "checkpoint", "well", "commit")
    assert said == ["ok", "ok", "ok", "StoreUnknown", "ok", "StoreUnknown"]
    assert ids(tmp_path / "live" / "store.db") == [1, 2]


def test_a_full_disk_in_a_commit_says_no_and_the_store_goes_on(disk: Path, tmp_path: Path) -> None:
    said = steps(disk, tmp_path, "commit", f"pwrite:-wal:{ENOSPC}", "commit", "well", "commit", "checkpoint")
    assert said == ["ok", "ok", "StoreFull", "ok", "ok", "ok"]
    assert ids(tmp_path / "live" / "store.db") == [1, 3]


def test_a_full_disk_in_a_checkpoint_costs_nothing_that_was_kept(disk: Path, tmp_path: Path) -> None:
    said = steps(
        disk,
        tmp_path,
        "commit",
        f"pwrite:.db:{ENOSPC}",
        "checkpoint",
        "commit",
        "well",
        "checkpoint",
        "commit",
    )
    assert said == ["ok", "ok", "StoreFull", "ok", "ok", "ok", "ok"]
    assert ids(tmp_path / "live" / "store.db") == [1, 2, 3]


# A store that somebody else holds


def test_a_locked_database_is_busy_and_then_is_not(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    message = rows.message(rows.delivery())
    began = time.monotonic()
    with pytest.raises(StoreBusy):
        store.commit(rows.batch(message))
    assert time.monotonic() - began < 1
    assert store.messages(MessageQuery()) == []
    other.execute("ROLLBACK")
    other.close()
    store.commit(rows.batch(message))
    store.close()
    assert ids(path) == [1]


def test_a_second_writer_is_told_who_the_first_is(path: Path) -> None:
    first = SqliteStore(path)
    with pytest.raises(StoreUnusable, match=f"process {os.getpid()}"):
        SqliteStore(path)
    first.close()
    SqliteStore(path).close()


def test_a_reader_neither_writes_nor_keeps_the_wal_from_beginning_again(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    store.commit(rows.batch(rows.message()))
    reader = SqliteReader(path)
    assert len(reader.messages(MessageQuery())) == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._conn.execute("DELETE FROM message")
    for _ in range(30):
        store.commit(rows.batch(rows.message(raw=b"x" * 100_000)))
        assert reader.messages(MessageQuery(), limit=1)[0].id == rows.messages
        store.checkpoint()
    assert path.with_name("store.db-wal").stat().st_size < 1_000_000
    reader.close()
    store.close()


def test_a_reader_reads_what_a_killed_writer_left(path: Path, rows: Any) -> None:
    child = os.fork()
    if child == 0:
        SqliteStore(path).commit(rows.batch(rows.message()))
        os._exit(0)
    os.waitpid(child, 0)
    reader = SqliteReader(path)
    assert [row.id for row in reader.messages(MessageQuery())] == [1]
    reader.close()


# Files that are not what they should be


def damaged(path: Path, how: str) -> None:
    """Make a store and damage it."""
    store = SqliteStore(path)
    store.close()
    data = bytearray(path.read_bytes())
    if how == "not a database":
        data = bytearray(b"this is no database at all" * 100)
    elif how == "schema":
        data[100:8192] = os.urandom(8092)
    elif how == "cut":
        del data[9000:]
    elif how == "zeros":
        data = bytearray(len(data))
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["not a database", "schema", "cut", "zeros"])
@pytest.mark.parametrize("kind", [SqliteStore, SqliteReader])
def test_a_damaged_database_is_named_at_opening_with_what_to_do(path: Path, how: str, kind: Any) -> None:
    damaged(path, how)
    with pytest.raises(StoreUnusable) as refused:
        kind(path)
    said = str(refused.value)
    assert str(path) in said
    assert refused.value.hint
    assert refused.value.__cause__ is None
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_damage_found_later_loses_the_store(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    store.commit(rows.batch(*[rows.message(rows.delivery()) for _ in range(300)]))
    store.checkpoint()
    size = path.stat().st_size
    store._database.conn.execute("PRAGMA shrink_memory")
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with pytest.raises(StoreError) as refused:
        store.commit(rows.batch(rows.message(rows.delivery())))
    assert refused.value.code == "store-unknown"
    assert "backup" in (refused.value.hint or "")
    with pytest.raises(StoreError):
        store.commit(Batch())
    store.close()


@pytest.mark.parametrize("kind", [SqliteStore, SqliteReader])
def test_other_files_and_newer_stores_are_refused(path: Path, kind: Any) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="not a store of hl7bridge"):
        kind(path)
    assert path.read_bytes() == before
    conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(StoreUnusable, match="version 99"):
        kind(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for kind in (SqliteStore, SqliteReader):
        with pytest.raises(StoreUnusable, match="nowhere"):
            kind(tmp_path / "nowhere" / "store.db")


# Wrong content


def test_a_refusal_never_shows_what_was_in_the_message(path: Path, rows: Any) -> None:
    store = SqliteStore(path)
    store.commit(rows.batch(rows.message()))
    secret = "DOE^JANE"
    for wrong in (
        rows.message(control_id=secret + "\ud800"),
        rows.message(sender=secret),
        rows.message(received_us=secret),
        rows.message(rows.delivery(keys=(secret,))),
        rows.message(raw=secret),
        rows.message(id=1, control_id=secret),
        rows.message(patient_keys=(secret,)),
    ):
        with pytest.raises(StoreFault) as refused:
            store.commit(rows.batch(wrong))
        assert "DOE" not in str(refused.value)
        assert refused.value.__suppress_context__
    store.close()

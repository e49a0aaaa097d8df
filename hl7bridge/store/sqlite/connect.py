"""How an SQLite file becomes a connection that may be trusted, and what SQLite's errors mean.

A writer's connection is in WAL mode and synchronises at every commit; both are asserted at each opening,
and the opening fails where they do not hold. Checkpoints never run by themselves: an automatic checkpoint
hides the error of its sync, and a sync that failed must not be tried again as if nothing had been. Readers
open the file read-only. At most one connection writes and checkpoints (two of them can damage a WAL in
SQLite before 3.51.3), so a writer holds a lock on a file beside the store.

Refuses to know tables. Raises StoreUnusable at opening; `refused` turns an error of SQLite into the
store's own.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from hl7bridge.store.base import (
    StoreBusy,
    StoreError,
    StoreFault,
    StoreFull,
    StoreInUse,
    StoreUnknown,
    StoreUnusable,
)
from hl7bridge.store.sqlite import sql

#: Marks the file as ours ("HL7b").
APPLICATION_ID = 0x484C3762
#: Bytes of a page. 8 kB halves the number of pages that a group of messages touches, against SQLite's 4 kB.
PAGE_BYTES = 8192
#: Memory for pages of the writer and of a reader, in kB.
WRITER_CACHE_KB = 65_536
READER_CACHE_KB = 8_192
#: A WAL that grew beyond this (a reader held it, a huge message) is cut when it starts again.
WAL_KEPT_BYTES = 64 << 20
#: How long a call waits for somebody else's lock before it says StoreBusy.
BUSY_S = 0.1

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM}
_FAULT = {
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def refused(error: Exception, place: str) -> StoreError:
    """What an exception of the sqlite3 module during a call means for the caller of the store.

    sqlite3.Error with a result code: by the code (https://www.sqlite.org/rescode.html). What is neither
    busy, full nor a matter of content leaves the outcome unknown: I/O errors, damage, a disk that became
    read-only.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The sqlite3 module refuses values before SQLite sees them (a wrong type, a number of more than 64
        # bits).
        return StoreFault(f"a value cannot be stored: {type(error).__name__}", place=place)
    name = getattr(error, "sqlite_errorname", "?")
    primary = code & 0xFF
    if primary in _BUSY:
        return StoreBusy(
            f"the database is in use ({name})", place=place, hint="see which process holds it open"
        )
    if primary == sqlite3.SQLITE_FULL:
        return StoreFull("the disk that holds the store is full", place=place, hint="free some space")
    if primary in _FAULT:
        return StoreFault(f"the database refuses a row ({name}: {error})", place=place)
    hint = "look at the disk and the system's log; start again once it is well"
    if primary in _DAMAGED:
        hint = "stop, copy the damaged files away, and restore the store from a backup"
    return StoreUnknown(f"the database failed ({name}); what was kept is not known", place=place, hint=hint)


def unusable(error: sqlite3.Error, path: Path) -> StoreError:
    """What an exception of the sqlite3 module while opening means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreUnusable(
            "the database is damaged or is not a database",
            place=str(path),
            hint="move it away with its -wal file and restore a backup, or begin with an empty data folder",
        )
    if code in _BUSY:
        return StoreBusy("the database is locked", place=str(path), hint="see which process holds it open")
    if code == sqlite3.SQLITE_FULL:
        return StoreFull("the disk is full", place=str(path), hint="free some space")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return StoreUnusable(
            f"the database cannot be opened ({error})",
            place=str(path),
            hint="see the folder's owner and rights",
        )
    return StoreUnusable(
        f"the database cannot be read ({error})", place=str(path), hint="see the system's log"
    )


class WriterLock:
    """The right to write to a store: held from its making until `release`, or the end of the process."""

    def __init__(self, path: Path) -> None:
        beside = path.with_name(path.name + ".lock")
        try:
            self._file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnusable(
                f"the data folder cannot be written to ({error.strerror})",
                place=str(path.parent),
                hint="it must exist, and belong to the user that the engine runs as",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StoreInUse(
                f"the store is in use by process {holder}", place=str(path), hint="end that process first"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def open_writer(path: Path) -> Database:
    """Create or open the file for the one writer; the caller holds its `WriterLock`.

    Raises StoreUnusable where the file is damaged, of another program or a newer version, or would not be
    durable.
    """
    new = not path.exists() or path.stat().st_size == 0
    if new:
        # Patients' data: for the owner only. SQLite gives its companions the same rights.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        conn = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        raise unusable(error, path) from None
    try:
        database = Database(conn, recursive_triggers=False, execute_plugins=False)
        _recognise(conn, path)
        _settle(conn)
        migrate(database, path)
        assert_durable(conn, path)
        if new:
            _sync_folder(path.parent)
    except sqlite3.Error as error:
        conn.close()
        raise unusable(error, path) from None
    except BaseException:
        conn.close()
        raise
    return database


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing store read-only, beside a running engine or without one. Raises StoreUnusable,
    StoreBusy.
    """
    if not path.exists():
        raise StoreUnusable("there is no store", place=str(path), hint="see --data; the engine makes it")
    try:
        conn = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=1.0,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise unusable(error, path) from None
    try:
        conn.execute(f"PRAGMA cache_size = {-READER_CACHE_KB}")
        have = _one(conn, "PRAGMA user_version")
        if _one(conn, "PRAGMA application_id") != APPLICATION_ID:
            raise StoreUnusable("this is not a store of hl7bridge", place=str(path), hint="see --data")
        if have != newest():
            raise StoreUnusable(
                f"the store has version {have}, this program reads version {newest()}",
                place=str(path),
                hint="start the engine of this version once, or use the program of that version",
            )
    except sqlite3.Error as error:
        conn.close()
        raise unusable(error, path) from None
    except StoreError:
        conn.close()
        raise
    return conn


def newest() -> int:
    """The version of the schema that this program works with."""
    return sql.migrations()[-1][0]


def _is_empty(conn: sqlite3.Connection) -> bool:
    return not _one(conn, "SELECT count(*) FROM sqlite_schema")


def _recognise(conn: sqlite3.Connection, path: Path) -> None:
    """Before anything is changed: is the file new, or ours?"""
    if not _is_empty(conn) and _one(conn, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreUnusable("this is not a store of hl7bridge", place=str(path), hint="see --data")


def _settle(conn: sqlite3.Connection) -> None:
    """The settings of a writer. The first three only have an effect before the first table."""
    conn.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
    conn.execute("PRAGMA secure_delete = ON")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA wal_autocheckpoint = 0")
    conn.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    conn.execute(f"PRAGMA cache_size = {-WRITER_CACHE_KB}")
    conn.execute("PRAGMA temp_store = MEMORY")


def assert_durable(conn: sqlite3.Connection, path: Path) -> None:
    """No acknowledgement may rest on a connection of which this does not hold."""
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "auto_vacuum": 2,
        "secure_delete": 1,
    }
    for name, value in wanted.items():
        if _one(conn, f"PRAGMA {name}") != value:
            raise StoreUnusable(
                f"SQLite does not grant {name} = {value}, so nothing kept would be safe",
                place=str(path),
                hint="keep the data folder on a local disk of this machine",
            )


def migrate(database: Database, path: Path, steps: list[tuple[int, str]] | None = None) -> None:
    """Bring a new or older file up to date: each step that it has not had, in a transaction of its own."""
    have = _one(database.conn, "PRAGMA user_version")
    steps = sql.migrations() if steps is None else steps
    last = steps[-1][0]
    if have > last:
        raise StoreUnusable(
            f"the store has version {have}, this program knows versions up to {last}",
            place=str(path),
            hint="use the newer program that made it",
        )
    for number, source in steps:
        if number > have:
            apply_step(database, number, source)


def apply_step(database: Database, number: int, source: str) -> None:
    """Run the statements of one step and note its number, all in one transaction."""
    with database.atomic():
        for statement in statements(source):
            database.conn.execute(statement)
        database.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.conn.execute(f"PRAGMA user_version = {number}")


def statements(source: str) -> list[str]:
    """The single statements of an SQL text; each ends at the end of a line."""
    found: list[str] = []
    pending = ""
    for line in source.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
        raise ValueError("an SQL text ends within a statement")
    return found


def _one(conn: sqlite3.Connection, question: str) -> Any:
    row = conn.execute(question).fetchone()
    return None if row is None else row[0]


def _sync_folder(folder: Path) -> None:
    """The names of new files are durable only with their folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""An older store is brought up step by step and keeps what it has; a step happens wholly or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from hl7bridge.store.base import MessageQuery
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.connect import apply_step, migrate, newest, statements
from hl7bridge.store.sqlite.store import SqliteStore


def database() -> Database:
    return Database(sqlite3.connect(":memory:", isolation_level=None), recursive_triggers=False)


def test_a_store_of_the_first_version_is_brought_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    path.unlink()
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA page_size = 8192")
    conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
    old = Database(conn, recursive_triggers=False)
    apply_step(old, *sql.migrations()[0])
    conn.execute("INSERT INTO act (at_us, operator, verb, detail) VALUES (5, 'sue', 'hold', 'rush')")
    conn.close()
    store = SqliteStore(path)
    assert [act.operator for act in store.acts()] == ["sue"]
    assert store.facts([1]) == store.looks(1 << 60) == []
    store.close()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in sql.migrations()] == list(range(1, newest() + 1))


def test_an_older_store_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    one, two = newest() + 1, newest() + 2
    steps = [
        *sql.migrations(),
        (one, "ALTER TABLE act ADD COLUMN more TEXT;"),
        (two, "CREATE TABLE t (x) STRICT;"),
    ]
    conn = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(Database(conn, recursive_triggers=False), path, steps)
    # The first of them was right and stays; of the second nothing remains.
    assert conn.execute("PRAGMA user_version").fetchone() == (one,)
    steps[-1] = (two, "CREATE TABLE t (x TEXT) STRICT;\nDROP TABLE nothing;")
    with pytest.raises(sqlite3.OperationalError):
        migrate(Database(conn, recursive_triggers=False), path, steps)
    assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name = 't'").fetchone() == (0,)
    steps[-1] = (two, "CREATE TABLE t (x TEXT) STRICT;")
    migrate(Database(conn, recursive_triggers=False), path, steps)
    migrate(Database(conn, recursive_triggers=False), path, steps)
    assert conn.execute("PRAGMA user_version").fetchone() == (two,)
    conn.close()


def test_a_store_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    SqliteStore(path).close()
    other = tmp_path / "other.db"
    conn = sqlite3.connect(other)
    conn.execute("PRAGMA page_size = 8192")
    conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    store = SqliteStore(other)
    assert store.messages(MessageQuery()) == []
    store.close()


def test_a_text_of_sql_falls_into_its_statements() -> None:
    text = "-- a; comment\nCREATE TABLE a (x); -- ; more\nINSERT INTO a VALUES (';');\n"
    assert [part.split("\n")[-1][:6] for part in statements(text)] == ["CREATE", "INSERT"]
    with pytest.raises(ValueError, match="within a statement"):
        statements("CREATE TABLE a (x)")


def test_every_query_has_a_name_a_description_and_one_statement() -> None:
    for file in ("audit", "commit", "control", "programme", "read", "roster", "search", "upkeep"):
        assert sql.load(f"{file}.sql")
    for wrong in (
        "SELECT 1",
        "-- name: a\nSELECT 1",
        "-- name: a\n-- b.\nSELECT 1; SELECT 2;",
        "-- name: a\n-- b.\n",
    ):
        with pytest.raises(ValueError, match="quer"):
            sql.parse(wrong)

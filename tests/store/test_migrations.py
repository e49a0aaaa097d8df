"""A store that came up through every migration is the same as a new one; a migration happens wholly or not
at all.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from hl7bridge.store import sql
from hl7bridge.store.base import MessageQuery
from hl7bridge.store.sqlite import SqliteStore
from hl7bridge.store.sqlite_connect import apply_step, migrate, newest, statements


def schema(conn: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Every table and index as SQL, without its layout."""
    rows = conn.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    return [(kind, name, re.sub(r"\s+", " ", re.sub(r"--.*", "", text))) for kind, name, text in rows]


def database() -> Database:
    return Database(sqlite3.connect(":memory:", isolation_level=None), recursive_triggers=False)


def test_migrating_equals_creating() -> None:
    created, migrated = database(), database()
    apply_step(created, newest(), sql.text("schema.sql"))
    for number, source in sql.migrations():
        apply_step(migrated, number, source)
    assert schema(created.conn) == schema(migrated.conn)
    for pragma in ("user_version", "application_id"):
        assert (
            created.conn.execute(f"PRAGMA {pragma}").fetchone()
            == migrated.conn.execute(f"PRAGMA {pragma}").fetchone()
        )


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in sql.migrations()] == list(range(1, newest() + 1))


def test_an_older_store_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    steps = [
        *sql.migrations(),
        (2, "ALTER TABLE act ADD COLUMN more TEXT;"),
        (3, "CREATE TABLE t (x) STRICT;"),
    ]
    conn = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(Database(conn, recursive_triggers=False), path, steps)
    # The second step was right and stays; of the third nothing remains.
    assert conn.execute("PRAGMA user_version").fetchone() == (2,)
    steps[-1] = (3, "CREATE TABLE t (x TEXT) STRICT;\nDROP TABLE nothing;")
    with pytest.raises(sqlite3.OperationalError):
        migrate(Database(conn, recursive_triggers=False), path, steps)
    assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name = 't'").fetchone() == (0,)
    steps[-1] = (3, "CREATE TABLE t (x TEXT) STRICT;")
    migrate(Database(conn, recursive_triggers=False), path, steps)
    migrate(Database(conn, recursive_triggers=False), path, steps)
    assert conn.execute("PRAGMA user_version").fetchone() == (3,)
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
    for file in ("commit", "control", "read", "roster", "search", "staging", "upkeep"):
        assert sql.load(f"{file}.sql")
    for wrong in (
        "SELECT 1",
        "-- name: a\nSELECT 1",
        "-- name: a\n-- b.\nSELECT 1; SELECT 2;",
        "-- name: a\n-- b.\n",
    ):
        with pytest.raises(ValueError, match="quer"):
            sql.parse(wrong)

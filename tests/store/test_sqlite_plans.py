"""How SQLite means to run the statements: by the right index, and never by reading a large table from end
to end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.store import SqliteStore

LARGE = {
    "message",
    "body",
    "delivery",
    "search",
    "control",
    "roster",
    "attempt",
    "several_keys",
    "audit",
    "audit_patient",
    "seen",
    "m",
    "d",
}
#: Read wholly on purpose, or in the order of an index that holds only what is unfinished.
WHOLE = {
    "queued_by_destination",
    "sending_by_destination",
    "recover",
    "messages_unfinished",
    "deliveries_unfinished",
    "count_unfinished",
}
FILES = ("audit", "commit", "control", "read", "roster", "search", "seen", "upkeep")
EVERY = [(file, name) for file in FILES for name in sql.load(f"{file}.sql")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path_factory.mktemp("plans") / "store.db")
    yield made
    made.close()


def plan(store: SqliteStore, statement: str) -> list[str]:
    """The steps of a statement's plan."""
    numbered = re.sub(r":\w+", "?", re.sub(r"'[^']*'", "''", statement))
    places = max([numbered.count("?"), *[int(n) for n in re.findall(r"\?(\d+)", numbered)]])
    named = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    values = named or [1] * places
    if not named and re.search(r"\?\d", statement):
        values = [1] * max(int(n) for n in re.findall(r"\?(\d+)", statement))
    rows = store._conn.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_no_large_table_is_read_from_end_to_end(store: SqliteStore, file: str, name: str) -> None:
    steps = plan(store, sql.load(f"{file}.sql")[name])
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert name in WHOLE or not scanned & LARGE, steps


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("upkeep", "oldest"),
        ("upkeep", "several_keys"),
        ("upkeep", "delete_deliveries"),
        ("search", "delivery_counts"),
        ("search", "delivery_counts_since"),
        ("search", "deliveries"),
    ],
)
def test_a_range_of_deliveries_is_found_by_their_identifiers(
    store: SqliteStore, file: str, name: str
) -> None:
    """The small indexes of what is unfinished would lead to all of it, for each message anew."""
    (step,) = [
        step for step in plan(store, sql.load(f"{file}.sql")[name]) if re.match(r"SEARCH d(elivery)?\b", step)
    ]
    assert "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in step


def test_a_page_of_the_queue_is_in_order_without_sorting_it_all(store: SqliteStore) -> None:
    steps = plan(store, sql.load("read.sql")["open_deliveries"])
    assert [s for s in steps if "delivery_queued" in s] == [
        "SEARCH delivery USING INDEX delivery_queued (destination=? AND position>?)"
    ] or any("USING COVERING INDEX delivery_queued (destination=? AND position>?)" in s for s in steps)

"""Lists of patients: invisible until published, whole or not at all, with a report of what changed."""

from __future__ import annotations

from dataclasses import astuple
from itertools import islice
from random import Random
from typing import Any

import pytest

from hl7bridge.store.base import (
    AssignmentRow,
    RosterEntry,
    RosterFile,
    RosterMatch,
    RosterReport,
    Store,
    StoreFault,
)
from hl7bridge.store.memory.store import MemoryStore
from tests.store.conftest import Rows

KEYS = (-(1 << 63), -(1 << 62), -5, 0, 7, 1 << 62, (1 << 63) - 1)
#: 2026-11-21 12:00 UTC.
NOON_US = 1_795_262_400_000_000


def entries(*keys: int, **fields: Any) -> list[RosterEntry]:
    return [RosterEntry(key, **fields) for key in keys]


def staged(
    store: Store, affiliate: str, rows: list[RosterEntry], full: bool = True, chunk: int = 2
) -> RosterReport:
    """Stage a list to its end."""
    return list(store.stage_roster(affiliate, rows, full, 1, chunk))[-1]


def published(
    store: Store, affiliate: str, rows: list[RosterEntry], full: bool = True, chunk: int = 2
) -> RosterReport:
    """Stage and publish a list."""
    return store.publish_rosters([staged(store, affiliate, rows, full, chunk).load], 2)[0]


def counts(report: RosterReport) -> tuple[int, int, int, int, int]:
    return report.before, report.added, report.ended, report.changed, report.unchanged


def whose(store: Any, *keys: int) -> set[tuple[str, int]]:
    return {(row.affiliate, row.key) for row in store.roster_rows(keys)}


def test_a_list_counts_only_once_it_is_published(kit: Any) -> None:
    store = kit.store
    report = staged(store, "rush", entries(1, 2, 3))
    assert counts(report) == (0, 3, 0, 0, 0)
    assert store.roster_rows([1, 2, 3]) == []
    assert store.roster_generation() == 0
    store = kit.crash()
    assert store.roster_rows([1, 2, 3]) == []
    assert store.publish_rosters([report.load], 9) == [report]
    for each in (store, kit.reader(), kit.crash()):
        assert whose(each, 3, 1, 7, 1) == {("rush", 1), ("rush", 3)}
        assert each.roster_generation() == 1


def test_a_row_is_read_as_it_was_listed(store: Store) -> None:
    published(store, "rush", [RosterEntry(-9, 20240101, 20251231, "1234567893", True), RosterEntry(4)])
    assert store.roster_rows([-9, 4]) == [
        RosterMatch(-9, "rush", 20240101, 20251231, "1234567893", True),
        RosterMatch(4, "rush", None, None, None, False),
    ]


def test_a_full_list_ends_what_it_leaves_out_and_touches_no_other_affiliate(store: Store) -> None:
    published(store, "rush", entries(1, 2, 3, 4, 5))
    published(store, "tucson", entries(1, 2))
    report = staged(store, "rush", [*entries(2, 3), *entries(4, npi="1"), *entries(9)])
    assert counts(report) == (5, 1, 2, 1, 2)
    assert whose(store, *range(10)) == {("rush", n) for n in range(1, 6)} | {("tucson", 1), ("tucson", 2)}
    store.publish_rosters([report.load], 3)
    assert whose(store, *range(10)) == {("rush", n) for n in (2, 3, 4, 9)} | {("tucson", 1), ("tucson", 2)}
    assert {row.npi for row in store.roster_rows([4])} == {"1"}
    assert store.roster_generation() == 3
    assert counts(staged(store, "rush", [])) == (4, 0, 4, 0, 0)


def test_a_delta_adds_changes_and_ends(store: Store) -> None:
    published(store, "rush", [*entries(1, 2), RosterEntry(3, 20240101), RosterEntry(3, 20260101)])
    delta = [
        RosterEntry(2, ended=True),
        RosterEntry(3, 20240101, ended=True),
        RosterEntry(4),
        RosterEntry(1, opt_out=True),
        RosterEntry(8, ended=True),
    ]
    report = published(store, "rush", delta, full=False)
    assert counts(report) == (4, 1, 2, 1, 1)
    found = {(row.key, row.valid_from, row.opt_out) for row in store.roster_rows(range(10))}
    assert found == {(1, None, True), (3, 20260101, False), (4, None, False)}


def test_the_last_word_of_a_list_counts(store: Store) -> None:
    rows = [RosterEntry(1, npi="1"), RosterEntry(1, npi="2"), RosterEntry(2), RosterEntry(2, ended=True)]
    published(store, "rush", rows)
    assert [(row.key, row.npi) for row in store.roster_rows([1, 2])] == [(1, "2")]
    back = [RosterEntry(1, ended=True), RosterEntry(1, npi="3")]
    assert counts(published(store, "rush", back, full=False)) == (1, 0, 0, 1, 0)
    assert [(row.key, row.npi) for row in store.roster_rows([1])] == [(1, "3")]


@pytest.mark.parametrize("steps", [1, 4, 6, 7, 8, 20])
def test_a_list_that_was_begun_and_left_changes_nothing_for_the_next(kit: Any, steps: int) -> None:
    store = kit.store
    published(store, "rush", entries(1, 2, 3))
    for _ in islice(store.stage_roster("rush", entries(3, 4, 5, 6), True, 1, 1), steps):
        assert whose(store, *range(9)) == {("rush", 1), ("rush", 2), ("rush", 3)}
    store = kit.crash()
    assert whose(store, *range(9)) == {("rush", 1), ("rush", 2), ("rush", 3)}
    report = published(store, "rush", entries(1, 4))
    assert counts(report) == (3, 1, 2, 0, 1)
    assert whose(store, *range(9)) == {("rush", 1), ("rush", 4)}


def test_only_the_newest_complete_list_of_an_affiliate_may_be_published(store: Store) -> None:
    older = staged(store, "rush", entries(1))
    steps = store.stage_roster("rush", entries(1, 2, 3), True, 1, 1)
    incomplete = next(steps)
    for load in (older.load, incomplete.load, 99):
        with pytest.raises(StoreFault):
            store.publish_rosters([load], 1)
    whole = list(steps)[-1]
    store.publish_rosters([whole.load], 1)
    with pytest.raises(StoreFault):
        store.publish_rosters([whole.load], 1)
    assert whose(store, 1, 2, 3) == {("rush", 1), ("rush", 2), ("rush", 3)}


def test_several_lists_are_published_together_or_none_of_them(kit: Any) -> None:
    store = kit.store
    published(store, "rush", entries(1))
    loads = [staged(store, "rush", entries(2)).load, staged(store, "tucson", entries(3)).load]
    for refused in ([*loads, 99], [*loads, loads[0]]):
        with pytest.raises(StoreFault):
            store.publish_rosters(refused, 3)
        for each in (store, kit.reader()):
            assert whose(each, 1, 2, 3) == {("rush", 1)}
            assert each.roster_generation() == 1
    reports = store.publish_rosters(loads, 3)
    assert [report.affiliate for report in reports] == ["rush", "tucson"]
    for each in (store, kit.reader(), kit.crash()):
        assert whose(each, 1, 2, 3) == {("rush", 2), ("tucson", 3)}
        assert each.roster_generation() == 3
    assert kit.store.publish_rosters([], 4) == []


@pytest.mark.parametrize("seed", range(5))
def test_any_lists_give_the_rows_that_the_model_gives(kit: Any, seed: int) -> None:
    random = Random(seed)
    model = MemoryStore()
    for _ in range(12):
        rows = [
            RosterEntry(
                random.choice(KEYS),
                random.choice((None, 20240101, 20250101)),
                random.choice((None, 20260101)),
                random.choice((None, "1", "2")),
                random.random() < 0.2,
                random.random() < 0.2,
            )
            for _ in range(random.randrange(10))
        ]
        name, full, chunk = random.choice(("rush", "tucson")), random.random() < 0.5, random.randrange(1, 4)
        reports = [staged(store, name, rows, full, chunk) for store in (model, kit.store)]
        assert reports[0] == reports[1]
        if random.random() < 0.7:
            for store in (model, kit.store):
                store.publish_rosters([reports[0].load], 5)
        if random.random() < 0.2:
            kit.crash()
            model = model.crash()
        order = sorted(model.roster_rows(KEYS), key=str)
        assert sorted(kit.store.roster_rows(KEYS), key=str) == order
        assert sorted(kit.reader().roster_rows(KEYS), key=str) == order
        assert kit.store.roster_generation() == model.roster_generation()


def test_the_patients_of_a_roster_come_in_pages_each_once(store: Store) -> None:
    least, most = -(1 << 63), (1 << 63) - 1
    rows = [
        *entries(least, 5, 7, most),
        RosterEntry(5, 20260101),
        RosterEntry(6, 20250101, 20251231, None, True),
    ]
    published(store, "rush", rows)
    published(store, "medstar", entries(8))
    assert store.roster_patients("rush") == [least, 5, 6, 7, most]
    assert store.roster_patients("rush", limit=2) == [least, 5]
    assert store.roster_patients("rush", 6, 2) == [6, 7]
    assert store.roster_patients("rush", most) == [most]
    assert store.roster_patients("nobody") == []


def test_only_published_rows_make_patients_of_a_roster(store: Store) -> None:
    published(store, "rush", entries(1, 2))
    load = staged(store, "rush", entries(2, 3)).load
    assert store.roster_patients("rush") == [1, 2]
    store.publish_rosters([load], 3)
    assert store.roster_patients("rush") == [2, 3]


def test_an_end_with_a_day_closes_what_would_go_on_and_takes_what_begins_later(store: Store) -> None:
    published(store, "rush", [RosterEntry(1), RosterEntry(2, 20260101), RosterEntry(2, 20270101)])
    end = [RosterEntry(key, None, 20261130, ended=True) for key in (1, 2, 3)]
    report = published(store, "rush", end, full=False)
    assert counts(report) == (3, 0, 1, 2, 0)
    assert [(row.key, row.valid_from, row.valid_through) for row in store.roster_rows([1, 2, 3])] == [
        (1, None, 20261130),
        (2, 20260101, 20261130),
    ]
    assert counts(published(store, "rush", end, full=False)) == (2, 0, 0, 0, 2), (
        "said again it changes nothing"
    )


@pytest.mark.parametrize(
    ("before", "after", "back"),
    [
        ([], [RosterEntry(1, 20261121)], 0),
        ([], [RosterEntry(1, 20261120)], 1),
        ([], [RosterEntry(1)], 1),
        ([], [RosterEntry(1, opt_out=True)], 0),
        ([RosterEntry(1)], [RosterEntry(1, npi="1")], 0),
        ([RosterEntry(1, opt_out=True)], [RosterEntry(1)], 1),
        ([RosterEntry(1, None, 20261101)], [RosterEntry(1)], 1),
        ([RosterEntry(1, None, 20261101)], [RosterEntry(1, None, 20261102)], 1),
        ([RosterEntry(1, None, 20261122)], [RosterEntry(1)], 0),
    ],
)
def test_rows_that_cover_days_gone_by_are_counted(
    store: Store, before: list[RosterEntry], after: list[RosterEntry], back: int
) -> None:
    published(store, "rush", before)
    *_, report = store.stage_roster("rush", after, True, NOON_US, 2)
    assert report.dated_back == back
    assert store.publish_rosters([report.load], NOON_US) == [report]


def test_the_files_of_a_list_are_known_once_it_is_published(kit: Any) -> None:
    store = kit.store
    files = [RosterFile("rush", "a", True), RosterFile("rush", "b", False), RosterFile("tucson", "a", True)]
    report = staged(store, "rush", entries(1))
    with pytest.raises(StoreFault):
        store.publish_rosters([99], 1, files)
    assert store.roster_files("rush") == []
    store.publish_rosters([report.load], 1, files)
    for each in (store, kit.reader(), kit.crash()):
        assert each.roster_files("rush") == files[:2]
        assert each.roster_files("nowhere") == []


def test_what_a_message_says_of_a_list_counts_with_the_message(kit: Any, rows: Rows) -> None:
    store = kit.store
    published(store, "rush", [RosterEntry(1, 20260101, 20261231, "1"), RosterEntry(2, opt_out=True)])
    generation = store.roster_generation()
    said = [
        AssignmentRow("rush", 1, 20260601, "2", False),
        AssignmentRow("rush", 2, 20260601, "2", False),
        AssignmentRow("rush", 3, 20260601, None, False),
        AssignmentRow("tucson", 3, 20260601, "9", False),
        AssignmentRow("rush", 3, 20260701, None, False),
        AssignmentRow("rush", 4, 20260601, None, True),
    ]
    for row in said:
        store.commit(rows.batch(rows.message(assignments=(row,))))
    store = kit.crash()
    found = [tuple(row) for row in map(astuple, sorted(store.roster_rows([1, 2, 3, 4]), key=str))]
    assert found == [
        (1, "rush", 20260101, 20261231, "2", False),
        (2, "rush", None, None, "2", True),
        (3, "rush", 20260601, None, None, False),
        (3, "tucson", 20260601, None, "9", False),
    ]
    assert store.roster_generation() == generation + 4, "what says nothing new changes nothing"
    store.commit(rows.batch(rows.message(assignments=(AssignmentRow("rush", 1, 20260815, None, True),))))
    assert [row.valid_through for row in store.roster_rows([1])] == [20260815]
    assert counts(published(store, "rush", entries(3)))[:3] == (3, 1, 3)


def test_a_list_that_is_being_staged_is_not_outdated_by_what_messages_say(store: Store, rows: Rows) -> None:
    steps = store.stage_roster("rush", entries(1, 2), True, 1, 1)
    next(steps)
    store.commit(rows.batch(rows.message(assignments=(AssignmentRow("rush", 3, 20260601, None, False),))))
    *_, report = steps
    store.publish_rosters([report.load], 2)
    assert whose(store, 1, 2) == {("rush", 1), ("rush", 2)}
    published(store, "rush", entries(2))
    assert whose(store, 1, 2, 3) == {("rush", 2)}


def test_a_message_that_is_refused_changes_no_list(store: Store, rows: Rows) -> None:
    wrong = AssignmentRow("rush", 1, 20260601, None, False)._replace(day="soon")
    good = AssignmentRow("rush", 2, 20260601, None, False)
    with pytest.raises(StoreFault):
        store.commit(rows.batch(rows.message(assignments=(good,)), rows.message(assignments=(wrong,))))
    assert store.roster_rows([1, 2]) == []

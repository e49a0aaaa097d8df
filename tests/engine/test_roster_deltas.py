"""A hospital's list as it comes in real life: a full one each month, and each day what is other since."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from hl7bridge.affiliation.who.roster import RosterErrors
from hl7bridge.engine.lists.rosters import TooManyEnded
from hl7bridge.engine.operating.replay import Order, Progress, Replaying
from hl7bridge.store.base import MessageQuery
from hl7bridge.testing.world import World
from tests.engine.site import act, deliveries, order

Site = Callable[..., World]
AFFILIATE = """affiliate: rush
agreement: {pharmacy: 2016-01-01}
roster: {full: rosters/rush.csv, deltas: rosters/rush-*.csv}
send: {mllp: {host: 127.0.0.1, port: 6701}}
"""
CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [affiliates: pharmacy]\n"
HEAD = "id,authority,from,through,opt_out,change\n"
NUMBERS = count(1)


def write(world: World, name: str, *rows: str, head: str = HEAD) -> None:
    path = world.folder / "rosters" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + "".join(f"{row}\n" for row in rows))


def full(world: World, *patients: int) -> None:
    write(world, "rush.csv", *(f"{patient},RETAIL" for patient in patients), head="id,authority\n")


def reload(world: World) -> None:
    """Takes the folder as it is, or raises why not."""
    assert world.engine is not None
    for _ in world.engine.reload():
        world.run(0.01)


def patients(world: World) -> list[int]:
    """Those of 1 to 9 whose messages go to the hospital now."""
    client = world.client(2575)
    sent = [order(next(NUMBERS), patient) for patient in range(1, 10)]
    client.send(*sent)
    assert world.run(5, lambda: len(client.answers) == len(sent))
    rows = world.store.messages(MessageQuery(), None, len(sent))
    return [n for n, row in enumerate(reversed(rows), 1) if world.store.message(row.id).deliveries]


def counts(world: World) -> tuple[int, int, int, int]:
    assert world.engine is not None
    [report] = world.engine.rosters.reports
    return report.added, report.ended, report.changed, report.unchanged


@pytest.fixture
def rush(site: Site) -> World:
    world = site(pharmacy=CHANNEL, destinations__hospital="", affiliates__rush=AFFILIATE, start=False)
    full(world, 1, 2, 3)
    world.start()
    return world


def test_deltas_are_applied_once_each_in_the_order_of_their_names(rush: World) -> None:
    write(rush, "rush-2026-11-02.csv", "4,RETAIL,,,,end", "5,RETAIL,,,,add")
    write(rush, "rush-2026-11-01.csv", "4,RETAIL,,,,add", "1,RETAIL,,,,end")
    reload(rush)
    assert patients(rush) == [2, 3, 5]
    assert counts(rush) == (1, 1, 0, 2)
    reload(rush)
    assert rush.engine.rosters.reports == [], "nothing new"
    write(rush, "rush-2026-11-03.csv", "1,RETAIL,,,,", "2,RETAIL,,,yes,change", "3,RETAIL,,2026-11-01,,end")
    reload(rush)
    assert patients(rush) == [1, 5]
    assert counts(rush) == (1, 0, 2, 1)
    rush.crash()
    rush.start()
    assert patients(rush) == [1, 5], "the list as it is, not as the full one was"


def test_a_new_full_list_counts_for_itself_and_deltas_of_before_are_not_applied_again(rush: World) -> None:
    write(rush, "rush-11-01.csv", "1,RETAIL,,,,end", "7,RETAIL,,,,add")
    reload(rush)
    full(rush, 1, 2)
    write(rush, "rush-12-01.csv", "9,RETAIL,,,,add")
    reload(rush)
    assert patients(rush) == [1, 2, 9]


def test_a_store_that_has_had_nothing_takes_the_full_list_and_all_deltas(rush: World) -> None:
    write(rush, "rush-11-01.csv", "1,RETAIL,,,,end", "7,RETAIL,,,,add")
    rush.crash()
    rush._store = None
    rush.start()
    assert patients(rush) == [2, 3, 7]


def test_a_mistake_in_one_delta_keeps_all_of_them_out(rush: World) -> None:
    write(rush, "rush-11-01.csv", "8,RETAIL,,,,add")
    write(rush, "rush-11-02.csv", "9,RETAIL,,,,perhaps")
    with pytest.raises(RosterErrors, match="change is none of add, change and end"):
        reload(rush)
    assert patients(rush) == [1, 2, 3]
    write(rush, "rush-11-02.csv", "9,RETAIL,no", head="id,authority,ended\n")
    reload(rush)
    assert patients(rush) == [1, 2, 3, 8, 9]


def test_a_full_list_with_changes_is_a_mistake(rush: World) -> None:
    write(rush, "rush.csv", "1,RETAIL,,,,end")
    with pytest.raises(RosterErrors, match="a full list has no changes"):
        reload(rush)


# -- what waits ---------------------------------------------------------------------------------------------------------------


def queued(world: World) -> list[tuple[str, str | None]]:
    return [(row.status.name, row.reason) for row in deliveries(world)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("2,RETAIL,,,,end", "not on the roster on the event's date"),
        ("2,RETAIL,,,yes,change", "the patient has opted out"),
        ("2,RETAIL,,2026-11-20,,change", "not on the roster on the event's date"),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_what_waits_is_cancelled_when_its_patient_leaves_the_list(
    rush: World, change: str, reason: str, held: bool
) -> None:
    if held:
        act(rush, "hold", "rush")
    else:
        rush.network.listeners.pop(6701)
    patients(rush)
    rush.run(60)
    patients(rush)
    assert all(status in ("QUEUED", "SENDING") for status, _ in queued(rush)), "claims wait for a connection"
    write(rush, "rush-1.csv", change)
    reload(rush)
    rush.run(5)
    gone = ("CANCELLED", reason)
    assert [row == gone for row in queued(rush)] == [False, True, False] * 2
    act_ = rush.store.acts()[-1]
    assert (act_.operator, act_.verb, act_.detail) == ("roster", "cancel", "2 deliveries to rush")
    rush.crash()
    rush.start()
    rush.run(60)
    assert queued(rush)[1] == gone
    if held:
        act(rush, "release", "rush")
    else:
        rush.hospital(6701)
    rush.run(60)
    assert [status for status, _ in queued(rush)] == ["SENT", "CANCELLED", "SENT"] * 2


def test_a_long_queue_is_gone_through_and_one_that_a_stop_interrupted_at_the_next_start(rush: World) -> None:
    act(rush, "hold", "rush")
    for _ in range(90):
        patients(rush)
    write(rush, "rush-1.csv", "2,RETAIL,,,,end")
    reload(rush)
    rush.crash()
    rush.start()
    rush.run(20)
    statuses = [status for status, _ in queued(rush)]
    assert statuses.count("CANCELLED") == 90
    assert statuses == ["QUEUED", "CANCELLED", "QUEUED"] * 90
    act(rush, "release", "rush")
    rush.run(60)
    assert [status for status, _ in queued(rush)] == ["SENT", "CANCELLED", "SENT"] * 90


# -- what was dated back ------------------------------------------------------------------------------------------------------


def replay(world: World, *, dry_run: bool = False, names: tuple[str, ...] = ("rush",)) -> tuple[int, int]:
    """(messages, deliveries) of a replay of what is newly entitled."""
    last = Progress()
    for step in Replaying(world.engine).from_store(Order("nurse", newly=names, dry_run=dry_run)):
        last = step if isinstance(step, Progress) else last
        world.run(0.05)
    world.run(20)
    return last.replayed, last.deliveries


def got(world: World) -> list[str]:
    return [control_id.split("-")[0] for control_id, _ in world.ledger.delivered[6701]]


def test_rows_dated_back_send_nothing_until_somebody_replays_what_they_cover(rush: World) -> None:
    patients(rush)
    rush.run(20)
    assert got(rush) == ["1", "2", "3"]
    write(rush, "rush-1.csv", "4,RETAIL,2026-11-01,,,add", "5,RETAIL,2026-11-22,,,add")
    reload(rush)
    rush.run(20)
    assert rush.engine.rosters.reports[0].dated_back == 1
    assert got(rush) == ["1", "2", "3"]
    kept = len(rush.store.messages(MessageQuery(), None, 1000))
    assert replay(rush, dry_run=True) == (1, 1)
    assert len(rush.store.messages(MessageQuery(), None, 1000)) == kept
    assert replay(rush) == (1, 1)
    assert got(rush) == ["1", "2", "3", "4"]
    assert replay(rush) == (0, 0), "never twice"
    assert got(rush) == ["1", "2", "3", "4"]
    assert len(rush.store.messages(MessageQuery(), None, 1000)) == kept + 1


def test_what_was_cancelled_with_an_opt_out_goes_when_that_is_lifted(rush: World) -> None:
    act(rush, "hold", "rush")
    patients(rush)
    write(rush, "rush-1.csv", "2,RETAIL,,,yes,change")
    reload(rush)
    rush.run(5)
    act(rush, "release", "rush")
    rush.run(20)
    assert got(rush) == ["1", "3"]
    write(rush, "rush-2.csv", "2,RETAIL,,,no,change")
    reload(rush)
    assert rush.engine.rosters.reports[0].dated_back == 1
    assert replay(rush) == (1, 1)
    assert got(rush) == ["1", "3", "2"]


def test_what_an_operator_cancelled_stays_cancelled(rush: World) -> None:
    act(rush, "hold", "rush")
    patients(rush)
    act(rush, "cancel", [deliveries(rush)[0].id])
    act(rush, "release", "rush")
    rush.run(20)
    assert replay(rush) == (0, 0)
    assert got(rush) == ["2", "3"]


@pytest.mark.parametrize(
    ("before", "stay", "is_refused"),
    [(200, 189, True), (200, 190, False), (100, 49, True), (100, 50, False), (10, 4, True), (9, 0, False)],
)
def test_a_full_list_that_ends_many_needs_a_person_s_word(
    rush: World, before: int, stay: int, is_refused: bool
) -> None:
    full(rush, *range(1, before + 1))
    reload(rush)
    full(rush, *range(1, stay + 1))
    if is_refused:
        with pytest.raises(TooManyEnded, match=f"ends {before - stay} of {before} patients"):
            reload(rush)
        assert rush.engine is not None
        for _ in rush.engine.reload(accept_roster_ends=True):
            rush.run(0.01)
    else:
        reload(rush)
    assert counts(rush)[1] == before - stay

"""A store whose writer is a process of its own: what travels, who may end, and what is known then."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.store.base import (
    AssignmentRow,
    Batch,
    DeliveryChange,
    DeliveryStatus,
    Earlier,
    MessageStatus,
    NewDelivery,
    NewMessage,
    NoticeRow,
    RosterEntry,
    StoreInUse,
    StoreUnknown,
)
from hl7bridge.store.process import wire
from hl7bridge.store.process.separate import SeparateStore
from hl7bridge.store.sqlite.store import SqliteStore
from tests.store.conftest import Rows

LONG = wire.ALONE_BYTES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SeparateStore]:
    opened = SeparateStore(tmp_path / "store.db")
    yield opened
    opened.close()


numbers = st.integers(-(1 << 63), (1 << 63) - 1)
maybe_text = st.none() | st.text()
bodies = st.binary(max_size=30) | st.sampled_from([b"x" * LONG, b"y" * (LONG + 1), b"z" * (3 * LONG)])
delivery_fields = (
    numbers,
    numbers,
    st.text(),
    st.text(),
    st.integers(-1, 3),
    st.lists(numbers).map(tuple),
    st.sampled_from(DeliveryStatus),
    maybe_text,
    maybe_text,
)
deliveries = st.builds(NewDelivery, *delivery_fields)
message_fields = (
    numbers,
    numbers,
    st.text(),
    st.text(),
    st.text(),
    numbers,
    numbers,
    st.sampled_from(MessageStatus),
    st.text(),
    st.text(),
    bodies,
    st.lists(bodies, max_size=3).map(tuple),
    st.lists(deliveries, max_size=3).map(tuple),
    st.lists(numbers).map(tuple),
    st.none() | numbers,
    st.lists(st.tuples(st.text(), st.text(), maybe_text)).map(tuple),
    st.lists(st.text()).map(tuple),
    st.none() | numbers,
    maybe_text,
    st.none() | numbers,
    st.lists(st.tuples(numbers, st.binary())).map(tuple),
    st.lists(st.tuples(numbers, numbers, st.booleans())).map(tuple),
    st.lists(
        st.builds(NoticeRow, numbers, st.text(), numbers, numbers, numbers, numbers, numbers, st.binary())
    ).map(tuple),
    st.lists(st.builds(AssignmentRow, st.text(), numbers, numbers, maybe_text, st.booleans())).map(tuple),
)
messages = st.builds(NewMessage, *message_fields)
change_fields = (
    numbers,
    st.sampled_from(DeliveryStatus),
    numbers,
    numbers,
    maybe_text,
    maybe_text,
    st.booleans(),
    st.none() | st.binary(),
    st.none() | numbers,
    st.none() | numbers,
    st.none() | st.lists(numbers).map(tuple),
)
changes = st.builds(DeliveryChange, *change_fields)


@pytest.mark.parametrize(
    ("row", "made"),
    [(NewMessage, message_fields), (NewDelivery, delivery_fields), (DeliveryChange, change_fields)],
)
def test_every_field_of_a_row_is_made_above(row: type, made: tuple[object, ...]) -> None:
    assert len(made) == len(fields(row)), "a new field must travel too"


@given(st.lists(messages, max_size=3), st.lists(numbers), st.lists(changes, max_size=3))
def test_a_batch_arrives_as_it_was_sent(
    new: list[NewMessage], claims: list[int], changed: list[DeliveryChange]
) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 20)
        batch = Batch(messages=new, claims=claims, changes=changed)
        data, long = wire.packed_batch(batch)
        wire.send(here, wire.COMMIT, data, long)
        kind, _, received = wire.receive(there)
        assert kind == wire.COMMIT
        assert wire.unpacked_batch(received, there) == batch


@given(
    st.dictionaries(
        numbers,
        st.builds(Earlier, numbers, st.booleans(), st.text(), st.sampled_from(MessageStatus), numbers),
    )
)
def test_what_was_left_out_is_told_as_it_was_found(repeated: dict[int, Earlier]) -> None:
    assert wire.unpacked_repeated(wire.packed_repeated(repeated)) == repeated


def test_what_was_begun_is_fetched_even_when_another_request_came_between(
    store: SeparateStore, rows: Rows
) -> None:
    early: list[str] = []
    store.moved_on = lambda: early.append("told")
    first = rows.message(once_since_us=0, control_id="A", fingerprint=1)
    store.begin("commit", rows.batch(first))
    assert store.counters().message == 1, "the waiting request is answered after the begun one"
    assert early == ["told"]
    assert store.fetch() == {}
    again = rows.message(once_since_us=0, control_id="A", fingerprint=1)
    store.begin("commit", rows.batch(again))
    repeated = store.fetch()
    assert repeated[again.id].message_id == first.id
    assert store.message(again.id) is None


def test_a_message_of_megabytes_is_kept_whole(store: SeparateStore, rows: Rows) -> None:
    raw, payload = b"r" * 10_000_000, b"p" * 10_000_001
    message = rows.message(rows.delivery(), raw=raw, payloads=(payload,))
    store.commit(rows.batch(message))
    detail = store.message(message.id)
    assert detail is not None
    assert [store.body(ref) for ref, _ in detail.bodies] == [raw, payload]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
def test_a_roster_is_staged_in_portions_whatever_their_number(store: SeparateStore, count: int) -> None:
    entries = [RosterEntry(key) for key in range(count)]
    *_, report = store.stage_roster("rush", iter(entries), True, 1, chunk=4)
    assert store.publish_rosters([report.load], 2)[0].added == count
    assert {match.key for match in store.roster_rows(range(10))} == set(range(count))


def test_when_the_writer_dies_nobody_knows_and_nothing_hangs(store: SeparateStore, rows: Rows) -> None:
    store.begin("commit", rows.batch(rows.message()))
    os.kill(store.writer_pid, signal.SIGKILL)
    with contextlib.suppress(StoreUnknown):
        store.fetch()  # it may have been kept just before
    for ask in (store.fetch, store.checkpoint, lambda: store.commit(rows.batch(rows.message()))):
        with pytest.raises(StoreUnknown, match="start the engine again"):
            ask()
    store.close()


def test_signals_that_a_terminal_sends_to_both_leave_the_writer_at_work(
    store: SeparateStore, rows: Rows
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(store.writer_pid, number)
    store.commit(rows.batch(rows.message()))
    assert store.counters().message == 1


def test_a_second_writer_waits_for_the_first_to_end_and_then_gives_up(tmp_path: Path, rows: Rows) -> None:
    path = tmp_path / "store.db"
    first = SqliteStore(path)
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        SeparateStore(path, wait_s=0.1)
    first.close()
    second = SeparateStore(path, wait_s=0.1)
    second.commit(rows.batch(rows.message()))
    second.close()


def test_the_writer_ends_with_the_process_that_asked_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    child = os.fork()
    if child == 0:
        SeparateStore(path)
        os._exit(0)  # as a kill: nothing is closed in order
    os.waitpid(child, 0)
    SeparateStore(path).close()


def test_after_a_failed_sync_the_writer_leaves_the_disk_as_it_is(
    disk: Path, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, shadow, fault = tmp_path / "live", tmp_path / "shadow", tmp_path / "fault"
    live.mkdir()
    shadow.mkdir()
    for name, value in {
        "LD_PRELOAD": disk,
        "DISK_FOLDER": live,
        "DISK_SHADOW": shadow,
        "DISK_FAULT": fault,
    }.items():
        monkeypatch.setenv(name, str(value))
    store = SeparateStore(live / "store.db")
    store.commit(rows.batch(rows.message()))
    fault.write_text("fdatasync -wal 5")
    with pytest.raises(StoreUnknown):
        store.commit(rows.batch(rows.message()))
    fault.unlink()  # a second sync would succeed, and say nothing true
    store.close()
    assert (live / "store.db-wal").stat().st_size > 0
    monkeypatch.undo()
    again = SeparateStore(live / "store.db")
    assert again.counters().message in (1, 2)
    again.close()

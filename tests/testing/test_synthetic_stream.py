"""The stream: the same seed gives the same bytes, in the order of sending, with the disorder that it states."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path as File

import hl7
import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.engine.folder import read_folder
from hl7bridge.hl7.conformance import check
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path
from hl7bridge.testing.synthetic import (
    DIALECTS,
    NONE,
    SOURCES,
    Disorder,
    Kind,
    Manner,
    PickUp,
    Sent,
    Supply,
    UnknownDialect,
    Why,
    generate,
    roster,
)

CHANNELS = File(__file__).parents[2] / "channels"
#: Where each dialect says how long a fill lasts, and what one day's worth of the text is.
PLACES = {
    Supply.ORC_7: "ORC-7.3",
    Supply.RXE_1: "RXE-1.3",
    Supply.TQ1_6: "TQ1-6",
    Supply.RXD_12: "RXD-12",
    Supply.ZRX_7: "ZRX-7",
    Supply.SIG: "RXE-7.2",
}
UNITS = {"D": 1, "W": 7, "d": 1, "wk": 7, "": 1}


@cache
def run() -> tuple[Sent, ...]:
    return tuple(generate(11, 400, 400))


def get(message: Message, path: str) -> str:
    return Path.parse(path).get(message).decode()


def days_told(message: Message, supply: Supply) -> int | None:
    """What somebody who knows the dialect reads."""
    if supply is Supply.NOWHERE:
        return None
    text = get(message, PLACES[supply])
    if supply is Supply.SIG:
        words = text.split()
        return int(words[-2]) if words[-1:] == ["DAYS"] else None
    if not text:
        return None
    number, _, unit = text.partition("^")
    letter = number[0] if number[0] in "DW" else ""
    return int(number.removeprefix(letter)) * UNITS[letter or unit]


@cache
def sample(count: int = 1) -> list[Sent]:
    """So many of each dialect, kind and reason."""
    seen: Counter[tuple[object, ...]] = Counter()
    found = []
    for sent in run():
        key = (sent.source, sent.dialect, sent.truth.kind, sent.truth.why, sent.truth.stay is None)
        seen[key] += 1
        if seen[key] <= count:
            found.append(sent)
    return found


def test_a_seed_gives_the_same_bytes() -> None:
    assert list(generate(5, 30, 90)) == list(generate(5, 30, 90))
    assert [each.raw for each in generate(5, 30, 60)] != [each.raw for each in generate(6, 30, 60)]


@pytest.mark.parametrize("days", [1, 29, 90])
def test_more_days_go_on_where_fewer_end(days: int) -> None:
    short = list(generate(5, 40, days))
    assert list(generate(5, 40, 130))[: len(short)] == short


def test_a_life_does_not_depend_on_how_many_others_there_are() -> None:
    def told(patients: int) -> list[tuple[object, ...]]:
        return [
            (sent.sent_s, sent.truth, sent.manner)
            for sent in generate(5, patients, 120)
            if sent.truth.person.index < 10
        ]

    assert sorted(told(10), key=repr) == sorted(told(40), key=repr)


def test_messages_come_in_the_order_of_sending_and_never_before_what_they_tell() -> None:
    times = [sent.sent_s for sent in run()]
    assert times == sorted(times)
    assert all(sent.sent > sent.truth.moment for sent in run())
    assert run()[0].sent.date() >= date(2026, 1, 1)


def test_late_disordered_and_repeated_messages_have_their_share() -> None:
    count = len(run())
    shares = {manner: found / count for manner, found in Counter(sent.manner for sent in run()).items()}
    usual = Disorder()
    assert shares[Manner.LATE] == pytest.approx(usual.late, rel=0.4)
    assert shares[Manner.DISORDERED] == pytest.approx(usual.disordered, rel=0.4)
    assert shares[Manner.REPEATED] == pytest.approx(usual.repeated, rel=0.4)
    assert shares[Manner.RETOLD] == pytest.approx(usual.retold, rel=0.4)
    assert {sent.manner for sent in generate(5, 30, 60, disorder=NONE)} == {Manner.PROMPT}


def test_a_repetition_has_the_same_bytes_and_what_is_told_again_another_control_id() -> None:
    originals: dict[tuple[bytes, bytes, bytes], bytes] = {}
    for sent in run():
        application, facility = sent.raw.split(b"|", 4)[2:4]
        key = (application, facility, sent.control_id)
        if sent.manner is Manner.REPEATED:
            assert originals[key] == sent.raw
        else:
            assert key not in originals
            originals[key] = sent.raw
    told = Counter((id(sent.truth)) for sent in run() if sent.manner is not Manner.REPEATED)
    again = sum(sent.manner is Manner.RETOLD for sent in run())
    assert 0 < sum(count - 1 for count in told.values()) <= again
    assert max(told.values()) == 2


def test_some_come_in_another_order_than_they_happened_and_under_a_number_that_was_merged_away() -> None:
    overtaken = under_old = 0
    last: dict[int, int] = {}
    merged: set[bytes] = set()
    for sent in generate(12, 600, 200, disorder=Disorder(late=0.1, disordered=0.1)):
        event = sent.truth
        overtaken += event.at < last.get(event.person.index, 0)
        last[event.person.index] = max(event.at, last.get(event.person.index, 0))
        under_old += event.number in merged
        if event.kind is Kind.MERGED and event.person.old_number is not None:
            merged.add(event.person.old_number)
    assert overtaken
    assert under_old


def test_every_dialect_kind_and_reason_occurs_and_nobody_tells_what_the_dialect_does_not() -> None:
    told = {(sent.dialect.name, sent.truth.kind) for sent in run() if sent.dialect is not None}
    for name, dialect in DIALECTS.items():
        for kind in (Kind.ORDERED, Kind.FILLED, Kind.PART_FILLED, Kind.COMPLETED, Kind.RETURNED):
            assert (name, kind) in told
        assert ((name, Kind.SOLD) in told) == dialect.tells_pick_up
    assert {sent.truth.kind for sent in run()} == set(Kind)
    assert {sent.truth.why for sent in run()} - {None} == set(Why)
    assert {sent.source for sent in run()} == set(SOURCES)


def test_only_the_dialects_that_are_named_are_spoken() -> None:
    found = {sent.dialect.name for sent in generate(5, 60, 60, dialects=["pdx", "bare"]) if sent.dialect}
    assert found == {"pdx", "bare"}
    with pytest.raises(UnknownDialect, match="did you mean 'qsone'"):
        generate(5, 60, 60, dialects=["qs-one"])


def test_each_dialect_says_the_days_supply_where_it_says_it() -> None:
    seen: set[tuple[str, Kind]] = set()
    for sent in sample(20):
        event, dialect = sent.truth, sent.dialect
        if dialect is None:
            continue
        message = Message(sent.raw)
        told = {supply: days_told(message, supply) for supply in PLACES}
        fill = event.fill is not None
        expected: dict[Supply, int | None] = dict.fromkeys(PLACES)
        if dialect.supply is not Supply.NOWHERE and (fill or dialect.supply is not Supply.RXD_12):
            expected[dialect.supply] = event.days_supply
            seen.add((dialect.name, event.kind))
        assert told == expected, (dialect.name, event.kind)
    assert {name for name, _ in seen} == {
        name for name, dialect in DIALECTS.items() if dialect.supply is not Supply.NOWHERE
    }


def test_each_dialect_says_what_was_picked_up_and_what_went_back() -> None:
    for sent in sample(20):
        event, dialect = sent.truth, sent.dialect
        if dialect is None or event.fill is None or event.prescription is None:
            continue
        message = Message(sent.raw)
        way, sold = dialect.pick_up, event.kind is Kind.SOLD
        assert (get(message, "ORC-25.1") == "SOLD") == (sold and way is PickUp.ORC_25)
        assert (message.first(b"FT1") is not None) == (sold and way is PickUp.FT1)
        assert (get(message, "RXD-9") == "SOLD") == (sold and way is PickUp.RXD_9)
        assert (get(message, "ORC-25.1") == "RELEASED") == (sold and way is PickUp.ZD)
        back = event.kind is Kind.RETURNED
        control = "ZD" if way is PickUp.ZD and (sold or back) else "CA" if back else "RE"
        assert get(message, "ORC-1") == control
        assert get(message, "ORC-16.1") == (event.why.value if event.why else "")
        assert get(message, "RXD-1") == str(event.fill.number - 1 + dialect.first)
        assert get(message, "RXD-7") == event.prescription.number.decode()
        assert get(message, "RXD-4") == str(event.fill.quantity)
        assert get(message, "RXD-33") == event.fill.part.decode()
        assert get(message, "MSH-4") == event.prescription.store.code.decode()


def test_orders_bear_the_order_control_of_what_happened() -> None:
    controls = {
        Kind.ORDERED: "NW",
        Kind.REPLACED: "RO",
        Kind.CANCELLED: "CA",
        Kind.DISCONTINUED: "DC",
        Kind.REFILLS_ASKED: "RF",
        Kind.DISCHARGE_ORDERED: "NW",
    }
    seen = set()
    for sent in sample(20):
        control = controls.get(sent.truth.kind)
        if control is not None:
            message = Message(sent.raw)
            assert get(message, "ORC-1") == control
            asked = sent.truth.kind is Kind.REFILLS_ASKED
            assert get(message, "MSH-9.2") in (("O25",) if asked else ("O11", "O01", "011"))
            seen.add(sent.truth.kind)
    assert seen == set(controls)


def test_a_death_is_told_with_its_day_and_a_merge_with_both_numbers() -> None:
    seen = set()
    for sent in sample(20):
        message, event = Message(sent.raw), sent.truth
        if event.kind is Kind.DIED:
            assert get(message, "PID-29.1")[:8] == event.on.strftime("%Y%m%d")
            assert get(message, "PID-30") == "Y"
            seen.add(event.kind)
        elif event.kind is Kind.MERGED:
            assert event.person.old_number is not None
            assert get(message, "PID-3.1") == event.person.patient.number.decode()
            assert get(message, "MRG-1.1") == event.person.old_number.decode()
            seen.add(event.kind)
        else:
            assert get(message, "PID-30") == ""
    assert seen == {Kind.DIED, Kind.MERGED}


def test_messages_of_2_5_1_keep_to_the_standard() -> None:
    found = [sent for sent in sample() if b"|P|2.5.1" in sent.raw]
    assert len(found) > 50
    for sent in found:
        assert check(Message(sent.raw), "2.5.1") == [], (sent.dialect and sent.dialect.name, sent.truth.kind)


def test_python_hl7_reads_the_same() -> None:
    for sent in sample():
        message, read = Message(sent.raw), hl7.parse(sent.raw.decode())
        assert [str(segment[0]) for segment in read] == [each.name.decode() for each in message.segments]
        assert str(read["MSH"][0][10]) == sent.control_id.decode()
        pid = message.first(b"PID")
        assert pid is not None
        assert str(read["PID"][0][3]) == pid.field(3).decode()
        assert sent.truth.number in pid.field(3)


@cache
def configuration() -> Configuration:
    return load(read_folder(CHANNELS))


def test_the_shipped_channels_take_them_without_an_error() -> None:
    held = MemoryRoster(roster(11, 400))
    statuses: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    for sent in [*run()[:2000], *sample(3)]:
        decision = decide(
            configuration(), sent.source, Message(sent.raw), received=sent.sent, sequence=1, roster=held
        )
        statuses[decision.status] += 1
        assert "future-event-date" not in decision.flags
        for outgoing in decision.outgoing:
            assert outgoing.error is None, (outgoing.destination, outgoing.error)
            reached[outgoing.destination] += outgoing.refused is None
    assert set(statuses) == {"RECEIVED"}
    assert set(reached) == set(configuration().destinations) - {"fax", "mail"}, (
        "only the programme writes those"
    )
    assert min(reached.values()) > 5


def test_what_was_sent_is_not_kept() -> None:
    feed = generate(5, 40, 1000)
    size, held = 0, []
    tracemalloc.start()
    try:
        for until in (date(2026, 6, 1), date(2028, 9, 1)):
            for sent in feed:
                size += len(sent.raw)
                if sent.sent.date() >= until:
                    break
            held.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < size / 4  # what calendars remember: the texts of some hundred days

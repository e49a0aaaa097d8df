"""channels/ is what a team starts from: no mistake in it, its own tests pass, what leaves is sound."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster, read_roster
from hl7bridge.channel.beside import run_tests
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.engine.folder import read_folder
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.conformance import check as departures
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message

TOP = Path(__file__).parent.parent
CHANNELS = TOP / "channels"
SAMPLES = TOP / "samples"
GOOD = sorted(path for path in SAMPLES.rglob("*.hl7") if path.parent.name != "bad")
RECEIVED = datetime(2026, 12, 5, 12, 0, tzinfo=UTC)

#: What a sender of each bad sample hears, and what becomes of it.
BAD = {
    "broken_batch.hl7": "AA RECEIVED",
    "cut_off.hl7": "AA RECEIVED",
    "future_date.hl7": "AA RECEIVED future-event-date",
    "line_feeds.hl7": "AA RECEIVED",
    "mistyped_rde_011.hl7": "AA RECEIVED",
    "mixed_line_ends.hl7": "AA RECEIVED",
    "no_control_id.hl7": "AA RECEIVED",
    "no_header.hl7": "AR",
    "no_pid.hl7": "AA FILTERED",
    "no_version.hl7": "AA RECEIVED",
    "nonsense_values.hl7": "AA RECEIVED",
    "order_without_orc.hl7": "AA RECEIVED",
    "undeclared_latin1.hl7": "AA RECEIVED",
    "unknown_type.hl7": "AR REJECTED unaccepted",
    "wrong_delimiters.hl7": "AR",
}


@cache
def configuration() -> Configuration:
    return load(read_folder(CHANNELS))


@cache
def roster() -> MemoryRoster:
    made = MemoryRoster()
    for name, settings in configuration().affiliates.items():
        assert settings.affiliate is not None
        assert settings.affiliate.roster is not None
        for entry in read_roster((CHANNELS / settings.affiliate.roster).read_bytes(), name):
            made.add(name, entry)
    return made


def decided(raw: bytes, source: str) -> Decision:
    return decide(
        configuration(), source, Message(raw), received=RECEIVED, sequence=1, roster=roster(), trace=None
    )


def source_of(path: Path) -> str:
    if path.parent.name in ("hospital", "programme"):
        return {"hospital": "discharge", "programme": "programme"}[path.parent.name]
    return "clinic-feed" if path.name.startswith(("adt", "oru")) else "pharmacy-feed"


def test_check_finds_nothing() -> None:
    assert [str(mistake) for mistake in check(read_folder(CHANNELS))] == []


def test_the_tests_beside_the_channels_pass() -> None:
    results = run_tests(configuration(), lambda path: (CHANNELS / path).read_bytes())
    failures = [
        f"{each.place} {each.name}: {each.fault or each.differences}" for each in results if not each.passed
    ]
    assert failures == []
    assert {each.channel for each in results} == set(configuration().channels)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.relative_to(SAMPLES).as_posix())
def test_what_leaves_keeps_to_version_2_5_1(path: Path) -> None:
    for raw in read_file(path.read_bytes()).messages:
        decision = decided(raw, source_of(path))
        assert decision.status in ("RECEIVED", "FILTERED")
        assert decision.answer == "AA"
        for outgoing in decision.outgoing:
            assert outgoing.error is None, (outgoing.destination, outgoing.error)
            assert departures(Message(outgoing.payload), "2.5.1") == [], outgoing.destination


def test_every_affiliate_gets_something_of_the_samples() -> None:
    reached = {
        outgoing.destination
        for path in GOOD
        for raw in read_file(path.read_bytes()).messages
        for outgoing in decided(raw, source_of(path)).outgoing
    }
    assert reached == set(configuration().destinations) - {"fax", "mail"}, "only the programme writes those"


@pytest.mark.parametrize(("name", "expected"), BAD.items())
def test_bad_samples_are_answered(name: str, expected: str) -> None:
    raw = read_file((SAMPLES / "bad" / name).read_bytes()).messages[0]
    try:
        decision = decided(raw, "pharmacy-feed")
    except Unreadable:  # answered AR with ERR 100 by whoever reads the frame
        assert expected == "AR"
        return
    assert " ".join([decision.answer, decision.status, *decision.flags]) == expected


def test_every_bad_sample_has_its_answer() -> None:
    assert {path.name for path in (SAMPLES / "bad").iterdir()} == set(BAD)


def test_rosters_show_what_a_roster_can_say() -> None:
    for name, settings in configuration().affiliates.items():
        assert settings.affiliate is not None
        path = CHANNELS / str(settings.affiliate.roster)
        rows = [entry.row(name) for entry in read_roster(path.read_bytes(), path.name)]
        assert len(rows) >= 30
        assert any(row.valid_through for row in rows)
        assert any(row.opt_out for row in rows)
        assert any(row.valid_from and row.valid_from > RECEIVED.date() for row in rows)

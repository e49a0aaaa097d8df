"""A trace says what each rule saw and did, where it stands, and why somebody gets the message or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.channel.rules.trace import FOR_ANOTHER, ON_NO_LIST, Event, Kind, Trace
from hl7bridge.explain.lines import lines
from hl7bridge.hl7.message import Message
from tests.channel.conftest import Decide, folder

HEAD = "MSH|^~\\&|A|B|C|D|20261121||RDE^O11^RDE_O11|1|P|2.5.1\nPID|1||7^^^R^PI\n"


def traced(decided: Decide, body: str, message: str = HEAD, **files: bytes) -> list[Event]:
    trace = Trace()
    paths = {
        name.replace("__", "/") + (".csv" if "tables" in name else ".yaml"): data
        for name, data in files.items()
    }
    decided(folder(body, paths), message.replace("\n", "\r").encode(), trace=trace)
    return trace.events


def steps(events: list[Event]) -> list[tuple[Any, ...]]:
    """(place, rule, held, [(path, before, after)]) of each step."""
    return [
        (each.place, each.says, each.held, [(at.path, at.before, at.after) for at in each.changes])
        for each in events
        if each.kind is Kind.STEP
    ]


def test_each_step_says_what_it_changed(decided: Decide) -> None:
    body = "map:\n  - MSH-5: X\n  - {remove: PID-3}\n  - MSH-4: B"
    assert steps(traced(decided, body)) == [
        ("c.yaml:4:5", "MSH-5", None, [("MSH-5", "C", "X")]),
        ("c.yaml:5:6", "remove PID-3", None, [("PID-3", "7^^^R^PI", "")]),
        ("c.yaml:6:5", "MSH-4", None, []),
    ]


def test_what_is_not_done_is_said_with_what_was_seen(decided: Decide) -> None:
    body = "map:\n  - {when: {MSH-3: B, MSH-4: B}, MSH-6: Y}\n  - {when: {MSH-3: A}, MSH-6: Y}"
    events = traced(decided, body)
    assert steps(events) == [
        ("c.yaml:4:5", "when MSH-3 = B, MSH-4 = B", False, []),
        ("c.yaml:5:5", "when MSH-3 = A", True, []),
        ("c.yaml:5:24", "MSH-6", None, [("MSH-6", "D", "Y")]),
    ]
    conditions = [(each.says, each.held, each.seen) for each in events if each.kind is Kind.CONDITION]
    assert conditions == [("MSH-3 = B", False, ("A",)), ("MSH-3 = A", True, ("A",))]


def test_steps_of_a_loop_are_said_once_for_each_turn_and_not_again_for_the_loop(decided: Decide) -> None:
    events = traced(decided, "map: [{each: OBX, OBX-11: F}]", HEAD + "OBX|1\nOBX|2\n")
    assert [(says, len(changes)) for _, says, _, changes in steps(events)] == [
        ("each OBX", 0),
        ("OBX-11", 1),
        ("OBX-11", 1),
    ]
    depths = [each.depth for each in events if each.kind is Kind.STEP]
    assert depths[1] == depths[2] == depths[0] + 1


def test_a_look_up_names_its_row(decided: Decide) -> None:
    body = "map: [{MSH-4.1: {from: MSH-4.1, table: stores, else: keep}}, {MSH-5.1: {from: MSH-5.1, table: stores, else: keep}}]"
    events = traced(decided, body, tables__stores=b"code,name\nA,One\nB,Two\n")
    found = [(each.says, each.held, each.seen, each.because) for each in events if each.kind is Kind.LOOK_UP]
    assert found == [
        ("table stores", True, ("B", "Two"), "stores.csv:3"),
        ("table stores", False, ("C",), "no row of it"),
    ]


def test_a_filter_says_which_condition_stopped_it(decided: Decide) -> None:
    events = traced(decided, "filter: {MSH-3: A, 'PID-3[5=MR]': present}")
    assert [(each.says, each.held, each.seen) for each in events[1:]] == [
        ("MSH-3 = A", True, ("A",)),
        ("PID-3[5=MR] present", False, ()),
    ]


def test_who_does_not_get_it_is_said_with_the_reason(decided: Decide) -> None:
    trace = Trace()
    files = folder(
        "", {"c.yaml": b"channel: c\nsource: {mllp: {port: 2575}}\nsend_to: [{to: out, when: {MSH-3: B}}]\n"}
    )
    decided(files, HEAD.replace("\n", "\r").encode(), trace=trace)
    last = trace.events[-1]
    assert (last.kind, last.says, last.because) == (Kind.NOT_TO, "out", "its `when` does not hold")


def test_a_fault_is_where_it_happened(decided: Decide) -> None:
    body = "map: [{MSH-4.1: {from: MSH-4.1, table: stores, else: error}}]"
    last = traced(decided, body, tables__stores=b"code,name\nA,One\n")[-1]
    assert (last.kind, last.because) == (Kind.ERROR, "c.yaml:3:8: there is no value for MSH-4.1")


def test_what_the_programme_says_to_one_affiliate_is_not_refused_to_others_for_a_list() -> None:
    affiliate = (
        "affiliate: {0}\nagreement: {{pharmacy: 2016-01-01}}\nidentifiers: {{authority: R, type: MR}}\n"
    )
    affiliate += "roster: rosters/{0}.csv\nsend: {{mllp: {{host: 127.0.0.1, port: 6701}}}}\n"
    names = ("medstar", "rush")
    configuration = load(
        {
            "alerts.yaml": b"channel: alerts\nsource: programme\nsend_to: [affiliates: pharmacy]\n",
            **{f"affiliates/{name}.yaml": affiliate.format(name).encode() for name in names},
            **{f"rosters/{name}.csv": b"" for name in names},
        }
    )
    trace = Trace()
    decide(
        configuration,
        "programme",
        Message(b"MSH|^~\\&|A|B|C|medstar|20261121||ORU^R01|1|P|2.5.1\rPID|1||7^^^R^PI\r"),
        received=datetime(2026, 11, 22, tzinfo=UTC),
        sequence=1,
        roster=MemoryRoster(),
        trace=trace,
    )
    found = {each.says: each.because for each in trace.events if each.kind is Kind.NOT_TO}
    assert found == {"medstar": ON_NO_LIST, "rush": FOR_ANOTHER}
    assert [line.text for line in lines(trace.events)][1:] == [f"not to medstar: {ON_NO_LIST}"]
    assert [line.text for line in lines(trace.events, only="rush")][1:] == [f"not to rush: {FOR_ANOTHER}"]

"""What two configurations make of one message, held against each other: the cause is said, and not what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.changes.difference import FAILS, LOST, differences
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.hl7.message import Message

OUT = b"destination: out\nsend: {mllp: {host: 127.0.0.1, port: 6000}}\n"
MESSAGE = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121||RDE^O11^RDE_O11|1|P|2.5.1\r"
    b"PID|1||7^^^R^PI\rORC|NW|9|||||1^BID^D30||20261121\rRXE|1|55^met^NDC|1||TAB|||||60||2|||RX9\r"
)
DISPENSED = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121||RDS^O13^RDS_O13|1|P|2.5.1\r"
    b"PID|1||7^^^R^PI\rORC|RE||||||1^BID^D30||20261121\rRXD|1|55^met^NDC|20261121|60|TAB||RX9|2\r"
)
PLAIN = "send_to: [out]\n"


def decided(body: str, message: bytes, files: Mapping[str, bytes]) -> Decision | None:
    channel = f"channel: c\nsource: {{mllp: {{port: 2575}}}}\n{body}".encode()
    configuration = load({"c.yaml": channel, "out.yaml": OUT, **files})
    return decide(
        configuration,
        "c",
        Message(message),
        received=datetime(2026, 11, 22, tzinfo=UTC),
        sequence=7,
        roster=MemoryRoster(),
    )


def found(
    old: str,
    new: str,
    message: bytes = MESSAGE,
    before: Mapping[str, bytes] = {},
    after: Mapping[str, bytes] = {},
) -> list[tuple[str, str]]:
    both = differences(decided(old, message, before), decided(new, message, after))
    return [(each.signature.of, each.signature.what) for each in both]


STORES = {"tables/stores.csv": b"code,name\nS1,One\n"}
NO_STORES = {"tables/stores.csv": b"code,name\nS2,Two\n"}
MAPPED = "map: [{MSH-4.1: {from: MSH-4.1, table: stores, else: error}}]\n" + PLAIN


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (PLAIN, PLAIN, []),
        (PLAIN, "map: [{RXE-2.1: '56'}]\n" + PLAIN, [("to out", "RXE-2.1 changed")]),
        (
            PLAIN,
            "map: [{RXE-2.1: '56', PID-5: DOE}, {remove: ORC}]\n" + PLAIN,
            [("to out", "PID-5 set"), ("to out", "ORC removed"), ("to out", "RXE-2.1 changed")],
        ),
        (
            PLAIN,
            "filter: {MSH-4: S2}\n" + PLAIN,
            [("channel c", "newly filtered by c.yaml:3:10: MSH-4 = S2")],
        ),
        (
            "filter: {MSH-4: S2}\n" + PLAIN,
            PLAIN,
            [("channel c", "no longer filtered by c.yaml:3:10: MSH-4 = S2")],
        ),
        (PLAIN, "accept: [RDE^O25]\n" + PLAIN, [("channel c", "no longer looks at it")]),
        (
            PLAIN,
            "send_to: [{to: out, when: {MSH-4: S2}}]\n",
            [("to out", "no longer decided for it (channel c)")],
        ),
        (
            "send_to: [{to: out, when: {MSH-4: S2}}]\n",
            PLAIN,
            [("to out", "newly decided for it (channel c)")],
        ),
    ],
)
def test_what_differs_is_said(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert found(old, new) == expected


def test_a_code_that_a_table_no_longer_holds_fails_and_comes_first() -> None:
    both = decided(MAPPED, MESSAGE, STORES), decided(MAPPED, MESSAGE, NO_STORES)
    fails, misses = differences(*both)
    assert fails.signature.rank == FAILS
    assert fails.signature.what == "fails now: c.yaml:3:8: there is no value for MSH-4.1"
    assert misses.signature[1:3] == ("table stores", "does not hold a code (c.yaml:3:40)")
    back = [each.signature.what for each in differences(both[1], both[0])]
    assert back == [
        "fails no longer: c.yaml:3:8: there is no value for MSH-4.1",
        "no longer so: does not hold a code",
    ]


def test_what_a_line_above_moves_is_the_same() -> None:
    assert found(MAPPED, "# a remark\n" + MAPPED, before=NO_STORES, after=NO_STORES) == []
    filtered = "filter: {MSH-4: S2}\n" + PLAIN
    assert found(filtered, "# a remark\n" + filtered) == []


def test_a_destination_that_stops_sending_is_named_with_its_reason() -> None:
    shadow = {"out.yaml": OUT + b"status: shadow\n"}
    [(of, what)] = found(PLAIN, PLAIN, after=shadow)
    assert of == "to out"
    assert what.startswith("not sent now: ")
    [difference] = differences(decided(PLAIN, MESSAGE, {}), decided(PLAIN, MESSAGE, shadow))
    assert difference.signature.rank == LOST
    assert found(PLAIN, PLAIN, before=shadow)[0][1].startswith("sent now; so far not sent: ")
    test = {"out.yaml": OUT + b"status: test\n"}
    assert found(PLAIN, PLAIN, before=shadow, after=test)[0][1].startswith("not sent for another reason: ")


def test_what_the_programme_learns_otherwise_is_said() -> None:
    old = "programme: {days_supply: ORC-7.3}\n" + PLAIN
    assert found(old, "programme: {days_supply: RXE-10}\n" + PLAIN) == []
    gone = found(old, PLAIN)
    assert gone == [
        ("the programme", "tells it less of: order"),
        ("the programme", "tells it less of: person"),
    ]


def test_what_the_programme_learns_otherwise_is_said_beside_a_channel_that_does_not_cause_it() -> None:
    old = "programme: {days_supply: ORC-7.3, sold: {FT1: present}}\n" + PLAIN
    new = "programme: {days_supply: RXE-10, sold: {FT1: present}}\n" + PLAIN
    more = {"d.yaml": b"channel: d\nsource: c\nsend_to: [out]\n"}
    supply = ("the programme", "fill: another days_supply")
    looks = ("channel d", "looks at it now: taken")
    assert found(old, new, DISPENSED) == [supply]
    assert found(old, new, DISPENSED, after=more) == [looks, supply]
    assert found(old, "filter: {MSH-4: S2}\n" + new, DISPENSED) == [
        ("channel c", "newly filtered by c.yaml:3:10: MSH-4 = S2")
    ]


def test_a_source_that_only_one_has_is_said() -> None:
    one = decided(PLAIN, MESSAGE, {})
    assert [each.signature.what for each in differences(one, None)] == ["only the old one has this source"]
    assert [each.signature.what for each in differences(None, one)] == ["only the new one has this source"]
    assert list(differences(None, None)) == []


def test_values_are_those_of_the_message() -> None:
    both = (decided(body, MESSAGE, {}) for body in (PLAIN, "map: [{RXE-2.1: '56'}]\n" + PLAIN))
    [difference] = differences(*both)
    assert (difference.before, difference.after) == ("55", "56")
    assert "55" not in repr(difference.signature)

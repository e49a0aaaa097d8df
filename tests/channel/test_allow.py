"""Which fields leave: what affiliates do not get by themselves, what they may be allowed, and nothing but."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster, read_roster
from hl7bridge.channel.deciding.decide import Outgoing, decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.hl7.message import Message

CHANNEL = b"channel: c\nsource: {mllp: {port: 2575}}\nsend_to: [{affiliates: clinic}, archive]\n"
AFFILIATE = b"affiliate: a\nagreement: {clinic: 2014-06-01}\nsend: {mllp: {host: h, port: 6000}}\n"
ARCHIVE = b"destination: archive\nsend: {file: {folder: x}}\n"
PID = "PID|1||7^^^R||A^B||||||||||||||999-99|DL1\r"
HEAD = "MSH|^~\\&|A|B|||20261121||ADT^A04|K1|P|2.5.1\r"
TEXT = HEAD + PID + "NTE|1||free\rmore of it\rPV1|1|O\rGT1|1||G\rIN1|1|P|1|Name\rIN2|1\rIN3|1\rZZZ|1\r"
BARE = HEAD + PID.replace("999-99|DL1", "|") + "PV1|1|O\rZZZ|1\r"


def outgoing(
    allow: str = "",
    steps: str = "",
    overlay: str = "",
    text: str = TEXT,
    archive: str = "",
    channel: bytes = CHANNEL,
) -> list[Outgoing]:
    files = {
        "c.yaml": channel + steps.encode(),
        "a.yaml": AFFILIATE + allow.encode() + b"\n" + overlay.encode(),
        "archive.yaml": ARCHIVE + archive.encode(),
    }
    roster = MemoryRoster()
    for entry in read_roster(b"id,authority\n7,R\n", "r"):
        roster.add("a", entry)
    received = datetime(2026, 11, 22, tzinfo=UTC)
    decision = decide(load(files), "c", Message(text.encode()), received=received, sequence=1, roster=roster)
    assert [each.destination for each in decision.outgoing][:1] == ["a"]
    return list(decision.outgoing)


def given_to(allow: str = "", steps: str = "", overlay: str = "", text: str = TEXT) -> str:
    return outgoing(allow, steps, overlay, text)[0].payload.decode()


def test_what_an_affiliate_does_not_get_by_itself() -> None:
    affiliate, archive = outgoing()
    assert affiliate.payload.decode() == BARE
    assert archive.payload.decode() == TEXT


@pytest.mark.parametrize(
    ("allow", "there", "gone"),
    [
        ("allow: [NTE]", ["NTE|1||free\rmore of it\r"], ["999-99", "GT1", "IN1"]),
        ("allow: PID-19", ["|999-99|\r"], ["DL1", "NTE"]),
        ("allow: [PID-19, PID-20, IN1, IN2, IN3, GT1, NTE]", [TEXT], []),
        ("allow: everything", [TEXT], []),
        ("allow: [IN1-4]", ["IN1||||Name\r"], ["IN1|1", "IN2", "NTE"]),
        ("allow: []", [BARE], []),
        (
            "allow: {only: [PID-3, PID-5, PV1]}",
            [HEAD + "PID|||7^^^R||A^B|||||||||||||||\rPV1|1|O\r"],
            ["ZZZ", "999"],
        ),
    ],
)
def test_what_may_leave(allow: str, there: list[str], gone: list[str]) -> None:
    got = given_to(allow)
    assert all(each in got for each in there), got
    assert not any(each in got for each in gone), got


def test_what_has_nothing_to_keep_back_is_the_very_message() -> None:
    affiliate, archive = outgoing(text=BARE)
    assert affiliate.payload is archive.payload


def test_what_maps_write_leaves_and_what_came_does_not() -> None:
    note = "- {add: NTE, after: PID, NTE-1: 1, NTE-3: Shared}\n"
    assert given_to(steps="map:\n  " + note) == BARE.replace("PV1", "NTE|1||Shared\rPV1")
    assert given_to(overlay="map:\n  " + note + "  - PID-19: '***'\n").count("|||***|") == 1
    assert "NTE|1||Shared\r" in given_to(overlay="map:\n  " + note)
    assert "free" not in given_to(overlay="map: [{ZZZ-2: {from: NTE-3}}, {ZZZ-3: {from: IN1-4}}]\n")
    assert "Name" not in given_to(
        overlay="map: [{new: ADT^A08}, {add: ZYY, ZYY-1: {from: original.IN1-4}}]\n"
    )


def test_the_message_before_new_is_kept_back_too() -> None:
    steps = "map: [{new: ADT^A08, keep: [PID]}]\n"
    late = "map: [{new: ADT^A08, keep: [PID]}, {ZYY-2: '${affiliate.id}', ZYY-1: {from: original.IN1-4}}]\n"
    alone = CHANNEL.replace(b", archive", b"") + late.encode()
    assert "Name" not in given_to(steps=steps)
    got = outgoing(channel=alone)[0].payload.decode()
    assert "ZYY||a\r" in got
    assert "Name" not in got


def test_only_holds_for_what_the_channel_adds_too() -> None:
    got = given_to("allow: {only: [PID-3, ZYY]}", steps="map: [{add: NTE, NTE-3: x}, {ZYY-1: y}]\n")
    assert [line[:3] for line in got.split("\r")] == ["MSH", "PID", "ZYY", ""]


def test_a_destination_of_another_kind_may_be_kept_short() -> None:
    assert outgoing(archive="allow: []\n")[1].payload.decode() == BARE


def test_a_delivery_that_fails_holds_no_more_than_it_may() -> None:
    [failed, _] = outgoing(overlay="map: [{keep: 'PID-3[4=NONE]'}]\n")
    assert failed.error is not None
    assert failed.payload.decode() == BARE


@pytest.mark.parametrize(
    ("allow", "said"),
    [
        ("[OBX]", "a.yaml:4:9: OBX is not kept back, so there is nothing to allow; kept back are PID-19"),
        ("[NTE, PID-3]", "a.yaml:4:14: PID-3 is not kept back"),
        ("[NET]", "a.yaml:4:9: HL7 has no segment NET; did you mean NTE?"),
        ("[PID-19.1]", "a.yaml:4:9: the text 'PID-19.1' is neither a segment nor a field"),
        (
            "everthing",
            "a.yaml:4:8: the text 'everthing' is neither a segment nor a field; did you mean everything?",
        ),
        ("{onyl: [PID]}", "a.yaml:4:9: 'onyl' is not a key of allow; did you mean only?"),
        ("{only: [PIX-3]}", "a.yaml:4:16: HL7 has no segment PIX"),
        ("{}", "a.yaml:4:8: allow says nothing here"),
    ],
)
def test_mistakes_are_named(allow: str, said: str) -> None:
    files = {"c.yaml": CHANNEL, "a.yaml": AFFILIATE + f"allow: {allow}\n".encode(), "archive.yaml": ARCHIVE}
    found = [str(each) for each in check(files)]
    assert any(each.startswith(said) for each in found), found

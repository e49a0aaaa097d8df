"""A sample tells nothing of a person: whatever stands wherever, it has a stand-in, is left out, or the message is refused."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.message import Message
from hl7bridge.sample.common import Common
from hl7bridge.sample.safe import Account, Refused, Safe
from hl7bridge.sample.standins import MOST_WEEKS, StandIns
from hl7bridge.testing.synthetic import generate

TODAY = date(2026, 11, 22)
KEY = b"k" * 32
HEAD = "MSH|^~\\&|RX|S1|HUB|HUB|20261121120000-0500||RDE^O11^RDE_O11|C77123|P|2.5.1\n"
PID = (
    "PID|1||4410027^^^RETAIL^PI||ALEXANDER^DOROTHEA^MAY||19481103|F|||12 Larkspur Court^^Silver Spring^MD^20902^USA||"
    "(301)555-0142||||||000-55-0101\n"
)


def safe(alike: int = 2, key: bytes = KEY) -> Safe:
    return Safe(StandIns(key), Common(alike), Account(), TODAY)


def made(text: str, patient: str = "p", with_: Safe | None = None) -> str:
    return (
        (with_ or safe())
        .made(Message(text.replace("\n", "\r").encode()), patient)
        .decode()
        .replace("\r", "\n")
    )


def test_a_patient_has_stand_ins_of_the_same_shape() -> None:
    pid = made(HEAD + PID).splitlines()[1].split("|")
    assert re.fullmatch(r"\d{7}\^\^\^\^PI", pid[3]), "one patient's authority is none that many have"
    assert "4410027" not in pid[3]
    assert re.fullmatch("[A-Z]{4,6}\\^[A-Z]{4,6}\\^[A-Z]{4,6}", pid[5])
    assert re.fullmatch(r"19(47|48|49)\d{4}", pid[7])
    assert pid[7] != "19481103"
    assert pid[8] == "F"
    assert re.fullmatch(r"[A-Z][a-z]+ STREET\^\^[A-Z][a-z]+\^MD\^00000\^USA", pid[11])
    assert re.fullmatch(r"\(555\)555-01\d\d", pid[13])
    assert re.fullmatch(r"0\d\d-\d\d-\d{4}", pid[19])


@pytest.mark.parametrize(
    "planted",
    [
        "NTE|1|P|Call Dorothea Alexander at (301)555-0142",
        "OBX|1|TX|1^N^L||ALEXANDER came late",
        "OBX|1|ST|1^N^L||DOROTHEA",
        "OBX|1|CE|1^N^L||X1^Mrs Alexander^L",
        "OBX|1|ED|1^N^L||^application^pdf^Base64^QUxFWEFOREVS",
        "OBX|1|XX|1^N^L||ALEXANDER",
        "ZPX|1|ALEXANDER^DOROTHEA",
        "PV1|1|O|Alexander Ward^DOROTHEA||||||ALEXANDER",
        "DG1|1||D50^Anemia of Dorothea^I10",
        "RXE||1^x^NDC|1||TAB|ALEXANDER|^Take for Dorothea",
        "ORC|NW|ALEXANDER-1|DOROTHEA||||||||||||4410027",
        "AL1|1|DA|70618^penicillin^R|MO|Alexander had hives",
        "IN1|1|PLAN|C1|ALEXANDER INSURANCE||||||||||||ALEXANDER^DOROTHEA|||12 Larkspur Court",
    ],
)
@pytest.mark.parametrize("alike", [2, 1000])
def test_a_planted_name_leaves_by_no_door(planted: str, alike: int) -> None:
    """Also where so many patients have it that it counts as a code."""
    each = safe(alike)
    text = HEAD + PID + planted + "\n"
    for patient in range(3):
        each.learn(Message(text.replace("\n", "\r").encode()), str(patient))
    found = ""
    with suppress(Refused):
        found = made(text, with_=each).casefold()
    for word in ("alexander", "dorothea", "larkspur", "4410027", "5550142", "555-0142", "qufwef", "19481103"):
        assert word not in found, word


def test_a_name_that_stands_in_a_code_that_many_have_refuses_the_message() -> None:
    each = safe(2)
    text = HEAD + PID + "DG1|1||D50^Alexander disease^I10\n"
    for patient in range(3):
        each.learn(Message(text.replace("\n", "\r").encode()), str(patient))
    with pytest.raises(Refused) as refused:
        made(text, with_=each)
    assert refused.value.place == "PID-5.1"
    assert "alexander" not in str(refused.value).casefold()


def test_a_code_is_kept_where_the_standard_or_many_patients_have_it() -> None:
    each = safe(3)
    lines = HEAD + PID + "DG1|1||{code}^text of {code}^I10\n"
    for patient in range(3):
        each.learn(Message(lines.format(code="D50.9").replace("\n", "\r").encode()), str(patient))
    for _ in range(9):  # of one patient
        each.learn(Message(lines.format(code="E75.29").replace("\n", "\r").encode()), "7")
    assert "D50.9^text of D50.9^I10" in made(lines.format(code="D50.9"), with_=each)
    rare = made(lines.format(code="E75.29"), with_=each)
    assert "E75" not in rare
    assert made(HEAD + PID, with_=each).splitlines()[1].split("|")[8] == "F", "table 0001 has it"


def test_the_same_patient_has_the_same_stand_ins_and_intervals_stay() -> None:
    def days(text: str) -> list[date]:
        return [
            datetime.strptime(each, "%Y%m%d").date() for each in re.findall(r"\d{8}", text.split("PV1")[1])
        ]

    visit = HEAD + PID + "PV1|1|O||||||||||||||||||||||||||||||||||||||||||20261101|20261104\n"
    one, other = made(visit), made(visit.replace("C77123", "C77124"))
    assert one.splitlines()[1:] == other.splitlines()[1:]
    first, second = days(one)
    assert (second - first).days == 3
    assert first.weekday() == date(2026, 11, 1).weekday()
    assert first != date(2026, 11, 1)
    assert days(made(visit, "another patient")) != [first, second] or MOST_WEEKS < 2
    assert made(visit, with_=safe(key=b"x" * 32)).splitlines()[1] != one.splitlines()[1]


def test_nobody_is_over_89() -> None:
    old = made(HEAD + PID.replace("19481103", "19200505"))
    assert old.splitlines()[1].split("|")[7] >= "19371121"


@given(st.text(max_size=12), st.binary(min_size=16, max_size=16))
def test_a_number_keeps_its_shape_and_is_another(value: str, key: bytes) -> None:
    found = StandIns(key).number(value)
    assert len(found) == len(value)
    assert [each.isdigit() for each in found] == [each.isdigit() for each in value]
    assert StandIns(key).number(value) == found


def test_a_generated_feed_tells_nothing_of_its_patients() -> None:
    each = safe(5)
    messages = [Message(sent.raw) for sent in generate(3, 60, 40, start=date(2026, 1, 1))]
    patients = [
        message.first(b"PID").field(3).split(b"^")[0].decode() if message.first(b"PID") else ""
        for message in messages
    ]
    for message, patient in zip(messages, patients, strict=True):
        each.learn(message, patient)
    refused = 0
    for message, patient in zip(messages, patients, strict=True):
        pid = message.first(b"PID")
        assert pid is not None
        hidden = [
            pid.field(19),
            *pid.field(5).split(b"^")[:2],
            pid.field(7)[:8],
            pid.field(11).split(b"^")[0],
        ]
        hidden += [number.split(b"^")[0] for number in pid.field(3).split(b"~")]
        try:
            found = each.made(message, patient).decode().casefold()
        except Refused:
            refused += 1
            continue
        Message(found.encode().upper())
        for value in hidden:
            assert len(value) < 4 or value.decode().casefold() not in found
    assert refused < len(messages) / 20

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7 import ack
from hl7bridge.hl7.ack import AckError, Answer
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message

NOW = datetime(2026, 11, 21, 20, 47, 1, tzinfo=UTC)
RDE = (
    b"MSH|^~\\&|RX|STORE7|HUB|BRIDGE|20261121||RDE^O11^RDE_O11|C1|P|2.5.1|||AL|NE||UNICODE UTF-8\r"
    b"PID|1||100\r"
)


def built(raw: bytes, code: str = "AA", errors: tuple[AckError, ...] = ()) -> bytes:
    return ack.build(Message(raw), code, now=NOW, control_id=b"77", errors=errors)


def test_the_sides_change_and_the_rest_is_the_sender_s() -> None:
    assert built(RDE) == (
        b"MSH|^~\\&|HUB|BRIDGE|RX|STORE7|20261121204701+0000||ACK^O11^ACK|77|P|2.5.1||||||UNICODE UTF-8\r"
        b"MSA|AA|C1\r"
    )


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (b"2.1", b"ACK"),
        (b"2.2", b"ACK"),
        (b"2.3", b"ACK^O11"),
        (b"2.3.1", b"ACK^O11^ACK"),
        (b"2.4", b"ACK^O11^ACK"),
        (b"2.5^DEU", b"ACK^O11^ACK"),
        (b"", b"ACK^O11^ACK"),
        (b"garbage", b"ACK^O11^ACK"),
    ],
)
def test_msh_9_is_written_as_the_version_has_it(version: bytes, kind: bytes) -> None:
    raw = built(RDE.replace(b"2.5.1", version))
    assert raw.split(b"|")[8] == kind


def test_the_sender_s_delimiters_are_used() -> None:
    raw = RDE.replace(b"&", b"#").replace(b"|", b"&").replace(b"^", b"|")
    assert built(raw, "AE", (AckError("101", "PID-3 is & empty", "PID-3"),)) == (
        b"MSH&|~\\#&HUB&BRIDGE&RX&STORE7&20261121204701+0000&&ACK|O11|ACK&77&P&2.5.1&&&&&&UNICODE UTF-8\r"
        b"MSA&AE&C1&PID-3 is \\F\\ empty\r"
        b"ERR&&PID|1|3&101|Required field missing|HL70357&E&&&&PID-3 is \\F\\ empty\r"
    )


def test_errors_of_today_s_versions() -> None:
    lines = built(
        RDE,
        "AR",
        (AckError("200", place="MSH-9.1"), AckError("999", "house rule", "OBX[2]-5", "W"), AckError("207")),
    ).split(b"\r")
    assert lines[1:] == [
        b"MSA|AR|C1|Unsupported message type",
        b"ERR||MSH^1^9^1^1|200^Unsupported message type^HL70357|E",
        b"ERR||OBX^2^5|999^^HL70357|W||||house rule",
        b"ERR|||207^Application internal error^HL70357|E",
        b"",
    ]
    assert b"MSA|AR|C1\r" in built(RDE.replace(b"2.5.1", b"2.7"), "AR", (AckError("200"),))


def test_errors_before_2_5() -> None:
    lines = built(
        RDE.replace(b"2.5.1", b"2.3"), "AE", (AckError("101", place="PID-3"), AckError("207"))
    ).split(b"\r")
    assert lines[1:] == [
        b"MSA|AE|C1|Required field missing",
        b"ERR|PID^1^3^101&Required field missing&HL70357",
        b"ERR|^^^207&Application internal error&HL70357",
        b"",
    ]


def test_an_unreadable_message_is_answered_with_standard_delimiters() -> None:
    raw = ack.build(None, "AR", now=NOW, control_id=b"78", errors=(AckError("100"),))
    assert raw == (
        b"MSH|^~\\&|||||20261121204701+0000||ACK|78|P|2.5.1\r"
        b"MSA|AR||Segment sequence error\r"
        b"ERR|||100^Segment sequence error^HL70357|E\r"
    )


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, b"20261121204701"),
        (UTC, b"20261121204701+0000"),
        (timezone(-timedelta(hours=5)), b"20261121204701-0500"),
        (timezone(timedelta(hours=5, minutes=45)), b"20261121204701+0545"),
        (timezone(-timedelta(hours=3, minutes=30)), b"20261121204701-0330"),
    ],
)
def test_times_are_written_with_their_offset(zone: timezone | None, text: bytes) -> None:
    assert ack.timestamp(NOW.replace(tzinfo=zone)) == text


def test_headers_without_fields_and_with_enormous_ones_are_answered() -> None:
    assert built(b"MSH|^~\\&") == b"MSH|^~\\&|||||20261121204701+0000||ACK|77||2.5.1\rMSA|AA|\r"
    assert built(b"MSH|^|A||||||X^Y|1\r", "AE", (AckError("101", "a~b", "PID-3"),)).startswith(b"MSH|^|||A||")
    large = built(RDE.replace(b"STORE7", b"S" * 100_000))
    assert b"S" * 100_000 in large


def test_a_header_in_shift_jis_is_answered_in_shift_jis() -> None:
    name = "ソ表"
    raw = f"MSH|^~\\&|{name}|S|||||ADT^A01|1|P|2.5{'|' * 6}Shift_JIS\r".encode("shift_jis")
    assert b"|" + name.encode("shift_jis") + b"|S|2026" in built(raw)


headers = st.lists(
    st.sampled_from(
        [b"|", b"^", b"~", b"\\", b"&", b"2.3", b"ISO IR87", b"\xff", b"\x1b$B", b"Shift_JIS", b"A01"]
    )
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)


@given(
    head=st.sampled_from([b"MSH|^~\\&|", b"MSH|", b"MSH|^|", b"MSH^~|\\&^", b"MSH|^~\\&#|", b"MSH|^~|"]),
    rest=headers,
    text=st.text(),
    place=st.text() | st.just("PID-3.1"),
)
def test_whatever_can_be_read_can_be_answered(head: bytes, rest: bytes, text: str, place: str) -> None:
    try:
        message = Message(head + rest)
    except Unreadable:
        return
    raw = ack.build(message, "AE", now=NOW, control_id=b"1", errors=(AckError("101", text, place),))
    answer = ack.read(raw, message.control_id)
    assert answer.code == "AE"
    assert len(raw.split(b"\r")) == 4
    if message.charset.delimiter_safe and message.control_id.strip() == message.control_id:
        assert answer.control_id == message.control_id
        assert answer.matches


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
def test_answers_are_understood(end: bytes, code: str) -> None:
    raw = end.join([b"MSH|^~\\&|H|E|||20261121||RRE^O12|9|P|2.5", b"MSA|" + code.encode() + b"|C1", b""])
    answer = ack.read(raw, b"C1")
    assert (answer.code, answer.matches, answer.control_id, answer.garbage) == (code, True, b"C1", False)
    assert not ack.read(raw, b"C2").matches
    assert not ack.read(raw.strip() + b"2", b"C1").matches
    assert ack.read(raw.strip(), b"C1").matches
    assert ack.read(raw, b"C2").code == code


def test_why_a_hospital_refused_is_known_by_its_code_alone() -> None:
    head = b"MSH|^~\\&|H|E|||20261121||ACK|9|P|2.5\r"
    assert ack.read(head + b"MSA|AE|C1|Smith is unknown\r", b"C1") == Answer("AE", True, b"C1", None, True)
    answer = ack.read(head + b"MSA|AR|C1\rERR||PID^1^3|204^Unknown key^HL70357|E||||JONES\r", b"C1")
    assert answer == Answer("AR", True, b"C1", "204", True)
    assert ack.read(head + b"MSA|AR|C1\rERR|||JONES\r", b"C1") == Answer("AR", True, b"C1", None, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"MSA|AA|C1\r",
        b"MSH|^~\\&|H\r",
        b"MSH|^~\\&|H\rMSA\r",
        b"MSH|^~\\&|H\rMSA|ZZ|C1\r",
        b"MSH|^~\\&|H\rMSA||C1\r",
        b"MSH|^~\\&|MSA|AA|C1\r",
        b"\x06",
    ],
)
def test_garbage_is_no_answer(raw: bytes) -> None:
    answer = ack.read(raw, b"C1")
    assert answer.garbage
    assert answer.code is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfMSH|^~\\&|H\rMSA|AA|C1",
        b"\r\nMSH|^~\\&|H\rMSA| aa | C1 \r",
        b"MSH$%~\\&$H\rMSA$AA$C1$$\r",
        b"MSH|^~\\&|H\rERR|x\rMSA|AA|C1|text|more|still\r",
    ],
)
def test_odd_answers_are_understood(raw: bytes) -> None:
    answer = ack.read(raw, b"C1")
    assert (answer.code, answer.matches) == ("AA", True)


@given(raw=st.binary() | headers.map(lambda rest: b"MSH|^~\\&|\rMSA|" + rest))
def test_any_answer_is_read(raw: bytes) -> None:
    assert ack.read(raw, b"C1").code in {*ack.CODES, None}

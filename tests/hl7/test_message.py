from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import ack
from hl7bridge.hl7.ack import AckError
from hl7bridge.hl7.delimiters import STANDARD, Delimiters, Unreadable, declared
from hl7bridge.hl7.message import BadValue, Message, Segment
from hl7bridge.hl7.types import of_message

RDE = (
    b"MSH|^~\\&|RX|STORE7|HUB|BRIDGE|20261121||RDE^O11^RDE_O11|C1|P|2.5.1|||AL|NE||UNICODE UTF-8\r"
    b"PID|1||100^^^RETAIL^PI~E100^^^MEDSTAR^MR||DOE^JO\r"
    b"NTE|1||a\r"
    b"NTE|2||b\r"
)


def test_the_header_is_read_from_its_fields() -> None:
    message = Message(RDE)
    assert message.delimiters is STANDARD
    assert (message.type_code, message.trigger, message.structure) == (b"RDE", b"O11", b"RDE_O11")
    assert (message.control_id, message.processing_id, message.version) == (b"C1", b"P", b"2.5.1")
    assert (message.sending_application, message.sending_facility) == (b"RX", b"STORE7")
    assert (message.receiving_application, message.receiving_facility) == (b"HUB", b"BRIDGE")
    assert (message.accept_ack, message.application_ack) == (b"AL", b"NE")
    assert message.charset.codec == "utf-8"


def test_a_header_without_its_fields_reads_as_empty() -> None:
    message = Message(b"MSH|^~\\&")
    assert (message.type_code, message.trigger, message.structure) == (b"", b"", b"")
    assert (message.control_id, message.version, message.processing_id) == (b"", b"", b"")


def test_header_fields_are_numbered_from_the_separator() -> None:
    header = Message(RDE).header
    assert (header.field(0), header.field(1), header.field(2), header.field(3)) == (
        b"MSH",
        b"|",
        b"^~\\&",
        b"RX",
    )
    assert header.count == 18


def test_segments_are_found_by_name() -> None:
    message = Message(RDE)
    assert [segment.field(1) for segment in message.all(b"NTE")] == [b"1", b"2"]
    first = message.first(b"NTE")
    assert first is not None
    assert first.field(3) == b"a"
    assert first.field(99) == b""
    assert message.first(b"ZZZ") is None
    assert message.all(b"ZZZ") == []


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n"])
def test_any_line_end_is_read_and_kept(end: bytes) -> None:
    raw = end.join([b"MSH|^~\\&|A", b"PID|1", b"PV1|1"])
    for wire in (raw, raw + end):
        message = Message(wire)
        assert [segment.name for segment in message.segments] == [b"MSH", b"PID", b"PV1"]
        pid = message.first(b"PID")
        assert pid is not None
        assert pid.field(1) == b"1"
        pid.set_field(1, b"22")
        assert message.emit() == wire.replace(b"PID|1", b"PID|22")


def test_mixed_line_ends_stay_mixed() -> None:
    wire = b"\xef\xbb\xbf\r\n MSH|^~\\&|A\nPID|1\r\nNTE|1\r\r\nNTE|2"
    message = Message(wire)
    assert message.prefix == b"\xef\xbb\xbf\r\n "
    assert [segment.end for segment in message.segments] == [b"\n", b"\r\n", b"\r\r\n", b""]
    message.segments[1].set_field(3, b"X")
    assert message.emit() == wire.replace(b"PID|1", b"PID|1||X")


def test_a_field_beyond_the_last_is_made_and_an_empty_one_is_not() -> None:
    segment = Segment.parse(b"PID|1")
    segment.set_field(4, b"")
    assert segment.emit() == b"PID|1"
    segment.set_field(4, b"x")
    assert segment.emit() == b"PID|1|||x"
    assert segment.changed


def test_header_fields_are_set_at_their_numbers() -> None:
    message = Message(RDE)
    message.header.set_field(5, b"EPIC")
    assert message.receiving_application == b"EPIC"
    assert message.emit() == RDE.replace(b"|HUB|", b"|EPIC|")


@pytest.mark.parametrize("value", [b"a|b", b"a\rb", b"\n"])
def test_a_value_that_would_break_the_segment_is_refused(value: bytes) -> None:
    segment = Segment.parse(b"PID|1\r")
    with pytest.raises(BadValue) as caught:
        segment.set_field(5, value)
    assert caught.value.place == "PID-5"
    assert segment.emit() == b"PID|1\r"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_delimiters_of_a_header_cannot_be_changed(number: int) -> None:
    with pytest.raises(BadValue):
        Message(RDE).header.set_field(number, b"^")


def test_segments_are_inserted_behind_others_with_the_header_s_line_end() -> None:
    message = Message(b"MSH|^~\\&|A\nPID|1\nPV1|1")
    pid = message.first(b"PID")
    assert pid is not None
    note = Segment.make(b"NTE")
    note.set_field(1, b"1")
    message.insert(pid, note)
    message.insert(-1, Segment.parse(b"ZZZ|1\r"))
    assert message.emit() == b"MSH|^~\\&|A\nPID|1\nNTE|1\nPV1|1\nZZZ|1\n"


def test_segments_are_removed_but_never_the_header() -> None:
    message = Message(RDE)
    for note in message.all(b"NTE"):
        message.remove(note)
    assert message.emit() == RDE[: RDE.index(b"NTE")]
    with pytest.raises(BadValue):
        message.remove(message.header)
    with pytest.raises(BadValue):
        message.remove(Segment.parse(b"PID|1"))


def test_a_copy_and_its_original_change_apart() -> None:
    original = Message(RDE)
    original.segments[1].set_field(2, b"one")
    copy = original.copy()
    further = copy.copy()
    copy.segments[1].set_field(2, b"two")
    copy.remove(copy.segments[3])
    original.segments[1].set_field(4, b"four")
    further.segments[2].set_field(3, b"note")
    one = RDE.replace(b"PID|1||", b"PID|1|one|")
    assert further.emit() == one.replace(b"||a\r", b"||note\r")
    assert copy.emit() == one.replace(b"|one|", b"|two|").replace(b"NTE|2||b\r", b"")
    assert original.emit() == one.replace(b"MR||DOE", b"MR|four|DOE")
    assert Message(RDE).copy().emit() == RDE


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"PID|1\r", b"PID"),
        (b"PID\r", b"PID"),
        (b"PID", b"PID"),
        (b"PIDX|1\r", b""),
        (b"PI|1\r", b""),
        (b"|||\r", b""),
        (b"P\r", b""),
        (b"a very long line of text\r", b""),
        (b"zp1|1\r", b"zp1"),
    ],
)
def test_the_name_of_odd_lines(line: bytes, name: bytes) -> None:
    message = Message(b"MSH|^~\\&|A\r" + line)
    assert message.segments[1].name == name
    assert message.emit() == b"MSH|^~\\&|A\r" + line


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xef\xbb\xbf",
        b"PID|1",
        b"msh|^~\\&|",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfeM\x00S\x00H\x00|\x00",
    ],
)
def test_bytes_without_a_header_are_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        Message(raw)
    assert caught.value.code == "no-header"


@pytest.mark.parametrize(
    "raw",
    [
        b"MSH",
        b"MSH\r",
        b"MSHA",
        b"MSH ",
        b"MSH\x00^~",
        b"MSH|^^~\\&|",
        b"MSH|^~^\\|",
        b"MSH|ABCD|",
        b"MSH\xc3|",
    ],
)
def test_delimiters_that_cannot_delimit_are_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        Message(raw)
    assert caught.value.code == "bad-delimiters"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"MSH|^~\\&|", STANDARD),
        (b"MSH|^~\\&\rOBX", STANDARD),
        (b"MSH||", STANDARD),
        (b"MSH|", STANDARD),
        (b"MSH^", Delimiters(b"^", b"", b"~", b"\\", b"&")),
        (b"MSH|^|", Delimiters(b"|", b"^", b"", b"", b"")),
        (b"MSH|^~|", Delimiters(b"|", b"^", b"~", b"", b"")),
        (b"MSH|^~\\|", Delimiters(b"|", b"^", b"~", b"\\", b"")),
        (b"MSH|^~\\&#|", Delimiters(b"|", b"^", b"~", b"\\", b"&", b"#")),
        (b"MSH|^~\\&amp;|", STANDARD),
        (b"MSH|^~\\&^|", STANDARD),
        (b"MSH^~|\\&^H", Delimiters(b"^", b"~", b"|", b"\\", b"&")),
        (b"MSH|^~\\}|", Delimiters(b"|", b"^", b"~", b"\\", b"}")),
    ],
)
def test_delimiters_are_those_declared(raw: bytes, expected: Delimiters) -> None:
    assert Message(raw).delimiters == expected


def test_encoding_characters_are_declared_again_as_read() -> None:
    assert declared(b"|", b"^~\\&#").encoding_characters == b"^~\\&#"
    assert declared(b"|", b"^~").encoding_characters == b"^~"


def test_a_short_msh_2_splits_nothing_it_does_not_name() -> None:
    message = Message(b"MSH|^|A||||||ADT^A01^ADT_A01|1\r")
    assert (message.type_code, message.trigger) == (b"ADT", b"A01")
    message = Message(b"MSH^~^A^^^^^^ADT~A01^1")
    assert (message.type_code, message.trigger) == (b"ADT", b"A01")
    message = Message(b"MSH^")
    message.header.set_field(9, b"ADT~A01")
    assert (message.type_code, message.trigger) == (b"ADT~A01", b"")


lines = st.lists(
    st.sampled_from([b"PID|1||A^B~C", b"\r", b"\n", b"\r\n", b"|", b"ZZZ", b"OBX|1", b"\x00", b"^", b"MSH|"])
    | st.binary(max_size=9)
).map(b"".join)


@given(
    before=st.sampled_from([b"", b"\xef\xbb\xbf", b"\r\n", b" \t"]),
    head=st.sampled_from([b"|^~\\&|", b"|", b"^~|\\&^", b"|^~\\&#|", b"|^", b"\t^~\\&\t"])
    | st.binary(max_size=6),
    rest=lines,
)
@example(before=b"", head=b"|^~\\&|", rest=b"|" * 17 + b"ISO IR87\rPID|1||\x1b$B\xff|")
def test_parse_and_emit_are_the_identity(before: bytes, head: bytes, rest: bytes) -> None:
    raw = before + b"MSH" + head + rest
    try:
        message = Message(raw)
    except Unreadable:
        return
    assert message.emit() == raw
    for segment in message.segments:
        assert segment.field(0) is not None
        assert segment.count >= 0
        assert isinstance(message.charset.decode(segment.field(5)), str)
    assert message.emit() == raw
    assert message.copy().emit() == raw
    for segment in message.segments:
        segment.own_fields()
    if message.charset.delimiter_safe:
        assert message.emit() == raw


# Bytes by chance alone never begin like a message.
@given(raw=st.binary() | st.binary().map(b"MSH".__add__) | st.binary().map(b"MSH|^~\\&".__add__))
@example(raw=b"MSH|^~\\&|A")
@example(raw=b"MSH")
def test_any_bytes_are_read_or_refused_by_a_documented_error(raw: bytes) -> None:
    code = ""
    try:
        assert Message(raw).emit() == raw
    except HL7BridgeError as error:
        code = error.code
    assert code in {"", "no-header", "bad-delimiters"}
    assert not (code and raw.startswith(b"MSH|^~\\&|"))


def test_nothing_a_sender_writes_is_remembered_at_length() -> None:
    def one(number: int) -> None:
        long = b"%d" % number + b"x" * 100_000
        message = Message(b"|".join([b"MSH", b"^~\\&" + long, *[long] * 18, b"\rPID|1"]))
        assert message.charset.codec == "utf-8"
        assert of_message(message)
        ack.build(
            message, "AE", now=datetime(2026, 1, 1, tzinfo=UTC), control_id=b"1", errors=(AckError("207"),)
        )

    one(0)
    tracemalloc.start()
    try:
        for number in range(1, 30):
            one(number)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 500_000


def test_a_message_of_ten_megabytes_is_changed_in_a_few_times_its_size() -> None:
    raw = b"MSH|^~\\&|A\rPID|1\rOBX|1|ED|1^^L||^application^pdf^Base64^" + b"QUJD" * 2_500_000 + b"|x\r"
    tracemalloc.start()
    try:
        message = Message(raw)
        assert message.segments[2].field(2) == b"ED"
        message.segments[2].set_field(11, b"F")
        assert message.copy().emit().endswith(b"|||||F\r")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(raw)


def test_a_large_field_is_read_in_little_time_and_passes_unchanged() -> None:
    raw = b"MSH|^~\\&|A\rOBX|1|ED|1^^L||^application^pdf^Base64^" + b"QUJD" * 2_500_000 + b"\rNTE|1\r"
    message = Message(raw)
    assert [segment.name for segment in message.segments] == [b"MSH", b"OBX", b"NTE"]
    assert len(message.segments[1].field(5)) > 10_000_000
    assert message.emit() == raw

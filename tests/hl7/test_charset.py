from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.charset import Unencodable, named, of
from hl7bridge.hl7.message import Message, Segment

TABLE_0211 = [
    *(f"8859/{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)),
    *("ASCII", "ISO IR6", "ISO IR14", "ISO IR87", "ISO IR159", "GB 18030-2000", "KS X 1001", "BIG-5"),
    *("UNICODE", "UNICODE UTF-8", "JAS2020", "JIS X 0202"),
]


@pytest.mark.parametrize(
    "name", [*TABLE_0211, "utf8", "ISO-8859-1", "ISO8859/15", "windows-1252", "CP1252", "Latin1"]
)
def test_the_names_of_table_0211_and_their_common_spellings_are_known(name: str) -> None:
    charset = named(name)
    assert charset is not None
    assert charset.decode(charset.encode("MSH|^~&")) == "MSH|^~&"


@pytest.mark.parametrize(
    ("msh_18", "codec"),
    [
        (b"", "iso8859-1"),
        (b"KLINGON", "iso8859-1"),
        (b"\xff\xfe", "iso8859-1"),
        (b"rot13", "iso8859-1"),
        (b"8859/2", "iso8859-2"),
        (b" UNICODE UTF-8 ", "utf-8"),
        (b"ASCII~8859/1", "ascii"),
        (b"~ISO IR87", "iso2022_jp_1"),
        (b"ISO IR6~ISO IR87", "iso2022_jp_1"),
        (b"x~y", "iso8859-1"),
    ],
)
def test_msh_18_decides_and_the_fallback_stands_in(msh_18: bytes, codec: str) -> None:
    assert of(msh_18, b"~", "8859/1").codec == codec


def test_an_unknown_fallback_is_utf_8() -> None:
    assert of(b"", b"~", "nonsense").codec == "utf-8"


def test_a_text_that_the_character_set_lacks_is_refused_without_showing_it() -> None:
    ascii_ = of(b"ASCII")
    with pytest.raises(Unencodable) as caught:
        ascii_.encode("José")
    assert "Jos" not in str(caught.value)
    with pytest.raises(Unencodable):
        of(b"ISO IR87").encode("\N{PILE OF POO}")
    with pytest.raises(Unencodable):
        of(b"UNICODE UTF-8").encode("\ud800")


@given(
    value=st.binary(),
    name=st.sampled_from(["ASCII", "UNICODE UTF-8", "8859/1", "8859/3", "8859/6", "CP1252"]),
)
def test_bytes_that_mean_nothing_survive(value: bytes, name: str) -> None:
    charset = of(name.encode())
    assert charset.encode(charset.decode(value)) == value


@given(text=st.text(st.characters(codec="utf-8")), name=st.sampled_from(TABLE_0211))
def test_texts_come_back(text: str, name: str) -> None:
    charset = of(name.encode())
    try:
        value = charset.encode(text)
    except Unencodable:
        return
    assert charset.decode(value) == text


pieces = st.sampled_from(
    [b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b$(D", b"\x1b", b"!X", b"\x80", b"\xe9", b"\n"]
)


@given(wire=st.binary() | st.lists(pieces).map(b"".join), name=st.sampled_from(TABLE_0211))
def test_the_working_form_never_fails(wire: bytes, name: str) -> None:
    charset = of(name.encode())
    assert isinstance(charset.decode(charset.to_working(wire)), str)
    assert isinstance(charset.to_wire(charset.to_working(wire)), bytes)
    if charset.codec in {"utf-8", "ascii"}:
        assert charset.to_wire(charset.to_working(wire)) == wire


# 0x7C, 0x5C and 0x5E are second bytes here: the wire is full of delimiters that are none.
UNSAFE = [
    ("ISO IR6~ISO IR87", "iso2022_jp_1"),
    ("BIG-5", "big5"),
    ("GB 18030-2000", "gb18030"),
    ("Shift_JIS", "shift_jis"),
]


@pytest.mark.parametrize(("name", "codec"), UNSAFE)
def test_characters_that_contain_delimiters_do_not_split(name: str, codec: str) -> None:
    family = {"big5": "功蓋許", "gb18030": "亅亇亊"}.get(codec, "表ソ潔山田")
    wire = f"MSH|^~\\&|A{'|' * 15}{name}\rPID|1||100||{family}^{family}|x\rNTE|1||{family}\r".encode(codec)
    plain = f"{family}^{family}"
    assert plain.encode(codec).count(b"^") >= 1
    message = Message(wire)
    assert message.charset.codec == codec
    pid = message.first(b"PID")
    assert pid is not None
    assert message.charset.decode(pid.field(5)) == plain
    assert pid.field(6) == b"x"
    assert message.emit() == wire
    pid.set_field(6, message.charset.encode(family))
    assert message.emit() == wire.replace("|x\r".encode(codec), f"|{family}\r".encode(codec))


def test_a_segment_made_for_a_message_is_written_in_its_character_set() -> None:
    message = Message(f"MSH|^~\\&|A{'|' * 15}Shift_JIS\rPID|1\r".encode("shift_jis"))
    note = Segment.make(b"NTE")
    message.insert(1, note)
    note.set_field(3, message.charset.encode("ソ表"))
    assert message.emit().endswith("NTE|||ソ表\r".encode("shift_jis"))


def test_undecodable_bytes_in_a_changed_segment_survive() -> None:
    wire = b"MSH|^~\\&|A" + b"|" * 15 + b"ISO IR87\rPID|1|\xff\xfe\x80|\x1b$B\x3b\x33\x1b(B|x\r"
    message = Message(wire)
    message.segments[1].set_field(4, b"y")
    assert message.emit() == wire.replace(b"|x\r", b"|y\r")


def test_latin_1_passes_a_utf_8_source_untouched() -> None:
    wire = b"MSH|^~\\&|A\rPID|1||||GR\xdcN^J\xd6RG\r"
    message = Message(wire, fallback="utf-8")
    message.segments[1].set_field(2, message.charset.encode(message.charset.decode(b"\xdc").upper()))
    assert message.emit() == wire.replace(b"PID|1|", b"PID|1|\xdc")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.delimiters import STANDARD, BadValue, Delimiters, declared
from hl7bridge.hl7.escape import escape, redelimit, unescape

VA = declared(b"^", b"~|\\&")
SHORT = declared(b"|", b"^~")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"plain", b"plain"),
        (b"A|B^C&D~E\\F", b"A\\F\\B\\S\\C\\T\\D\\R\\E\\E\\F"),
        (b"two\r\nlines", b"two\\X0D\\\\X0A\\lines"),
        (b"\x0b\x1c", b"\\X0B\\\\X1C\\"),
    ],
)
def test_text_is_escaped_and_read_back(text: bytes, value: bytes) -> None:
    assert escape(text, STANDARD) == value
    assert unescape(value, STANDARD) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a\\.br\\b", b"a\\.br\\b"),
        (b"\\.br\\F\\S\\x", b"\\.br\\F^x"),
        (b"\\H\\bold\\N\\", b"\\H\\bold\\N\\"),
        (b"\\Zabc\\", b"\\Zabc\\"),
        (b"\\C2842\\", b"\\C2842\\"),
        (b"\\X4142\\", b"AB"),
        (b"\\X414\\", b"\\X414\\"),
        (b"\\XZZ\\", b"\\XZZ\\"),
        (b"C:\\dir\\", b"C:\\dir\\"),
        (b"C:\\dir \\T\\", b"C:\\dir &"),
        (b"\\", b"\\"),
        (b"\\P\\", b"\\P\\"),
    ],
)
def test_only_what_stands_for_text_is_read_as_text(value: bytes, text: bytes) -> None:
    assert unescape(value, STANDARD) == text


def test_the_truncation_character_of_2_7_is_escaped() -> None:
    delimiters = declared(b"|", b"^~\\&#")
    assert escape(b"#", delimiters) == b"\\P\\"
    assert unescape(b"\\P\\", delimiters) == b"#"


def test_without_an_escape_character_only_plain_text_can_be_written() -> None:
    assert escape(b"plain & simple", SHORT) == b"plain & simple"
    assert unescape(b"\\T\\", SHORT) == b"\\T\\"
    with pytest.raises(BadValue) as caught:
        escape(b"A^B", SHORT)
    assert caught.value.code == "no-delimiter"


@given(st.binary())
def test_escape_and_unescape_are_inverse(text: bytes) -> None:
    for delimiters in (STANDARD, VA, declared(b"|", b"^~\\&#")):
        value = escape(text, delimiters)
        assert unescape(value, delimiters) == text
        assert not set(b"\r\n\x0b\x1c" + delimiters.field + delimiters.component) & set(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"DOE^JO&HN~X", b"DOE~JO&HN|X"),
        (
            b"A\\S\\B\\F\\C",
            b"A^B\\F\\C".replace(b"^", b"\\F\\").replace(b"B\\F\\C", b"B|C".replace(b"|", b"\\R\\")),
        ),
        (b"\\.br\\", b"\\.br\\"),
        (b"\\X0D\\", b"\\X0D\\"),
        (b"plain", b"plain"),
        (b"", b""),
    ],
)
def test_values_move_to_other_delimiters(value: bytes, expected: bytes) -> None:
    assert redelimit(value, STANDARD, VA) == expected
    assert redelimit(redelimit(value, STANDARD, VA), VA, STANDARD) == value


def test_bytes_that_begin_to_mean_something_are_escaped() -> None:
    source = declared(b"|", b"^~\\}")
    assert redelimit(b"A&B}C", source, STANDARD) == b"A\\T\\B&C"
    with pytest.raises(BadValue):
        redelimit(b"A&B", STANDARD, SHORT)
    with pytest.raises(BadValue):
        redelimit(b"A\\.br\\", STANDARD, SHORT)
    assert redelimit(b"A\\T\\B", STANDARD, SHORT) == b"A&B"


@given(parts=st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=3), min_size=1, max_size=3))
def test_structure_and_text_survive_a_change_of_delimiters(parts: list[list[bytes]]) -> None:
    def written(delimiters: Delimiters) -> bytes:
        return delimiters.repetition.join(
            delimiters.component.join(escape(part, delimiters) for part in repetition) for repetition in parts
        )

    odd = declared(b"$", b"|^%~")
    for target in (VA, odd):
        moved = redelimit(written(STANDARD), STANDARD, target)
        read = [
            [unescape(part, target) for part in repetition.split(target.component)]
            for repetition in moved.split(target.repetition)
        ]
        assert read == parts

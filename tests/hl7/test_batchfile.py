"""A file read in pieces gives the messages that the whole file gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hl7bridge.hl7.batch import BLANK, PART, BatchError, is_batch, read_file
from hl7bridge.hl7.batchfile import has_frames, messages_of
from hl7bridge.hl7.mllp import TooLarge, frame

A = b"MSH|^~\\&|A|S|B|S|20261121||ADT^A01|1|P|2.5\rPID|1||7\r"
B = b"MSH|^~\\&|A|S|B|S|20261121||ADT^A01|2|P|2.5\rPID|1||8\rNTE|1||MSH and BTS in a text\r"
PARTS = [
    A,
    B,
    b"FHS|^~\\&|X\r",
    b"BHS|^~\\&|X\r",
    b"\xef\xbb\xbf",
    b"BTS|2\r",
    b"BTS",
    b"FTS|1\r",
    b"\r\n",
    b" ",
    b"stray\r",
    b"MSH",
]


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


def read(data: bytes, sizes: list[int], limit_bytes: int = 10_000) -> list[bytes | TooLarge]:
    found = messages_of(cut(data, sizes), framed=any(has_frames(cut(data, sizes))), limit_bytes=limit_bytes)
    return [each for each in found if each is not None]


@given(
    st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
)
def test_pieces_change_nothing(data: bytes, sizes: list[int]) -> None:
    whole = read_file(data).messages
    # A lone message with a trailer that does not belong to it is left whole there, and cut here.
    assume(whole != [data] or len(PART.findall(data.lstrip(BLANK))) < 2)
    if whole:
        whole[0] = whole[0].lstrip(BLANK)
    assert read(data, sizes) == whole


@given(
    st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
)
def test_what_is_wrong_with_a_batch_is_found_in_pieces_too(data: bytes, sizes: list[int]) -> None:
    wrong: list[BatchError] = []
    list(messages_of(cut(data, sizes), framed=False, limit_bytes=10_000, errors=wrong))
    whole = read_file(data)
    # Whole, a lone message with a header behind it is no batch, and a header without a separator is one.
    assume(is_batch(data) and PART.match(data.lstrip(BLANK)))
    assert [(each.code, each.place, str(each)) for each in wrong] == [
        (each.code, each.place, str(each)) for each in whole.errors
    ]


def test_what_stands_between_frames_and_what_is_cut_off_is_said() -> None:
    wrong: list[BatchError] = []
    data = frame(A) + b"some words" + frame(b"BHS|^~\\&|X\r" + A + b"BTS|2\r") + b"\x0bMSH|"
    found = messages_of([data], framed=True, limit_bytes=1000, errors=wrong)
    assert [each for each in found if each] == [A, A]
    assert [each.code for each in wrong] == ["batch-stray-lines", "batch-count", "batch-broken-frame"]
    assert [str(each) for each in wrong] == [str(each) for each in read_file(data).errors]


@given(
    st.lists(st.sampled_from([A, B, A + B, b"BHS|^~\\&|X\r" + A + B + b"BTS|2\r"]), min_size=1, max_size=6),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
)
def test_frames_in_pieces(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"\r\n".join(map(frame, payloads))
    assert read(data, sizes) == read_file(data).messages


@pytest.mark.parametrize("around", [bytes, frame], ids=["plain", "framed"])
def test_a_message_beyond_the_limit_is_left_out_and_the_next_is_found(around: type) -> None:
    large = A + b"ZZZ|" + b"MSH|" * 500 + b"\r"
    found = read(around(A) + around(large) + around(B), [7], limit_bytes=200)
    assert [type(each) for each in found] == [bytes, TooLarge, bytes]
    assert found[1].size_bytes == len(large)
    assert (found[0], found[2]) == (A, B)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_vertical_tab_in_a_text_begins_no_frame(sizes: list[int]) -> None:
    tab = A.replace(b"PID|1||7", b"PID|1||7\x0b8")
    assert read(tab + B, sizes) == read_file(tab + B).messages == [tab, B]
    marked = b"\xef\xbb\xbf \r\n" + A
    assert read(b"\r\n" + frame(marked), sizes) == [A]


@given(
    st.lists(st.sampled_from([*PARTS, b"\x00", b"\xef\xbb\xbf", b"MSH|", b"\r"]), max_size=8).map(b"".join),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
)
def test_what_comes_out_is_cut_no_further(data: bytes, sizes: list[int]) -> None:
    assert not any(isinstance(each, bytes) and is_batch(each) for each in read(data, sizes))

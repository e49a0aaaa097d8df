from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.batch import is_batch, read_file, split
from hl7bridge.hl7.mllp import frame

A = b"MSH|^~\\&|A\rPID|1\r"
B = b"MSH|^~\\&|B\rPID|2\r"
FHS, BHS = b"FHS|^~\\&|S\r", b"BHS|^~\\&|S\r"


def codes(raw: bytes) -> list[str]:
    return [error.code for error in split(raw).errors]


def test_a_plain_message_is_a_batch_of_one_and_stays_as_it_is() -> None:
    for raw in (A, b"\xef\xbb\xbf\r\n" + A, A + b"\r\r", b"no message at all", b""):
        assert not is_batch(raw)
        assert split(raw).messages == [raw]
        assert split(raw).errors == []


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_batch_gives_its_messages_byte_for_byte(end: bytes) -> None:
    raw = (FHS + BHS + A + B + b"BTS|2\rFTS|1\r").replace(b"\r", end)
    assert is_batch(raw)
    batch = split(raw)
    assert batch.messages == [A.replace(b"\r", end), B.replace(b"\r", end)]
    assert batch.errors == []
    assert batch.counts_ok


@pytest.mark.parametrize(
    "raw",
    [
        A + B,
        A + b"\r\n" + B,
        BHS + A + B + b"BTS",
        BHS + A + b"BTS|1\r" + BHS + B + b"BTS|1\r",
        FHS + A + B + b"FTS|1\r",
        A + B + b"BTS|2\r",
        b"\xef\xbb\xbf" + A + B,
        b"\n" + FHS + BHS + A + B + b"BTS\rFTS\r\x1a",
    ],
)
def test_batches_are_written_in_many_ways(raw: bytes) -> None:
    batch = split(raw)
    assert [message.rstrip() + b"\r" for message in batch.messages] == [A, B]
    assert batch.errors == []


@pytest.mark.parametrize(
    ("raw", "errors"),
    [
        (BHS + A + b"BTS|2\r", ["batch-count"]),
        (BHS + A + b"BTS|x\r", ["batch-count"]),
        (FHS + BHS + A + b"BTS|1\rFTS|3\r", ["batch-count"]),
        (FHS + BHS + A + b"BTS|1\r" + BHS + B + b"BTS|1\rFTS|1\r", ["batch-count"]),
        (BHS + A, ["batch-unfinished"]),
        (FHS + BHS + A + b"BTS|1\r", ["batch-unfinished"]),
        (BHS + A + BHS + B + b"BTS|1\r", ["batch-unfinished"]),
        (FHS + BHS + b"BTS|0\rFTS|1\r", ["batch-empty"]),
        (BHS + b"NTE|1\r" + A + b"BTS|1\r", ["batch-stray-lines"]),
        (b"hello\r" + A + B, ["batch-stray-lines"]),
    ],
)
def test_what_is_wrong_with_a_batch_is_listed_beside_its_messages(raw: bytes, errors: list[str]) -> None:
    assert codes(raw) == errors
    assert split(raw).messages == [message for message in (A, B) if message in raw]
    assert split(raw).counts_ok == ("batch-count" not in errors)


def test_words_that_begin_like_headers_split_nothing() -> None:
    raw = b"MSH|^~\\&|A\rMSHX|1\rNTE|1||x\nMSH is the header\rBTSX\r"
    assert split(raw).messages == [raw]


def test_files_may_be_framed_or_not() -> None:
    assert read_file(frame(A) + b"\r\n" + frame(B)).messages == [A, B]
    assert read_file(frame(FHS + BHS + A + B + b"BTS|2\rFTS|1\r")).messages == [A, B]
    assert read_file(A + b"\n\n" + B).messages == [A + b"\n\n", B]
    assert read_file(A).messages == [A]
    assert read_file(b"\r\n \n").messages == []
    cut = read_file(frame(A) + b"junk!" + frame(B)[:-5])
    assert cut.messages == [A]
    assert [error.code for error in cut.errors] == ["batch-stray-lines", "batch-broken-frame"]


@given(
    st.lists(
        st.sampled_from(
            [A, B, FHS, BHS, b"BTS|1\r", b"FTS|1\r", b"\r\n", b"\x0b", b"\x1c\r", b"NTE|1\r", b"MSH", b"\n"]
        )
        | st.binary(max_size=5)
    ).map(b"".join)
)
def test_every_message_of_any_bytes_is_a_piece_of_them(raw: bytes) -> None:
    for batch in (split(raw), read_file(raw)):
        at = 0
        for message in batch.messages:
            at = raw.index(message, at) + len(message)
    if is_batch(raw):
        assert all(message.startswith(b"MSH") for message in split(raw).messages)


def test_files_put_one_behind_the_other_are_so_many_messages_whatever_marks_they_bring() -> None:
    mark = b"\xef\xbb\xbf"
    one, two = (b"MSH|^~\\&|A|S|B|S|20261121||ADT^A01|%d|P|2.5\rPID|1||%d\r" % (n, n) for n in (1, 2))
    assert split(mark + one + mark + two + mark + mark + one).messages == [one, two, one]
    assert split(one + b"\n" + mark + two).messages == [one + b"\n", two]
    assert read_file(mark + one + mark + two).messages == [one, two]

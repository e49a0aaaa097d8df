from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.mllp import (
    Broken,
    CommitAck,
    CommitNak,
    Event,
    Frame,
    Framer,
    Junk,
    TooLarge,
    Unframeable,
    commit_ack,
    commit_nak,
    frame,
)

A = b"MSH|^~\\&|A\rPID|1\r"
B = b"MSH|^~\\&|B\rPID|2\r"


def test_several_frames_in_one_packet() -> None:
    assert Framer().feed(frame(A) + frame(B)) == [Frame(A), Frame(B)]


def test_one_frame_in_many_packets_is_held_until_it_is_whole() -> None:
    framer, wire = Framer(), frame(A)
    for at in range(len(wire) - 2):
        assert framer.feed(wire[at : at + 1]) == []
        assert framer.buffered == at
    assert framer.feed(wire[-2:]) == [Frame(A)]
    assert framer.buffered == 0


def test_a_frame_ends_without_its_trailing_carriage_return() -> None:
    framer = Framer()
    assert framer.feed(b"\x0b" + A + b"\x1c") == [Frame(A)]
    assert framer.feed(b"\x0b" + B + b"\x1c") == [Frame(B)]


@pytest.mark.parametrize("cut", range(5))
def test_the_trailing_carriage_return_is_no_junk_wherever_packets_are_cut(cut: int) -> None:
    framer, wire = Framer(), frame(A)
    at = len(wire) - cut
    assert framer.feed(wire[:at]) + framer.feed(wire[at:]) + framer.feed(frame(B)) == [Frame(A), Frame(B)]


def test_bytes_between_frames_are_dropped_and_counted() -> None:
    assert Framer().feed(b"hello" + frame(A) + b"\r\n" + frame(B) + b"x") == [
        Junk(5),
        Frame(A),
        Junk(2),
        Frame(B),
        Junk(1),
    ]


def test_a_frame_begun_anew_counts_from_its_last_beginning() -> None:
    cut = b"\x0b" + A[:12]
    assert Framer().feed(cut + frame(B)) == [Broken(12), Frame(B)]
    assert Framer().feed(cut + cut + b"\x0b\xef\xbb\xbf\r\n" + B + b"\x1c\r") == [
        Broken(25),
        Frame(b"\xef\xbb\xbf\r\n" + B),
    ]


def test_a_vertical_tab_in_a_text_does_not_break_its_message() -> None:
    note = b"MSH|^~\\&|A\rNTE|1||first\x0bsecond\r"
    assert Framer().feed(frame(note)) == [Frame(note)]


def test_an_empty_frame_is_a_frame() -> None:
    assert Framer().feed(b"\x0b\x1c\r") == [Frame(b"")]


def test_commit_bytes_of_release_2() -> None:
    assert Framer().feed(commit_ack + commit_nak + frame(A)) == [CommitAck(), CommitNak(), Frame(A)]


def test_a_frame_beyond_the_limit_is_reported_and_not_kept() -> None:
    framer = Framer(max_message_bytes=100)
    assert framer.feed(b"\x0bMSH|" + b"x" * 80) == []
    assert not framer.discarding
    assert framer.feed(b"y" * 10_000) == []
    assert framer.discarding
    assert framer.buffered <= 100
    assert framer.feed(b"\x1c\r" + frame(A)) == [TooLarge(10_084, b"MSH|" + b"x" * 80 + b"y" * 16), Frame(A)]


def test_the_limit_itself_is_allowed() -> None:
    assert Framer(max_message_bytes=len(A)).feed(frame(A)) == [Frame(A)]
    assert Framer(max_message_bytes=len(A) - 1).feed(frame(A)) == [TooLarge(len(A), A[: len(A) - 1])]


def test_an_unfinished_frame_is_reported_when_the_connection_ends() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|")
    assert framer.inside
    assert framer.finish() == [Broken(4)]
    assert framer.finish() == []
    assert framer.feed(frame(A)) == [Frame(A)]


def test_content_that_would_end_its_own_frame_is_refused() -> None:
    with pytest.raises(Unframeable) as caught:
        frame(b"MSH|secret\x1c")
    assert caught.value.code == "unframeable"
    assert "secret" not in str(caught.value)


def test_ten_megabytes_in_small_packets_take_linear_time() -> None:
    payload = b"MSH|^~\\&|A\rOBX|1|ED|||" + b"A" * 10_000_000
    wire, framer = frame(payload), Framer()
    packets = [wire[at : at + 1400] for at in range(0, len(wire), 1400)]
    begin = time.perf_counter()
    events = [event for packet in packets for event in framer.feed(packet)]
    assert time.perf_counter() - begin < 1.0
    assert events == [Frame(payload)]


def fed(chunks: list[bytes], limit: int) -> tuple[list[Event], int]:
    """All events but junk, and the junk in bytes: packets may cut junk in two."""
    framer = Framer(limit)
    events = [event for chunk in chunks for event in framer.feed(chunk)] + framer.finish()
    return [e for e in events if not isinstance(e, Junk)], sum(
        e.size_bytes for e in events if isinstance(e, Junk)
    )


wires = st.lists(
    st.sampled_from(
        [
            b"\x0b",
            b"\x1c",
            b"\r",
            b"\x1c\r",
            b"MSH",
            b"\x06",
            b"\x15",
            b"BHS|",
            b"\xef\xbb\xbf",
            b"\n",
            b"abc",
        ]
    )
    | st.binary(max_size=6)
).map(b"".join)


@given(wire=wires, cuts=st.lists(st.integers(0, 200)), limit=st.integers(1, 60))
def test_any_chunking_gives_the_same_frames_and_the_same_junk(
    wire: bytes, cuts: list[int], limit: int
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    chunks = [wire[a:b] for a, b in pairwise(edges)]
    assert fed(chunks, limit) == fed([wire], limit)
    assert fed([wire[i : i + 1] for i in range(len(wire))], limit) == fed([wire], limit)


@given(payloads=st.lists(st.binary().map(lambda b: b.replace(b"\x1c", b"").replace(b"\x0b", b""))))
def test_what_is_framed_comes_out(payloads: list[bytes]) -> None:
    payloads = [p for p in payloads if p not in (b"\x06", b"\x15")]
    assert Framer().feed(b"".join(map(frame, payloads))) == [Frame(p) for p in payloads]

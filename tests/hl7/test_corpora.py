"""Real messages that other projects publish, and python-hl7 as an oracle.

The folder is named by HL7BRIDGE_CORPORA, or is `../shared/corpora` beside the checkout; it is no part of the
project, so without it these tests are skipped.
"""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime
from pathlib import Path as FilePath

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7 import ack, batch, types
from hl7bridge.hl7.conformance import check
from hl7bridge.hl7.delimiters import STANDARD, Unreadable
from hl7bridge.hl7.escape import unescape
from hl7bridge.hl7.identifiers import patient_identifiers
from hl7bridge.hl7.message import Message, Segment
from hl7bridge.hl7.mllp import Frame, Framer, frame
from hl7bridge.hl7.path import Path

ROOT = FilePath(__file__).resolve().parents[2]
FOLDER = FilePath(os.environ.get("HL7BRIDGE_CORPORA", ROOT.parent / "shared" / "corpora"))
FILES = sorted(FOLDER.glob("*/*.hl7")) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(
    not FILES, reason="no corpora: set HL7BRIDGE_CORPORA to a folder with the folders of .hl7 files"
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def corpus() -> list[tuple[str, bytes]]:
    return [(f"{file.parent.name}/{file.name}", file.read_bytes()) for file in FILES]


def readable() -> list[tuple[str, bytes, Message]]:
    found = []
    for name, raw in corpus():
        try:
            found.append((name, raw, Message(raw)))
        except Unreadable:
            continue
    return found


def test_every_message_is_read_and_leaves_as_it_came() -> None:
    messages = readable()
    assert len(messages) == len(FILES)
    for name, raw, message in messages:
        for segment in message.segments:
            segment.split()
        assert message.emit() == raw, name
        copy = message.copy()
        for segment in copy.segments:
            segment.own_fields()
        assert copy.emit() == raw, name
        assert Framer().feed(frame(raw)) == [Frame(raw)], name


def test_the_index_and_the_view_agree_on_types_and_versions() -> None:
    with open(FOLDER / "index.tsv", newline="") as lines:
        index = {row["path"]: row for row in csv.DictReader(lines, delimiter="\t")}
    checked = 0
    for name, _, message in readable():
        row = index.get(name)
        if row is None or row["type"] in ("", "NOTYPE"):
            continue
        kind, _, trigger = row["type"].partition("_")
        assert message.type_code.decode() == kind, name
        assert message.trigger.decode()[: len(trigger)] == trigger or not message.trigger, name
        checked += 1
    assert checked > len(FILES) / 2


def test_every_message_is_answered_typed_and_identified() -> None:
    for name, _, message in readable():
        raw = ack.build(message, "AA", now=NOW, control_id=b"1")
        answer = ack.read(raw, message.control_id)
        assert (answer.code, answer.matches) == ("AA", True), name
        assert types.of_message(message) is not None
        for identifier in patient_identifiers(message):
            assert identifier.id, name
        message.charset.decode(message.header.field(3))


def test_every_file_splits_into_messages_that_are_pieces_of_it() -> None:
    several = 0
    for name, raw in corpus():
        found = batch.split(raw)
        several += len(found.messages) > 1
        if not batch.is_batch(raw):
            assert found.messages == [raw], name
            continue
        assert b"".join(found.messages) == raw.lstrip(b"\xef\xbb\xbf \r\n"), name
        for part in found.messages:
            Message(part)
    assert several == sum(raw.count(b"\rMSH|") + raw.count(b"\nMSH|") > 0 for _, raw in corpus())


def test_a_change_touches_nothing_else() -> None:
    path = Path.parse("PID-5.1")
    for name, raw, message in readable():
        pid = message.first(b"PID")
        if pid is None or not message.delimiters.component:
            continue
        index = message.segments.index(pid)
        path.assign(pid, message.delimiters, b"CHANGED")
        after = Message(message.emit())
        before = Message(raw)
        assert path.get(after) == b"CHANGED", name
        assert len(after.segments) == len(before.segments), name
        for at, (old, new) in enumerate(zip(before.segments, after.segments, strict=True)):
            if at != index:
                assert old.emit() == new.emit(), name
            else:
                kept = [n for n in range(max(old.count, new.count) + 1) if n != 5]
                assert [old.field(n) for n in kept] == [new.field(n) for n in kept], name
                assert old.end == new.end, name


def test_every_message_can_be_checked_against_the_standard() -> None:
    for name, _, message in readable()[::7]:
        assert isinstance(check(message), list), name


def agreed(message: Message) -> bool:
    """Whether python-hl7 reads the message as its delimiters say, so that the two must agree."""
    # It takes the delimiters of a header that ends with MSH-2 for something else.
    standard = message.raw.startswith(b"MSH|^~\\&|", len(message.prefix))
    return standard and all(segment.name for segment in message.segments)


def compare(name: str, raw: bytes) -> int:
    """Every field, repetition, component and subcomponent, read by python-hl7 and by paths."""
    # python-hl7 strips blanks from the end of a message, which here is a segment of ours.
    raw = raw.rstrip(b"\r\n") + b"\rZZZ|end\r"
    message = Message(raw)
    text = raw[len(message.prefix) :].decode("latin-1").replace("\r\n", "\r").replace("\n", "\r")
    oracle = hl7.parse("\r".join(line for line in text.split("\r") if line))
    assert [str(segment[0]) for segment in oracle] == [s.name.decode() for s in message.segments], name
    compared = 0
    for theirs, ours in zip(oracle, message.segments, strict=True):
        header = ours.name in (b"MSH", b"BHS", b"FHS")
        # It drops an empty MSH-3 that is the last.
        assert len(theirs) - 1 == ours.count or header, name
        for number in range(3 if header else 1, len(theirs)):
            assert str(theirs[number]).encode("latin-1") == ours.field(number), (name, number)
            compared += 1
            for repetition, parts in enumerate(_listed(theirs[number]), 1):
                for component, part in enumerate(_listed(parts), 1):
                    value = _path(number, repetition, component).first(ours, STANDARD)
                    assert str(part).encode("latin-1") == value, (name, number, repetition, component)
    return compared


_PATHS: dict[tuple[int, int, int], Path] = {}


def _path(number: int, repetition: int, component: int) -> Path:
    key = (number, repetition, component)
    if key not in _PATHS:
        _PATHS[key] = Path.parse(f"ZZZ-{number}[{repetition}].{component}")
    return _PATHS[key]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, hl7.Container) else [value]


def test_python_hl7_reads_the_same_fields() -> None:
    compared = sum(compare(name, raw) for name, raw, message in readable() if agreed(message))
    assert compared > 10_000


field = st.text(st.sampled_from('AB1 ^~&\\é".'), max_size=8).map(lambda text: text.encode("latin-1"))
segments = st.lists(field, max_size=6).map(lambda fields: b"|".join([b"ZZZ", *fields]))


@given(st.lists(segments, max_size=4))
def test_python_hl7_reads_the_same_fields_of_made_up_messages(parts: list[bytes]) -> None:
    raw = b"\r".join([b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5", *parts]) + b"\r"
    assert compare("made up", raw) >= 10


@given(st.text(st.sampled_from("AB|^~&\\"), max_size=12))
def test_python_hl7_unescapes_the_same_text(text: str) -> None:
    oracle = hl7.parse("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r")
    value = oracle.escape(text)
    assert unescape(value.encode(), STANDARD) == text.encode()


def test_a_path_on_a_bare_segment_reads_like_the_oracle() -> None:
    assert Path.parse("ZZZ-1[1].1").first(Segment.parse(b"ZZZ"), STANDARD) == b""

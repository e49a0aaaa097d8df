"""Samples are as their README says: the good keep to the standard, the bad have their one fault."""

from __future__ import annotations

from pathlib import Path

import hl7
import pytest

from hl7bridge.hl7.batch import Batch, read_file
from hl7bridge.hl7.conformance import check
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message

SAMPLES = Path(__file__).parent.parent / "samples"
ALL = sorted(SAMPLES.rglob("*.hl7"))
BAD = [path for path in ALL if path.parent.name == "bad"]
GOOD = [path for path in ALL if path.parent.name != "bad"]
OF_2_5_1 = [path for path in GOOD if b"|2.5.1" in path.read_bytes() or b"$2.5.1" in path.read_bytes()]
TYPES = [
    "RDE^O11",
    "RDE^O25",
    "RDS^O13",
    "ADT^A01",
    "ADT^A03",
    "ADT^A04",
    "ADT^A08",
    "ADT^A28",
    "ADT^A31",
    "ADT^A40",
    "ORU^R01",
]

#: What is found in each bad sample: codes of table 0357, what makes it unreadable, or why nothing is found.
FAULTS = {
    "broken_batch.hl7": "batch-count batch-unfinished 100",
    "cut_off.hl7": "100",
    "future_date.hl7": "nothing: RXD-3 is of 2062, which only a clock can tell",
    "line_feeds.hl7": "nothing: lines end with LF, and are read",
    "mistyped_rde_011.hl7": "103 200",
    "mixed_line_ends.hl7": "nothing: lines end with CR, LF and both, and are read",
    "no_control_id.hl7": "101",
    "no_header.hl7": "no-header",
    "no_pid.hl7": "nothing: RDE^O11 may leave the patient out; the pharmacies' channel may not",
    "no_version.hl7": "101 203",
    "nonsense_values.hl7": "102",
    "order_without_orc.hl7": "100",
    "undeclared_latin1.hl7": "nothing: no MSH-18, and bytes that are not UTF-8",
    "unknown_type.hl7": "103 200",
    "wrong_delimiters.hl7": "bad-delimiters",
}


def batch(path: Path) -> Batch:
    return read_file(path.read_bytes())


def name(path: Path) -> str:
    return path.relative_to(SAMPLES).as_posix()


@pytest.mark.parametrize("path", OF_2_5_1, ids=name)
def test_good_samples_keep_to_version_2_5_1(path: Path) -> None:
    found = batch(path)
    assert found.errors == []
    for raw in found.messages:
        assert check(Message(raw), "2.5.1") == []


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_python_hl7_reads_the_same(path: Path) -> None:
    for raw in batch(path).messages:
        message = Message(raw)
        read = hl7.parse(raw.decode(message.charset.codec), encoding=message.charset.codec)
        assert [str(segment[0]) for segment in read] == [each.name.decode() for each in message.segments]
        assert str(read["MSH"][0][10]) == message.control_id.decode()
        assert str(read["PID"][0][3]) == message.charset.decode(
            next(each for each in message.segments if each.name == b"PID").field(3)
        )


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_segments_end_with_carriage_returns(path: Path) -> None:
    data = path.read_bytes()
    assert b"\n" not in data
    assert data.endswith(b"\r")


def test_every_type_has_a_good_sample() -> None:
    found = {
        b"^".join(Message(raw).header.field(9).split(b"^")[:2])
        for path in GOOD
        for raw in batch(path).messages
    }
    assert {each.encode() for each in TYPES} <= found


@pytest.mark.parametrize("path", BAD, ids=name)
def test_bad_samples_have_their_fault(path: Path) -> None:
    found = batch(path)
    codes = {error.code for error in found.errors}
    for raw in found.messages:
        try:
            codes |= {finding.code for finding in check(Message(raw))}
        except Unreadable as fault:
            codes.add(fault.code)
    expected = FAULTS[path.name]
    assert codes == (set() if expected.startswith("nothing") else set(expected.split()))


def test_the_table_of_faults_names_every_bad_sample() -> None:
    assert {path.name for path in BAD} == set(FAULTS)


def test_control_ids_are_unique_among_messages_of_one_sender() -> None:
    seen: set[tuple[bytes, bytes, bytes]] = set()
    for path in GOOD:
        for raw in batch(path).messages:
            message = Message(raw)
            key = (message.header.field(3), message.header.field(4), message.control_id)
            assert key not in seen, path.name
            seen.add(key)


def test_the_readme_names_every_good_sample_of_the_top_folder() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in GOOD if path.parent == SAMPLES and path.name not in text] == []


def test_no_sample_holds_what_could_be_a_real_number() -> None:
    for path in ALL:
        for raw in batch(path).messages:
            try:
                message = Message(raw)
            except Unreadable:
                continue
            for segment in message.segments:
                if segment.name == b"PID" and segment.field(19):
                    assert segment.field(19).startswith(b"000-")

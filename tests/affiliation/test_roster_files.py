"""Roster files: read as a stream, as a whole or not at all, and never quoted in a mistake."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.who.roster import MemoryRoster, RosterEntry, RosterErrors, read_roster
from hl7bridge.hl7.identifiers import Identifier

COLUMNS = "id,authority,type,from,through,npi,opt_out"
HEADER = b"id,authority,from,through,npi,opt_out\n"


def test_a_row_says_who_from_when_and_through_when() -> None:
    rows = list(
        read_roster(
            b"\xef\xbb\xbfID, Authority ,type,from,through,npi,opt_out\r\n"
            b'E7,"MEDSTAR, DC",MR,2026-01-01,20261231,1234567893,\r\n\r\n'
            b"E8,MEDSTAR,,,,,YES",
            "r.csv",
        )
    )
    assert rows == [
        RosterEntry(
            b"E7", b"MEDSTAR, DC", b"MR", date(2026, 1, 1), date(2026, 12, 31), "1234567893", False, 2
        ),
        RosterEntry(b"E8", b"MEDSTAR", b"", None, None, None, True, 4),
    ]


@pytest.mark.parametrize(
    ("data", "mistakes"),
    [
        (b"", ["r.csv:1: the roster is empty; its first row is id,authority,from,through,npi,opt_out"]),
        (
            b"id,from\n",
            ["r.csv:1: the column authority is missing; the header names " + COLUMNS],
        ),
        (
            b"id,authority,form\n",
            ["r.csv:1: the column 'form' is not known; known: " + COLUMNS],
        ),
        (b"id,id,authority\n", ["r.csv:1: the column id stands twice"]),
        (
            HEADER + b",A,,,,\n1,,,,,\n1,A,soon,,,\n1,A,2026-02-30,,,\n"
            b"1,A,2026-02-02,2026-02-01,,\n1,A,,,12,\n1,A,,,,maybe\n1\n2,B,,,,\n",
            [
                "r.csv:2: id is empty; a row needs the patient's number and its authority",
                "r.csv:3: authority is empty; a row needs the patient's number and its authority",
                "r.csv:4: from is not a date; write it 2026-12-01",
                "r.csv:5: from is not a date; write it 2026-12-01",
                "r.csv:6: through is before from; both days are inclusive",
                "r.csv:7: npi is not a number of 10 digits",
                "r.csv:8: opt_out is neither yes nor no",
                "r.csv:9: this row has 1 cell where the header has 6; quote a cell that holds a comma",
            ],
        ),
        (
            HEADER + b'1,A,"open\n',
            ["r.csv:2: this is not CSV: unexpected end of data; check the quotation marks"],
        ),
        (
            HEADER + b"1,A,,,,\n2,\xff,,,,\n",
            ["r.csv:3: a byte here is not UTF-8; save the list as CSV UTF-8"],
        ),
        (HEADER + b"1," + b"A" * 200_000, ["r.csv:2: this line never ends"]),
    ],
)
def test_mistakes_are_named_with_their_lines(data: bytes, mistakes: list[str]) -> None:
    with pytest.raises(RosterErrors) as caught:
        list(read_roster(data, "r.csv"))
    assert [str(each) for each in caught.value.mistakes] == mistakes


def test_a_file_of_nonsense_is_left_after_a_hundred_mistakes() -> None:
    with pytest.raises(RosterErrors) as caught:
        list(read_roster(HEADER + b"1\n" * 10_000, "r.csv"))
    assert len(caught.value.mistakes) == 100
    assert "at least 100 mistakes" in str(caught.value)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_give_rows_or_mistakes_whatever_the_chunks(data: bytes, size: int) -> None:
    def outcome(source: bytes | list[bytes]) -> tuple[list[RosterEntry], list[str]]:
        rows: list[RosterEntry] = []
        try:
            rows.extend(read_roster(source, "r.csv"))
        except RosterErrors as errors:
            return rows, [str(each) for each in errors.mistakes]
        return rows, []

    whole = HEADER + data
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    expected, found = outcome(whole), outcome(chunks)
    assert bool(expected[1]) == bool(found[1])
    if not expected[1]:
        assert expected == found


def test_a_long_roster_takes_little_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield HEADER
        for first in range(0, 50_000, 1000):
            yield b"".join(b"%d,RETAIL,2026-01-01,,,\n" % number for number in range(first, first + 1000))

    tracemalloc.start()
    count = sum(1 for _ in read_roster(chunks(), "r.csv"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 2_000_000


def test_a_roster_in_memory_matches_number_authority_and_type() -> None:
    roster = MemoryRoster(
        ("medstar", entry) for entry in read_roster(b"id,authority,type\n7,R,MR\n8,R,\n", "r.csv")
    )

    def affiliates(*identifiers: Identifier) -> list[str]:
        return [row.affiliate for row in roster.rows(identifiers)]

    assert affiliates(Identifier(b"7", b"R", b"MR")) == ["medstar"]
    assert affiliates(Identifier(b"7", b"R", b"")) == ["medstar"]
    assert affiliates(Identifier(b"7", b"R", b"PI")) == []
    assert affiliates(Identifier(b"7", b"S", b"MR")) == []
    assert affiliates(Identifier(b"8", b"R", b"PI"), Identifier(b"7", b"R", b"MR")) == ["medstar", "medstar"]

"""Where two messages differ: by paths that name no occurrence, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.changed import Changed, changed
from hl7bridge.hl7.message import Message

HEAD = "MSH|^~\\&|A|B|C|D|20261121||RDE^O11^RDE_O11|1|P|2.5.1"


def found(before: str, after: str) -> list[tuple[str, str, str, str]]:
    both = [f"{HEAD}\n{text}".replace("\n", "\r").encode() for text in (before, after)]
    return [tuple(each) for each in changed(*both)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("RXE|1|55^met", "RXE|1|56^met", [("RXE-2.1", "changed", "55", "56")]),
        ("RXE|1|55", "RXE|1|56", [("RXE-2", "changed", "55", "56")]),
        ("RXE|1|55", "RXE|1|55^met", [("RXE-2.2", "set", "", "met")]),
        ("RXE|1|55^met^NDC", "RXE|1", [("RXE-2", "emptied", "55^met^NDC", "")]),
        ("PID|1||7^^^R&1&ISO", "PID|1||7^^^R&2&ISO", [("PID-3.4.2", "changed", "1", "2")]),
        ("PID|1||7~8", "PID|1||7", [("PID-3[+]", "removed", "8", "")]),
        ("PID|1||7", "PID|1||7~8^x", [("PID-3[+]", "added", "", "8^x")]),
        ("PID|1||7~8^^^A", "PID|1||7~8^^^B", [("PID-3.4", "changed", "A", "B")]),
        ("NTE|1\nNTE|2", "NTE|1", [("NTE", "removed", "NTE|2", "")]),
        ("PID|1", "PID|1\nORC|NW", [("ORC", "added", "", "ORC|NW")]),
        (
            "ORC|NW\nRXE|1\nORC|NW\nRXE|2",
            "ORC|NW\nRXE|1\nTQ1|1\nORC|NW\nRXE|2",
            [("TQ1", "added", "", "TQ1|1")],
        ),
        (
            "PID|1\nORC|NW",
            "ORC|NW\nPID|1",
            [("ORC", "added", "", "ORC|NW"), ("ORC", "removed", "ORC|NW", "")],
        ),
        ("OBX|1|NM|A||5", "OBX|1|NM|A||5", []),
    ],
)
def test_each_place_that_differs_is_named(
    before: str, after: str, expected: list[tuple[str, str, str, str]]
) -> None:
    assert found(before, after) == expected


def test_a_long_message_of_which_every_segment_got_another_one_is_held_against_it_at_once() -> None:
    before = [f"OBX|{number}|NM|A||5" for number in range(2_000)]
    after = [line for each in before for line in (each, "NTE|1")]
    assert found("\n".join(before), "\n".join(after)) == [("NTE", "added", "", "NTE|1")] * 2_000


def test_the_header_differs_like_any_segment_and_other_delimiters_are_one_difference() -> None:
    one = b"MSH|^~\\&|A|B|C|D|20261121||RDE^O11|1|P|2.5.1\rPID|1||7^^^R\r"
    assert [each.path for each in changed(one, one.replace(b"|A|", b"|X|"))] == ["MSH-3"]
    other = b"MSH|#~\\&|A|B|C|D|20261121||RDE#O11|1|P|2.5.1\rPID|1||7###R\r"
    assert [each.path for each in changed(one, other)] == ["MSH-2", "MSH-9", "PID-3"]


def test_values_are_read_in_the_character_set_of_their_message() -> None:
    head = b"MSH|^~\\&|A|B|C|D|20261121||RDE^O11|1|P|2.5.1||||||8859/1\r"
    assert list(changed(head + b"PID|1||||Mull", head + b"PID|1||||M\xfcll")) == [
        Changed("PID-5", "changed", "Mull", "M\u00fcll")
    ]


texts = st.text("ab^~&7", max_size=6)
bodies = st.lists(
    st.tuples(st.sampled_from(["PID", "ORC", "OBX", "NTE"]), st.lists(texts, min_size=1, max_size=4)),
    max_size=6,
)


def written(body: list[tuple[str, list[str]]]) -> bytes:
    return "\r".join([HEAD, *("|".join([name, *fields]) for name, fields in body)]).encode()


@given(bodies, bodies)
def test_messages_differ_somewhere_exactly_where_their_fields_do(
    one: list[tuple[str, list[str]]], other: list[tuple[str, list[str]]]
) -> None:
    before, after = written(one), written(other)
    same = [each.split() for each in Message(before).segments] == [
        each.split() for each in Message(after).segments
    ]
    assert (not list(changed(before, after))) == same
    assert not list(changed(before, before))
    assert all(each.before != each.after for each in changed(before, after))

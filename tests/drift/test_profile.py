"""A profile notes what a feed shows, once; what comes soon after that of which it is a part is learned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.drift.coded import CODES_IN, coded
from hl7bridge.drift.profile import MOST_CODES, OTHER, Profile
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.names import Standard
from hl7bridge.hl7.versions import VAGUE
from hl7bridge.store.base import SeenKind, SeenRow, keyed_hash

LEARN = 100


def hashed(code: bytes) -> int:
    return keyed_hash(b"k" * 32, code)


def message(*lines: str) -> Message:
    return Message("\r".join(["MSH|^~\\&|RX|S1|HUB|HUB|20261121||ADT^A08|1|P|2.5.1", *lines, ""]).encode())


def profile(
    rows: list[SeenRow] | None = None, also: dict[str, dict[int, tuple[int, ...]]] | None = None
) -> Profile:
    return Profile(0, LEARN, hashed, also or {}, rows or [])


def shown(known: Profile, at: int, *lines: str) -> list[str]:
    """What is news, as KIND PLACE."""
    return [f"{news.kind.name} {news.place}" for news in known.news(message(*lines), at) if not news.learned]


def test_what_comes_first_is_learned_and_what_comes_later_is_news() -> None:
    known = profile()
    assert shown(known, 0, "PV1|1|I") == []
    assert shown(known, 99, "PV1|1|O") == []
    assert shown(known, 100, "PV1|1|O") == []
    assert shown(known, 101, "PV1|1|E||R") == ["CODE PV1-2.1", "FIELD PV1-4"]
    assert shown(known, 102, "PV1|1|E||R") == []


def test_a_new_segment_is_one_piece_of_news_and_its_fields_are_learned() -> None:
    known = profile()
    shown(known, 0, "PV1|1|I")
    assert shown(known, 200, "PV1|1|I", "ZPI|1|abc") == ["SEGMENT ZPI"]
    assert shown(known, 250, "ZPI|1|abc||x") == []
    assert shown(known, 301, "ZPI|1|abc||x|y") == ["FIELD ZPI-5"]


def test_lengths_are_noted_by_powers_of_two_of_each_repetition() -> None:
    known = profile()
    shown(known, 0, "PID|1||12345")
    assert shown(known, 200, "PID|1||1234567~1234") == []
    assert shown(known, 201, "PID|1||12345678") == ["LENGTH PID-3"]
    assert shown(known, 202, "PID|1||1234~123") == ["LENGTH PID-3"]


def test_codes_are_components_of_coded_fields_in_every_repetition() -> None:
    known = profile()
    shown(known, 0, "PID|1||1^^^RETAIL^PI", "OBX|1|NM|8302-2^Height^LN||170")
    news = shown(known, 200, "PID|1||7^^^RETAIL&1.2&ISO^PI~8^^^RUSH^MR", "OBX|1|NM|8302-2^H^L||180")
    # Patients' numbers, and texts beside codes, are none.
    assert news == ["LENGTH PID-3", "CODE PID-3.4", "CODE PID-3.5", "LENGTH OBX-3", "CODE OBX-3.3"]


def test_a_result_is_a_code_where_its_type_says_so() -> None:
    known = profile()
    shown(known, 0, "OBX|1|CWE|x||POS^Positive", "OBX|2|ST|y||POS of something")
    assert shown(known, 200, "OBX|2|ST|y||NEG of something") == []
    assert shown(known, 200, "OBX|1|CWE|x||NEG^Negative") == ["CODE OBX-5.1"]


def test_what_is_looked_up_in_a_table_is_a_code_too() -> None:
    known = profile(also={"ZPH": {2: (1,)}})
    shown(known, 0, "ZPH||abc")
    assert shown(known, 200, "ZPH||abd") == ["CODE ZPH-2"]


def test_a_code_is_kept_as_a_hash_and_given_out_as_it_stands() -> None:
    known = profile()
    (code,) = [news for news in known.news(message("PV1|1|I"), 0) if news.place == "PV1-2.1"]
    assert code.value == hashed(b"I")
    assert code.code == b"I"


def test_segments_that_nobody_knows_are_not_named() -> None:
    # A line break within a note makes a segment of a patient's words.
    known = profile()
    shown(known, 0, "PV1|1|I")
    assert shown(known, 200, "BOB|DOE", "JIM|ROE") == [f"SEGMENT {OTHER}"]
    assert OTHER not in SEGMENTS


def test_the_message_s_own_time_and_number_are_no_form() -> None:
    known = profile()
    places = {news.place for news in known.news(message(), 0)}
    assert {"MSH-3", "MSH-12"} <= places
    assert not {"MSH-1", "MSH-2", "MSH-7", "MSH-9", "MSH-10"} & places


def test_a_place_with_too_many_codes_is_said_once_and_watched_no_more() -> None:
    known = profile()
    found = [
        line
        for number in range(MOST_CODES + 5)
        for line in shown(known, 200 + number, f"PV1|1|c{number:05}")
        if "PV1-2" in line
    ]
    assert found.count("CODE PV1-2.1") == MOST_CODES - 100, "those of the first hundred were learned"
    assert found[-1] == "MANY PV1-2.1"
    assert found.count("MANY PV1-2.1") == 1


def test_fields_that_a_sender_makes_up_fill_no_memory() -> None:
    known = profile()
    found = known.news(message("PV1" + "|x" * 1000), 0)
    assert {news.place for news in found if news.segment == "PV1"} <= {
        f"PV1-{n}{c}" for n in range(1, 101) for c in ("", ".1", ".3", ".4", ".5", ".9")
    } | {"PV1"}
    for number in range(6000):
        found += known.news(message(f"Z{number // 36 % 36:X}"[:2] + f"{number % 10}|" + "x|" * 99), 0)
    assert len({news.place for news in found if news.kind in (SeenKind.SEGMENT, SeenKind.FIELD)}) <= 5000


def test_text_where_a_code_belongs_is_no_code() -> None:
    known = profile()
    shown(known, 0, "PV1|1|I")
    assert shown(known, 200, "PV1|1|" + "a note " * 100) == ["LENGTH PV1-2"]


def test_codes_of_all_places_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hl7bridge.drift.profile.MOST_IN_ALL", 1000)
    codes = "~".join(map(str, range(100)))
    fields = [number for number, components in coded("IN2").items() if 1 in components]
    messages = [message(f"IN2{'|' * number}{codes}") for number in fields]
    known = profile()
    rows = [
        SeenRow("s", "t", news.place, news.kind, news.value, 0, 1, True)
        for each in messages
        for news in known.news(each, 0)
    ]
    kinds = [row.kind for row in rows]
    assert kinds.count(SeenKind.CODE) == 1000
    assert kinds.count(SeenKind.MANY) > len(fields) / 2
    again = profile(rows)
    assert [news for each in messages for news in again.news(each, 500)] == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PID", "PV1", "OBX", "ZPI", "bob"]),
            st.lists(st.sampled_from(["", "1", "A^B^C^D^E", "x~yy~zzz", "12345678", 'T&U^""^V']), max_size=9),
        ),
        max_size=12,
    )
)
def test_what_was_kept_is_known_again(lines: list[tuple[str, list[str]]]) -> None:
    known = profile()
    messages = [message("|".join([name, *fields])) for name, fields in lines]
    rows = [
        SeenRow("s", "t", news.place, news.kind, news.value, at, 1, news.learned)
        for at, each in enumerate(messages)
        for news in known.news(each, at)
    ]
    assert len({row[:5] for row in rows}) == len(rows), "everything is noted once"
    again = profile(rows[::-1])
    assert [news for each in messages for news in again.news(each, 5000)] == []


def test_coded_fields_are_those_of_the_standard() -> None:
    tables, looked_at = Standard("2.5.1"), 0
    for segment in SEGMENTS:
        for number, element in enumerate(tables.fields(segment), 1):
            if element.datatype not in VAGUE and element.most != 0:
                expected = CODES_IN.get(element.datatype, ())
                found = coded(segment).get(number, ())
                assert found == expected or (expected == (1,) and found == (1, 3)), f"{segment}-{number}"
                looked_at += bool(expected)
    assert looked_at > 900


@pytest.mark.parametrize(
    ("segment", "number", "components"),
    [
        ("PRT", 4, (1, 3)),
        ("OBX", 26, (1,)),
        ("IN1", 54, (4, 5)),
        ("OBX", 5, ()),
        ("ZPI", 1, ()),
        ("EVN", 8, ()),
    ],
)
def test_what_2_5_1_does_not_have_is_coded_by_those_that_do(
    segment: str, number: int, components: tuple[int, ...]
) -> None:
    assert coded(segment).get(number, ()) == components


@pytest.mark.parametrize(
    "place", ["EVN-2", "EVN-6", "OBR-7", "OBR-13", "OBR-22", "RXD-9", "RXD-28", "PID-29"]
)
def test_times_amounts_and_texts_are_no_codes(place: str) -> None:
    segment, _, number = place.partition("-")
    known = profile()
    written = f"{segment}{'|' * int(number)}"
    shown(known, 0, f"{written}20261121")
    assert shown(known, 200, f"{written}20261122") == []

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import MERGES, canonical, of_message, parse_ts

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("type_code", "trigger", "lenient", "strict"),
    [
        (b"RDE", b"O11", "RDE^O11", "RDE^O11"),
        (b"RDE", b"O01", "RDE^O11", "RDE^O01"),
        (b"RDE", b"011", "RDE^O11", "RDE^011"),
        (b"RDE", b"001", "RDE^O11", "RDE^001"),
        (b"RDS", b"O01", "RDS^O13", "RDS^O01"),
        (b"RDS", b"013", "RDS^O13", "RDS^013"),
        (b"ORM", b"O01", "ORM^O01", "ORM^O01"),
        (b"adt", b" a01", "ADT^A01", "adt^ a01"),
        (b"ACK", b"", "ACK", "ACK"),
        (b"", b"", "", ""),
        (b"RDE", b"O25", "RDE^O25", "RDE^O25"),
    ],
)
def test_message_types_have_one_name(type_code: bytes, trigger: bytes, lenient: str, strict: str) -> None:
    assert canonical(type_code, trigger) == lenient
    assert canonical(type_code, trigger, lenient=False) == strict


def test_the_type_of_a_message() -> None:
    assert of_message(Message(b"MSH|^~\\&|||||||RDE^011^RDE_O11|1\r")) == "RDE^O11"
    assert of_message(Message(b"MSH^~|\\&^^^^^^^ORU~R01^1\r")) == "ORU^R01"
    assert of_message(Message(b"MSH|^~\\&|||||||ACK\r")) == "ACK"
    assert of_message(Message(b"MSH|^~\\&\r")) == ""
    assert "ADT^A40" in MERGES


@given(st.binary(), st.binary())
def test_any_type_has_a_name_of_bounded_length(type_code: bytes, trigger: bytes) -> None:
    assert len(canonical(type_code, trigger)) <= 33


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"2026", datetime(2026, 1, 1, tzinfo=NEW_YORK)),
        (b"202611", datetime(2026, 11, 1, tzinfo=NEW_YORK)),
        (b"20261121", datetime(2026, 11, 21, tzinfo=NEW_YORK)),
        (b"2026112120", datetime(2026, 11, 21, 20, tzinfo=NEW_YORK)),
        (b"202611212047", datetime(2026, 11, 21, 20, 47, tzinfo=NEW_YORK)),
        (b"20261121204701.25", datetime(2026, 11, 21, 20, 47, 1, 250_000, tzinfo=NEW_YORK)),
        (b"20261121204701+0000", datetime(2026, 11, 21, 20, 47, 1, tzinfo=UTC)),
        (
            b"20261121204701.1234-0500",
            datetime(2026, 11, 21, 20, 47, 1, 123_400, tzinfo=timezone(-timedelta(hours=5))),
        ),
        (b"20261121+0530", datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        (b" 20261121 ", datetime(2026, 11, 21, tzinfo=NEW_YORK)),
    ],
)
def test_times_are_read_to_the_precision_they_have(value: bytes, expected: datetime) -> None:
    found = parse_ts(value, NEW_YORK)
    assert found == expected
    assert found is not None
    assert found.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b'""',
        b"20",
        b"20261301",
        b"20260230",
        b"2026-11-21",
        b"20261121204701+9900",
        b"x",
        b"00000101",
        b"2026112125",
    ],
)
def test_what_is_no_time_is_none(value: bytes) -> None:
    assert parse_ts(value, UTC) is None


@given(st.datetimes(min_value=datetime(1000, 1, 1)))
def test_times_come_back(moment: datetime) -> None:
    text = moment.strftime("%Y%m%d%H%M%S.%f").rjust(21, "0")
    assert parse_ts(text.encode(), UTC) == moment.replace(tzinfo=UTC)


@given(st.binary(max_size=30) | st.text("0123456789.+-").map(str.encode))
def test_any_bytes_are_a_time_or_none(value: bytes) -> None:
    found = parse_ts(value, UTC)
    assert found is None or found.tzinfo is not None

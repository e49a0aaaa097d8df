"""A calendar day of a zone: midnight to midnight, whatever its clocks do between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.errors import HL7BridgeError
from hl7bridge.reconciliation.day import day_of, zone_of

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 21), 24)]
)
def test_a_day_has_as_many_hours_as_its_clocks_give_it(day: date, hours: int) -> None:
    found = day_of(day, NEW_YORK, "America/New_York")
    assert found.until_us - found.since_us == hours * 3_600_000_000
    assert found.clock(found.since_us) == f"{day} 00:00:00"


def test_a_day_begins_at_the_midnight_of_its_zone() -> None:
    found = day_of(date(2026, 11, 21), NEW_YORK, "America/New_York")
    assert datetime.fromtimestamp(found.since_us / 1e6, UTC) == datetime(2026, 11, 21, 5, tzinfo=UTC)


@given(
    day=st.dates(date(2000, 1, 2), date(2099, 12, 30)),
    name=st.sampled_from(["UTC", "America/New_York", "Pacific/Apia"]),
)
def test_days_follow_each_other_without_a_gap(day: date, name: str) -> None:
    zone = zone_of(name)
    assert day_of(day, zone, name).until_us == day_of(day + timedelta(days=1), zone, name).since_us


def test_there_is_no_such_zone() -> None:
    with pytest.raises(HL7BridgeError, match="no time zone"):
        zone_of("Mars/Base")

"""Who may receive what: an agreement that covers the scope and an active row, both on the event's date."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.who.agreement import Agreement, covered, entitled
from hl7bridge.affiliation.who.roster import RosterRow

AGREEMENT = Agreement("medstar", {"clinic": date(2014, 6, 1), "pharmacy": date(2016, 1, 1)})
DAY = date(2026, 11, 20)


def row(
    begin: date | None = None, through: date | None = None, opt_out: bool = False, who: str = "medstar"
) -> RosterRow:
    return RosterRow(who, begin, through, None, opt_out)


@pytest.mark.parametrize(
    ("rows", "scope", "on", "reason"),
    [
        ([row()], "clinic", DAY, None),
        ([row()], "clinic", date(2014, 6, 1), None),
        ([row()], "clinic", date(2014, 5, 31), "the agreement covers clinic from a later day"),
        ([row()], "hospital", DAY, "the agreement does not cover hospital"),
        ([], "clinic", DAY, "not on the roster on the event's date"),
        ([row(who="rush")], "clinic", DAY, "not on the roster on the event's date"),
        ([row(begin=DAY)], "clinic", DAY, None),
        ([row(through=DAY)], "clinic", DAY, None),
        ([row(begin=DAY + timedelta(1))], "clinic", DAY, "not on the roster on the event's date"),
        ([row(through=DAY - timedelta(1))], "clinic", DAY, "not on the roster on the event's date"),
        ([row(opt_out=True)], "clinic", DAY, "the patient has opted out"),
        ([row(), row(opt_out=True)], "clinic", DAY, "the patient has opted out"),
        ([row(), row(opt_out=True, through=DAY - timedelta(1))], "clinic", DAY, None),
        ([row(), row(opt_out=True, who="rush")], "clinic", DAY, None),
    ],
)
def test_entitlement(rows: list[RosterRow], scope: str, on: date, reason: str | None) -> None:
    answer = entitled(AGREEMENT, scope, rows, on)
    assert answer.entitled == (reason is None)
    if reason is not None:
        assert answer.reason == reason


@given(st.lists(st.builds(row, st.none() | st.dates(), st.none() | st.dates(), st.booleans())), st.dates())
def test_nobody_is_entitled_without_cover_and_an_active_row_that_is_no_opt_out(
    rows: list[RosterRow], on: date
) -> None:
    answer = entitled(AGREEMENT, "clinic", rows, on)
    active = [
        each
        for each in rows
        if (each.valid_from is None or each.valid_from <= on)
        and (each.valid_through is None or on <= each.valid_through)
    ]
    wanted = (
        covered(AGREEMENT, "clinic", on).entitled
        and bool(active)
        and not any(each.opt_out for each in active)
    )
    assert answer.entitled == wanted

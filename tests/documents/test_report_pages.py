"""A report's pages as a reader finds them: their text, the heads on every sheet, and the same bytes for the same content."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import BytesIO

from pypdf import PdfReader

from hl7bridge.affiliation.alerts.alerts import Kind, Thresholds
from hl7bridge.affiliation.facts.facts import Dispensed, Fact
from hl7bridge.affiliation.report.figures import Figures
from hl7bridge.affiliation.report.lines import Period
from hl7bridge.affiliation.report.rows import rows_of
from hl7bridge.documents.page import Letterhead
from hl7bridge.documents.report import Content, report_pages
from tests.affiliation.made import fill
from tests.affiliation.test_report import (
    APRIL,
    BOTH,
    CALLED,
    FALLING,
    LATE,
    NOT_PICKED_UP,
    UNFILLED,
    report,
    told_of,
)

AT = datetime(2026, 5, 2, 6, 0, tzinfo=UTC)
SENDER = Letterhead("Lantern Health", ("1 Main Street",))


def content(*patients: list[Fact], times: int = 1, period: Period = APRIL, most: int = 999) -> Content:
    """A report of these patients, each so many times."""
    figures = Figures(period, frozenset(Kind))
    sections: dict[str, list[tuple[str, ...]]] = {}
    counts: dict[str, int] = {}
    for facts in [*patients] * times:
        told = [told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16))]
        found = report(facts, told=told if facts[:2] == NOT_PICKED_UP else [], period=period)
        figures.add(found)
        for row in rows_of(found):
            counts[row.section] = counts.get(row.section, 0) + 1
            kept = sections.setdefault(row.section, [])
            if len(kept) < most:
                kept.append(row.cells)
    return Content("MedStar Health", "MEDSTAR", figures, sections, counts, Thresholds(), "list, version 1")


def pages(made: Content) -> list[str]:
    reader = PdfReader(BytesIO(report_pages(made, SENDER, "medstar 2026-04", made=AT)))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


SOLD = [*NOT_PICKED_UP, fill(Dispensed.SOLD, date(2026, 4, 25), "metformin")]


def test_the_pages_say_all_of_it() -> None:
    found = " ".join(pages(content(SOLD, NOT_PICKED_UP, UNFILLED, LATE, FALLING, BOTH, CALLED)))
    for words in (
        "Lantern Health",
        "MEDICATION REPORT",
        "Generated May 2, 2026 06:00 UTC",
        "MedStar Health Apr 1, 2026 to Apr 30, 2026",
        "Patients on the roster 7 of them in this report 7 Alerts in force at the end 6 Told and taken back 1",
        "Medication not picked up: 2",
        "New prescription not filled: 1",
        "Refill late: 1",
        "Adherence fell under its threshold: 1",
        "Interacting medicines: 1",
        "Pharmacist intervention: 1",
        "TAKEN BACK Not picked up here: filled on 2026-04-02",
        "Picked up on 2026-04-25.",
        "DOE, JANE E1, born Feb 3, 1948 primary care NPI 1234567893 metformin Rx 1, store 0412",
        "statins threshold 80 % 1 1 1 100.0 %",
        "51.72 % under 80 %",
        "Not counted: fills on fewer than two days (2)",
        "screened by list, version 1; it is not complete",
        "It may have been filled elsewhere.",
    ):
        assert words in found, words
    assert found.count("It may have been filled elsewhere.") == 1, "once, and not in every row"


def test_a_period_in_which_nothing_was_known_says_so() -> None:
    found = " ".join(pages(content([])))
    assert found.count("None in this period.") == 7
    assert "No medicine of a class that is measured was dispensed." in found


def test_tables_break_over_sheets_with_their_heads_and_every_sheet_is_numbered() -> None:
    found = pages(content(NOT_PICKED_UP, times=60))
    assert len(found) > 5
    for number, page in enumerate(found, 1):
        assert (
            f"MedStar Health, Apr 1, 2026 to Apr 30, 2026 medstar 2026-04 Page {number} of {len(found)}"
            in page
        )
        assert "Confidential" in page
    assert sum("Day Patient Medicine What is known" in page for page in found) == len(found) - 2


def test_a_section_too_long_for_paper_says_where_the_rest_is() -> None:
    found = " ".join(pages(content(CALLED, times=9, most=4)))
    assert "Pharmacist intervention: 9" in found
    assert "The first 4 of 9; the file intervention.csv has all of them." in found


def test_the_same_report_is_the_same_bytes() -> None:
    one, other = (report_pages(content(SOLD, FALLING), SENDER, "N", made=AT) for _ in range(2))
    assert one == other
    assert one != report_pages(content(SOLD, FALLING), SENDER, "N", made=AT + timedelta(1))


def test_a_year_is_drawn_by_months() -> None:
    [first, *_] = pages(content(NOT_PICKED_UP, period=Period(date(2025, 5, 1), date(2026, 4, 30))))
    for words in ("All, by month", "May", "Jul", "Nov", "2026", "Mar"):
        assert words in first

"""A periodic report as pages that a chief medical officer reads: what it comes to on the first sheet, then section by section.

A section that is longer than can be read on paper is cut, and says how many lines the files have. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import KeepTogether, PageBreak, Spacer

from hl7bridge.affiliation.alerts.adherence import FILL_DAYS, PERIOD_DAYS
from hl7bridge.affiliation.alerts.case import ELSEWHERE, Kind, Thresholds
from hl7bridge.affiliation.messages.alertmessage import title
from hl7bridge.affiliation.report.figures import ClassFigures, Figures
from hl7bridge.affiliation.report.lines import Standing
from hl7bridge.affiliation.report.rows import COLUMNS, DAYS_COVERED, NOT_COUNTED, UNDER, percent_under
from hl7bridge.documents.charts import bars, distribution, percent_axis, time_axis
from hl7bridge.documents.page import (
    BODY,
    HEADING,
    LABEL,
    SMALL,
    STRONG,
    TITLE,
    WIDTH,
    Foot,
    Letterhead,
    boxed,
    day,
    drawn,
    grid,
    head,
    heading,
    moment,
    text,
)
from hl7bridge.documents.typeface import MISSING, MISSING_NOTE, shown

#: Lines of a section that are printed.
MOST_LINES: Final = 300
_NUMBER: Final = ParagraphStyle("number", BODY, alignment=TA_RIGHT)
_STRONG_NUMBER: Final = ParagraphStyle("strong number", STRONG, alignment=TA_RIGHT)
_NUMBER_LABEL: Final = ParagraphStyle("number label", LABEL, alignment=TA_RIGHT)
_LARGE: Final = ParagraphStyle("large", STRONG, fontSize=18, leading=22)
_CONFIDENTIAL: Final = "Confidential health information, protected by federal and state law."
_ADHERENCE_TITLE: Final = "Adherence fell under its threshold"
_WITHHELD: Final = (
    "What may not be shared with this recipient is neither listed nor counted. A line needs the patient on the roster, and the "
    "agreement in force, on its day."
)


@dataclass(frozen=True, slots=True)
class Content:
    """What goes on the pages. `sections` are the first rows of each section's file, `counts` how many rows it has.

    `affiliate` is its full name, `authority` that of its own patient numbers. `interactions` is the list by which was screened, with
    its version.
    """

    affiliate: str
    authority: str | None
    figures: Figures
    sections: Mapping[str, Sequence[Sequence[str]]]
    counts: Mapping[str, int]
    thresholds: Thresholds
    interactions: str


def report_pages(content: Content, letterhead: Letterhead, number: str, *, made: datetime) -> bytes:
    """The PDF of a report with its number. `made` has a zone; equal arguments give equal bytes."""

    def story() -> list[Any]:
        return [*_whole(content, letterhead, number, made)]

    foot = Foot(f"{content.affiliate}, {_span(content.figures)}", number, _CONFIDENTIAL)
    return drawn(story, foot, title="Affiliation report", made=made)


def _span(figures: Figures) -> str:
    return f"{day(figures.period.begin)} to {day(figures.period.through)}"


def _whole(content: Content, letterhead: Letterhead, number: str, made: datetime) -> Iterator[Any]:
    yield head(letterhead, "MEDICATION REPORT", [f"Report {number}", f"Generated {moment(made)}"])
    yield Spacer(1, 12)
    yield text(content.affiliate, TITLE, 120)
    yield text(_span(content.figures), BODY)
    yield Spacer(1, 8)
    yield _numbers(content.figures)
    yield from _alerts(content.figures)
    yield from _classes(content.figures)
    yield from _reading(content)
    yield PageBreak()
    for kind in content.figures.kinds:
        yield from _section(content, kind)
    if Kind.ADHERENCE in content.figures.kinds:
        yield from _days_covered(content)
    if any(MISSING in shown(cell) for rows in content.sections.values() for row in rows for cell in row):
        yield Spacer(1, 6)
        yield text(MISSING_NOTE, SMALL)


# -- the first sheet ---------------------------------------------------------------------------------------------------------


def _numbers(figures: Figures) -> Any:
    in_force = sum(each.in_force for each in figures.kinds.values())
    taken_back = sum(each.taken_back for each in figures.kinds.values())
    cells = [
        ("Patients on the roster", figures.listed),
        ("of them in this report", figures.concerned),
        ("Alerts in force at the end", in_force),
        ("Told and taken back", taken_back),
    ]
    row = [[text(label, LABEL), text(f"{count:,}", _LARGE)] for label, count in cells]
    return boxed([row], [WIDTH / 4] * 4)


def _titled(kind: Kind) -> str:
    return _ADHERENCE_TITLE if kind is Kind.ADHERENCE else title(kind)


def _alerts(figures: Figures) -> Iterator[Any]:
    if not figures.kinds:
        return
    yield from heading("Alerts of the period")
    shares = [WIDTH * share for share in (0.34, 0.09, 0.10, 0.11, 0.36)]
    wide = shares[-1] - 20
    unit = "month" if figures.by_month else "week, from Monday"
    rows: list[list[Any]] = [
        [
            text("Alert", LABEL),
            *(text(each, _NUMBER_LABEL) for each in ("In force", "Patients", "Taken back")),
            [text(f"All, by {unit}", LABEL), time_axis(figures.parts, figures.by_month, wide)],
        ]
    ]
    for kind, found in figures.kinds.items():
        counts = [text(f"{count:,}", _NUMBER) for count in (found.patients, found.taken_back)]
        rows.append(
            [
                text(_titled(kind)),
                text(f"{found.in_force:,}", _STRONG_NUMBER),
                *counts,
                bars(found.by_part, wide) if any(found.by_part) else text("none", SMALL),
            ]
        )
    yield grid(rows, shares, ("VALIGN", (0, 1), (-1, -1), "BOTTOM"), ("LEFTPADDING", (-1, 0), (-1, -1), 14))


def _classes(figures: Figures) -> Iterator[Any]:
    if Kind.ADHERENCE not in figures.kinds:
        return
    through = figures.period.through
    said = (
        f"Proportion of days covered (PQA), from each patient's first fill in {through.year} to {day(through)}. Dark bars, and the "
        "dashed line: under the threshold."
    )
    if not figures.classes:
        yield from heading("Days covered, by class of medicines")
        yield text("No medicine of a class that is measured was dispensed.")
        return
    shares = [WIDTH * share for share in (0.20, 0.10, 0.10, 0.10, 0.14, 0.36)]
    wide = shares[-1] - 20
    names = ("Patients", "Counted", "Under", "Share under")
    rows: list[list[Any]] = [
        [
            text("Class", LABEL),
            *(text(each, _NUMBER_LABEL) for each in names),
            [text("Patients counted, by days covered", LABEL), percent_axis(wide)],
        ]
    ]
    for class_ in sorted(figures.classes):
        rows.append(_of_class(class_, figures.classes[class_], wide))
    table = grid(rows, shares, ("VALIGN", (0, 1), (-1, -1), "BOTTOM"), ("LEFTPADDING", (-1, 0), (-1, -1), 14))
    yield from heading("Days covered, by class of medicines")
    yield text(said, SMALL)
    yield table
    reasons = _reasons(figures)
    if reasons:
        yield Spacer(1, 4)
        yield text(f"Not counted: {reasons}.", SMALL, 2000)


def _of_class(class_: str, found: ClassFigures, wide: float) -> list[Any]:
    share = f"{percent_under(found)} %" if found.counted else "none counted"
    return [
        [text(class_, STRONG), text(f"threshold {found.threshold} %", SMALL)],
        text(f"{found.patients:,}", _NUMBER),
        text(f"{found.counted:,}", _NUMBER),
        text(f"{found.under:,}", _NUMBER),
        text(share, _STRONG_NUMBER if found.counted else _NUMBER),
        distribution(found.bins, found.threshold, wide) if found.counted else "",
    ]


def _reasons(figures: Figures) -> str:
    found: dict[str, int] = {}
    for each in figures.classes.values():
        for reason, count in each.reasons.items():
            found[reason] = found.get(reason, 0) + count
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return "; ".join(f"{reason} ({count:,})" for reason, count in ordered)


def _reading(content: Content) -> Iterator[Any]:
    by = content.thresholds
    rules = {
        Kind.NOT_PICKED_UP: f"Not picked up: filled {by.ready} days ago and not sold, or returned to stock.",
        Kind.PRIMARY: f"New prescription not filled: nothing of it, or of its class, dispensed here within {by.primary} days (PQA).",
        Kind.REFILL_LATE: f"Refill late: the supply ran out {by.late} days ago and a refill was expected.",
        Kind.ADHERENCE: (
            f"Days covered count from fills on {FILL_DAYS} days and a period of {PERIOD_DAYS} days on (PQA); days in hospital are "
            "left out."
        ),
        Kind.INTERACTION: (
            f"Interactions are screened by {content.interactions}; it is not complete, and doses are not looked at."
        ),
        Kind.INTERVENTION: "Interventions are those that pharmacists recorded.",
    }
    said = [rules[kind] for kind in content.figures.kinds]
    if content.figures.unmapped:
        said.append(
            f"{content.figures.unmapped:,} fills of the period are of medicines that the chain's table does not hold: neither "
            "measured nor screened."
        )
    rest = f"Only this chain's pharmacies are seen. {ELSEWHERE} {_WITHHELD}"
    lines = [text(words, SMALL, 2000) for words in (" ".join(said), rest)]
    yield KeepTogether([text("How to read this", HEADING), *lines])


# -- sections ----------------------------------------------------------------------------------------------------------------


def _begun(name: str, content: Content, section: str) -> Iterator[Any]:
    count = content.counts.get(section, 0)
    yield from heading(f"{name}: {count:,}" if count else name)
    printed = len(content.sections.get(section, ()))
    if printed < count:
        yield text(f"The first {printed:,} of {count:,}; the file {section}.csv has all of them.", STRONG)
        yield Spacer(1, 4)
    if not count:
        yield text("None in this period.")


def _section(content: Content, kind: Kind) -> Iterator[Any]:
    yield from _begun(_titled(kind), content, kind.value)
    found = content.sections.get(kind.value, ())
    if not found:
        return
    about = "Class" if kind is Kind.ADHERENCE else "Medicine"
    rows: list[list[Any]] = [[text(each, LABEL) for each in ("Day", "Patient", about, "What is known")]]
    for cells in found:
        row = dict(zip(COLUMNS[kind.value], cells, strict=True))
        back = row["standing"] == Standing.TAKEN_BACK
        known = row["known"].replace(f" {ELSEWHERE}", "")
        rows.append(
            [
                text(_day(row["day"]), BODY),
                [*_patient(row, content.authority), *_provider(row)],
                _about(row),
                [*([text("TAKEN BACK", STRONG)] if back else []), text(known, SMALL, 700)],
            ]
        )
    yield grid(rows, [WIDTH * share for share in (0.12, 0.27, 0.25, 0.36)])


def _day(iso: str) -> str:
    return day(date.fromisoformat(iso)) if iso else ""


def _patient(row: Mapping[str, str], own: str | None) -> list[Any]:
    """Name, number and birth date; the authority of a number that is not the affiliate's own."""
    name = ", ".join(part for part in (row["family_name"], row["given_name"]) if part)
    number = row["patient_number"]
    if number and row["authority"] != own:
        number += f" ({row['authority']})"
    lines = [text(name or number or "name not known", STRONG)]
    born = f"born {_day(row['birth_date'])}" if row["birth_date"] else ""
    if small := ", ".join(part for part in (number if name else "", born) if part):
        lines.append(text(small, SMALL))
    return lines


def _provider(row: Mapping[str, str]) -> list[Any]:
    npi = row["primary_care_npi"]
    return [text(f"primary care NPI {npi}", SMALL)] if npi else []


def _about(row: Mapping[str, str]) -> list[Any]:
    if "class" in row:
        return [text(row["class"]), text(f"{row['percent']} %" if row["percent"] else "", SMALL)]
    of = f"Rx {row['prescription']}, store {row['store']}" if row["prescription"] else ""
    return [text(row["medicine"] or "medicine not named"), *([text(of, SMALL)] if of else [])]


def _days_covered(content: Content) -> Iterator[Any]:
    yield from _begun("Days covered, by class and patient", content, DAYS_COVERED)
    found = content.sections.get(DAYS_COVERED, ())
    if not found:
        return
    names = ("Patient", "Primary care NPI", "Class", "Since", "Days covered", "Percent", "Result")
    rows: list[list[Any]] = [[text(each, LABEL) for each in names]]
    for cells in found:
        row = dict(zip(COLUMNS[DAYS_COVERED], cells, strict=True))
        under = row["result"] == UNDER
        covered = f"{row['days_covered']} of {row['days']}" if row["first_fill"] else "not known"
        spent = f"{row['days_in_hospital']} in hospital" if row["days_in_hospital"] != "0" else ""
        rows.append(
            [
                _patient(row, content.authority),
                text(row["primary_care_npi"]),
                text(row["class"]),
                text(_day(row["first_fill"])),
                [text(covered), *([text(spent, SMALL)] if spent else [])],
                text(f"{row['percent']} %" if row["percent"] else "", STRONG if under else BODY),
                _result(row),
            ]
        )
    yield grid(rows, [WIDTH * share for share in (0.265, 0.12, 0.13, 0.12, 0.12, 0.095, 0.15)])


def _result(row: Mapping[str, str]) -> list[Any]:
    if row["result"] == NOT_COUNTED:
        return [text(NOT_COUNTED), text(row["why_not_counted"], SMALL)]
    if row["result"] == UNDER:
        return [text(f"under {row['threshold']} %", STRONG)]
    return [text(f"{row['threshold']} % reached")]

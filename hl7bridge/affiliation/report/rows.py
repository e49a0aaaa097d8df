"""A report's lines as rows of text: the columns of its files, the order of its rows, and CSV.

Days are in ISO form; rows are sorted by patient and day, adherence by result (those under the threshold first), class and patient.

CSV is that of RFC 4180, in UTF-8, with a header. A cell that begins with = + - @ (or a tab or line end) gets an apostrophe before it,
since a spreadsheet would take it for a formula, and a name comes from whoever wrote it; a program that reads the file takes that
apostrophe away again.

Refuses to know files. Raises nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from typing import Final, NamedTuple

from hl7bridge.affiliation.alerts.adherence import Adherence
from hl7bridge.affiliation.alerts.case import Kind
from hl7bridge.affiliation.report.figures import ClassFigures, Figures
from hl7bridge.affiliation.report.lines import Line, Measured, Named, PatientReport

_PATIENT: Final = (
    "patient_number",
    "authority",
    "family_name",
    "given_name",
    "birth_date",
    "primary_care_npi",
)
_MEDICINE: Final = ("medicine", "medicine_code", "code_system", "store", "prescription")
_END: Final = ("known", "told_as")
DAYS_COVERED: Final = "days-covered"
#: The columns of each section's file, by its name.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    **{
        kind.value: (
            "day",
            "standing",
            *_PATIENT,
            *(("class", "percent") if kind is Kind.ADHERENCE else _MEDICINE),
            *_END,
        )
        for kind in Kind
    },
    DAYS_COVERED: (
        "class",
        "result",
        *_PATIENT,
        "first_fill",
        "through",
        "days_covered",
        "days",
        "days_in_hospital",
        "percent",
        "threshold",
        "why_not_counted",
    ),
}
UNDER, REACHED, NOT_COUNTED = "under threshold", "threshold reached", "not counted"
_ORDER: Final = {UNDER: "0", REACHED: "1", NOT_COUNTED: "2"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Row(NamedTuple):
    """One row of a section; `key` is what the section is sorted by. Both are text, so that they can be laid aside."""

    section: str
    key: tuple[str, ...]
    cells: tuple[str, ...]


def rows_of(patient: PatientReport) -> list[Row]:
    """The rows of a patient, in no order."""
    return [*map(_of_line, patient.lines), *map(_of_figure, patient.figures)]


def _of_line(line: Line) -> Row:
    alert = line.alert
    if alert.kind is Kind.ADHERENCE:
        about: tuple[str, ...] = (alert.class_, "" if alert.value is None else str(alert.value))
    else:
        medicine, of = alert.medicine, alert.prescription
        about = (
            *(
                ("", "", "")
                if medicine is None
                else (medicine.text or medicine.code, medicine.code, medicine.system)
            ),
            *(("", "") if of is None else of),
        )
    day = alert.day.isoformat()
    cells = (day, line.standing.value, *_named(line.patient, line.npi), *about, line.reason, line.reference)
    return Row(alert.kind.value, (*_key(line.patient), day, alert.subject), cells)


def _of_figure(measured: Measured) -> Row:
    figure = measured.figure
    result = result_of(figure)
    cells = (
        figure.class_,
        result,
        *_named(measured.patient, measured.npi),
        _iso(figure.first),
        _iso(figure.last),
        str(figure.covered),
        str(figure.days),
        str(figure.in_hospital),
        "" if figure.percent is None else str(figure.percent),
        str(figure.threshold),
        figure.reason,
    )
    return Row(DAYS_COVERED, (_ORDER[result], figure.class_, *_key(measured.patient)), cells)


def result_of(figure: Adherence) -> str:
    """What a figure says, in two words."""
    return NOT_COUNTED if not figure.counted else UNDER if figure.low else REACHED


def _key(patient: Named) -> tuple[str, ...]:
    return (
        patient.family.casefold(),
        patient.given.casefold(),
        _iso(patient.birth),
        patient.authority,
        patient.number,
    )


def _named(patient: Named, npi: str | None) -> tuple[str, ...]:
    return (patient.number, patient.authority, patient.family, patient.given, _iso(patient.birth), npi or "")


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


# -- the figures -------------------------------------------------------------------------------------------------------------


def figure_files(figures: Figures) -> dict[str, list[tuple[str, ...]]]:
    """The figures as tables with their headers, by file."""
    unit = "month" if figures.by_month else "week"
    found: dict[str, list[tuple[str, ...]]] = {
        "summary": [
            ("figure", "value"),
            ("from", figures.period.begin.isoformat()),
            ("through", figures.period.through.isoformat()),
            ("patients on the roster", str(figures.listed)),
            ("patients in this report", str(figures.concerned)),
            ("fills of medicines not in the table", str(figures.unmapped)),
        ],
        "alerts": [("alert", "in_force", "patients", "taken_back")],
        "alerts-over-time": [(f"{unit}_of", "alert", "alerts")],
    }
    for kind, of_kind in figures.kinds.items():
        counts = (of_kind.in_force, of_kind.patients, of_kind.taken_back)
        found["alerts"].append((kind.value, *map(str, counts)))
        for first, count in zip(figures.parts, of_kind.by_part, strict=True):
            found["alerts-over-time"].append((first.isoformat(), kind.value, str(count)))
    if Kind.ADHERENCE in figures.kinds:
        found["days-covered-by-class"] = [
            (
                "class",
                "threshold",
                "patients",
                "counted",
                "under_threshold",
                "percent_under",
                "not_counted",
                "why",
            ),
            *(_of_class(class_, figures.classes[class_]) for class_ in sorted(figures.classes)),
        ]
    return found


def _of_class(class_: str, found: ClassFigures) -> tuple[str, ...]:
    why = "; ".join(f"{reason}: {count}" for reason, count in sorted(found.reasons.items()))
    counts = (found.threshold, found.patients, found.counted, found.under)
    return class_, *map(str, counts), percent_under(found), str(found.reasons.total()), why


def percent_under(found: ClassFigures) -> str:
    """The share of those counted who are under the threshold, in percent with one place; "" where nobody is counted."""
    if not found.counted:
        return ""
    return str((Decimal(100 * found.under) / found.counted).quantize(Decimal("0.1"), ROUND_HALF_UP))


# -- CSV ---------------------------------------------------------------------------------------------------------------------


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV."""
    out = StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([tuple(map(safe, row)) for row in rows])
    return out.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(_FORMULA) else cell

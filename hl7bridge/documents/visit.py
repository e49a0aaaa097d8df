"""A visit's summary as pages that a physician reads, and the page that says it is withdrawn.

Everything that is in the summary is on the pages, and what the summary does not know is said. Abnormal results are marked by a sign,
a word and bold type. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from reportlab.platypus import CondPageBreak, Spacer

from hl7bridge.affiliation.facts.facts import Concept, Dispensed, VisitKey
from hl7bridge.affiliation.history.results import Result, Standing
from hl7bridge.affiliation.messages.summary import KnownMedicine, Summary
from hl7bridge.affiliation.messages.summarymessage import Patient
from hl7bridge.documents.page import (
    BODY,
    LABEL,
    SMALL,
    STRONG,
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
    when,
)
from hl7bridge.documents.typeface import MISSING, MISSING_NOTE, shown

#: Table 0078 in words.
_FLAGS: Final = {
    "H": "▲ high",
    "HH": "▲▲ critically high",
    ">": "▲ above scale",
    "L": "▼ low",
    "LL": "▼▼ critically low",
    "<": "▼ below scale",
    "A": "◆ abnormal",
    "AA": "◆◆ critically abnormal",
    "N": "normal",
    "S": "susceptible",
    "I": "intermediate",
    "R": "◆ resistant",
    "U": "▲ rising",
    "D": "▼ falling",
    "B": "better",
    "W": "◆ worse",
}
_SEXES: Final = {
    "M": "male",
    "F": "female",
    "O": "other",
    "U": "not known",
    "A": "ambiguous",
    "N": "not applicable",
}
_STANDINGS: Final = {
    Standing.CORRECTED: "corrected result",
    Standing.PRELIMINARY: "preliminary, may still change",
    Standing.NONE: "the laboratory reports that there will be no result",
    Standing.TAKEN_BACK: "taken back by the laboratory: do not use",
}
_NO_NAME: Final = "name not known"
#: A value longer than this stands below the table, where it may run over sheets.
_LONG: Final = 120


class Replaced(NamedTuple):
    """The summary that this one takes the place of: its number, and when it was sent."""

    number: str
    sent: datetime


def summary_pages(
    summary: Summary,
    patient: Patient,
    letterhead: Letterhead,
    number: str,
    *,
    made: datetime,
    replaces: Replaced | None = None,
) -> bytes:
    """The PDF of a summary with its document number. `made` has a zone; equal arguments give equal bytes."""

    def story() -> list[Any]:
        return [*_whole(summary, patient, letterhead, number, made, replaces)]

    return drawn(story, Foot(_about(patient), f"document {number}"), title="Visit summary", made=made)


def withdrawal_pages(
    key: VisitKey,
    patient: Patient,
    letterhead: Letterhead,
    number: str,
    *,
    made: datetime,
    withdrawn: Replaced,
) -> bytes:
    """The PDF that tells a person that a summary which was sent is withdrawn, since the visit was."""

    def story() -> list[Any]:
        said = (
            f"WITHDRAWN. The visit summary {withdrawn.number}, sent on {moment(withdrawn.sent)}, is no longer valid: the clinic "
            "has withdrawn the visit. Please take the summary out of the patient's record and do not rely on anything in it."
        )
        lines = [f"Document {number}", f"Prepared {moment(made)}"]
        return [
            head(letterhead, "VISIT SUMMARY WITHDRAWN", lines),
            Spacer(1, 10),
            boxed([[text(said, STRONG, 600)]], [WIDTH], 2),
            Spacer(1, 8),
            _patient(patient, ()),
            Spacer(1, 8),
            text(f"Visit {key.number} ({key.place})"),
        ]

    return drawn(
        story, Foot(_about(patient), f"document {number}"), title="Visit summary withdrawn", made=made
    )


def _about(patient: Patient) -> str:
    """Whom the sheets are about: the birth date comes first, so that a long name cannot crowd it out."""
    person = patient.person
    if person is None:
        return "patient's name not known"
    born = f"born {day(person.birth)}: " if person.birth else ""
    return born + (person.name or _NO_NAME)


def _whole(
    summary: Summary,
    patient: Patient,
    letterhead: Letterhead,
    number: str,
    made: datetime,
    replaces: Replaced | None,
) -> Iterator[Any]:
    yield head(letterhead, "VISIT SUMMARY", [f"Document {number}", f"Prepared {moment(made)}"])
    yield Spacer(1, 10)
    if replaces is not None:
        said = f"CORRECTED. This replaces the summary {replaces.number}, sent on {moment(replaces.sent)}, which is no longer valid."
        yield boxed([[text(said, STRONG, 600)]], [WIDTH], 2)
        yield Spacer(1, 8)
    yield _patient(patient, summary.names)
    yield Spacer(1, 8)
    yield from _visit(summary)
    yield from _results(summary.results)
    yield from _medicines(summary.medicines)
    yield from heading("What this summary does not tell")
    for sentence in summary.unknown:
        yield text(sentence)
    for sentence in summary.notices:
        yield text(sentence, STRONG, 2000)
    if _has_missing(summary, patient, letterhead):
        yield Spacer(1, 6)
        yield text(MISSING_NOTE, SMALL)


def _has_missing(*parts: object) -> bool:
    """Whether any text of these holds a character that cannot be shown."""
    for part in parts:
        if isinstance(part, str):
            if MISSING in shown(part, len(part) + 1):
                return True
        elif isinstance(part, tuple | list):
            if _has_missing(*part):
                return True
        elif hasattr(part, "__dataclass_fields__") and _has_missing(
            *(getattr(part, name) for name in part.__dataclass_fields__)
        ):
            return True
    return False


def _patient(patient: Patient, names: Sequence[str]) -> Any:
    """Who it is, by the name that was said last; what else messages call the patient is told as well."""
    person = patient.person
    numbers = [" ".join(part for part in each if part) for each in list(patient.identifiers)[:6]]
    name = "not known" if person is None else person.name or _NO_NAME
    others = [each for each in names if each != name]
    born = (person and day(person.birth)) or "not known"
    sex = "not known" if person is None else _SEXES.get(person.sex, person.sex) or "not known"
    left = [text("Patient", LABEL), text(name, STRONG)]
    if others:
        left.append(text("also sent as " + "; ".join(others[:4]), SMALL))
    return boxed(
        [
            [
                left,
                [text("Born", LABEL), text(born, STRONG)],
                [text("Sex", LABEL), text(sex, STRONG)],
                [text("Numbers", LABEL), *(text(each, BODY, 60) for each in numbers)],
            ]
        ],
        [WIDTH * 0.42, WIDTH * 0.16, WIDTH * 0.12, WIDTH * 0.30],
    )


def _visit(summary: Summary) -> Iterator[Any]:
    visit = summary.visit
    place = ", ".join(dict.fromkeys(part for part in (visit.place, visit.facility) if part))
    seen = visit.attending
    by = "" if seen is None else f"{seen.name}{f' (NPI {seen.npi})' if seen.npi else ''}".strip()
    spoken = when(visit.began)
    if visit.began is not None and visit.began.day == visit.ended.day and visit.ended.time:
        spoken += f" to {visit.ended.time}"
    elif visit.began is not None:
        spoken += f" to {when(visit.ended)}"
    else:
        spoken = f"ended {when(visit.ended)}"
    rows = [
        ("Visit", f"{spoken}   (number {visit.key.number})"),
        ("At", place),
        ("Seen by", by),
        ("Reason", _words(visit.reason)),
    ]
    yield grid(
        [[text(label, LABEL), text(value)] for label, value in rows if value],
        [WIDTH * 0.12, WIDTH * 0.88],
        heads=0,
    )
    if visit.diagnoses:
        yield from heading("Diagnoses")
        for each in visit.diagnoses:
            yield text(_words(each))


def _words(concept: Concept) -> str:
    """A concept by its text, with its code."""
    if not concept:
        return ""
    first = concept[0]
    words = next((each.text for each in concept if each.text), "")
    code = " ".join(part for part in (first.system, first.code) if part)
    return f"{words} ({code})" if words and first.code else words or code


def _title(concept: Concept) -> str:
    """A concept by its text alone, by its code where it has none."""
    return next((each.text for each in concept if each.text), concept[0].code if concept else "")


def _flag(result: Result) -> str:
    flags = [each.strip() for each in result.flag.split(",") if each.strip()]
    return ", ".join(_FLAGS.get(each.upper(), f"◆ {each}") for each in flags)


def _results(found: Sequence[Result]) -> Iterator[Any]:
    if not found:
        return
    yield from heading("Results")
    rows: list[list[Any]] = [
        [text(each, LABEL) for each in ("Test", "Result", "Mark", "Reference range", "Observed")]
    ]
    style: list[tuple[Any, ...]] = []
    below: list[Result] = []
    panel = ""
    for result in found:
        name = _title(result.panel)
        if name != panel:
            panel = name
            if name and name != _title(result.code):
                style.append(("SPAN", (0, len(rows)), (-1, len(rows))))
                style.append(("TOPPADDING", (0, len(rows)), (-1, len(rows)), 6))
                style.append(("NOSPLIT", (0, len(rows)), (0, len(rows) + 1)))
                rows.append([text(name, STRONG), "", "", "", ""])
        long = len(result.value) > _LONG or "\n" in result.value
        if long:
            below.append(result)
        value = f"see below ({len(below)})" if long else f"{result.value} {result.units}".strip()
        kind = STRONG if result.abnormal else BODY
        name_cell = [text(_title(result.code), kind)]
        if result.standing in _STANDINGS:
            name_cell.append(text(_STANDINGS[result.standing], SMALL))
        cells = [
            text(value or "—", kind),
            text(_flag(result), kind),
            text(result.reference),
            text(when(result.observed)),
        ]
        rows.append([name_cell, *cells])
    yield grid(rows, [WIDTH * share for share in (0.34, 0.20, 0.16, 0.14, 0.16)], *style)
    for count, result in enumerate(below, 1):
        yield Spacer(1, 6)
        yield CondPageBreak(40)
        yield text(f"({count}) {_title(result.code)}", STRONG)
        for line in result.value.split("\n"):
            yield text(line, BODY, 4000)
        if result.cut:
            yield text("This text is longer than is kept here; the result itself has the rest.", SMALL)


def _medicines(known: Sequence[KnownMedicine]) -> Iterator[Any]:
    if not known:
        return
    yield from heading("Medicines known to this chain's pharmacies when the visit ended")
    heads = ("Medicine", "Prescribed", "Last dispensed here", "Supply", "Refills left")
    rows: list[list[Any]] = [[text(each, LABEL) for each in heads]]
    for each in known:
        prescription, fill = each.prescription, each.fill
        medicine = prescription.medicine
        name = [text(medicine.text or medicine.code, STRONG)]
        if fill is not None and fill.medicine.text and fill.medicine.text != medicine.text:
            name.append(text(f"dispensed as {fill.medicine.text}", SMALL))
        if prescription.discharge:
            name.append(text("prescribed by a hospital at discharge", SMALL))
        if prescription.held:
            name.append(text("on hold", SMALL))
        supply = "not known" if fill is None or fill.days_supply is None else f"{fill.days_supply} days"
        left = "not known" if prescription.refills is None else str(prescription.refills)
        ordered = day(prescription.ordered) or "not known"
        rows.append(
            [name, text(ordered), text(_dispensed(each)), text("" if fill is None else supply), text(left)]
        )
    yield grid(rows, [WIDTH * share for share in (0.36, 0.15, 0.27, 0.11, 0.11)])


def _dispensed(each: KnownMedicine) -> str:
    """What became of the latest fill, and no more than is known of it."""
    fill = each.fill
    if fill is None:
        return "not dispensed here"
    if fill.standing is Dispensed.RETURNED:
        return f"returned to stock {day(fill.returned)}, not picked up here"
    if fill.standing is Dispensed.SOLD:
        return f"picked up {day(fill.sold)}"
    if fill.knows_sold:
        return f"filled {day(fill.filled)}, not picked up by then"
    return f"filled {day(fill.filled)}; whether it was picked up is not known"

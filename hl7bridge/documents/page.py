"""What all our pages share: paper, margins, styles, words for days, and a footer that keeps loose sheets together.

Made for a fax machine: black on white, rules instead of shades, nothing said by colour. Every sheet bears its number of how many, the
document's number and, where it is about a patient, the patient. Importing this room loads reportlab. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any, Final

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Frame,
    PageTemplate,
    Paragraph,
    Table,
    TableStyle,
)

from hl7bridge.affiliation.facts.facts import When
from hl7bridge.documents.typeface import BOLD, MISSING, MISSING_NOTE, REGULAR, markup, shown

MARGIN: Final = 54.0
WIDTH: Final = letter[0] - 2 * MARGIN
#: Points above the lower edge that the footer takes.
FOOT: Final = 66.0
CONFIDENTIAL: Final = (
    "Confidential health information, protected by federal and state law. If it is not meant for you, "
    "destroy it and tell the sender."
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

BODY: Final = ParagraphStyle("body", fontName=REGULAR, fontSize=9.5, leading=12.5)
STRONG: Final = ParagraphStyle("strong", BODY, fontName=BOLD)
SMALL: Final = ParagraphStyle("small", BODY, fontSize=8, leading=10.5)
LABEL: Final = ParagraphStyle("label", SMALL)
HEADING: Final = ParagraphStyle("heading", STRONG, fontSize=11, leading=14, spaceBefore=12, spaceAfter=3)
TITLE: Final = ParagraphStyle("title", STRONG, fontSize=17, leading=21)
AT_RIGHT: Final = ParagraphStyle("right", SMALL, alignment=TA_RIGHT)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: the clinic's or chain's name, and the lines below it (address, telephone, fax)."""

    name: str
    lines: tuple[str, ...] = ()


def day(value: date | None) -> str:
    """A day in words that no country reads differently: `Nov 19, 2026`."""
    return "" if value is None else f"{MONTHS[value.month - 1]} {value.day}, {value.year}"


def when(value: When | None) -> str:
    """A day and its time, where that is known."""
    return "" if value is None else f"{day(value.day)} {value.time}".rstrip()


def moment(value: datetime) -> str:
    """A moment, in UTC."""
    at = value.astimezone(UTC)
    return f"{day(at.date())} {at:%H:%M} UTC"


def text(words: str, style: ParagraphStyle = BODY, most: int = 300) -> Paragraph:
    """A paragraph of plain text, cut with an ellipsis where it has more characters than `most`."""
    return Paragraph(markup(words, most), style)


def heading(words: str) -> list[Any]:
    """A heading that does not stand alone at the foot of a sheet."""
    return [CondPageBreak(90), text(words, HEADING)]


def grid(rows: Sequence[list[Any]], widths: Sequence[float], *more: tuple[Any, ...], heads: int = 1) -> Table:
    """A table whose heads repeat on each sheet, with a rule under each row; without heads it has no rules."""
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    if heads:
        style.append(("LINEBELOW", (0, 0), (-1, -1), 0.25, "#808080"))
        style.append(("LINEBELOW", (0, heads - 1), (-1, heads - 1), 0.9, "#000000"))
    return Table(list(rows), list(widths), repeatRows=heads, style=TableStyle([*style, *more]), hAlign="LEFT")


def boxed(rows: Sequence[list[Any]], widths: Sequence[float], rule: float = 0.75) -> Table:
    """A table in a frame."""
    style: list[tuple[Any, ...]] = [
        ("BOX", (0, 0), (-1, -1), rule, "#000000"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
    return Table(list(rows), list(widths), style=TableStyle(style), hAlign="LEFT")


def head(letterhead: Letterhead, title: str, lines: Sequence[str]) -> Table:
    """The head of the first sheet: who writes, and what it is."""
    left = [text(letterhead.name, TITLE, 120), *(text(line, SMALL) for line in letterhead.lines[:6])]
    right = [
        Paragraph(markup(title), ParagraphStyle("kind", STRONG, alignment=TA_RIGHT, fontSize=12, leading=21))
    ]
    right += [text(line, AT_RIGHT) for line in lines]
    style = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("LINEBELOW", (0, 0), (-1, -1), 1.5, "#000000"),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
        ]
    )
    return Table([[left, right]], [WIDTH * 0.62, WIDTH * 0.38], style=style, hAlign="LEFT")


@dataclass(frozen=True, slots=True)
class Foot:
    """What stands at the foot of every sheet: whom it is about, the number of the document, and a line of confidentiality."""

    about: str
    number: str
    confidential: str = CONFIDENTIAL


def drawn(story: Callable[[], list[Any]], foot: Foot, *, title: str, made: datetime) -> bytes:
    """The PDF of a story, which is asked for once more where it takes more than one sheet: each says how many there are.

    `title` is the file's, and tells nothing of a patient; `made` its date.
    """
    pdf, total = _laid_out(story(), foot, title, made, 1)
    return pdf if total == 1 else _laid_out(story(), foot, title, made, total)[0]


def _within(words: str, font: str, size: float, width: float) -> str:
    """As much of a text as has room, with an ellipsis where that is not all."""
    found = shown(words)
    if stringWidth(found, font, size) <= width:
        return found
    while found and stringWidth(found + "\u2026", font, size) > width:
        found = found[:-1]
    return found.rstrip() + "\u2026"


def _laid_out(story: list[Any], foot: Foot, title: str, made: datetime, total: int) -> tuple[bytes, int]:
    out = BytesIO()
    pages = 0
    missing = MISSING in shown(foot.about)

    def at_foot(canvas: Canvas, _: BaseDocTemplate) -> None:
        nonlocal pages
        pages += 1
        right = f"{shown(foot.number, 40)}   Page {pages} of {total}"
        room = WIDTH - stringWidth(right, REGULAR, 8) - 12
        canvas.saveState()
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, FOOT - 10, MARGIN + WIDTH, FOOT - 10)
        canvas.setFont(BOLD, 8)
        canvas.drawString(MARGIN, FOOT - 21, _within(foot.about, BOLD, 8, room))
        canvas.setFont(REGULAR, 8)
        canvas.drawRightString(MARGIN + WIDTH, FOOT - 21, right)
        canvas.drawString(MARGIN, FOOT - 32, foot.confidential)
        if missing:
            canvas.drawString(MARGIN, FOOT - 43, MISSING_NOTE)
        canvas.restoreState()

    def made_as(*arguments: Any, **more: Any) -> Canvas:
        canvas = Canvas(*arguments, **{**more, "invariant": 1, "pageCompression": 1, "lang": "en-US"})
        canvas.setDateFormatter(lambda *_: f"D:{made.astimezone(UTC):%Y%m%d%H%M%S}+00'00'")
        return canvas

    document = BaseDocTemplate(out, pagesize=letter, title=title, author="hl7bridge", creator="hl7bridge")
    frame = Frame(MARGIN, FOOT, WIDTH, letter[1] - FOOT - 48, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate("sheet", [frame], onPage=at_foot)])
    document.build(story, canvasmaker=made_as)
    return out.getvalue(), pages

"""A whole report as files: a folder that appears when everything in it is written, or not at all.

    summary.csv alerts.csv alerts-over-time.csv days-covered-by-class.csv     the figures
    not-picked-up.csv ... intervention.csv days-covered.csv                   the lines, a file for each section
    report.pdf

Files are readable by nobody but their owner. Raises HL7BridgeError: `unknown-affiliate`, `not-covered`, `period-to-come`,
`folder-not-empty`, `cannot-write`, and the store's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from hl7bridge.affiliation.alerts.case import Kind
from hl7bridge.affiliation.report.figures import Figures
from hl7bridge.affiliation.report.lines import Period, Terms
from hl7bridge.affiliation.report.rows import COLUMNS, DAYS_COVERED, csv_text, figure_files, rows_of
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.affiliation.who.agreement import PHARMACY, covered
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import Affiliate
from hl7bridge.documents.page import Letterhead
from hl7bridge.documents.report import MOST_LINES, Content, report_pages
from hl7bridge.errors import HL7BridgeError
from hl7bridge.reporting.aside import Aside
from hl7bridge.reporting.gather import patients, terms_of
from hl7bridge.store.base import StoreReader

PDF: Final = "report.pdf"
#: Who writes, where no cover sheet of the configuration names a sender.
SENDER: Final = "Pharmacy affiliation program"


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was made: what the audit trail has to say of it.

    `patients` are those of whom it says something, of `listed` on the roster; of `held` it says nothing until a person has settled
    who they are. `lines` by section; `files` by name, with the SHA-256 of each.
    """

    affiliate: str
    begin: date
    through: date
    made: datetime
    configuration: str
    patients: int
    listed: int
    held: int
    lines: Mapping[str, int]
    files: Mapping[str, str]
    to: str


def report(
    reader: StoreReader,
    configuration: Configuration,
    interactions: Interactions,
    affiliate: str,
    period: Period,
    to: Path,
    *,
    csv: bool,
    pdf: bool,
    made: datetime,
) -> Report:
    """Makes the report of an affiliate's period in the folder `to`, which is new or empty. A period that has not ended ends today."""
    settings, terms, period = _allowed(configuration, affiliate, period, made)
    figures = Figures(period, terms.thresholds.kinds)
    with _folder(to) as folder, Aside(folder) as rows:
        for patient in patients(reader, configuration, interactions, terms, period):
            figures.add(patient)
            for row in rows_of(patient):
                rows.add(row)
        first = _sections(folder, rows, figures, csv=csv)
        if csv:
            for name, table in figure_files(figures).items():
                _write(folder / f"{name}.csv", [csv_text(table).encode("utf-8", "replace")])
        if pdf:
            full_name = settings.full_name or affiliate
            content = Content(
                full_name,
                terms.authority,
                figures,
                first,
                rows.counts,
                terms.thresholds,
                interactions.called,
            )
            number = f"{affiliate} {period.begin.isoformat()}/{period.through.isoformat()}"
            _write(folder / PDF, [report_pages(content, _letterhead(configuration), number, made=made)])
        files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    return Report(
        affiliate,
        *period,
        made,
        configuration.version,
        figures.concerned,
        figures.listed,
        figures.held,
        {section: rows.counts[section] for section in COLUMNS if section in rows.counts},
        files,
        str(to),
    )


def _allowed(
    configuration: Configuration, affiliate: str, period: Period, made: datetime
) -> tuple[Affiliate, Terms, Period]:
    """The affiliate, what holds for it, and the period as far as it has come. Raises HL7BridgeError where there may be no report."""
    found = configuration.affiliates.get(affiliate)
    settings = None if found is None else found.affiliate
    if settings is None:
        raise HL7BridgeError(
            f"there is no affiliate {affiliate}",
            code="unknown-affiliate",
            hint=f"there are {', '.join(sorted(configuration.affiliates)) or 'none'}",
        )
    today = made.astimezone(configuration.engine.programme_zone or UTC).date()
    period = Period(period.begin, min(period.through, today))
    if period.begin > period.through:
        raise HL7BridgeError(
            "the period has not begun, or ends before it begins",
            code="period-to-come",
            hint="--from and --through are both inclusive",
        )
    terms = terms_of(configuration, affiliate, settings)
    answer = covered(terms.agreement, PHARMACY, period.through)
    if not answer.entitled:
        raise HL7BridgeError(
            f"{affiliate} may have no report of this period: {answer.reason}", code="not-covered"
        )
    return settings, terms, period


def _sections(folder: Path, rows: Aside, figures: Figures, *, csv: bool) -> dict[str, list[tuple[str, ...]]]:
    """Writes each section's file, also an empty one, where `csv`; gives the first rows of each, for paper."""
    names = {kind.value for kind in figures.kinds} | (
        {DAYS_COVERED} if Kind.ADHERENCE in figures.kinds else set()
    )
    first: dict[str, list[tuple[str, ...]]] = {}
    for section, group in groupby(rows, key=lambda row: row.section):
        kept = first[section] = []
        lines = _keeping((row.cells for row in group), kept)
        if csv:
            _write(folder / f"{section}.csv", _csv(section, lines))
        else:
            deque(lines, maxlen=0)
    for section in names - first.keys() if csv else ():
        _write(folder / f"{section}.csv", _csv(section, ()))
    return first


def _keeping(rows: Iterable[tuple[str, ...]], kept: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The rows; the first of them are kept as they pass."""
    for cells in rows:
        if len(kept) < MOST_LINES:
            kept.append(cells)
        yield cells


def _csv(section: str, rows: Iterable[tuple[str, ...]]) -> Iterator[bytes]:
    yield csv_text([COLUMNS[section]]).encode()
    for row in rows:
        yield csv_text([row]).encode("utf-8", "replace")


def _write(path: Path, parts: Iterable[bytes]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for part in parts:
            file.write(part)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _folder(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its place when all went well, and is gone otherwise."""
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise HL7BridgeError(
                "this is there already",
                code="folder-not-empty",
                place=str(to),
                hint="name a new folder with --to",
            )
        to.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{to.name}.", dir=to.parent))
        try:
            yield made
            made.rename(to)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise HL7BridgeError(f"cannot be written: {reason}", code="cannot-write", place=str(to)) from None


def _letterhead(configuration: Configuration) -> Letterhead:
    """Who writes: as in visit summaries, else the sender that the site's cover sheets name."""
    if configuration.engine.letterhead:
        name, *lines = configuration.engine.letterhead
        return Letterhead(name, tuple(lines))
    for name in sorted(configuration.destinations):
        settings = configuration.destinations[name]
        for target in (settings.documents, settings.smtp):
            if target is not None and target.cover is not None:
                return Letterhead(target.cover.sender, target.cover.lines)
    return Letterhead(SENDER)

"""Rosters: which patients are assigned to which affiliate, from when and through when.

Holds the row that routing sees, the protocol that a roster is asked through, a roster in memory, and the
reader of roster files (CSV with the header `id,authority,from,through,npi,opt_out`; `type` may be there too).
Refuses to know messages and stores. Raises `RosterErrors` when a file is read to its end and had mistakes: a
list counts as a whole or not at all.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Final, NamedTuple, Protocol

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.identifiers import Identifier

_MOST_MISTAKES: Final = 100
_LONGEST_LINE: Final = 100_000
_REQUIRED: Final = ("id", "authority")
_COLUMNS: Final = ("id", "authority", "type", "from", "through", "npi", "opt_out")
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_TRUE: Final = frozenset({"yes", "y", "true", "1", "x"})
_FALSE: Final = frozenset({"", "no", "n", "false", "0"})


class RosterRow(NamedTuple):
    """One assignment as routing sees it. Both days are inclusive; None means without bound."""

    affiliate: str
    valid_from: date | None
    valid_through: date | None
    npi: str | None
    opt_out: bool


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One row of a roster file; `line` is where it stands. `type` is b"" where the file does not give it."""

    id: bytes
    authority: bytes
    type: bytes
    valid_from: date | None
    valid_through: date | None
    npi: str | None
    opt_out: bool
    line: int

    def row(self, affiliate: str) -> RosterRow:
        """The row as routing sees it."""
        return RosterRow(affiliate, self.valid_from, self.valid_through, self.npi, self.opt_out)


class Roster(Protocol):
    """All affiliates' rosters, asked once for a message."""

    def rows(self, identifiers: Sequence[Identifier]) -> Sequence[RosterRow]:
        """The rows of every affiliate that hold any of these identifiers (id and authority; type where both
        have one).
        """
        ...


class MemoryRoster:
    """A roster in memory, for tests and small sites."""

    def __init__(self, entries: Iterable[tuple[str, RosterEntry]] = ()) -> None:
        self._rows: dict[tuple[bytes, bytes], list[tuple[bytes, RosterRow]]] = {}
        for affiliate, entry in entries:
            self.add(affiliate, entry)

    def add(self, affiliate: str, entry: RosterEntry) -> None:
        """One row more for an affiliate."""
        self._rows.setdefault((entry.id, entry.authority), []).append((entry.type, entry.row(affiliate)))

    def rows(self, identifiers: Sequence[Identifier]) -> list[RosterRow]:
        """See `Roster.rows`."""
        found: list[RosterRow] = []
        known = self._rows
        for identifier in identifiers:
            for type_, row in known.get((identifier.id, identifier.authority), ()):
                if not type_ or not identifier.type or type_ == identifier.type:
                    found.append(row)
        return found


class RosterMistake(NamedTuple):
    """One thing to mend in a roster file. It never quotes a cell: that may be a patient's number."""

    path: str
    line: int
    what: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}" + (f"; {self.hint}" if self.hint else "")


class RosterErrors(HL7BridgeError):
    """A roster file that cannot be taken; `mistakes` names the first hundred reasons. Code:
    `roster-mistakes`.
    """

    def __init__(self, mistakes: Sequence[RosterMistake], more: bool = False) -> None:
        self.mistakes = tuple(mistakes)
        first = self.mistakes[0]
        count = "at least " * more + str(len(self.mistakes))
        super().__init__(
            first.what + (f" ({count} mistakes in all)" if len(self.mistakes) > 1 else ""),
            code="roster-mistakes",
            place=f"{first.path}:{first.line}",
            hint=first.hint,
        )


def read_roster(data: bytes | Iterable[bytes], place: str) -> Iterator[RosterEntry]:
    """The rows of a roster file, one by one, however long it is; `data` may come in chunks of any size.

    Rows with mistakes are left out of what is yielded, and `RosterErrors` is raised at the end (or at once
    where reading on makes no sense): who loads a list publishes it only after the last row.
    """
    mistakes: list[RosterMistake] = []
    chunks = (data,) if isinstance(data, bytes) else data
    reader = csv.reader(_lines(chunks, place), strict=True)
    line = 1
    try:
        header = next(reader, None)
        columns = _header(header, place)
        width = len(columns)
        for cells in reader:
            line = reader.line_num
            if not cells or not any(cells):
                continue
            if len(cells) != width:
                what = f"this row has {len(cells)} cells where the header has {width}"
                mistakes.append(RosterMistake(place, line, what, "quote a cell that holds a comma"))
            else:
                entry = _entry(dict(zip(columns, cells, strict=True)), line, place, mistakes)
                if entry is not None:
                    yield entry
            if len(mistakes) >= _MOST_MISTAKES:
                raise RosterErrors(mistakes, more=True)
    except csv.Error as fault:
        line = max(line, reader.line_num)
        mistakes.append(RosterMistake(place, line, f"this is not CSV: {fault}", "check the quotation marks"))
    if mistakes:
        raise RosterErrors(mistakes)


def _lines(chunks: Iterable[bytes], place: str) -> Iterator[str]:
    """Whole lines of text out of chunks of bytes."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    number = 1
    for chunk in chain(chunks, (b"",)):
        try:
            text = rest + decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as fault:
            what = "a byte here is not UTF-8"
            at = number + fault.object.count(b"\n", 0, fault.start)
            raise RosterErrors([RosterMistake(place, at, what, "save the list as CSV UTF-8")]) from None
        lines = text.split("\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            raise RosterErrors([RosterMistake(place, number + len(lines), "this line never ends")])
        number += len(lines)
        for line in lines:
            yield line + "\n"
    if rest:
        yield rest


def _header(header: list[str] | None, place: str) -> list[str]:
    if not header:
        hint = "its first row is id,authority,from,through,npi,opt_out"
        raise RosterErrors([RosterMistake(place, 1, "the roster is empty", hint)])
    names = [name.strip().lower() for name in header]
    wrong = [
        RosterMistake(place, 1, f"the column {name} is missing", f"the header names {','.join(_COLUMNS)}")
        for name in _REQUIRED
        if name not in names
    ]
    for name in dict.fromkeys(names):
        if name not in _COLUMNS:
            wrong.append(
                RosterMistake(
                    place, 1, f"the column '{name[:40]}' is not known", f"known: {','.join(_COLUMNS)}"
                )
            )
        elif names.count(name) > 1:
            wrong.append(RosterMistake(place, 1, f"the column {name} stands twice"))
    if wrong:
        raise RosterErrors(wrong)
    return names


def _entry(row: dict[str, str], line: int, place: str, mistakes: list[RosterMistake]) -> RosterEntry | None:
    before = len(mistakes)

    def wrong(what: str, hint: str | None = None) -> None:
        mistakes.append(RosterMistake(place, line, what, hint))

    def day(name: str) -> date | None:
        text = row.get(name, "").strip()
        if not text:
            return None
        match = _DAY.fullmatch(text)
        try:
            if match is not None:
                return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            pass  # a day that no calendar has: named below like any other
        wrong(f"{name} is not a date", "write it 2026-12-01")
        return None

    for name in _REQUIRED:
        if not row[name].strip():
            wrong(f"{name} is empty", "a row needs the patient's number and its authority")
    begin, through = day("from"), day("through")
    if begin is not None and through is not None and through < begin:
        wrong("through is before from", "both days are inclusive")
    npi = row.get("npi", "").strip()
    if npi and not (npi.isascii() and npi.isdigit() and len(npi) == 10):
        wrong("npi is not a number of 10 digits")
    opt_out = row.get("opt_out", "").strip().lower()
    if opt_out not in _TRUE and opt_out not in _FALSE:
        wrong("opt_out is neither yes nor no")
    if len(mistakes) > before:
        return None
    return RosterEntry(
        row["id"].strip().encode(),
        row["authority"].strip().encode(),
        row.get("type", "").strip().encode(),
        begin,
        through,
        npi or None,
        opt_out in _TRUE,
        line,
    )

"""Rosters: which patients are assigned to which affiliate, from when and through when.

Holds the row that routing sees, the protocol that a roster is asked through, a roster in memory, and the
reader of roster files (CSV with the header `id,authority,from,through,npi,opt_out`; `type` may be there too). A delta, which says what
is other than before, may have `change` (add, change, end) or `ended` (yes, no) as well: an end takes off the row of its `from`, or
all of the patient's, or with `through` all that goes on behind that day.
Refuses to know messages and stores. Raises `RosterErrors` when a file is read to its end and had mistakes: a
list counts as a whole or not at all.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.identifiers import Identifier

_MOST_MISTAKES: Final = 100
_LONGEST_LINE: Final = 100_000
#: Different days, and providers, of one file that are understood once.
_REMEMBERED: Final = 100_000
_REQUIRED: Final = ("id", "authority")
_COLUMNS: Final = ("id", "authority", "type", "from", "through", "npi", "opt_out")
#: What only a delta has.
_OF_DELTA: Final = ("change", "ended")
_CHANGES: Final = {
    **dict.fromkeys(("", "add", "a", "new", "change", "c", "changed", "update", "u"), False),
    **dict.fromkeys(("end", "e", "ended", "delete", "d", "remove", "terminate", "t"), True),
}
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
    """One row of a roster file; `line` is where it stands. `type` is b"" where the file does not give it. `ended`: the delta takes
    it off.
    """

    id: bytes
    authority: bytes
    type: bytes
    valid_from: date | None
    valid_through: date | None
    npi: str | None
    opt_out: bool
    line: int
    ended: bool = False

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


class Assignment(NamedTuple):
    """One row of a roster file as it is read: `RosterEntry` without the work of making one."""

    id: str
    authority: str
    type: str
    valid_from: date | None
    valid_through: date | None
    npi: str | None
    opt_out: bool
    ended: bool
    line: int


def read_roster(data: bytes | Iterable[bytes], place: str, *, delta: bool = False) -> Iterator[RosterEntry]:
    """The rows of a roster file, one by one; see `read_assignments`."""
    for row in read_assignments(data, place, delta=delta):
        id_, authority, type_, begin, through, npi, opt_out, ended, line = row
        names = id_.encode(), authority.encode(), type_.encode()
        yield RosterEntry(*names, begin, through, npi, opt_out, line, ended)


def read_assignments(
    data: bytes | Iterable[bytes], place: str, *, delta: bool = False
) -> Iterator[Assignment]:
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
        columns = _header(header, place, delta)
        width = len(columns)
        cells_of = _Cells(columns, place, mistakes)
        read = cells_of.read
        for cells in reader:
            if len(cells) == width:
                row = read(cells, reader.line_num)
                if row is not None:
                    yield row
                    continue
                line = reader.line_num
            elif any(cells):
                line = reader.line_num
                what = f"this row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'} where the header has {width}"
                mistakes.append(RosterMistake(place, line, what, "quote a cell that holds a comma"))
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


def _header(header: list[str] | None, place: str, delta: bool) -> list[str]:
    allowed = _COLUMNS + _OF_DELTA if delta else _COLUMNS
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
        if name not in allowed:
            hint = f"known: {','.join(allowed)}"
            if name in _OF_DELTA:
                hint = "a full list has no changes; name the file under roster: {deltas: ...}"
            wrong.append(RosterMistake(place, 1, f"the column '{name[:40]}' is not known", hint))
        elif names.count(name) > 1:
            wrong.append(RosterMistake(place, 1, f"the column {name} stands twice"))
    if wrong:
        raise RosterErrors(wrong)
    return names


class _Cells:
    """Reads the cells of one file's rows. Days and providers recur, so that each text is understood once."""

    def __init__(self, columns: list[str], place: str, mistakes: list[RosterMistake]) -> None:
        self._place = place
        self._mistakes = mistakes
        # A column that is not there is read from an empty cell behind the others.
        at = [columns.index(name) if name in columns else len(columns) for name in _COLUMNS + _OF_DELTA]
        self._pick = itemgetter(*at)
        self._days: dict[str, date | None] = {"": None}
        self._npis: set[str] = {""}

    def read(self, cells: list[str], line: int) -> Assignment | None:
        """A row, or None where it has mistakes or is empty."""
        cells.append("")
        id_, authority, type_, begins, ends, npi, out, change, ended = self._pick(cells)
        days = self._days
        if begins in days and ends in days and npi in self._npis and not (out or change or ended):
            begin, through = days[begins], days[ends]
            if begin is None or through is None or begin <= through:
                id_, authority = id_.strip(), authority.strip()
                if id_ and authority:
                    return Assignment(
                        id_, authority, type_.strip(), begin, through, npi or None, False, False, line
                    )
        if not any(cells):
            return None
        return self._read_slowly(self._pick(cells), line)

    def _read_slowly(self, cells: tuple[str, ...], line: int) -> Assignment | None:
        place, mistakes = self._place, self._mistakes
        before = len(mistakes)

        def wrong(what: str, hint: str | None = None) -> None:
            mistakes.append(RosterMistake(place, line, what, hint))

        id_, authority, type_, begins, ends, npi, out, change, ended = (cell.strip() for cell in cells)
        for name, text in (("id", id_), ("authority", authority)):
            if not text:
                wrong(f"{name} is empty", "a row needs the patient's number and its authority")
        begin, through = self._day("from", begins, wrong), self._day("through", ends, wrong)
        if begin is not None and through is not None and through < begin:
            wrong("through is before from", "both days are inclusive")
        if npi and not (npi.isascii() and npi.isdigit() and len(npi) == 10):
            wrong("npi is not a number of 10 digits")
        if out.lower() not in _TRUE and out.lower() not in _FALSE:
            wrong("opt_out is neither yes nor no")
        if change.lower() not in _CHANGES:
            wrong("change is none of add, change and end")
        if ended.lower() not in _TRUE and ended.lower() not in _FALSE:
            wrong("ended is neither yes nor no")
        if len(mistakes) > before:
            return None
        if len(self._npis) < _REMEMBERED:
            self._npis.add(npi)
        over = _CHANGES[change.lower()] or ended.lower() in _TRUE
        return Assignment(
            id_, authority, type_, begin, through, npi or None, out.lower() in _TRUE, over, line
        )

    def _day(self, name: str, text: str, wrong: Callable[[str, str], None]) -> date | None:
        if not text:
            return None
        match = _DAY.fullmatch(text)
        try:
            if match is not None:
                day = date(int(match[1]), int(match[2]), int(match[3]))
                if len(self._days) < _REMEMBERED:
                    self._days[text] = day
                return day
        except ValueError:
            pass  # a day that no calendar has: named below like any other
        wrong(f"{name} is not a date", "write it 2026-12-01")
        return None

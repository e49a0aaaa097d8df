"""Code tables: CSV files of the folder's `tables/`, with a header; the first column is what is looked up.

Values are text. A table is whole or it is not there: any mistake in the file is named with its line. Raises
nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from hl7bridge.channel.written.mistake import Mistakes, Place
from hl7bridge.channel.written.yaml import shown


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` holds for each key the values of all `columns`, the key's own first; `lines` where each stands in its file."""

    name: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def column(self, name: str) -> dict[str, str]:
        """Key and value of one column."""
        index = self.columns.index(name)
        return {key: row[index] for key, row in self.rows.items()}


Rows = list[tuple[int, tuple[str, ...]]]


def read_table(path: str, data: bytes, mistakes: Mistakes) -> Table | None:
    """The table that a CSV file holds; None where mistakes were named."""
    name = path.rsplit("/", 1)[-1].removesuffix(".csv")
    before = len(mistakes)
    read = read_rows(path, data, mistakes)
    if read is None:
        return None
    rows: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for line, cells in read[1]:
        if cells[0] in rows:
            what = f"{shown(cells[0])} stands a second time"
            hint = f"it is already in line {lines[cells[0]]}; keep one of them"
            mistakes.add(Place(path, line, 1), what, hint)
        else:
            rows[cells[0]] = cells
            lines[cells[0]] = line
    return Table(name, read[0], rows, lines) if len(mistakes) == before else None


def read_rows(path: str, data: bytes, mistakes: Mistakes) -> tuple[tuple[str, ...], Rows] | None:
    """The columns of a CSV file, and its rows with their lines; None where it cannot be read. Rows of another length are named and
    left out.
    """
    text = _text(path, data, mistakes)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: tuple[str, ...] = ()
    rows: Rows = []
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if not any(cells):
                continue
            place = Place(path, reader.line_num, 1)
            if not columns:
                columns = cells
                _check_header(cells, place, mistakes)
            elif len(cells) != len(columns):
                short = "too few" if len(cells) < len(columns) else "too many"
                what = f"this row has {short} cells: {len(cells)} where the header has {len(columns)}"
                mistakes.add(place, what, "quote a cell that holds a comma")
            else:
                rows.append((reader.line_num, cells))
    except csv.Error as fault:
        mistakes.add(
            Place(path, reader.line_num or 1, 1), f"this is not CSV: {fault}", "check the quotation marks"
        )
        return None
    if not columns:
        mistakes.add(Place(path, 1, 1), "the table is empty", "its first row names the columns")
        return None
    return columns, rows


def _text(path: str, data: bytes, mistakes: Mistakes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        column = fault.start - (data.rfind(b"\n", 0, fault.start) + 1) + 1
        mistakes.add(Place(path, line, column), "this byte is not UTF-8", "save the table as CSV UTF-8")
        return None


def _check_header(cells: tuple[str, ...], place: Place, mistakes: Mistakes) -> None:
    if "" in cells:
        mistakes.add(place, "a column has no name", "the first row names every column")
    elif len(set(cells)) != len(cells):
        mistakes.add(place, "two columns have one name", "give each its own")

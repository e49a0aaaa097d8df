"""The list of interactions: a site's own `tables/interactions.csv`, or the one that ships with the program.

    group,title,side,class,ingredient,rxcui
    4,Atazanavir with proton pump inhibitors,object,,atazanavir,343047
    4,Atazanavir with proton pump inhibitors,precipitant,proton pump inhibitors,omeprazole,7646
    21,QT-prolonging medicines with each other,,,,

Each ingredient on the side `object` interacts with each on the side `precipitant` of its group; an ingredient may stand on both. A row
without a side names a group of which the list says nothing else, an ingredient without a code cannot be screened: both are shown as
not screened. Lines that begin with # are remarks. A site's list takes the place of the shipped one, and adds nothing to it. Raises
nothing; mistakes are named.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from hl7bridge.affiliation.tables.interactions import NO_LIST, Group, Interactions
from hl7bridge.channel.written.mistake import Mistakes, Place, meant, rightly_named
from hl7bridge.channel.written.yaml import shown

SHIPPED: Final = "ONC high-priority list (Phansalkar 2012)"
_FILE: Final = "interactions.csv"
_COLUMNS: Final = ("group", "title", "side", "class", "ingredient", "rxcui")
_SIDES: Final = ("object", "precipitant")
_RXCUI = re.compile(r"\d{1,8}")


class _Row(NamedTuple):
    line: int
    group: str
    title: str
    side: str
    ingredient: str
    rxcui: str


def is_interactions(path: str) -> bool:
    """Whether a table of the folder is the list of interactions, which is no code table."""
    return path.rsplit("/", 1)[-1] == _FILE


def interactions_of(files: Mapping[str, bytes], shipped: bytes) -> Interactions:
    """The site's list among a configuration's files, which was without mistakes when it came into force, or else the `shipped` one."""
    mistakes = Mistakes()
    for path in sorted(files):
        if is_interactions(path):
            return read_interactions(path, files[path], mistakes)
    return read_interactions(_FILE, shipped, mistakes, SHIPPED)


def read_interactions(path: str, data: bytes, mistakes: Mistakes, name: str = _FILE) -> Interactions:
    """The list in a file, called by `name` and the beginning of its content's SHA-256; no list where mistakes were named."""
    before = len(mistakes)
    groups: dict[str, list[_Row]] = {}
    for row in _rows(path, data, mistakes):
        groups.setdefault(row.group, []).append(row)
    made = [_group(path, rows, mistakes) for rows in groups.values()]
    if len(mistakes) > before:
        return NO_LIST
    return Interactions(name, hashlib.sha256(data).hexdigest()[:12], made)


def _rows(path: str, data: bytes, mistakes: Mistakes) -> Iterator[_Row]:
    """The rows that can be read, with their lines."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as fault:
        at = data.count(b"\n", 0, fault.start) + 1
        mistakes.add(Place(path, at, 1), "this byte is not UTF-8", "save the table as CSV UTF-8")
        return
    columns: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        place = Place(path, number, 1)
        try:
            [cells] = csv.reader([line], strict=True)
        except csv.Error as fault:
            mistakes.add(place, f"this is not CSV: {fault}", "check the quotation marks")
            continue
        cells = [cell.strip() for cell in cells]
        if not columns:
            columns = cells
            for column in [each for each in _COLUMNS if each not in columns]:
                hint = rightly_named(column, columns, _COLUMNS)
                mistakes.add(place, f"there is no column {column}", hint)
            if any(each not in columns for each in _COLUMNS):
                return
        elif len(cells) != len(columns):
            short = "too few" if len(cells) < len(columns) else "too many"
            what = f"this row has {short} cells: {len(cells)} where the header has {len(columns)}"
            mistakes.add(place, what, "quote a cell that holds a comma")
        else:
            row = dict(zip(columns, cells, strict=True))
            read = _Row(number, row["group"], row["title"], row["side"], row["ingredient"], row["rxcui"])
            if _sound(read, place, mistakes):
                yield read
    if not columns:
        mistakes.add(Place(path, 1, 1), "the table is empty", "its first row names the columns")


def _sound(row: _Row, place: Place, mistakes: Mistakes) -> bool:
    """Whether a row says something by itself."""
    what = hint = None
    if not row.group or not row.title:
        what, hint = (
            f"a row without {'group' if row.title else 'title'}",
            "each row names its group and the group's title",
        )
    elif not row.side and (row.ingredient or row.rxcui):
        what, hint = "an ingredient stands on no side", "its side is object or precipitant"
    elif row.side and row.side not in _SIDES:
        what, hint = f"{shown(row.side)} is no side", meant(row.side, _SIDES)
    elif row.side and not row.ingredient:
        what, hint = f"no ingredient on the side {row.side}", "name it; its code may be left out"
    elif row.rxcui and not _RXCUI.fullmatch(row.rxcui):
        what, hint = f"{shown(row.rxcui)} is no RxNorm code", "digits; empty where there is none"
    if what is not None:
        mistakes.add(place, what, hint)
    return what is None


def _group(path: str, rows: list[_Row], mistakes: Mistakes) -> Group:
    """The rows of one group, put together."""
    sides: dict[str, dict[str, str]] = {side: {} for side in _SIDES}
    lines: dict[tuple[str, str], int] = {}
    named = [row for row in rows if row.side]
    first = rows[0]
    for row in rows:
        place = Place(path, row.line, 1)
        if row.title != first.title:
            what = f"group {shown(row.group)} has two titles"
            mistakes.add(place, what, f"it is {shown(first.title)} in line {first.line}")
        if not row.side:
            continue
        known = lines.setdefault((row.side, row.rxcui or row.ingredient), row.line)
        if known != row.line:
            mistakes.add(
                place, f"{shown(row.ingredient)} stands a second time", f"it is already in line {known}"
            )
        elif row.rxcui:
            sides[row.side][row.rxcui] = row.ingredient
    for side in _SIDES:
        if named and not sides[side]:
            what = f"group {shown(first.group)} has no code on the side {side}"
            mistakes.add(Place(path, first.line, 1), what, "a group has two sides, or none at all")
    uncoded = tuple(row.ingredient for row in named if not row.rxcui)
    return Group(first.group, first.title, sides["object"], sides["precipitant"], uncoded)

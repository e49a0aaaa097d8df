"""The site's withheld categories: `tables/withheld.csv` with the columns category, system, code and, if you like, text.

    category,system,code,text
    substance-use,I10,F10*,alcohol related disorders
    substance-use,RXNORM,7243,every product that contains naltrexone
    behavioral-health,CLASS,antipsychotics,every product of that class in tables/ingredients.csv
    behavioral-health,LOCATION,BHU,a visit to that unit (PV1-3)
    minors,AGE,18,whoever is younger on the day of the event

An empty system means any. A code may stand in several rows. `text` is for people; codes are compared, never words. Raises nothing;
mistakes are named.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

from hl7bridge.affiliation.tables.medicines import Medicines
from hl7bridge.affiliation.tables.withheld import (
    AGE,
    CLASS,
    PLACES,
    Withheld,
    WithheldRow,
    code_of,
    system_of,
)
from hl7bridge.channel.loading.medicines import INGREDIENTS
from hl7bridge.channel.rules.table import Table, read_rows
from hl7bridge.channel.written.mistake import Mistakes, Place, meant, rightly_named
from hl7bridge.channel.written.yaml import shown

WITHHELD: Final = "withheld"
_COLUMNS: Final = ("category", "system", "code")
_WORDS: Final = sorted({*PLACES, CLASS, AGE})
_CATEGORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_withheld(
    path: str | None,
    data: bytes,
    medicines: Medicines,
    tables: Mapping[str, Table | None],
    mistakes: Mistakes,
) -> Withheld:
    """What the table says; a folder without it (`path` None) withholds nothing by category."""
    read = None if path is None else read_rows(path, data, mistakes)
    if path is None or read is None:
        return Withheld()
    columns, lines = read
    missing = [column for column in _COLUMNS if column not in columns]
    for column in missing:
        hint = rightly_named(column, columns, (*_COLUMNS, "text"))
        mistakes.add(Place(path, 1, 1), f"there is no column {column}", hint)
    if missing:
        return Withheld()
    at = [columns.index(column) for column in _COLUMNS]
    known = classes_of(tables)
    rows: list[WithheldRow] = []
    for number, cells in lines:
        row = WithheldRow(*(cells[each] for each in at))
        fault = _fault(row, known)
        if fault is None:
            rows.append(row)
        else:
            mistakes.add(Place(path, number, 1), *fault)
    return Withheld(rows, medicines)


def classes_of(tables: Mapping[str, Table | None]) -> set[str]:
    """The classes that ingredients are in."""
    ingredients = tables.get(INGREDIENTS)
    if ingredients is None or "classes" not in ingredients.columns:
        return set()
    return {name for text in ingredients.column("classes").values() for name in text.split()}


def _fault(row: WithheldRow, classes: set[str]) -> tuple[str, str | None] | None:
    """What is wrong with a row, and what to do: a row that can never withhold anything would be a broken promise."""
    system = system_of(row.system)
    near = difflib.get_close_matches(system, _WORDS, n=1, cutoff=0.8)
    if near and system not in _WORDS:
        return f"{shown(row.system)} is no system that could be meant here", f"did you mean {near[0]}?"
    if not _CATEGORY.fullmatch(row.category):
        return (
            f"{shown(row.category)} is no name of a category",
            "letters, digits, '.', '_' and '-', such as substance-use",
        )
    if system == AGE:
        if not re.fullmatch(r"[0-9]{1,3}", row.code):
            return f"{shown(row.code)} is no number of years", "minors,AGE,18 means younger than 18"
    elif system == CLASS:
        if row.code.casefold() not in {name.casefold() for name in classes}:
            what = f"no ingredient is in the class {shown(row.code)}"
            return what, meant(row.code, classes, "the column classes of tables/ingredients.csv names them")
    elif "*" in row.code[:-1]:
        return f"{shown(row.code)} has a * within", "it may stand at the end only"
    elif not code_of(row.code.removesuffix("*")):
        return "a code is missing", "every row names one; F10* means all that begin with F10"
    return None

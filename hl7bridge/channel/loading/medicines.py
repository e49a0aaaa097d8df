"""The site's medicines: `tables/medicines.csv` (code, system, ingredients), `tables/ingredients.csv` (rxcui, name, classes).

    code,system,ingredients              rxcui,name,classes
    00093-1048-01,NDC,6809               6809,metformin,diabetes
    68180-0518-01,NDC,29046 5487         29046,lisinopril,RASA

Several ingredients or classes stand in one cell with blanks between. A medicine or ingredient that is not there is unknown: it is
not counted and not screened. Raises nothing; mistakes are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hl7bridge.affiliation.tables.medicines import MedicineRow, Medicines
from hl7bridge.channel.rules.table import Table, read_table
from hl7bridge.channel.written.mistake import Mistakes, Place, rightly_named
from hl7bridge.channel.written.yaml import shown

MEDICINES, INGREDIENTS = "medicines", "ingredients"
_COLUMNS: Final = {MEDICINES: ("code", "system", "ingredients"), INGREDIENTS: ("rxcui", "name", "classes")}
_RXCUI = re.compile(r"\d{1,8}")


def medicines_of(files: Mapping[str, bytes]) -> Medicines:
    """What the tables among a configuration's files say; they were without mistakes when it came into force."""
    mistakes = Mistakes()
    tables = {
        name: read_table(path, data, mistakes)
        for path, data in files.items()
        for name in (MEDICINES, INGREDIENTS)
        if path.rsplit("/", 1)[-1] == f"{name}.csv"
    }
    return read_medicines(tables, mistakes)


def read_medicines(tables: Mapping[str, Table | None], mistakes: Mistakes) -> Medicines:
    """What the two tables say; a folder without them knows no medicines."""
    medicines, ingredients = (_checked(tables.get(name), name, mistakes) for name in (MEDICINES, INGREDIENTS))
    classes = {} if ingredients is None else ingredients.column("classes")
    rows: list[MedicineRow] = []
    if medicines is None:
        return Medicines()
    systems = medicines.column("system")
    for code, text in medicines.column("ingredients").items():
        for rxcui in text.split():
            if not _RXCUI.fullmatch(rxcui):
                what = f"{shown(rxcui)} behind {shown(code)} is no RxNorm code"
                mistakes.add(
                    Place(f"tables/{MEDICINES}.csv", medicines.lines[code], 1),
                    what,
                    "digits, with blanks between several",
                )
                continue
            for class_ in classes.get(rxcui, "").split() or [""]:
                rows.append(MedicineRow(systems[code], code, rxcui, class_))
    return Medicines(rows)


def _checked(table: Table | None, name: str, mistakes: Mistakes) -> Table | None:
    if table is None:
        return None
    missing = [column for column in _COLUMNS[name] if column not in table.columns]
    for column in missing:
        hint = rightly_named(column, table.columns, _COLUMNS[name])
        mistakes.add(Place(f"tables/{name}.csv", 1, 1), f"there is no column {column}", hint)
    return None if missing else table

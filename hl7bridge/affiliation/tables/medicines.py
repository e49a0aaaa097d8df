"""What a site knows of medicines: the ingredients behind a feed's codes, and the therapeutic classes of ingredients.

NDC or local code to ingredient is a table of the site's own: a medicine that it does not hold has no ingredients, is not screened and
not counted, and is never guessed from its name. Refuses to know messages and patients. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import Medicine

_NOTHING: Final[frozenset[str]] = frozenset()


class MedicineRow(NamedTuple):
    """One code of one system, an ingredient of it (an RxNorm code, RXCUI of term type IN), and a class of that ingredient.

    A combination product has a row for each ingredient; an ingredient in two classes a row for each. `class_` may be "".
    """

    system: str
    code: str
    ingredient: str
    class_: str


class Medicines:
    """The site's table."""

    def __init__(self, rows: Iterable[MedicineRow] = ()) -> None:
        ingredients: dict[tuple[str, str], set[str]] = {}
        classes: dict[str, set[str]] = {}
        for row in rows:
            ingredients.setdefault((row.system, row.code), set()).add(row.ingredient)
            if row.class_:
                classes.setdefault(row.ingredient, set()).add(row.class_)
        self._ingredients = {code: frozenset(found) for code, found in ingredients.items()}
        self._classes = {ingredient: frozenset(found) for ingredient, found in classes.items()}

    def ingredients(self, medicine: Medicine) -> frozenset[str]:
        """RXCUIs of a medicine's ingredients; empty where the table does not hold its code."""
        return self._ingredients.get((medicine.system, medicine.code), _NOTHING)

    def products(self) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Every code of the table: its system, the code, the RXCUIs of its ingredients."""
        for (system, code), ingredients in self._ingredients.items():
            yield system, code, ingredients

    def classes(self, ingredient: str) -> frozenset[str]:
        """The therapeutic classes of an ingredient, by the site's names."""
        return self._classes.get(ingredient, _NOTHING)

    def classes_of(self, medicine: Medicine) -> frozenset[str]:
        """The classes of all of a medicine's ingredients."""
        return _NOTHING.union(*(self.classes(each) for each in self.ingredients(medicine)))

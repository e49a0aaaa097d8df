"""Which categories of information a code belongs to: behavioural health, HIV, substance use ... by the operator's own list.

A row is a category, a code system and a code. A code that ends with `*` stands for all that begin like it (ICD-10 `F10*`); an empty
system for every system. Words stand for what has no code system: `RXNORM` with an ingredient's RXCUI withholds every product that the
site's medicine table says contains it, `CLASS` every product of a therapeutic class, `AGE` everybody younger than so many years.

Where a message leaves something open the answer is the one that keeps more back: a code without a system counts as of any system, an
unknown date of birth as that of a child. Refuses to know messages and affiliates. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import Medicine
from hl7bridge.affiliation.tables.medicines import Medicines

_NOTHING: Final[frozenset[str]] = frozenset()
#: Words in the column of systems for fields that name no system: PV1-3, PV1-10, PV1-16, PD1-12 and PV2-22 (Y protects), ARV-3.
LOCATION, SERVICE, VIP, PROTECTED, ACCESS = "LOCATION", "SERVICE", "VIP", "PROTECTED", "ACCESS"
#: Words for what no field says by itself.
CLASS, AGE = "CLASS", "AGE"
PLACES: Final = frozenset({LOCATION, SERVICE, VIP, PROTECTED, ACCESS})
_NO_SYSTEMS: Final = PLACES | {CLASS, AGE}

#: 2.16.840.1.113883.6, the branch of external code systems, without its points.
_OID: Final = "21684011138836"
#: Names that feeds use for one system (HL7 table 0396, and OIDs of the HL7 registry).
_SAME: Final = {
    **dict.fromkeys(("I10", "I10C", "ICD10", "ICD10CM", _OID + "3", _OID + "90"), "I10"),
    **dict.fromkeys(("I9", "I9C", "ICD9", "ICD9CM", _OID + "42", _OID + "103"), "I9"),
    **dict.fromkeys(("RXNORM", "RXN", "RXCUI", _OID + "88"), "RXNORM"),
    **dict.fromkeys(("NDC", "NDC11", _OID + "69"), "NDC"),
    **dict.fromkeys(("LN", "LOINC", _OID + "1"), "LN"),
    **dict.fromkeys(("SCT", "SNM", "SNOMED", "SNOMEDCT", _OID + "96"), "SCT"),
}
_MARKS = re.compile(r"[-. ]")
_HYPHENS = re.compile(r"\d{4,5}-\d{3,4}-\d{1,2}")


class WithheldRow(NamedTuple):
    """One code of a category. `system` may be empty; for `AGE` the code is a number of years."""

    category: str
    system: str
    code: str


def system_of(text: str) -> str:
    """The one name of a code system: `ICD-10-CM` and `I10C` are `I10`."""
    bare = _MARKS.sub("", text).upper()
    return _SAME.get(bare, bare)


def code_of(text: str) -> str:
    """A code as it is compared: in capitals, without hyphens, points and blanks; an NDC with its eleven digits (5-4-2)."""
    text = text.strip()
    if _HYPHENS.fullmatch(text):
        labeler, product, package = text.split("-")
        return labeler.zfill(5) + product.zfill(4) + package.zfill(2)
    return _MARKS.sub("", text).upper()


class Withheld:
    """The site's list. Built once; every question is answered from dictionaries."""

    def __init__(self, rows: Iterable[WithheldRow] = (), medicines: Medicines | None = None) -> None:
        self._exact: dict[tuple[str, str], set[str]] = {}
        self._of_any: dict[str, set[str]] = {}  # what the list names without a system
        self._unsaid: dict[str, set[str]] = {}  # what a code may be whose system a message does not say
        self._beginnings: list[tuple[str, str, str]] = []
        self._ages: dict[str, int] = {}
        classes: dict[str, set[str]] = {}
        names: set[str] = set()
        for category, written, code in rows:
            system = system_of(written)
            names.add(category)
            if system == AGE:
                self._ages[category] = max(int(code), self._ages.get(category, 0))
            elif system == CLASS:
                classes.setdefault(code.casefold(), set()).add(category)
            elif code.endswith("*"):
                self._beginnings.append((system, code_of(code[:-1]), category))
            else:
                self._add(system, code_of(code), (category,))
        self.names = frozenset(names)
        if medicines is not None:
            self._products(medicines, classes)

    def _add(self, system: str, code: str, categories: Iterable[str]) -> None:
        if system:
            self._exact.setdefault((system, code), set()).update(categories)
        else:
            self._of_any.setdefault(code, set()).update(categories)
        if system not in _NO_SYSTEMS:
            self._unsaid.setdefault(code, set()).update(categories)

    def _products(self, medicines: Medicines, classes: dict[str, set[str]]) -> None:
        """Every product by its own code, for what its ingredients and their classes are listed for."""
        of_ingredient: dict[str, frozenset[str]] = {}
        found: list[tuple[str, str, frozenset[str]]] = []
        for system, code, ingredients in medicines.products():
            categories = _NOTHING
            for ingredient in ingredients:
                if ingredient not in of_ingredient:
                    by_class = (
                        classes.get(each.casefold(), _NOTHING) for each in medicines.classes(ingredient)
                    )
                    of_ingredient[ingredient] = self.categories_of_code("RXNORM", ingredient).union(*by_class)
                categories |= of_ingredient[ingredient]
            if categories:
                found.append((system, code, categories))
        for system, code, categories in found:
            self._add(system_of(system), code_of(code), categories)
        for ingredient, categories in of_ingredient.items():
            if categories:
                self._add("RXNORM", ingredient, categories)

    def __bool__(self) -> bool:
        return bool(self.names)

    def categories_of_code(self, system: str, code: str) -> frozenset[str]:
        """The categories of a code of a system; of any system where `system` is empty."""
        code, system = code_of(code), system_of(system)
        if not code:
            return _NOTHING
        found = set(self._of_any.get(code, _NOTHING))
        found |= self._exact.get((system, code), _NOTHING) if system else self._unsaid.get(code, _NOTHING)
        for other, beginning, category in self._beginnings:
            if code.startswith(beginning) and (
                not other or other == system or (not system and other not in _NO_SYSTEMS)
            ):
                found.add(category)
        return frozenset(found) if found else _NOTHING

    def categories_of(self, medicine: Medicine) -> frozenset[str]:
        """The categories of a medicine: by its own code, its ingredients and their therapeutic classes."""
        return self.categories_of_code(medicine.system, medicine.code)

    def touches(self, codes: Iterable[tuple[str, str]], categories: Iterable[str]) -> str | None:
        """The first of `categories`, by name, that one of the codes (system, code) belongs to; None if none does."""
        wanted = frozenset(categories)
        found: set[str] = set()
        for system, code in codes:
            found |= self.categories_of_code(system, code) & wanted
        return min(found) if found else None

    @property
    def ages(self) -> bool:
        """Whether some category is one of age."""
        return bool(self._ages)

    def categories_of_age(self, born: str, on: date | None) -> frozenset[str]:
        """The categories of age that somebody is in on a day. `born` is PID-7: YYYY, YYYYMM or YYYYMMDD, and more behind it.

        What is left open counts for the youngest that it allows, and what cannot be read, or an unknown day, for a child.
        """
        latest = _latest_birth(born)
        if latest is None or on is None:
            return frozenset(self._ages)
        return frozenset(name for name, years in self._ages.items() if _age(latest, on) < years)

    def categories_about(self, medicines: Iterable[Medicine], birth: date | None, on: date) -> frozenset[str]:
        """The categories of something said of these medicines and of somebody born then, on a day."""
        born = "" if birth is None else birth.strftime("%Y%m%d")
        of_age = self.categories_of_age(born, on) if self._ages else _NOTHING
        return of_age.union(*(self.categories_of(medicine) for medicine in medicines))


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _latest_birth(text: str) -> date | None:
    digits = "".join(_leading_digits(text))
    try:
        if len(digits) >= 8:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
        if len(digits) >= 6:
            month = int(digits[4:6])
            return date(int(digits[:4]), month, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1])
        return date(int(digits), 12, 31) if len(digits) == 4 else None
    except (ValueError, IndexError):
        return None


def _leading_digits(text: str) -> Iterator[str]:
    for char in text:
        if not ("0" <= char <= "9"):
            return
        yield char

"""Ages that observations tell (HL7 v2.5.1 chapter 7, OBX-3, OBX-5 and OBX-6), and how old one may be.

HIPAA's safe harbour (45 CFR 164.514(b)(2)(i)(C)): ages over 89 are told only as one category, 90 or older. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: The age from which on nobody's is told, in years.
OLDEST: Final = 89
#: LOINC's codes of ages: those of HL7's value set LOINCObservationActContextAgeType, and the age at death.
_LOINC: Final = frozenset({"21611-9", "21612-7", "29553-5", "30525-0", "30972-4", "39016-1"})
#: What sites and LOINC call an age, and what is counted in days and weeks of a child that is not born.
_AGE: Final = re.compile(r"(?<![a-z])(pt|pat|patient)?age(in)?(y|yrs?|years?)?(?![a-z])", re.IGNORECASE)
#: Where a word begins within one, as in CurrentAge.
_WORDS: Final = re.compile("(?<=[a-z])(?=[A-Z])")
_UNBORN: Final = re.compile("gestation|fetal|fetus", re.IGNORECASE)
#: How many of a unit a year has (UCUM's names of units, and people's), never more than it has.
_IN_A_YEAR: Final = {
    **dict.fromkeys(("mo", "mos", "month", "months", "mth", "mths"), 12),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), 52),
    **dict.fromkeys(("d", "day", "days"), 365),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 365 * 24),
    **dict.fromkeys(("min", "minute", "minutes"), 365 * 24 * 60),
}
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_WORD: Final = re.compile("[a-z]+")


def in_a_year(observed: Iterable[str], unit: str) -> int | None:
    """How many of its units a year has, where what is observed (the components of OBX-3) is an age; None where it is none. Units that
    are not known, or not there, are years.
    """
    named = tuple(_WORDS.sub(" ", each) for each in observed)
    if not any(each in _LOINC or _AGE.search(each) for each in named) or any(map(_UNBORN.search, named)):
        return None
    return next((_IN_A_YEAR[word] for word in _WORD.findall(unit.casefold()) if word in _IN_A_YEAR), 1)


def told(value: str, a_year: int) -> str:
    """An age as it may be told: 90 years in its unit where it holds a number that is more than 89 years."""
    over = any(float(found.group()) > OLDEST * a_year for found in _NUMBER.finditer(value))
    return str((OLDEST + 1) * a_year) if over else value

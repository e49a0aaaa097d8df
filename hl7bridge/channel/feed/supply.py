"""Days' supply, as feeds write it: whole days, or a duration as in ORC-7.3 and TQ1-6.

HL7 v2 has no field for it (see the standard's chapter 4A on RXD-12, and chapter 4 on TQ.3), so a channel says where its feed puts it.
What is written there is read here: `30`, `D30`, `30^d`, and the units of a duration (S seconds, M minutes, H hours, D days, W weeks,
L months), which are honoured: `M30` is half an hour, and no days' supply. Only what comes to whole days, at least one, is taken.
Raises nothing.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

#: Days in one of each unit. A month of supply is dispensed as 30 days.
_DAYS: Final = {
    "S": Fraction(1, 86_400),
    "M": Fraction(1, 1_440),
    "H": Fraction(1, 24),
    "D": Fraction(1),
    "W": Fraction(7),
    "L": Fraction(30),
}
_WORDS: Final = {
    "DAY": "D",
    "DAYS": "D",
    "WK": "W",
    "WEEK": "W",
    "WEEKS": "W",
    "MO": "L",
    "MON": "L",
    "MONTH": "L",
    "MONTHS": "L",
    "MIN": "M",
    "HR": "H",
}
_NUMBER = r"0*(\d{1,6})(?:\.0+)?"
_BEFORE = re.compile(r"([A-Z])\s?" + _NUMBER)
_BEHIND = re.compile(_NUMBER + r"\s?(?:\^?\s?([A-Z]+))?(?:[\^&].*)?")
#: More than this is a slip of the hand.
MOST_DAYS: Final = 400


def days_of(text: str) -> int | None:
    """Whole days, or None where the text says no such thing.

    >>> [days_of(text) for text in ("30", "D90", "W4", "30^d", "L1", "M30", "X3", "INDEF", "")]
    [30, 90, 28, 30, 30, None, None, None, None]
    """
    text = text.strip().upper()
    found = _BEFORE.fullmatch(text)
    if found is not None:
        unit, number = found[1], found[2]
    else:
        found = _BEHIND.fullmatch(text)
        if found is None:
            return None
        number, word = found[1], found[2] or "D"
        unit = _WORDS.get(word, word)
    factor = _DAYS.get(unit)
    if factor is None:
        return None
    days = int(number) * factor
    return int(days) if days.denominator == 1 and 1 <= days <= MOST_DAYS else None


def days_of_quantity(quantity: str, units: str, daily: str, daily_units: str) -> int | None:
    """The amount dispensed divided by the total daily dose (RXD-4, RXD-5 and RXD-12), where both are present in equal units and
    the supply comes to whole days.
    """
    if not units or units.strip().upper() != daily_units.strip().upper():
        return None
    try:
        amount, dose = Fraction(quantity.strip()), Fraction(daily.strip())
    except (ValueError, ZeroDivisionError):
        return None
    if dose <= 0:
        return None
    days = amount / dose
    return int(days) if days.denominator == 1 and 1 <= days <= MOST_DAYS else None

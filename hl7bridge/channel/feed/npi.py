"""National Provider Identifiers in messages and tables: which number says that it is one, and which can be one. Raises nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: NPI's place among the object identifiers.
_OID: Final = b"2.16.840.1.113883.4.6"


def says_npi(parts: Sequence[bytes]) -> bool:
    """Whether a person's number says that it is an NPI: XCN.13 (table 0203), or the authority's object identifier in XCN.9."""
    return (len(parts) > 12 and parts[12] == b"NPI") or (len(parts) > 8 and _OID in parts[8])


def is_npi(text: str) -> bool:
    """Whether a text is an NPI with its right check digit (45 CFR 162.406; the Luhn formula over 80840 and the number)."""
    if not re.fullmatch(r"[12][0-9]{9}", text):
        return False
    total = 24  # what the prefix 80840 adds
    for place, digit in enumerate(reversed(text)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

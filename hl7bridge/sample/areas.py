"""The areas that a message names in its addresses (HIPAA's safe harbour, 45 CFR 164.514(b)(2)(i)(B)), to be looked for elsewhere.

Raises nothing.
"""

from __future__ import annotations

import re
from typing import Final

#: What people write within the name of a town, or leave out.
_WITHIN: Final = re.compile(r"[\s()./'+-]")
#: Names stand beside each other in a place of birth: the town, and the state.
_BETWEEN: Final = re.compile("[,;]")
#: What is shorter is in too many places to be looked for: words, and numbers.
_LEAST_WORD, _LEAST_NUMBER = 4, 5
#: What stands in for a ZIP code; where it stood before, it tells nothing.
NO_ZIP: Final = "00000"


class Areas:
    """The areas of one message, and where each stood."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def add(self, value: str, place: str) -> None:
        """A value that is not told at its place; of a ZIP code also the five digits of the post office."""
        for name in _BETWEEN.split(value):
            found = _close(name)
            zip_code = re.fullmatch(r"(\d{5})\d{4}", found, re.ASCII)
            for each in (found, zip_code.group(1) if zip_code else ""):
                least = _LEAST_NUMBER if each.isdigit() else _LEAST_WORD
                if len(each) >= least and each != NO_ZIP:
                    self._places.setdefault(each, place)

    def told(self, text: str) -> str | None:
        """Where an area stood that this text tells; None where it tells of none. Names are found within words, as persons' are;
        numbers only where no digit is beside them, since days and longer numbers have the same digits.
        """
        close = _close(text)
        whole = text.casefold()
        for area, place in self._places.items():
            if area.isdigit():
                alone = re.compile(rf"(?<!\d){area}(?!\d)")
                if alone.search(whole) or alone.search(close):
                    return place
            elif area in close:
                return place
        return None


def _close(text: str) -> str:
    return _WITHIN.sub("", text.casefold())

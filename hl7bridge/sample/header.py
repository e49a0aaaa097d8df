"""The header of a message (HL7 v2.5.1 chapter 2, 2.15.9): which fields name systems, and what may stand where the standard fixes it.

Raises nothing.
"""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.hl7.charset import named

#: Fields that name a system or whose it is, with what their stand-ins begin with. Only what many patients have tells nothing of one:
#: in the feeds of physicians' offices MSH-4 is a physician's name.
SYSTEMS: Final = {"MSH-3": "APP", "MSH-4": "FAC", "MSH-5": "APP", "MSH-6": "FAC"}
_EVENT: Final = r"[A-Z][A-Z0-9]{2}"
#: What the standard lets stand in a component, in every version, also in those whose tables are not known: tables 0076, 0003 and 0354
#: (and events that a site makes up, which begin with Z), 0103 and 0207, 0104, 0155, 0399 with ISO 3166.
_FORMS: Final = {
    ("MSH-9", 1): _EVENT,
    ("MSH-9", 2): _EVENT,
    ("MSH-9", 3): f"{_EVENT}(_{_EVENT})?",
    ("MSH-11", 1): "[A-Z]",
    ("MSH-11", 2): "[A-Z]",
    ("MSH-12", 1): r"\d(\.\d){0,2}D?",
    ("MSH-12", 2): "[A-Z]{2,3}",
    ("MSH-15", 1): "AL|NE|ER|SU",
    ("MSH-16", 1): "AL|NE|ER|SU",
    ("MSH-17", 1): r"[A-Z]{2,3}|\d{2,3}",
}
#: Every field of the header that is treated as a code, whatever the data type that a version gives it.
CODES: Final = frozenset({*SYSTEMS, *(field for field, _ in _FORMS), "MSH-18", "MSH-21"})


def fixed(field: str, component: int, value: str) -> bool:
    """Whether a value is one that the standard lets stand in this component of the header."""
    if (field, component) == ("MSH-18", 1):
        return named(value) is not None
    form = _FORMS.get((field, component))
    return form is not None and re.fullmatch(form, value, re.ASCII) is not None

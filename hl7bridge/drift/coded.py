"""Which components of which fields hold codes, by the data types that the standard gives them. Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from hl7bridge.hl7.extent import Extent, extents

#: The components that hold codes, by data type (HL7 v2.5.1 chapter 2A): identifiers and their coding system, assigning authorities
#: and types of identifiers, units and facilities, types of addresses, names and clinicians, use and equipment of telecommunication.
CODES_IN: Final[Mapping[str, tuple[int, ...]]] = {
    "ID": (1,),
    "IS": (1,),
    "HD": (1,),
    "PT": (1,),
    "VID": (1,),
    "CE": (1, 3),
    "CWE": (1, 3),
    "CNE": (1, 3),
    "CF": (1, 3),
    "CX": (4, 5),
    "PL": (1, 4),
    "XAD": (7,),
    "XPN": (7,),
    "XCN": (9,),
    "XTN": (2, 3),
}
#: Texts, amounts and numbers of things.
_PLAIN: Final = frozenset(("ST", "TX", "NM", "EI"))


@cache
def coded(segment: str) -> Mapping[int, tuple[int, ...]]:
    """The components that hold codes, by field."""
    found = {number: _components(field) for number, field in enumerate(extents(segment), 1)}
    return {number: components for number, components in found.items() if components}


def _components(field: Extent) -> tuple[int, ...]:
    """By the data type of 2.5.1, since feeds write most fields so, whatever version they name; a code of other versions may have a
    coding system, too (PV1-2: IS, CWE since 2.7). A field that 2.5.1 does not have is coded where no version takes it for text.
    """
    found = [CODES_IN.get(datatype, ()) for datatype in field.datatypes]
    if field.usual:
        found = [each for each in found if 1 in each] if 1 in found[0] else found[:1]
    elif not _PLAIN.isdisjoint(field.datatypes):
        return ()
    return tuple(sorted({component for each in found for component in each}))

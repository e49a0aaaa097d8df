"""Which fields have components, for the segments that channels work on most (HL7 v2.5.1, chapters 2 to 10).

Only facts; text functions on these without naming a component would eat delimiters. Time stamps count as
text.
"""

from __future__ import annotations

from typing import Final


def _fields(text: str) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split():
        begin, _, end = part.partition("-")
        numbers.update(range(int(begin), int(end or begin) + 1))
    return frozenset(numbers)


COMPOSITE: Final = {
    segment: _fields(text)
    for segment, text in {
        "MSH": "3-6 9 11 12 19 21",
        "EVN": "5 7",
        "PID": "2-6 9-14 15-18 20-22 26-28 32 34-36 38 39",
        "PD1": "3 4 9-11 14 20",
        "NK1": "2-7 13 14 18 24-26 28-33 35-37",
        "PV1": "3 5-11 17 18 19 20 37 39 40 42 43 50 52",
        "PV2": "1-3 13 23 42 44-46 48 49",
        "MRG": "1-7",
        "ORC": "2-4 7 8 10-14 16-24 26 28 30",
        "OBR": "2-4 9 10 13 15-17 23 26-35 39 43-50",
        "OBX": "3 6 15-18",
        "NTE": "4",
        "TQ1": "2 3 5-8 10",
        "RXO": "1 2 4 5 7 8 10 14 15 19 20 22 24 26 27 31 32",
        "RXE": "1 2 5-8 14 19 21-24 26-28 30-32 35-42",
        "RXD": "2 5 6 8 10 12-16 17-19 23-28 29 32",
        "RXR": "1-6",
        "RXC": "2 4 6 8",
        "RXA": "5 7-11 13 17-19",
        "FT1": "2 4 5 7 11-16 17-22 23-26",
        "SPM": "2-13 16 17 21-24 26-28",
        "AL1": "2-4",
        "DG1": "3 6 8-10 16 18 20",
        "IN1": "2-9 10 11 14 16 17 19 26 36 42-44 46-49",
        "GT1": "2-7 10 11 16-18 21 29 30 34-38 44-49 50-55",
        "TXA": "5 9-16 22 23",
    }.items()
}


def is_composite(segment: bytes, field: int) -> bool:
    """Whether the standard gives a field components. Unknown fields, Z segments and OBX-5 count as text."""
    return field in COMPOSITE.get(segment.decode("ascii"), ())

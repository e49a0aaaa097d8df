"""The usual assignment, at a third of the cost: a field or component of the only repetition.

Whatever is not as usual is left to the path, whose errors these raise.
"""

from __future__ import annotations

from hl7bridge.hl7 import access
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.message import Segment
from hl7bridge.hl7.path import Path


def quick_write(path: Path) -> access.Assign:
    """`path.assign` for one field or component of the only repetition, at a third of the cost.

    Whatever is not as usual (several repetitions, a value with delimiters, a field that is not there) is left
    to the path.
    """
    number, component, usual = path.field or 0, path.component, path.assign

    def whole(segment: Segment, delimiters: Delimiters, value: bytes) -> None:
        if delimiters.field in value or b"\r" in value or b"\n" in value:
            usual(segment, delimiters, value)
            return
        fields = segment.split()
        if number >= len(fields):
            if value:
                fields = segment.own_fields()
                fields.extend([b""] * (number - len(fields)))
                fields.append(value)
        elif delimiters.repetition and delimiters.repetition in fields[number]:
            usual(segment, delimiters, value)
        else:
            segment.own_fields()[number] = value

    if component is None:
        return whole
    at = component - 1

    def part(segment: Segment, delimiters: Delimiters, value: bytes) -> None:
        fields = segment.split()
        separator = delimiters.component
        if number >= len(fields):
            usual(segment, delimiters, value)
            return
        old = fields[number]
        parts = old.split(separator) if separator else []
        if (
            at >= len(parts)
            or (delimiters.repetition and delimiters.repetition in old)
            or not (value.isalnum() or _is_text(value, delimiters))
        ):
            usual(segment, delimiters, value)
        else:
            parts[at] = value
            segment.own_fields()[number] = separator.join(parts)

    return part


def _is_text(value: bytes, delimiters: Delimiters) -> bool:
    """Whether a value stays within its component: no delimiter of a higher level, no line end."""
    return not (
        delimiters.field in value
        or delimiters.component in value
        or (delimiters.repetition and delimiters.repetition in value)
        or b"\r" in value
        or b"\n" in value
    )

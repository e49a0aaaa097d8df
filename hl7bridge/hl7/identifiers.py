"""Who a message is about: the identifiers of PID-3, and those that MRG-1 gives up.

Holds `Identifier` and the functions that read them. Refuses to know whose identifiers they are and whether
two of them mean one patient. Raises nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.escape import unescape
from hl7bridge.hl7.message import Message, Segment

# What a named tuple's own constructor does, at half the price: this is asked of every message.
_identifier = tuple.__new__
_NULL = b'""'


class Identifier(NamedTuple):
    """A number of a patient: CX.1, the authority that gave it, its kind (CX.5, table 0203); unescaped.

    The authority is the namespace of CX.4, or its universal ID where there is no namespace.
    """

    id: bytes
    authority: bytes
    type: bytes


class Merge(NamedTuple):
    """One PID with the MRG behind it: the numbers that stay, and those that now mean the same patient."""

    surviving: tuple[Identifier, ...]
    prior: tuple[Identifier, ...]


def patient_identifiers(message: Message) -> tuple[Identifier, ...]:
    """Every identifier in PID-3 of every PID, in order, each once."""
    return _distinct(message, b"PID", 3)


def merge_identifiers(message: Message) -> tuple[Identifier, ...]:
    """Every identifier in MRG-1 of every MRG, in order, each once."""
    return _distinct(message, b"MRG", 1)


def merges(message: Message) -> list[Merge]:
    """Each MRG with the nearest PID before it: one pair, or several where A39 and A40 repeat."""
    found = []
    patient: Segment | None = None
    for segment in message.segments:
        if segment.name == b"PID":
            patient = segment
        elif segment.name == b"MRG" and patient is not None:
            delimiters = message.delimiters
            found.append(
                Merge(
                    tuple(identifiers(patient.field(3), delimiters)),
                    tuple(identifiers(segment.field(1), delimiters)),
                )
            )
    return found


def identifiers(value: bytes, delimiters: Delimiters) -> list[Identifier]:
    """The identifiers in a raw field of type CX; those without a number are left out."""
    if not value or value == _NULL:
        return []
    found = []
    component, below, escape = delimiters.component, delimiters.subcomponent, delimiters.escape
    for repetition in value.split(delimiters.repetition) if delimiters.repetition else [value]:
        parts = repetition.split(component, 5) if component else [repetition]
        number = parts[0]
        if not number or number == _NULL:
            continue
        have = len(parts)
        authority = parts[3] if have > 3 else b""
        if below and below in authority:
            namespace, universal, *_ = authority.split(below, 2)
            authority = namespace or universal
        kind = parts[4] if have > 4 else b""
        if escape and escape in repetition:
            number, authority, kind = (unescape(part, delimiters) for part in (number, authority, kind))
        found.append(_identifier(Identifier, (number, authority, kind)))
    return found


def _distinct(message: Message, name: bytes, number: int) -> tuple[Identifier, ...]:
    found: list[Identifier] = []
    for segment in message.segments:
        if segment.name == name:
            found += identifiers(segment.field(number), message.delimiters)
    if len(found) > 1 and len(set(found)) < len(found):
        return tuple(dict.fromkeys(found))
    return tuple(found)

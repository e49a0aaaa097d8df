"""The rows of the affiliation programme: what was said of patients, what a person settled, who is to be looked at, who was told what.

Data is bytes whose first names their format; the store does not look into it. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class DueLook(NamedTuple):
    """A patient who is to be looked at since a time; `news` is what `Look.seen` must say when it was done."""

    patient: int
    due_us: int
    news: int


@dataclass(slots=True, frozen=True)
class Look:
    """When a patient is to be looked at again; `due_us` None for never. Counts only where no facts came since the store said
    `seen`: those are looked at too.
    """

    patient: int
    seen: int
    due_us: int | None


class NoticeRow(NamedTuple):
    """What a recipient was told of one subject; see migration 0003 for what the fields mean."""

    patient: int
    recipient: str
    subject: int
    number: int
    state: int
    content: int
    message_id: int
    data: bytes


class AssignmentRow(NamedTuple):
    """A message says that a patient is on an affiliate's list from `day` (YYYYMMDD), or, `ended`, through it."""

    affiliate: str
    patient: int
    day: int
    npi: str | None
    ended: bool


class Joined(NamedTuple):
    """What joined two identifiers: whether it was a merge, and the first message that said so (of a merge, the first merge)."""

    merged: bool
    message_id: int


@dataclass(slots=True, frozen=True)
class VerdictRow:
    """What a person settled of two identifiers, or of one that is both: one patient, or two. `message_id` was the newest message
    of then.
    """

    patient: int
    other: int
    same: bool
    message_id: int
    at_us: int
    operator: str
    reason: str


@dataclass(slots=True, frozen=True)
class HeldPatient:
    """A patient whom a person must settle, under one of the keys, since when and why. `reason` None: to be held no more."""

    patient: int
    since_us: int
    reason: str | None


class FactRow(NamedTuple):
    """A fact as it was kept: by whom it was told, and its data."""

    patient: int
    message_id: int
    data: bytes

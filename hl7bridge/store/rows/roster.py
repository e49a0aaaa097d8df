"""The rows of rosters: what a list says, what is published of it, and what changed. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class RosterEntry(NamedTuple):
    """One patient on an affiliate's list; both dates inclusive, YYYYMMDD or None (unbounded).

    `key` is a keyed hash of identifier and authority. `ended` takes the patient off the list, or the row of one first day; with
    `valid_through` after that day. A plain tuple of the same values serves as well.
    """

    key: int
    valid_from: int | None = None
    valid_through: int | None = None
    npi: str | None = None
    opt_out: bool = False
    ended: bool = False


@dataclass(slots=True, frozen=True)
class RosterMatch:
    """A row of the published rosters."""

    key: int
    affiliate: str
    valid_from: int | None
    valid_through: int | None
    npi: str | None
    opt_out: bool


@dataclass(slots=True)
class RosterReport:
    """What a staged list would change, and after publishing has changed. `before` counts the rows until then; `dated_back` how many
    new or changed ones cover days before the load that were not covered.
    """

    load: int
    affiliate: str
    before: int
    added: int
    ended: int
    changed: int
    unchanged: int
    dated_back: int = 0


class RosterFile(NamedTuple):
    """A file of which the content counts: whose list, a digest, and whether it is a full list or a delta."""

    affiliate: str
    digest: str
    full: bool

"""The affiliation programme's rules: who may receive what. Pure: no store, no clock, no files; dates and rows
are arguments.
"""

from hl7bridge.affiliation.agreement import Agreement, Entitlement, covered, entitled
from hl7bridge.affiliation.roster import (
    MemoryRoster,
    Roster,
    RosterEntry,
    RosterErrors,
    RosterMistake,
    RosterRow,
    read_roster,
)

__all__ = [
    "Agreement",
    "Entitlement",
    "MemoryRoster",
    "Roster",
    "RosterEntry",
    "RosterErrors",
    "RosterMistake",
    "RosterRow",
    "covered",
    "entitled",
    "read_roster",
]

"""Whether an affiliate may receive a message: its agreement covers the scope, and its roster holds the
patient, on the day.

Pure rules over dates and roster rows. Knows no message, no store, no clock. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.who.roster import RosterRow


class Entitlement(NamedTuple):
    """The answer and its reason, in words that hold nothing of a patient."""

    entitled: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """The scopes that an affiliate's contract covers, each with its first day (inclusive)."""

    affiliate: str
    scopes: Mapping[str, date]


#: The scopes under which the programme itself speaks: alerts and reports rest on what the pharmacies know, summaries on the clinics.
PHARMACY: Final = "pharmacy"
CLINIC: Final = "clinic"
#: Why an affiliate may not: what a list of patients may change.
OPTED_OUT: Final = "the patient has opted out"
NOT_ON_ROSTER: Final = "not on the roster on the event's date"
_YES: Final = Entitlement(True, "on the roster and covered by the agreement")


def covered(agreement: Agreement, scope: str, on: date) -> Entitlement:
    """Whether the agreement covers `scope` on the event's date."""
    begin = agreement.scopes.get(scope)
    if begin is None:
        return Entitlement(False, f"the agreement does not cover {scope}")
    if on < begin:
        return Entitlement(False, f"the agreement covers {scope} from a later day")
    return _YES


def entitled(agreement: Agreement, scope: str, rows: Iterable[RosterRow], on: date) -> Entitlement:
    """Whether the affiliate may receive an event of `scope` that happened on `on`.

    It needs an active row on that date (from and through are inclusive) that is no opt-out, and an agreement
    that covers the scope then. An opt-out in any active row weighs more than the other rows.
    """
    mine = [row for row in rows if row.affiliate == agreement.affiliate]
    return entitled_by(agreement, scope, mine, on)


def entitled_by(agreement: Agreement, scope: str, rows: Iterable[RosterRow], on: date) -> Entitlement:
    """`entitled`, for rows that are known to be the affiliate's own."""
    answer = covered(agreement, scope, on)
    if not answer.entitled:
        return answer
    active = False
    for row in rows:
        if row.valid_from is not None and on < row.valid_from:
            continue
        if row.valid_through is not None and on > row.valid_through:
            continue
        if row.opt_out:
            return Entitlement(False, OPTED_OUT)
        active = True
    return _YES if active else Entitlement(False, NOT_ON_ROSTER)


def enrolled_through(rows: Iterable[RosterRow]) -> date | None:
    """The last day that any of an affiliate's rows of a patient names, None where one has no end."""
    ends = [row.valid_through for row in rows]
    return None if None in ends else max((end for end in ends if end is not None), default=None)


def provider_on(rows: Iterable[RosterRow], on: date) -> str | None:
    """The primary care provider (NPI) that an affiliate's rows of a patient name on a day."""
    for row in rows:
        begun = row.valid_from is None or row.valid_from <= on
        if row.npi and begun and (row.valid_through is None or on <= row.valid_through):
            return row.npi
    return None

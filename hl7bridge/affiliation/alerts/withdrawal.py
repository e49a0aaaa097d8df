"""Why an alert that was told no longer holds, in words, as far as the facts say.

Refuses to know messages and clocks. Raises nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from hl7bridge.affiliation.alerts.case import Alert, Kind
from hl7bridge.affiliation.facts.facts import Dispensed
from hl7bridge.affiliation.history.history import History

#: Of an alert that was told of one patient and is another's.
WRONG_PATIENT: Final = "Withdrawn: it was told of the wrong patient."


def why_withdrawn(alert: Alert, known: History) -> str:
    """A sentence for OBX-5 of the message that takes it back."""
    what = f"Withdrawn: what was said of {alert.day.isoformat()} no longer holds."
    sold = _sold_since(alert, known)
    if sold is not None:
        return f"{what} Picked up on {sold.isoformat()}."
    ended = [
        each.ended
        for each in known.prescriptions
        if each.key == alert.prescription and each.ended is not None
    ]
    if ended:
        return f"{what} The prescription ended on {max(ended).isoformat()}."
    return f"{what} It is corrected by what became known later."


def _sold_since(alert: Alert, known: History) -> date | None:
    """The last day on which what was missed was picked up. What was sold before is no reason; a late refill rests on such a fill."""
    late = alert.kind is Kind.REFILL_LATE
    if not alert.fills or not (late or alert.kind is Kind.NOT_PICKED_UP):
        return None
    rests_on = [fill for fill in known.fills if fill.key == alert.fills[0]]
    since = next((fill.taken if late else fill.filled for fill in rests_on), None) or alert.day
    sold = [
        fill.sold
        for fill in known.fills
        if fill.standing is Dispensed.SOLD
        and fill.sold is not None
        and (fill.key in alert.fills or fill.key.prescription == alert.prescription)
        and (fill.sold > since if late else fill.sold >= since)
    ]
    return max(sold, default=None)

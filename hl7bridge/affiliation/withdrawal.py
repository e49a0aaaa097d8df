"""Why an alert that was told no longer holds, in words, as far as the facts say.

Refuses to know messages and clocks. Raises nothing.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.affiliation.case import Alert, Kind
from hl7bridge.affiliation.facts import Dispensed
from hl7bridge.affiliation.history import History

#: Of an alert that was told of one patient and is another's.
WRONG_PATIENT: Final = "Withdrawn: it was told of the wrong patient."


def why_withdrawn(alert: Alert, known: History) -> str:
    """A sentence for OBX-5 of the message that takes it back."""
    what = f"Withdrawn: what was said of {alert.day.isoformat()} no longer holds."
    mine = set(alert.fills)
    fills = [fill for fill in known.fills if fill.key in mine or fill.key.prescription == alert.prescription]
    sold = [fill.sold for fill in fills if fill.standing is Dispensed.SOLD and fill.sold is not None]
    if alert.kind in (Kind.NOT_PICKED_UP, Kind.REFILL_LATE) and sold:
        return f"{what} Picked up on {max(sold).isoformat()}."
    ended = [
        each.ended
        for each in known.prescriptions
        if each.key == alert.prescription and each.ended is not None
    ]
    if ended:
        return f"{what} The prescription ended on {max(ended).isoformat()}."
    return f"{what} It is corrected by what became known later."

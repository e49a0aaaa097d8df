"""What is known of one patient, put together: who it is, prescriptions, fills, adherence, and the alerts that hold.

A pure view over facts: asked again with the same facts, tables and day it says the same. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from hl7bridge.affiliation.alerts.adherence import Adherence, adherence
from hl7bridge.affiliation.alerts.alerts import Alert, Thresholds, assess_case
from hl7bridge.affiliation.alerts.case import Case
from hl7bridge.affiliation.facts.facts import Fact, Medicine
from hl7bridge.affiliation.history.fills import Fill, Prescription
from hl7bridge.affiliation.history.history import history
from hl7bridge.affiliation.history.regimen import active_on, not_screened
from hl7bridge.affiliation.tables.interactions import NO_LIST, Interactions
from hl7bridge.affiliation.tables.medicines import Medicines


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient on one day. `held`: why nothing is concluded of the patient, or None; then there is nothing but the facts.

    `adherence` is of the calendar year so far, a figure for each class that the site's tables name for a medicine of the patient's.
    `screened_by`: the list of interactions and its version. `not_screened`: the active medicines that the site's table does not hold,
    so that no list can be asked about them; `list_leaves_out`: what the list itself names without saying what is in it.
    """

    on: date
    held: str | None
    prescriptions: tuple[Prescription, ...]
    fills: tuple[Fill, ...]
    adherence: tuple[Adherence, ...]
    alerts: tuple[Alert, ...]
    screened_by: str
    not_screened: tuple[Medicine, ...]
    list_leaves_out: tuple[str, ...]


def chart_of(
    facts: Iterable[Fact], held: str | None, medicines: Medicines, on: date, listed: Interactions = NO_LIST
) -> Chart:
    """The chart of a patient with these facts, by the thresholds that hold where nobody says otherwise."""
    known = list(facts)
    told = history(known, on)
    figures: list[Adherence] = []
    alerts: tuple[Alert, ...] = ()
    if held is None:
        thresholds = Thresholds()
        classes = sorted({each for fill in told.fills for each in medicines.classes_of(fill.medicine)})
        figures = [
            adherence(told, medicines, class_, date(on.year, 1, 1), on, thresholds.measures)
            for class_ in classes
        ]
        alerts = assess_case(Case(told, medicines, thresholds), known, on, listed=listed).alerts
    return Chart(
        on,
        held,
        tuple(told.prescriptions),
        tuple(told.fills),
        tuple(figures),
        alerts,
        listed.called,
        not_screened(active_on(on, known, medicines)) if held is None else (),
        listed.not_screened,
    )

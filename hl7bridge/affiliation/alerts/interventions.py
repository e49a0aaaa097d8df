"""The pharmacist's interventions: what was done about a prescription, told once.

An intervention is one code about one fill, or about one order; the feed may tell it with every message of that fill, and the first day
counts. It was made, so that it stays true. Its words are those of the site's table (`InterventionFact`): nothing that somebody wrote
freely is passed on. Refuses to know messages, affiliates and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from hl7bridge.affiliation.alerts.case import Alert, Case, Kind, named, subject
from hl7bridge.affiliation.facts.facts import FillKey, InterventionFact, PrescriptionKey


def pharmacist_interventions(case: Case) -> Iterator[Alert]:
    """One alert for each intervention, of the day it was first told of."""
    found: dict[tuple[PrescriptionKey, FillKey | None, str], list[InterventionFact]] = {}
    for fact in case.known.interventions:
        if fact.prescription.number:
            found.setdefault((fact.prescription, fact.fill, fact.code), []).append(fact)
    for (prescription, fill, code), facts in found.items():
        first = min(facts, key=lambda fact: (fact.on, fact.text, fact.medicine))
        fills = () if fill is None else (fill,)
        which = ["order"] if fill is None else ["fill", fill.number]
        if fill is not None and fill.part is not None:
            which.append(fill.part.isoformat())
        about = f"prescription {prescription.number} of {prescription.store}" + (
            "" if fill is None else f", fill {fill.number}"
        )
        yield Alert(
            Kind.INTERVENTION,
            subject(Kind.INTERVENTION, *prescription, *which, code),
            first.on,
            fills,
            f"The pharmacist on {first.on}: {first.text}. {first.medicine.text or first.medicine.code} ({about}).",
            medicine=first.medicine,
            prescription=prescription,
            medicines=named([*(fact.medicine for fact in facts), *case.concerned(fills, (prescription,))]),
        )

"""The PID of what the programme says: a patient's numbers and what is known of the person (HL7 v2.5.1 chapter 3, 3.4.2).

Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.affiliation.facts.facts import PatientNumber, PersonFact
from hl7bridge.affiliation.messages.written import day, repeated, segment, written


def pid(numbers: Sequence[PatientNumber], person: PersonFact | None) -> bytes:
    """The segment, without its end. PID-5 is required: of a name that is not known it says so (U of table 0200)."""
    of_person = repeated([written((each.number, "", "", each.authority, each.kind)) for each in numbers])
    name = written(("", "", "", "", "", "", "U"))
    if person is not None and (person.family or person.given):
        name = written((person.family, person.given, "", "", "", "", "L"))
    fields: dict[int, str | bytes] = {1: "1", 3: of_person, 5: name}
    if person is not None:
        fields |= {7: day(person.birth), 8: person.sex}
    return segment("PID", fields)

"""A synthetic feed: invented people, what happens to them at pharmacies, clinics and hospitals, and how that is told in HL7 v2.

A population (population.py) lives by a clock (clock.py): a life (life.py, with courses.py, care.py and medicines.py) yields dated
events (events.py), which are the truth; dialects (dialects.py, with pharmacy.py, records.py and segments.py) write them as messages;
the stream (stream.py) merges all lives by the time of sending. Nobody in it is
real, and a seed gives the same bytes again. Raises UnknownDialect.
"""

from __future__ import annotations

from hl7bridge.testing.synthetic.dialects import DIALECTS, Dialect, PickUp, Supply, UnknownDialect
from hl7bridge.testing.synthetic.events import Event, Fill, Kind, Prescription, Stay, Visit, Why
from hl7bridge.testing.synthetic.life import history
from hl7bridge.testing.synthetic.stream import NONE, SOURCES, USUAL, Disorder, Manner, Sent, generate, roster

__all__ = [
    "DIALECTS",
    "NONE",
    "SOURCES",
    "USUAL",
    "Dialect",
    "Disorder",
    "Event",
    "Fill",
    "Kind",
    "Manner",
    "PickUp",
    "Prescription",
    "Sent",
    "Stay",
    "Supply",
    "UnknownDialect",
    "Visit",
    "Why",
    "generate",
    "history",
    "roster",
]

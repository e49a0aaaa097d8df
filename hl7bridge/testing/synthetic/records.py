"""What clinics and hospitals send: ADT and ORU of the clinics' record, ADT and discharge prescriptions of a hospital.

Both write version 2.5.1. Knows events. Raises nothing.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.testing.people import CHAIN
from hl7bridge.testing.synthetic.clock import DAY, day_text, stamp
from hl7bridge.testing.synthetic.events import Event, Kind, Stay, Visit
from hl7bridge.testing.synthetic.segments import clinician, header, patient, told_at

CLINIC_KINDS: Final = {
    Kind.ADDED: b"ADT^A28^ADT_A05",
    Kind.ROSTER_CHANGED: b"ADT^A31^ADT_A05",
    Kind.MERGED: b"ADT^A40^ADT_A39",
    Kind.DIED: b"ADT^A31^ADT_A05",
    Kind.VISIT_BEGUN: b"ADT^A04^ADT_A01",
    Kind.VISIT_UPDATED: b"ADT^A08^ADT_A01",
    Kind.RESULTED: b"ORU^R01^ORU_R01",
    Kind.VISIT_ENDED: b"ADT^A03^ADT_A03",
}
HOSPITAL_KINDS: Final = {
    Kind.ADMITTED: b"ADT^A01^ADT_A01",
    Kind.DISCHARGED: b"ADT^A03^ADT_A03",
    Kind.DIED: b"ADT^A03^ADT_A03",
    Kind.DISCHARGE_ORDERED: b"RDE^O11^RDE_O11",
}
_INFUSION: Final = b"ADT^A01^ADT_A01"


def write_clinic(event: Event, sent_utc: int, control_id: bytes) -> bytes:
    """A message of the clinics' record; `event` is of CLINIC_KINDS."""
    zone, visit, kind = event.person.town.zone, event.visit, event.kind
    type_ = CLINIC_KINDS[kind]
    if kind is Kind.VISIT_BEGUN and visit is not None and visit.infusion:
        type_ = _INFUSION
    time = told_at(sent_utc, event)
    clinic = event.person.town.clinic if visit is None else visit.clinic
    text = header(b"CLINICEHR", clinic, b"HL7BRIDGE", time, type_, control_id, b"2.5.1")
    if kind is Kind.RESULTED and visit is not None:
        return (
            text + patient(event) + _visit(visit, zone, ended=False) + _results(visit, stamp(event.at, zone))
        )
    text += b"EVN||%b||||%b\r" % (time, stamp(event.at, zone))
    text += patient(event)
    if kind is Kind.MERGED:
        number, who = event.person.old_number or b"", event.person.patient
        return text + b"MRG|%b^^^%b^PI||||||%b^%b\r" % (
            number,
            CHAIN,
            who.family.encode(),
            who.given.encode(),
        )
    if visit is None:
        return text + b"PV1|1|N\r"
    text += _visit(visit, zone, ended=kind is Kind.VISIT_ENDED)
    final = b"W" if kind is Kind.VISIT_BEGUN else b"F"
    return text + b"".join(
        b"DG1|%d||%b|||%b\r" % (number, diagnosis, final)
        for number, diagnosis in enumerate(visit.diagnoses, 1)
    )


def _visit(visit: Visit, zone: str, *, ended: bool) -> bytes:
    """PV1; PV1-36 and PV1-45 once it has ended."""
    return b"PV1|1|%b|%b||||%b|||MED|||||||||%b^^^%b^VN|||||||||||||||||%b||||||||%b%b\r" % (
        b"R" if visit.infusion else b"O", visit.clinic + (b"^INFUSION" if visit.infusion else b"^EXAM1"),
        clinician(visit.clinician), visit.number, CHAIN, b"01" if ended else b"", stamp(visit.begun_at, zone),
        b"|" + stamp(visit.ended_at, zone) if ended else b"",
    )  # fmt: skip


def _results(visit: Visit, time: bytes) -> bytes:
    """ORC, OBR and OBX of every order."""
    parts: list[bytes] = []
    who = clinician(visit.clinician)
    for at, result in enumerate(visit.results, 1):
        order = b"LAB-%b-%d" % (visit.number, at)
        parts.append(b"ORC|RE|%b^CLINICEHR|%b^CLINICLAB|||||||||%b\r" % (order, order, who))
        parts.append(
            b"OBR|%d|%b^CLINICEHR|%b^CLINICLAB|%b|||%b|||||||||%b||||||%b|||F\r"
            % (at, order, order, result.code, time, who, time)
        )
        for number, each in enumerate(result.values, 1):
            parts.append(
                b"OBX|%d|%b|%b||%b|%b|%b|%b|||F|||%b\r"
                % (number, each.type, each.code, each.value, each.unit, each.range, each.flag, time)
            )
    return b"".join(parts)


def write_hospital(event: Event, sent_utc: int, control_id: bytes) -> bytes:
    """A message of a hospital's record; `event` is of HOSPITAL_KINDS, has a stay, and its person has a health system."""
    zone, stay, system = event.person.town.zone, event.stay, event.person.town.system
    assert stay is not None
    assert system is not None
    time = told_at(sent_utc, event)
    text = header(b"EPIC", system.authority, CHAIN, time, HOSPITAL_KINDS[event.kind], control_id, b"2.5.1")
    if event.kind is Kind.DISCHARGE_ORDERED:
        return text + patient(event, hospital=True) + _stay(stay, event, b"") + _discharge_order(event)
    ends = {Kind.DISCHARGED: b"01", Kind.DIED: b"20"}.get(event.kind, b"")
    text += b"EVN||%b||||%b\r" % (time, stamp(event.at, zone))
    text += patient(event, hospital=True) + _stay(stay, event, ends)
    return text + b"DG1|1||%b|||%b\r" % (stay.diagnosis, b"F" if ends else b"A")


def _stay(stay: Stay, event: Event, ends: bytes) -> bytes:
    """PV1 of a stay; `ends` is PV1-36, of table 0112 (20 is expired)."""
    system, zone = event.person.town.system, event.person.town.zone
    assert system is not None
    return b"PV1|1|I|4E^412^1||||%b|||CAR|||||||||%b^^^%b^AN|||||||||||||||||%b||||||||%b%b\r" % (
        clinician(stay.clinician), stay.number, system.authority, ends, stamp(stay.admitted_at, zone),
        b"|" + stamp(event.at, zone) if ends else b"",
    )  # fmt: skip


def _discharge_order(event: Event) -> bytes:
    """ORC-29 = O: for the time after the stay (table 0482). The pharmacy's number of it is not known yet."""
    prescription = event.prescription
    assert prescription is not None
    product, day = prescription.product, event.at // DAY
    unit = product.unit + b"^" + product.unit.lower() + b"^99LAN"
    return (
        b"ORC|NW|%b^CLINICERX|||||||%b|||%b|||||||||%b||||||||O^Outpatient order^HL70482\r"
        b"RXE||%b|1||%b||^%b|||%d|%b|%d\rTQ1|1|1|%b|||%d^d|%b\rRXR|%b\r"
        % (
            prescription.placer, stamp(event.at, event.person.town.zone), clinician(prescription.prescriber),
            event.person.town.city + b" hospital", product.code, unit, product.sig, prescription.quantity, unit,
            prescription.refills, product.pattern, prescription.days_supply, day_text(day), product.route,
        )
    )  # fmt: skip

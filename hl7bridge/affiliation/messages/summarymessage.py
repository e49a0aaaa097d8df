"""A visit summary as an HL7 message of version 2.5.1: a document that is new, replaces another, or is withdrawn.

Rules of chapter 9. MDM^T02 tells of an original document with its content; MDM^T10 of one that takes another's place: it has a
unique number of its own (TXA-12) and names the one it replaces (TXA-13); MDM^T11 cancels a document and has the structure MDM_T01,
which holds no content. Chapter 9 keeps T11 for what has not been made available and would have the rest replaced by a document that
says why; a visit that never was has nothing to be replaced by, so T11 with TXA-19 = CA says so to a system, and a page to a person
(documents room). An affiliate that takes no MDM gets an ORU^R01 whose OBR-3 stays the same and whose OBX-11 is F, then C (chapter 7).

TXA-2 is DS (table 0270; there is no code of its own for a visit to a clinic). TXA-17 is DO, documented: a machine put it together,
and AU or LA would claim that a person had signed (TXA-22). Refuses to know pages, stores and clocks. Raises ValueError for a patient
without identifiers.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from hl7bridge.affiliation.facts.facts import Clinician, PatientNumber, PersonFact, VisitKey
from hl7bridge.affiliation.history.visits import Visit
from hl7bridge.affiliation.messages.pid import pid
from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.messages.written import day, header, message, segment, stamp, when, written

#: LOINC's code of the document, and what else the reader may file it under.
CODE: Final = ("34133-9", "Summary of episode note", "LN")
NAMESPACE: Final = "HL7BRIDGE"
_NPI: Final = ("NPI", "2.16.840.1.113883.4.6", "ISO")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header of a message. `to` is the recipient's name in the configuration (MSH-6), `at` has a zone."""

    control_id: str
    at: datetime
    to: str
    application: str = "HL7BRIDGE"
    facility: str = "HL7BRIDGE"
    processing: str = "P"


@dataclass(frozen=True, slots=True)
class Patient:
    """Who it is about: the identifiers that the recipient may know, and the person."""

    identifiers: Sequence[PatientNumber]
    person: PersonFact | None


def document_number(recipient: str, subject: str, digest: str, version: int) -> str:
    """TXA-12 of a version of a summary for a recipient: 24 characters that tell nothing of the patient.

    `version` counts what was sent to the recipient under this subject, so that a content which comes back has a new number.
    """
    name = "\0".join((recipient, subject, digest, str(version)))
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24].upper()


def summary_message(
    visit: Visit,
    patient: Patient,
    pdf: bytes,
    envelope: Envelope,
    number: str,
    *,
    replaces: str | None = None,
    copy_to: Clinician | None = None,
    recipient: Recipient | None = None,
) -> bytes:
    """MDM^T02, or MDM^T10 where it `replaces` the document of that number.

    `copy_to` is the physician whom an affiliate shall hand it to (TXA-23); `recipient` one whom no connection reaches (ZDR).
    """
    event = "T02" if replaces is None else "T10"
    txa: dict[int, str | bytes] = {
        **_document(number, envelope),
        3: "AP",
        4: when(visit.ended),
        5: _clinician(visit.attending),
        16: f"visit-summary-{number}.pdf",
        19: "AV",
        23: _clinician(copy_to),
    }
    if replaces is not None:
        txa |= {13: written((replaces, NAMESPACE)), 21: "Replaces an earlier summary of this visit"}
    return message(
        [
            _header(envelope, "MDM", event, "MDM_T02"),
            segment("EVN", (event, stamp(envelope.at))),
            _patient(patient),
            _visit(visit.key, visit),
            segment("TXA", txa),
            _content(pdf, "F", envelope),
            recipient.segment() if recipient is not None else b"",
        ]
    )


def withdrawal_message(
    key: VisitKey,
    patient: Patient,
    envelope: Envelope,
    number: str,
    *,
    on: date | None = None,
    recipient: Recipient | None = None,
) -> bytes:
    """MDM^T11: the document of this number is withdrawn. The visit, of the day `on`, need not be known any more."""
    return message(
        [
            _header(envelope, "MDM", "T11", "MDM_T01"),
            segment("EVN", ("T11", stamp(envelope.at))),
            _patient(patient),
            _visit(key, None),
            segment(
                "TXA", {**_document(number, envelope), 4: day(on), 19: "CA", 21: "The visit was withdrawn"}
            ),
            recipient.segment() if recipient is not None else b"",
        ]
    )


def result_message(
    visit: Visit,
    patient: Patient,
    pdf: bytes,
    envelope: Envelope,
    number: str,
    *,
    corrects: bool = False,
    copy_to: Clinician | None = None,
) -> bytes:
    """ORU^R01 with the same document. `number` (OBR-3) is that of the first version, also when it `corrects` one."""
    status = "C" if corrects else "F"
    obr = _request(number, envelope, status)
    obr |= {7: when(visit.ended), 16: _clinician(visit.attending), 28: _clinician(copy_to)}
    return message(
        [
            _header(envelope, "ORU", "R01", "ORU_R01"),
            _patient(patient),
            _visit(visit.key, visit),
            segment("OBR", obr),
            _content(pdf, status, envelope),
        ]
    )


def result_withdrawal_message(
    key: VisitKey, patient: Patient, envelope: Envelope, number: str, *, on: date | None = None
) -> bytes:
    """ORU^R01 that puts a sentence in the place of a withdrawn summary: OBX-11 = C under the same OBR-3, OBX-3 and OBX-4. `on` is the
    day that the summary was of (OBR-7), so that whoever might have it then may hear of this.
    """
    obx: dict[int, str | bytes] = {
        1: "1",
        2: "TX",
        3: written(CODE),
        4: "1",
        5: "This visit was withdrawn by the clinic. Its summary is no longer valid.",
        11: "C",
        14: stamp(envelope.at),
    }
    return message(
        [
            _header(envelope, "ORU", "R01", "ORU_R01"),
            _patient(patient),
            _visit(key, None),
            segment("OBR", {**_request(number, envelope, "C"), 7: day(on)}),
            segment("OBX", obx),
        ]
    )


def _header(envelope: Envelope, type_: str, event: str, structure: str) -> bytes:
    return header(
        {
            3: envelope.application,
            4: envelope.facility,
            6: envelope.to,
            7: stamp(envelope.at),
            9: written((type_, event, structure)),
            10: envelope.control_id,
            11: envelope.processing,
            12: "2.5.1",
            18: "UNICODE UTF-8",
        }
    )


def _patient(patient: Patient) -> bytes:
    if not patient.identifiers:
        raise ValueError("a summary needs an identifier of its patient")
    return pid(patient.identifiers, patient.person)


def _visit(key: VisitKey, visit: Visit | None) -> bytes:
    fields: dict[int, str | bytes] = {1: "1", 2: "O", 19: written((key.number, "", "", key.place, "VN"))}
    if visit is not None:
        place = ("", "", "", visit.facility, "", "", "", "", visit.place)
        fields |= {3: written(place), 7: _clinician(visit.attending)}
        fields |= {44: when(visit.began), 45: when(visit.ended)}
    return segment("PV1", fields)


def _document(number: str, envelope: Envelope) -> dict[int, str | bytes]:
    return {1: "1", 2: "DS", 6: stamp(envelope.at), 12: written((number, NAMESPACE)), 17: "DO", 18: "U"}


def _request(number: str, envelope: Envelope, status: str) -> dict[int, str | bytes]:
    return {1: "1", 3: written((number, NAMESPACE)), 4: written(CODE), 22: stamp(envelope.at), 25: status}


def _content(pdf: bytes, status: str, envelope: Envelope) -> bytes:
    """OBX with the document: ED.2 to ED.4 as the Internet names a PDF, in base64 (table 0299)."""
    value = b"^application^pdf^Base64^" + b64encode(pdf)
    fields: dict[int, str | bytes] = {1: "1", 2: "ED", 3: written(CODE), 4: "1", 5: value, 11: status}
    return segment("OBX", fields | {14: stamp(envelope.at)})


def _clinician(person: Clinician | None) -> bytes:
    """An XCN; b"" for nobody."""
    if person is None:
        return b""
    known = (person.npi, person.family, person.given, "", "", "", person.degree)
    if not person.npi:
        return written(known)
    return written((*known, "", _NPI, "L", "", "", "NPI"))

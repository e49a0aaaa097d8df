"""Summaries as HL7 messages: conforming, escaped, and read by others as they were meant."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, date, datetime

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.facts.facts import Clinician, PatientNumber, PersonFact, VisitEvent, VisitKey
from hl7bridge.affiliation.messages.recipient import Recipient, recipient_of, recipient_of_row
from hl7bridge.affiliation.messages.summarymessage import (
    Envelope,
    Patient,
    document_number,
    result_message,
    result_withdrawal_message,
    summary_message,
    withdrawal_message,
)
from hl7bridge.channel.rules.times import event_date
from hl7bridge.hl7.conformance import check
from hl7bridge.hl7.identifiers import Identifier, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path
from tests.affiliation.visiting import DAY, KEY, NUMBERS, PERSON, summed, told

AT = datetime(2026, 11, 19, 16, 0, 0, tzinfo=UTC)
ENVELOPE = Envelope("SUM0001", AT, "lakeview")
PATIENT = Patient(NUMBERS, PERSON)
PDF = b"%PDF-1.7 " + bytes(range(256)) * 20
PCP = Clinician("1234567893", "OKONKWO", "ADA", "MD")
FAX = Recipient(
    "Dr. Ada O|konkwo", "1234567893", "+1 555 555 0142", "12 Elm St", "Springfield", "IL", "62701"
)


def get(raw: bytes, path: str) -> str:
    return Path.parse(path).get(Message(raw)).decode()


def made(**more: object) -> bytes:
    return summary_message(summed().visit, PATIENT, PDF, ENVELOPE, "D1", **more)  # type: ignore[arg-type]


ALL = {
    "new": made(copy_to=PCP),
    "replaced": made(replaces="D0"),
    "by fax": made(recipient=FAX),
    "withdrawn": withdrawal_message(KEY, PATIENT, ENVELOPE, "D1", on=DAY),
    "withdrawn by fax": withdrawal_message(KEY, PATIENT, ENVELOPE, "D1", recipient=FAX),
    "result": result_message(summed().visit, PATIENT, PDF, ENVELOPE, "D1", copy_to=PCP),
    "result corrected": result_message(summed().visit, PATIENT, PDF, ENVELOPE, "D1", corrects=True),
    "result withdrawn": result_withdrawal_message(KEY, PATIENT, ENVELOPE, "D1"),
    "nobody known": summary_message(summed().visit, Patient(NUMBERS, None), PDF, ENVELOPE, "D1"),
}


@pytest.mark.parametrize("name", ALL)
def test_every_message_conforms_and_python_hl7_reads_it(name: str) -> None:
    raw = ALL[name]
    assert check(Message(raw)) == []
    read = hl7.parse(raw.decode())
    assert str(read["MSH"][0][10]) == "SUM0001"
    assert str(read["PID"][0][3][0][0]) == "L551207"


def test_a_new_document_names_itself_and_its_recipient() -> None:
    raw = ALL["new"]
    assert get(raw, "MSH-9") == "MDM^T02^MDM_T02"
    assert (get(raw, "MSH-6"), get(raw, "MSH-3"), get(raw, "MSH-18")) == (
        "lakeview",
        "HL7BRIDGE",
        "UNICODE UTF-8",
    )
    assert (get(raw, "TXA-2"), get(raw, "TXA-12.1"), get(raw, "TXA-13"), get(raw, "TXA-17")) == (
        "DS",
        "D1",
        "",
        "DO",
    )
    assert (get(raw, "TXA-19"), get(raw, "TXA-4"), get(raw, "TXA-23.1"), get(raw, "TXA-23.13")) == (
        "AV",
        "202611190948",
        "1234567893",
        "NPI",
    )
    assert (get(raw, "PV1-19.1"), get(raw, "PV1-19.4"), get(raw, "PV1-7.2"), get(raw, "PV1-44")) == (
        "V55",
        "LANTERN",
        "PRUITT",
        "202611190901",
    )
    assert b64decode(get(raw, "OBX-5.5")) == PDF
    assert get(raw, "OBX-5").startswith("^application^pdf^Base64^")
    assert Message(raw).first(b"ZDR") is None


def test_a_replacement_has_a_number_of_its_own_and_names_the_one_it_replaces() -> None:
    raw = ALL["replaced"]
    assert (get(raw, "MSH-9"), get(raw, "TXA-12.1"), get(raw, "TXA-13.1")) == ("MDM^T10^MDM_T02", "D1", "D0")


def test_a_withdrawal_names_its_document_and_holds_none() -> None:
    raw = ALL["withdrawn"]
    assert (get(raw, "MSH-9"), get(raw, "TXA-12.1"), get(raw, "TXA-19")) == ("MDM^T11^MDM_T01", "D1", "CA")
    assert Message(raw).first(b"OBX") is None


def test_as_a_result_it_keeps_its_number_and_is_corrected_under_it() -> None:
    for name, status in (("result", "F"), ("result corrected", "C"), ("result withdrawn", "C")):
        raw = ALL[name]
        assert (get(raw, "OBR-3.1"), get(raw, "OBX-3.1"), get(raw, "OBX-4")) == ("D1", "34133-9", "1")
        assert (get(raw, "OBR-25"), get(raw, "OBX-11")) == (status, status)


def test_the_day_that_decides_who_is_entitled_is_the_visits() -> None:
    for name in ("new", "withdrawn"):
        assert event_date(Message(ALL[name]), "MDM^T02", None, AT) == (date(2026, 11, 19), False)
    assert event_date(Message(ALL["result"]), "ORU^R01", None, AT) == (date(2026, 11, 19), False)


def test_what_the_recipient_is_called_is_read_back() -> None:
    assert recipient_of(Message(ALL["by fax"])) == FAX
    assert get(ALL["by fax"], "ZDR-1") == "FAX"
    assert recipient_of(Message(ALL["new"])) is None


@pytest.mark.parametrize(
    ("row", "kind", "address"),
    [
        ({"name": "A", "fax": "5"}, "FAX", ()),
        (
            {"name": "A", "street": "12 Elm St", "city": "Springfield", "state": "IL", "zip": "62701"},
            "MAIL",
            ("12 Elm St", "Springfield, IL 62701"),
        ),
        ({"name": "A", "street": "12 Elm St"}, None, ("12 Elm St",)),
        ({"name": "A"}, None, ()),
    ],
)
def test_a_recipient_has_a_fax_or_an_address_or_cannot_be_reached(
    row: dict[str, str], kind: str | None, address: tuple[str, ...]
) -> None:
    found = recipient_of_row(row)
    assert (found.kind, found.address) == (kind, address)


def test_a_patient_without_identifiers_is_refused() -> None:
    with pytest.raises(ValueError, match="identifier"):
        withdrawal_message(KEY, Patient([], PERSON), ENVELOPE, "D1")


def test_a_document_number_is_of_its_version_and_tells_nothing() -> None:
    one = document_number("rush", "visit-summary/LANTERN/V55", "abc", 1)
    assert len(one) == 24
    assert one != document_number("rush", "visit-summary/LANTERN/V55", "abc", 3)
    assert one == document_number("rush", "visit-summary/LANTERN/V55", "abc", 1)


text = st.text(max_size=10) | st.sampled_from(["a|b", "^~\\&", "\r\x0b\x1c", "Núñez", "\ud8ff", "王"])


@settings(max_examples=100, deadline=None)
@given(st.builds(PersonFact, text, text, st.none() | st.dates(), st.sampled_from(["M", "F", ""])), text, text)
def test_no_text_breaks_out_of_its_field(person: PersonFact, place: str, doctor: str) -> None:
    attending = Clinician("1", doctor, doctor)
    visit = summed(told(VisitEvent.TOLD, 99, place=place, attending=attending)).visit
    patient = Patient([PatientNumber("1|2\r^", "A&B", "MR")], person)
    raw = summary_message(
        visit, patient, b"%PDF", ENVELOPE, "D1", recipient=Recipient(place, "", doctor or "5")
    )
    message = Message(raw)
    assert [each.name for each in message.segments] == [
        b"MSH",
        b"EVN",
        b"PID",
        b"PV1",
        b"TXA",
        b"OBX",
        b"ZDR",
    ]
    assert patient_identifiers(message) == (Identifier(b"1|2\r^", b"A&B", b"MR"),)
    assert get(raw, "OBX-5.5") == "JVBERg=="
    key = VisitKey(place, doctor)
    assert len(Message(withdrawal_message(key, patient, ENVELOPE, "D1")).segments) == 5

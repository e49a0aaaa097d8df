from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.conformance import Finding, check
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message

GOOD = (
    b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01^ORU_R01|1|P|2.5.1\r"
    b"PID|1||100^^^RETAIL^PI||DOE^JO||19481103|F\r"
    b"ZPI|own\r"
    b"OBR|1|P1|F1|8302-2^Height^LN\r"
    b"OBX|1|NM|8302-2^Height^LN||180|cm|||||F|||20260101120000-0500\r"
    b"NTE|1||a note\r"
)


def found(raw: bytes) -> list[tuple[str, str]]:
    return [(finding.code, finding.place) for finding in check(Message(raw))]


def test_a_good_message_has_no_findings() -> None:
    assert check(Message(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        (b"||DOE^JO|", b"|||", [("101", "PID-5")]),
        (b"|19481103|", b"|3 Nov 1948|", [("102", "PID-7.1")]),
        (b"|180|", b"|tall|", [("102", "OBX-5")]),
        (b"OBX|1|NM|", b"OBX|1|QQ|", [("103", "OBX-2")]),
        (b"|||||F|||2026", b"|||||Q|||2026", [("103", "OBX-11")]),
        (b"PID|1|", b"PID|1~2|", [("198", "PID-1")]),
        (b"NTE|1||a note\r", b"NTE|1||a|b|c|d\r", [("199", "NTE-5")]),
        (b"NTE|1", b"XXX|1", [("100", "XXX"), ("100", "XXX")]),
        (b"OBR|1|P1|F1|8302-2^Height^LN\r", b"", [("100", "OBX"), ("100", "OBR")]),
        (b"ORU^R01^ORU_R01", b"ORU^R01^NO_SUCH", [("200", "MSH-9"), ("103", "MSH-9.3")]),
        (b"|2.5.1\r", b"|2.5.9\r", [("203", "MSH-12"), ("103", "MSH-12.1")]),
        (b"\rNTE|1", b"\rthis is no segment\rNTE|1", [("100", "a line without a segment ID")]),
    ],
)
def test_departures_are_named_by_place(old: bytes, new: bytes, findings: list[tuple[str, str]]) -> None:
    assert found(GOOD.replace(old, new)) == findings


def test_a_field_behind_withdrawn_ones_is_checked_as_what_it_is() -> None:
    diagnosis = b"DG1|1||R73.03^Prediabetes^I10||20260101|W|||||||||%s\r"
    raw = GOOD.replace(b"|2.5.1\r", b"|2.8.2\r")

    def of_diagnosis(priority: bytes) -> list[tuple[str, str]]:
        departures = found(raw.replace(b"ZPI|own\r", diagnosis % priority))
        return [each for each in departures if each[1].startswith("DG1-")]

    assert of_diagnosis(b"1") == []
    assert of_diagnosis(b"high") == [("102", "DG1-15")]


def test_the_structure_may_be_left_out() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1|P|2.5.1\rEVN||20260101\rPID|||1||A^B\rPV1||O\r"
    assert found(raw) == []
    assert found(raw.replace(b"PV1||O\r", b"")) == [("100", "PV1")]


@pytest.mark.parametrize("system", [b"99LAN", b"HL70005", b"RXNORM", b"UCUM", b"NDC"])
def test_coding_systems_are_not_limited_to_those_a_version_printed(system: bytes) -> None:
    assert check(Message(GOOD.replace(b"^Height^LN|", b"^Height^" + system + b"|"))) == []


def test_findings_show_no_values() -> None:
    raw = GOOD.replace(b"|19481103|", b"|SECRET|").replace(b"|180|", b"|SECRET|")
    findings = check(Message(raw))
    assert findings[0] == Finding("102", "PID-7.1", "Time is no DTM")
    assert not any("SECRET" in str(finding) for finding in findings)


@given(
    st.lists(
        st.sampled_from([*GOOD.splitlines(True), b"OBX|", b"^~\\&|", b"\r", b"ORC|1\r"])
        | st.binary(max_size=5)
    )
)
def test_any_message_can_be_checked(parts: list[bytes]) -> None:
    try:
        message = Message(b"".join(parts))
    except Unreadable:
        return
    assert len(check(message)) <= 100

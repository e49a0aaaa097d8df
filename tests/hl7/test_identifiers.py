from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.hl7.identifiers import Identifier, Merge, merge_identifiers, merges, patient_identifiers
from hl7bridge.hl7.message import Message

HEAD = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A40^ADT_A39|1|P|2.5.1\r"


def test_every_repetition_of_pid_3_is_an_identifier_once() -> None:
    message = Message(
        HEAD + b'PID|1||100^^^RETAIL^PI~E1^9^M11^MEDSTAR&1.2&ISO^MR^X~7~^^^RUSH^MR~""~100^^^RETAIL^PI\r'
    )
    assert patient_identifiers(message) == (
        Identifier(b"100", b"RETAIL", b"PI"),
        Identifier(b"E1", b"MEDSTAR", b"MR"),
        Identifier(b"7", b"", b""),
    )


def test_an_authority_without_a_namespace_is_known_by_its_universal_id() -> None:
    message = Message(HEAD + b"PID|1||5^^^&2.16.840.1&ISO^MR\r")
    assert patient_identifiers(message) == (Identifier(b"5", b"2.16.840.1", b"MR"),)


def test_identifiers_are_unescaped() -> None:
    message = Message(HEAD + b"PID|1||5\\S\\6^^^A\\T\\B^MR\r")
    assert patient_identifiers(message) == (Identifier(b"5^6", b"A&B", b"MR"),)


def test_no_patient_no_identifiers() -> None:
    assert patient_identifiers(Message(HEAD)) == ()
    assert patient_identifiers(Message(HEAD + b'PID|1||""\rMRG|\r')) == ()
    assert merge_identifiers(Message(HEAD)) == ()
    assert merges(Message(HEAD + b"MRG|1\r")) == []


def test_repeating_merges_pair_each_patient_with_what_it_takes_over() -> None:
    message = Message(
        HEAD + b"PID|1||1^^^A^MR\rPD1|x\rMRG|2^^^A^MR~3^^^B^PI\rPV1|1\r" + b"PID|2||4^^^A^MR\rMRG|5^^^A^MR\r"
    )
    assert merges(message) == [
        Merge(
            (Identifier(b"1", b"A", b"MR"),),
            (Identifier(b"2", b"A", b"MR"), Identifier(b"3", b"B", b"PI")),
        ),
        Merge((Identifier(b"4", b"A", b"MR"),), (Identifier(b"5", b"A", b"MR"),)),
    ]
    assert [identifier.id for identifier in merge_identifiers(message)] == [b"2", b"3", b"5"]
    assert [identifier.id for identifier in patient_identifiers(message)] == [b"1", b"4"]


@given(
    head=st.sampled_from([b"MSH|^~\\&|\r", b"MSH|^|\r", b"MSH|^~|\r", b"MSH|\r"]),
    value=st.binary(max_size=40) | st.text("A1^~&\\|", max_size=30).map(str.encode),
)
def test_any_bytes_give_identifiers_with_numbers(head: bytes, value: bytes) -> None:
    message = Message(head + b"PID|1||" + value + b"\rMRG|" + value + b"\r")
    found = patient_identifiers(message)
    assert all(identifier.id for identifier in found)
    assert len(set(found)) == len(found)
    assert len(merges(message)) == len(message.all(b"MRG"))

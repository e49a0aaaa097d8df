"""What an operator is told of patients who wait for a person: all of them, and no more than asked for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hl7bridge.affiliation.facts.data import packed
from hl7bridge.affiliation.facts.facts import PatientNumber, PersonFact
from hl7bridge.operations import Operations
from hl7bridge.places import STORE
from hl7bridge.store.base import Batch, HeldPatient, MessageStatus, NewMessage
from hl7bridge.store.sqlite.store import SqliteStore


def told(number: int, patient: int, born: date) -> NewMessage:
    person = PersonFact("DOE", "JANE", born, "F", (PatientNumber(str(patient), "RETAIL", "PI"),))
    return NewMessage(
        number, number, "pharmacy", "ADT^A08", f"C{number}", 0, number, MessageStatus.RECEIVED, "AA", "v", b"MSH",
        patient_keys=(patient,), facts=((number, packed(person)),),
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Patients 1 to 3 are noted as held, the first of whom a person has settled since."""
    store = SqliteStore(tmp_path / STORE)
    born = date(1948, 11, 3), date(1984, 3, 11)
    messages = [told(2 * patient + at, patient, born[at]) for patient in (2, 3) for at in (0, 1)]
    held = [HeldPatient(patient, patient, "birth dates differ") for patient in (1, 2, 3)]
    store.commit(Batch(messages=[told(1, 1, born[0]), *messages], held_patients=held))
    store.close()
    return tmp_path


@pytest.mark.parametrize(("limit", "numbers"), [(1, ["2"]), (2, ["2", "3"]), (None, ["2", "3"])])
def test_who_was_settled_takes_nobody_s_place(data: Path, limit: int | None, numbers: list[str]) -> None:
    with Operations(data) as operations:
        found = list(operations.unsettled(limit))
    assert [each.said[0].numbers for each in found] == [[f"{number}^RETAIL"] for number in numbers]

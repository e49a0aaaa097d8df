"""Alerts as HL7 messages: conforming, whatever is known of the patient."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hl7bridge.affiliation.alerts.case import Alert, Kind
from hl7bridge.affiliation.facts.facts import Medicine, PatientNumber, PersonFact
from hl7bridge.affiliation.messages.alertmessage import AlertTold, alert_message
from hl7bridge.hl7.conformance import check
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path

NUMBERS = (PatientNumber("7", "RETAIL", "PI"),)
ALERT = Alert(
    Kind.NOT_PICKED_UP,
    "not-picked-up/0412/1/1",
    date(2026, 3, 17),
    (),
    "",
    medicines=(Medicine("M", "NDC", ""),),
)


@pytest.mark.parametrize("withdrawn", [None, "Withdrawn."])
@pytest.mark.parametrize(
    ("person", "name"),
    [
        (PersonFact("DOE", "JANE", date(1948, 2, 3), "F", NUMBERS), "DOE^JANE^^^^^L"),
        (PersonFact("DOE", "", None, "", NUMBERS), "DOE^^^^^^L"),
        (PersonFact("", "", None, "", NUMBERS), "^^^^^^U"),
    ],
)
def test_an_alert_conforms_also_where_the_patient_s_name_is_not_known(
    person: PersonFact, name: str, withdrawn: str | None
) -> None:
    at = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)
    message = Message(alert_message(AlertTold("A1", person, None, ALERT), "medstar", "A1F", at, withdrawn))
    assert list(check(message)) == []
    assert Path.parse("PID-5").get(message).decode() == name

"""What the programme learns of visits and their results from a clinic's ADT and ORU messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Fact,
    ObservationFact,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)
from tests.channel.conftest import Decide, folder

YES = "{visits: yes}"
PV1 = (
    "PV1|1|O|C0107^EXAM1||||165^PRUITT^HANNAH^^^^NP^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI|777^REF^ERRER"
    "||MED|||||||||V55^^^LANTERN^VN"
)


def adt(event: str, pv1: str = PV1, more: str = "") -> str:
    return (
        f"MSH|^~\\&|EHR|C0107|HUB|HUB|20261119094833-0600||ADT^{event}|C1|P|2.5.1\n"
        f"EVN||20261119094833-0600||||20261119094800-0600\nPID|1||7^^^RETAIL^PI||DOE^JANE\n{pv1}\n{more}"
    )


def oru(obx: str, obr: str = "OBR|1|P1|F1^LAB|CHEM2^Chemistry^L|||20261119091700-0600") -> str:
    return (
        "MSH|^~\\&|EHR|C0107|HUB|HUB|20261119103005-0600||ORU^R01|C2|P|2.5.1\n"
        f"PID|1||7^^^RETAIL^PI||DOE^JANE\n{PV1}\nORC|RE\n{obr}\n{obx}\n"
    )


def told(decided: Decide, message: str, programme: str = YES) -> list[Fact]:
    decision = decided(folder(f"programme: {programme}"), message.replace("\n", "\r").encode())
    assert decision.status == "RECEIVED", decision.outcomes
    return [fact for fact in decision.facts if isinstance(fact, VisitFact | ObservationFact)]


def visit(decided: Decide, message: str, programme: str = YES) -> VisitFact:
    [found] = [fact for fact in told(decided, message, programme) if isinstance(fact, VisitFact)]
    return found


def results(decided: Decide, obx: str, obr: str | None = None) -> list[ObservationFact]:
    message = oru(obx) if obr is None else oru(obx, obr)
    return [fact for fact in told(decided, message) if isinstance(fact, ObservationFact)]


def test_an_end_tells_where_when_and_who_and_is_known_by_the_visit_number(decided: Decide) -> None:
    more = "PV2|||R05^Cough^I10\nDG1|1||J02.0^Strep throat^I10|||F\nDG1|2||||F\n"
    pv1 = PV1 + "|" * 25 + "20261119150100|20261119154800"
    found = visit(decided, adt("A03", pv1, more))
    assert found == VisitFact(
        VisitKey("LANTERN", "V55"),
        VisitEvent.ENDED,
        datetime(2026, 11, 19, 15, 48, 33),
        "C0107",
        "C0107 EXAM1",
        When(date(2026, 11, 19), "15:01"),
        When(date(2026, 11, 19), "15:48"),
        Clinician("165", "PRUITT", "HANNAH", "NP"),
        None,
        (Coded("R05", "I10", "Cough"),),
        ((Coded("J02.0", "I10", "Strep throat"),),),
        (
            Coded("C0107", "LOCATION", ""),
            Coded("EXAM1", "LOCATION", ""),
            Coded("MED", "SERVICE", ""),
        ),
    )
    assert visit(decided, adt("A03", pv1, more).replace("|C1|", "|C9|")) == found


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("A01", VisitEvent.BEGUN),
        ("A04", VisitEvent.BEGUN),
        ("A08", VisitEvent.TOLD),
        ("A03", VisitEvent.ENDED),
        ("A11", VisitEvent.WITHDRAWN),
        ("A13", VisitEvent.REOPENED),
    ],
)
def test_what_a_trigger_event_does(decided: Decide, event: str, said: VisitEvent) -> None:
    assert visit(decided, adt(event)).event is said


def test_what_ends_a_visit_is_the_channels_to_say(decided: Decide) -> None:
    mapped = "{visits: yes, ended: {MSH-9.2: [A03, A08], PV1-45: present}}"
    ended = PV1 + "|" * 26 + "20261119154800"
    assert visit(decided, adt("A08", ended), mapped).event is VisitEvent.ENDED
    assert (
        visit(decided, adt("A04", ended), "{visits: yes, ended: {PV1-45: present}}").event is VisitEvent.ENDED
    )
    assert visit(decided, adt("A08"), mapped).event is VisitEvent.TOLD
    assert visit(decided, adt("A03"), mapped).event is VisitEvent.TOLD
    assert visit(decided, adt("A13", ended), mapped).event is VisitEvent.REOPENED


def test_an_end_without_its_time_happened_when_the_event_did_by_the_clinics_clock(
    decided: Decide,
) -> None:
    assert visit(decided, adt("A03")).ended == When(date(2026, 11, 19), "09:48")
    assert visit(decided, adt("A08")).ended is None


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", None),
        ("PD1||||12^OKONKWO^ADA^^^^^^NPI&2.16.840.1.113883.4.6&ISO\n", Clinician("12", "OKONKWO", "ADA")),
        ("PD1||||12^OKONKWO^ADA\n", Clinician("", "OKONKWO", "ADA")),
        ("PD1||||L9^OKONKWO^ADA~12^^^^^^^^^^^^NPI\n", Clinician("12", "OKONKWO", "ADA")),
        (
            "PD1||||12^OLD^ONE\nROL||UP|RP|13^NO^T\nROL||UP|PP^Primary|14^NEW^NAME\n",
            Clinician("", "NEW", "NAME"),
        ),
    ],
)
def test_the_primary_care_provider_is_a_role_or_stands_in_pd1_and_never_is_who_referred(
    decided: Decide, more: str, found: Clinician | None
) -> None:
    assert visit(decided, adt("A04", more=more)).primary_care == found


def test_a_visit_number_without_an_authority_is_the_facilitys(decided: Decide) -> None:
    assert visit(decided, adt("A04", PV1.replace("^^^LANTERN^VN", ""))).visit == VisitKey("C0107", "V55")
    other = PV1.replace("LANTERN", "&1.2.3&ISO")
    assert visit(decided, adt("A04", other)).visit == VisitKey("1.2.3", "V55")


def test_nothing_is_told_without_a_visit_number_or_where_the_channel_does_not_say_so(decided: Decide) -> None:
    message = adt("A03", PV1.replace("V55^^^LANTERN^VN", ""))
    decision = decided(folder(f"programme: {YES}"), message.replace("\n", "\r").encode())
    assert not [fact for fact in decision.facts if isinstance(fact, VisitFact)]
    assert told(decided, adt("A03"), "{}") == []


def test_a_result_is_known_by_visit_order_code_and_sub_id(decided: Decide) -> None:
    obx = "OBX|1|NM|4548-4^Hemoglobin A1c^LN^A1C^HbA1c^L|1|5.9|%^percent^UCUM|4.0-5.6|H|||F|||20261119151700"
    [found] = results(decided, obx)
    assert found == ObservationFact(
        VisitKey("LANTERN", "V55"),
        "F1",
        (Coded("4548-4", "LN", "Hemoglobin A1c"), Coded("A1C", "L", "HbA1c")),
        "1",
        "F",
        datetime(2026, 11, 19, 16, 30, 5),
        datetime(2026, 11, 19, 16, 30, 5),
        "5.9",
        False,
        (),
        "%",
        "4.0-5.6",
        "H",
        When(date(2026, 11, 19), "15:17"),
        (Coded("CHEM2", "L", "Chemistry"),),
    )


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("NM", "108", "108"),
        ("SN", ">^100", ">100"),
        ("SN", "^1^:^128", "1:128"),
        ("CE", "10828004^Positive^SCT", "Positive"),
        ("CWE", "260385009^^SCT", "260385009"),
        ("TX", "one~two", "one\ntwo"),
        ("FT", "one\\.br\\two", "one\ntwo"),
        ("ST", "a \\T\\ b", "a & b"),
        ("DT", "20261119", "20261119"),
        ("CX", "12^^^LAB", "12 LAB"),
    ],
)
def test_a_value_in_words(decided: Decide, kind: str, value: str, text: str) -> None:
    [found] = results(decided, f"OBX|1|{kind}|1^N^L||{value}||||||F")
    assert found.value == text


def test_a_coded_value_keeps_its_codes(decided: Decide) -> None:
    [found] = results(decided, "OBX|1|CE|1^N^L||165816005^HIV positive^SCT||||||F")
    assert found.coded == (Coded("165816005", "SCT", "HIV positive"),)


@pytest.mark.parametrize(
    "obx",
    [
        "OBX|1|ED|1^N^L||^application^pdf^Base64^AAAA||||||F",
        "OBX|1|ed|1^N^L||^application^pdf^Base64^AAAA||||||F",
        "OBX|1|TX|1^N^L||^application^pdf^Base64^" + "A" * 64 + "||||||F",
        "OBX|1|RP|1^N^L||http://x||||||F",
        "OBX|1|NM|1^N^L||||||||N",
        "OBX|1|NM|||5||||||F",
    ],
)
def test_a_document_is_no_value_and_what_was_not_asked_is_no_result(decided: Decide, obx: str) -> None:
    assert results(decided, obx) == []


def test_what_may_withhold_a_visit_or_a_result_is_kept_with_it(decided: Decide) -> None:
    more = "PD1||||||||||||Y\nPV2||||||||||||||||||||||Y\n"
    marks = visit(decided, adt("A04", PV1, more)).marks
    assert Coded("Y", "PROTECTED", "") in marks
    message = oru("OBX|1|NM|1^N^L||5||||||F", "OBR|1|P1|F1|2^P^L" + "|" * 27 + "Z20^x^I10~Z21^HIV^I10")
    message = message.replace("ORC|RE", "ORC|RE" + "|" * 15 + "42^reason^L")
    [found] = [fact for fact in told(decided, message) if isinstance(fact, ObservationFact)]
    assert [code.code for code in found.marks] == ["Z20", "Z21", "42"]


def test_of_very_many_results_some_are_kept_and_that_is_counted(decided: Decide) -> None:
    message = oru("\n".join(f"OBX|{i}|NM|{i}^N^L||5||||||F" for i in range(1, 700)))
    decision = decided(folder(f"programme: {YES}"), message.replace("\n", "\r").encode())
    assert sum(isinstance(fact, ObservationFact) for fact in decision.facts) == 500
    assert any("more than 500 results" in each for each in decision.misses)


def test_where_the_patient_was_is_not_what_a_laboratory_says_of_itself(decided: Decide) -> None:
    assert visit(decided, oru("OBX|1|NM|1^N^L||5||||||F")).facility == ""


def test_a_long_text_is_kept_within_a_bound_and_said_to_be_cut(decided: Decide) -> None:
    [found] = results(decided, "OBX|1|TX|1^N^L||" + "x" * 5000 + "||||||F")
    assert (len(found.value), found.cut) == (2000, True)


def test_the_order_says_the_status_and_the_time_where_the_result_does_not(decided: Decide) -> None:
    obr = "OBR|1|P1||CHEM2^Chemistry^L|||20261119151700|||||||||||||||20261119160000|||C"
    [found] = results(decided, "OBX|1|NM|1^N^L||5", obr)
    assert (found.order, found.status) == ("P1", "C")
    assert (found.reported, found.sent) == (
        datetime(2026, 11, 19, 21, 0),
        datetime(2026, 11, 19, 16, 30, 5),
    )
    assert found.observed == When(date(2026, 11, 19), "15:17")


def test_ended_without_visits_is_a_mistake(mistakes: Callable[..., list[str]]) -> None:
    [found] = mistakes("programme: {ended: {PV1-45: present}}")
    assert "visits: yes" in found

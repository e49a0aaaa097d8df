"""Visit summaries: which visits have one, what is in it, and when it is another one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Dispensed,
    Fact,
    Medicine,
    Ordered,
    PersonFact,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)
from hl7bridge.affiliation.history.results import Standing
from hl7bridge.affiliation.history.visits import is_withheld, next_end, visits
from hl7bridge.affiliation.messages.summary import (
    ELSEWHERE,
    NO_MEDICINES,
    NO_RESULTS,
    NOT_COVERED,
    Record,
    summary,
)
from tests.affiliation.visiting import (
    DAY,
    DOCTOR,
    LATER,
    PERSON,
    VISIT,
    filled,
    minutes,
    ordered,
    result,
    summed,
    told,
)

B, T, E, R, W = (
    VisitEvent.BEGUN,
    VisitEvent.TOLD,
    VisitEvent.ENDED,
    VisitEvent.REOPENED,
    VisitEvent.WITHDRAWN,
)


@pytest.mark.parametrize(
    ("events", "over"),
    [
        ([], False),
        ([B], False),
        ([B, T], False),
        ([B, E], True),
        ([E], True),
        ([E, T], True),
        ([B, E, B], True),
        ([B, E, R], False),
        ([B, E, R, E], True),
        ([B, E, W], False),
        ([B, W], False),
        ([B, W, E], False),
        ([B, W, B, E], True),
        ([B, E, W, B], False),
        ([B, E, W, B, E], True),
    ],
)
def test_a_visit_has_a_summary_when_it_has_ended_and_was_not_withdrawn(
    events: list[VisitEvent], over: bool
) -> None:
    facts = [told(event, at) for at, event in enumerate(events)]
    assert bool(visits(facts, LATER)) == over
    assert visits(facts, LATER) == visits(facts[::-1], LATER)


def test_an_end_and_its_cancellation_of_one_moment_leave_the_visit_open() -> None:
    assert visits([told(E, 5), told(R, 5)], LATER) == ()


def test_a_visit_that_ends_tomorrow_has_not_ended() -> None:
    facts = [told(E, 0)]
    assert visits(facts, DAY - timedelta(days=1)) == ()
    assert len(visits(facts, DAY)) == 1
    assert next_end(facts, DAY - timedelta(days=1)) == DAY
    assert next_end(facts, DAY) is None


def test_a_corrected_end_is_the_end_and_what_a_message_leaves_out_takes_nothing_back() -> None:
    later = When(DAY, "10:30")
    [visit] = visits([*VISIT, told(E, 90, ended=later), told(T, 95)], LATER)
    assert visit.ended == later
    assert (visit.began, visit.attending, visit.place) == (When(DAY, "09:01"), DOCTOR, "Northgate clinic")


def test_visits_are_told_apart_by_their_numbers() -> None:
    other = VisitFact(VisitKey("LANTERN", "V56"), E, minutes(1), ended=When(DAY, ""))
    first, second = visits([other, *VISIT], LATER)
    assert (first.key.number, second.key.number) == ("V55", "V56")
    facts = [*VISIT, other, result("A1C", "5.9")]
    assert len(summary(first, Record(facts)).results) == 1
    assert summary(second, Record(facts)).results == ()
    assert summary(first, Record(facts)).subject == "visit-summary/LANTERN/V55"


@pytest.mark.parametrize(
    ("versions", "value", "standing"),
    [
        ([("5.9", "F", 0)], "5.9", Standing.FINAL),
        ([("5.9", "P", 0)], "5.9", Standing.PRELIMINARY),
        ([("5.9", "P", 0), ("6.0", "F", 5)], "6.0", Standing.FINAL),
        ([("5.9", "P", 0), ("", "U", 5)], "5.9", Standing.FINAL),
        ([("5.9", "F", 0), ("6.1", "C", 5)], "6.1", Standing.CORRECTED),
        ([("5.9", "F", 0), ("6.1", "C", 0)], "6.1", Standing.CORRECTED),
        ([("5.9", "F", 0), ("6.1", "F", 5)], "6.1", Standing.CORRECTED),
        ([("5.9", "F", 0), ("5.9", "F", 5)], "5.9", Standing.FINAL),
        ([("5.9", "F", 0), ("6.1", "C", 5), ("6.2", "C", 9)], "6.2", Standing.CORRECTED),
        ([("5.9", "F", 0), ("", "W", 5)], "", Standing.TAKEN_BACK),
        ([("5.9", "F", 0), ("5.9", "D", 5)], "", Standing.TAKEN_BACK),
        ([("5.9", "F", 0), ("", "X", 5)], "", Standing.NONE),
        ([("5.9", "", 0)], "5.9", Standing.FINAL),
    ],
)
def test_a_result_is_shown_in_its_latest_version(
    versions: list[tuple[str, str, int]], value: str, standing: Standing
) -> None:
    facts = [result("A1C", *version) for version in versions]
    for order in (facts, facts[::-1], facts * 2):
        [found] = summed(*order).results
        assert (found.value, found.standing) == (value, standing)


def test_an_older_report_that_is_sent_again_later_does_not_undo_a_correction() -> None:
    again = result("A1C", "5.9")
    again = again._replace(sent=minutes(600))
    [found] = summed(again, result("A1C", "6.1", "C", 5)).results
    assert found.value == "6.1"


def test_what_was_only_ever_taken_back_is_not_named() -> None:
    assert summed(result("A1C", "", "W")).results == ()


@pytest.mark.parametrize(
    ("flag", "abnormal"),
    [("", False), ("N", False), ("H", True), ("A", True), ("N, >", True), ("S", False), ("R", True)],
)
def test_abnormal_is_what_the_laboratory_marked(flag: str, abnormal: bool) -> None:
    [found] = summed(result("A1C", "5.9", flag=flag)).results
    assert found.abnormal is abnormal


# -- medicines ---------------------------------------------------------------------------------------------------------------


def test_medicines_are_those_that_run_on_the_day_the_visit_ended() -> None:
    found = summed(
        ordered("1", "lisinopril", date(2026, 10, 1)),
        filled("1", "lisinopril", Dispensed.FILLED, date(2026, 10, 2)),
        filled("1", "lisinopril", Dispensed.SOLD, date(2026, 10, 3)),
        ordered("2", "metformin", date(2026, 9, 1)),
        ordered("2", "metformin", date(2026, 9, 9), Ordered.DISCONTINUED),
        ordered("3", "atorvastatin", date(2025, 10, 1)),
        ordered("4", "amoxicillin", DAY),
        ordered("5", "ibuprofen", DAY + timedelta(days=1)),
    ).medicines
    assert [each.prescription.medicine.text for each in found] == ["amoxicillin", "lisinopril"]
    assert found[0].fill is None
    assert found[1].fill is not None
    assert (found[1].fill.standing, found[1].fill.sold) == (Dispensed.SOLD, date(2026, 10, 3))


def test_an_agreement_for_the_clinics_alone_shows_no_medicine_and_says_so() -> None:
    found = summed(ordered("4", "amoxicillin", DAY), medicines=False)
    assert found.medicines == ()
    assert NOT_COVERED in found.unknown
    assert ELSEWHERE not in found.unknown


# -- what is not known ---------------------------------------------------------------------------------------------------------


def test_what_is_not_given_is_said() -> None:
    assert {NO_RESULTS, NO_MEDICINES, ELSEWHERE} <= set(summed().unknown)
    full = summed(result("A1C", "5.9"), ordered("4", "amoxicillin", DAY))
    assert full.unknown == (ELSEWHERE,)
    [visit] = visits([told(E, 0)], LATER)
    assert len(summary(visit, Record([])).unknown) == 6


# -- withholding ---------------------------------------------------------------------------------------------------------------

SECRET = "S9"
secretly = [
    result("A1C", "1", marks=(Coded(SECRET, "L", ""),)),
    result(SECRET, "1"),
    result("A1C", "1", panel=(Coded(SECRET, "L", "panel"),)),
    result("A1C", "1", coded=(Coded(SECRET, "SCT", "value"),)),
    ordered("9", SECRET, DAY),
    filled("9", SECRET, Dispensed.FILLED, DAY),
    told(E, 49, reason=(Coded("x", "L", "x"), Coded(SECRET, "L", "y"))),
    told(E, 49, diagnoses=((Coded(SECRET, "I10", "z"),),)),
]


def withheld(codes: Sequence[Coded | Medicine]) -> bool:
    return any(each.code == SECRET for each in codes)


@pytest.mark.parametrize("secret", secretly)
def test_what_is_withheld_by_any_of_its_codes_is_left_out_whole_and_said_only_if_the_site_wants(
    secret: Fact,
) -> None:
    kept = [result("GLU", "108"), ordered("4", "amoxicillin", DAY)]
    silent = summed(secret, *kept, withheld=withheld)
    assert SECRET not in repr(silent)
    assert silent.notices == ()
    assert [each.code[0].code for each in silent.results] == ["GLU"]
    assert summed(secret, *kept, withheld=withheld, notice="Some is withheld.").notices == (
        "Some is withheld.",
    )
    assert summed(*kept, withheld=withheld, notice="Some is withheld.").notices == ()
    if not isinstance(secret, VisitFact):
        assert silent.digest == summed(*kept, withheld=withheld).digest


@pytest.mark.parametrize("field", ["marks", "panel", "coded"])
def test_a_value_is_withheld_by_the_codes_it_came_with_though_another_version_makes_it_final(
    field: str,
) -> None:
    facts = [result("GLU", "108", "P", **{field: (Coded(SECRET, "L", ""),)}), result("GLU", "", "U", 9)]
    assert summed(*facts).results[0].value == "108"
    assert summed(*facts, withheld=withheld).results == ()


def test_a_visit_is_withheld_whole_by_what_any_message_said_of_its_place() -> None:
    marked = told(T, 10, marks=(Coded(SECRET, "LOCATION", ""),))
    [visit] = visits([*VISIT, marked, told(T, 20, marks=(Coded("OTHER", "LOCATION", ""),))], LATER)
    assert is_withheld(visit, withheld)
    [plain] = visits(VISIT, LATER)
    assert not is_withheld(plain, withheld)
    assert not is_withheld(plain, lambda codes: True), "what says nothing is not asked"


# -- digests and order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late",
    [
        result("A1C", "5.9"),
        result("GLU", "109", "C", 9),
        result("GLU", "", "W", 9),
        ordered("4", "amoxicillin", DAY),
        told(T, 60, attending=Clinician("1", "OTHER", "ONE")),
        told(E, 60, ended=When(DAY, "10:00")),
    ],
)
def test_what_comes_late_makes_another_version(late: Fact) -> None:
    assert summed(result("GLU", "108"), late).digest != summed(result("GLU", "108")).digest


@pytest.mark.parametrize(
    "same",
    [
        result("GLU", "108"),
        result("GLU", "108", "F", 99),
        told(T, 99),
        told(E, 99),
        PersonFact("NUNEZ", "LUCJA", date(1985, 1, 30), "F"),
        ordered("5", "ibuprofen", DAY + timedelta(days=1)),
        told(T, 99, primary_care=Clinician("12", "OKONKWO", "ADA")),
    ],
)
def test_what_says_the_same_makes_no_other_version(same: Fact) -> None:
    assert summed(result("GLU", "108"), same).digest == summed(result("GLU", "108")).digest


def test_that_a_medicine_is_picked_up_meanwhile_makes_no_other_version() -> None:
    facts = [ordered("4", "amoxicillin", DAY), filled("4", "amoxicillin", Dispensed.FILLED, DAY)]
    assert summed(*facts).digest == summed(*facts, filled("4", "amoxicillin", Dispensed.SOLD, DAY)).digest


def test_every_name_of_the_patient_is_told_once() -> None:
    found = summed(
        PersonFact("DOE", "", None, ""), PersonFact("DOE", "", None, "F"), PersonFact("", "", None, "")
    )
    assert found.names == ("DOE", "NÚÑEZ, ŁUCJA")


versions = st.builds(
    result,
    st.sampled_from(["A1C", "GLU"]),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from("FCPWDXU"),
    st.integers(0, 2),
    order=st.sampled_from(["F1", "F2"]),
)
events = st.builds(told, st.sampled_from(VisitEvent), st.integers(0, 4))
drugs = st.builds(
    ordered, st.sampled_from("12"), st.sampled_from(["a", "b"]), st.just(DAY), st.sampled_from(Ordered)
)
some = st.lists(versions | events | drugs, max_size=12)


@settings(max_examples=150, deadline=None)
@given(some, st.randoms(use_true_random=False))
def test_order_and_repetition_make_no_difference(facts: list[Fact], chance: object) -> None:
    mixed = [*facts, *facts[:3], PERSON]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    found = visits([*facts, PERSON], LATER)
    assert visits(mixed, LATER) == found
    for visit in found:
        assert summary(visit, Record(mixed)) == summary(visit, Record([*facts, PERSON]))

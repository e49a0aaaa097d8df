"""Facts to bytes and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.facts.data import packed, unpacked
from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    InterventionFact,
    Medicine,
    ObservationFact,
    Ordered,
    OrderFact,
    PersonFact,
    PrescriptionKey,
    StayFact,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)

text = st.text(st.characters(codec="utf-8"), max_size=12) | st.just("\ud800")
medicines = st.builds(Medicine, text, text, text)
prescriptions = st.builds(PrescriptionKey, text, text)
days = st.dates()
visit_keys = st.builds(VisitKey, text, text)
whens = st.none() | st.builds(When, days, st.sampled_from(["", "09:01"]))
clinicians = st.none() | st.builds(Clinician, text, text, text, text)
concepts = st.lists(st.builds(Coded, text, text, text), max_size=2).map(tuple)
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        FillFact,
        st.builds(FillKey, prescriptions, text, st.none() | days),
        st.sampled_from(Dispensed),
        days,
        medicines,
        st.none() | st.integers(1, 400),
        st.booleans(),
        st.booleans(),
        st.none() | st.integers(0, 99),
        st.none() | text,
    ),
    st.builds(
        OrderFact,
        prescriptions,
        st.sampled_from(Ordered),
        days,
        medicines,
        st.none() | st.integers(0, 99),
        st.none() | text,
        st.booleans(),
        st.none() | st.booleans(),
    ),
    st.builds(StayFact, text, st.none() | days, st.none() | days, st.booleans()),
    st.builds(DeathFact, st.none() | days, st.booleans()),
    st.builds(
        InterventionFact,
        prescriptions,
        st.none() | st.builds(FillKey, prescriptions, text, st.none() | days),
        days,
        medicines,
        text,
        text,
    ),
    st.builds(PersonFact, text, text, st.none() | days, text),
    st.builds(
        VisitFact,
        visit_keys,
        st.sampled_from(VisitEvent),
        st.datetimes(),
        text,
        text,
        whens,
        whens,
        clinicians,
        clinicians,
        concepts,
        st.lists(concepts, max_size=2).map(tuple),
        concepts,
    ),
    st.builds(
        ObservationFact,
        visit_keys,
        text,
        concepts,
        text,
        st.sampled_from("CDFPW"),
        st.datetimes(),
        st.datetimes(),
        text,
        st.booleans(),
        concepts,
        text,
        text,
        text,
        whens,
        concepts,
        concepts,
    ),
)


@given(facts, facts)
def test_a_fact_comes_back_as_it_was_and_its_bytes_tell_it_from_others(one: Fact, other: Fact) -> None:
    assert unpacked(packed(one)) == one
    assert (packed(one) == packed(other)) == (one == other)


@pytest.mark.parametrize("data", [b"", b"\x01[]", b'\x00["cure"]'])
def test_a_format_of_another_program_is_said_and_not_guessed(data: bytes) -> None:
    with pytest.raises(ValueError, match="not known"):
        unpacked(data)

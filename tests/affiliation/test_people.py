"""Which identifiers are one patient, and what vetoes it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.facts.data import packed
from hl7bridge.affiliation.facts.facts import PersonFact, StayFact
from hl7bridge.affiliation.who.known import MOST_FACTS, known_of
from hl7bridge.affiliation.who.people import (
    MOST_IDENTIFIERS,
    Patient,
    PersonSaid,
    Verdict,
    contradiction,
    patient_of,
)
from hl7bridge.store.base import FactRow

JANE = PersonFact("DOE", "JANE", date(1948, 2, 3), "F")


class Known:
    """Pairs and persons as a store would give them."""

    def __init__(
        self, pairs: list[tuple[int, int]], persons: dict[int, list[PersonFact]] | None = None
    ) -> None:
        self.pairs: dict[int, set[int]] = defaultdict(set)
        for one, other in pairs:
            self.pairs[one].add(other)
            self.pairs[other].add(one)
        self.people = persons or {}
        self.verdicts: dict[int, list[Verdict]] = defaultdict(list)

    def settle(self, one: int, other: int, same: bool, until: int = 1) -> Known:
        for at, near in dict.fromkeys([(one, other), (other, one)]):
            self.verdicts[at].append(Verdict(near, same, until))
        return self

    def of(self, key: int) -> Patient:
        return patient_of(
            key,
            lambda asked: [(other, False) for other in sorted(self.pairs[asked])],
            lambda keys: [
                PersonSaid(each, number, person)
                for each in keys
                for number, person in enumerate(self.people.get(each, []), 1)
            ],
            lambda asked: self.verdicts.get(asked, []),
        )


def test_a_chain_of_pairs_is_one_patient_from_wherever_it_is_asked() -> None:
    known = Known([(1, 2), (2, 3), (8, 9)])
    assert {known.of(key) for key in (1, 2, 3)} == {Patient((1, 2, 3), None)}
    assert known.of(9) == Patient((8, 9), None)
    assert known.of(4) == Patient((4,), None)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=14),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_pairs_were_learnt_never_matters(
    pairs: list[tuple[int, int]], random: object
) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Known(pairs), Known([(b, a) for a, b in shuffled])
    assert [one.of(key) for key in range(13)] == [other.of(key) for key in range(13)]


def test_a_number_that_everybody_bears_is_no_patient() -> None:
    known = Known([(0, each) for each in range(1, MOST_IDENTIFIERS + 2)])
    assert known.of(0).held is not None


@pytest.mark.parametrize(
    ("other", "held"),
    [
        (JANE, False),
        (PersonFact("ROE", "JANE", date(1948, 2, 3), "F"), False),
        (PersonFact("DOE", "J", None, ""), False),
        (PersonFact("DOE", "JANE", date(1948, 2, 4), "F"), True),
        (PersonFact("DOE", "JANE", date(1948, 2, 3), "M"), False),
        (PersonFact("ROE", "JOHN", date(1948, 2, 3), "M"), True),
        (PersonFact("ROE", "JOHN", None, "U"), False),
    ],
)
def test_what_vetoes_a_match_is_a_contradiction_and_never_a_gap(other: PersonFact, held: bool) -> None:
    known = Known([(1, 2)], {1: [JANE], 2: [other]})
    assert (known.of(1).held is not None) is held
    assert known.of(1) == known.of(2)
    assert "1948" not in (known.of(1).held or "")


OTHER = PersonFact("ROE", "JOHN", date(1950, 1, 1), "M")
THIRD = PersonFact("DOE", "JANE", date(1999, 9, 9), "F")


def test_two_who_were_settled_to_be_one_are_one_until_something_contradicts_anew() -> None:
    people = {1: [JANE], 2: [OTHER]}
    known = Known([(1, 2)], people)
    assert known.of(1).held is not None
    known.settle(1, 2, same=True)
    assert known.of(1) == known.of(2) == Patient((1, 2), None)
    people[1].append(PersonFact("DOE", "J", JANE.birth, "F"))
    people[2].append(PersonFact("ROE", "JOHNNY", OTHER.birth, "M"))
    people[2].append(PersonFact("MARRIED", "JOHNNY", None, "M"))
    assert known.of(1).held is None, "what was said before may be said again"
    people[2].append(THIRD)
    assert known.of(1) == known.of(2)
    assert "birth dates" in (known.of(1).held or "")
    known.settle(1, 2, same=True, until=9)
    assert known.of(1).held is None


def test_a_settled_pair_does_not_excuse_a_third() -> None:
    known = Known([(1, 2), (2, 3)], {1: [JANE], 2: [OTHER], 3: [THIRD]}).settle(1, 2, same=True)
    assert known.of(1).held is not None
    assert (
        Known([(1, 2), (2, 3)], {1: [JANE], 2: [OTHER], 3: [JANE]}).settle(1, 2, same=True).of(3).held is None
    )
    known.settle(2, 3, same=True)
    assert known.of(1).held is None


def test_one_number_that_messages_contradict_can_be_settled_by_itself() -> None:
    known = Known([], {1: [JANE, THIRD]})
    assert known.of(1).held is not None
    assert known.settle(1, 1, same=True, until=2).of(1) == Patient((1,), None)


def test_two_who_were_settled_to_be_apart_are_two_whatever_joins_them_directly() -> None:
    known = Known([(1, 2), (2, 3)], {1: [JANE], 2: [OTHER]}).settle(1, 2, same=False)
    assert known.of(1) == Patient((1,), None, apart=(2, 3))
    assert known.of(2) == known.of(3) == Patient((2, 3), None, apart=(1,))


def test_two_apart_who_are_joined_through_a_third_are_held() -> None:
    known = Known([(1, 2), (2, 3), (1, 3)]).settle(1, 2, same=False)
    assert known.of(1) == known.of(2) == known.of(3)
    assert "through another number" in (known.of(1).held or "")
    known.settle(1, 3, same=False)
    assert known.of(1) == Patient((1,), None, apart=(2, 3))


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=10),
    st.dictionaries(st.tuples(st.integers(0, 8), st.integers(0, 8)), st.booleans(), max_size=5),
    st.dictionaries(
        st.integers(0, 8), st.lists(st.sampled_from([JANE, OTHER, THIRD]), max_size=2), max_size=5
    ),
)
def test_a_patient_is_the_same_from_every_number_whatever_was_settled(
    pairs: list[tuple[int, int]],
    verdicts: dict[tuple[int, int], bool],
    people: dict[int, list[PersonFact]],
) -> None:
    known = Known(pairs, people)
    for one, other in verdicts:
        if one <= other and (one < other or verdicts[one, other]):
            known.settle(one, other, verdicts[one, other])
    for key in range(9):
        patient = known.of(key)
        assert all(known.of(each) == patient for each in patient.keys)
        assert not set(patient.apart) & set(patient.keys)


def test_nobody_contradicts_nothing() -> None:
    assert contradiction([]) is None


def test_of_whom_more_is_told_than_of_any_patient_nothing_is_concluded() -> None:
    day = date(2026, 1, 1)
    rows = [FactRow(7, 1, packed(StayFact(f"V{number}", day, None))) for number in range(MOST_FACTS + 1)]
    assert known_of(7, lambda key: [], lambda keys: rows[:-1], lambda key: []).patient.held is None
    held = known_of(7, lambda key: [], lambda keys: rows, lambda key: []).patient.held
    assert held == "more is told of this number than of any patient"

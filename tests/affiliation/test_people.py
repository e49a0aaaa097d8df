"""Which identifiers are one patient, and what vetoes it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.facts import PersonFact
from hl7bridge.affiliation.people import MOST_IDENTIFIERS, Patient, contradiction, patient_of

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

    def of(self, key: int) -> Patient:
        return patient_of(
            key,
            lambda asked: [(other, False) for other in sorted(self.pairs[asked])],
            lambda keys: [person for each in keys for person in self.people.get(each, [])],
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


def test_nobody_contradicts_nothing() -> None:
    assert contradiction([]) is None

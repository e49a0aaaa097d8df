"""The site's list of withheld categories: which a code, a medicine, an age belongs to."""

from __future__ import annotations

from datetime import date

import pytest

from hl7bridge.affiliation.facts.facts import Medicine
from hl7bridge.affiliation.tables.medicines import MedicineRow, Medicines
from hl7bridge.affiliation.tables.withheld import Withheld, WithheldRow

MEDICINES = Medicines(
    [
        MedicineRow("NDC", "00093-1048-01", "6809", "diabetes"),
        MedicineRow("NDC", "0555-0902-02", "7243", "opioid-antagonists"),
        MedicineRow("NDC", "11111-2222-33", "7243", "opioid-antagonists"),
        MedicineRow("NDC", "11111-2222-33", "42347", ""),
        MedicineRow("NDC", "22222-0001-01", "6448", "mood"),
    ]
)
LIST = Withheld(
    [
        WithheldRow("substance-use", "I10", "F10*"),
        WithheldRow("substance-use", "RXNORM", "7243"),
        WithheldRow("behavioral-health", "CLASS", "Mood"),
        WithheldRow("behavioral-health", "SERVICE", "PSY"),
        WithheldRow("hiv", "", "HIV"),
        WithheldRow("hiv", "LN", "68961-2"),
        WithheldRow("own", "NDC", "00093-1048-01"),
        WithheldRow("minors", "AGE", "18"),
    ],
    MEDICINES,
)


@pytest.mark.parametrize(
    ("system", "code", "categories"),
    [
        ("I10", "F10.20", {"substance-use"}),
        ("ICD-10-CM", "f1020", {"substance-use"}),
        ("2.16.840.1.113883.6.90", "F10", {"substance-use"}),
        ("", "F10.9", {"substance-use"}),  # no system: of any
        ("SCT", "F10.20", set()),
        ("I10", "F1", set()),
        ("LN", "68961-2", {"hiv"}),
        ("LOINC", "689612", {"hiv"}),
        ("HL70177", "HIV", {"hiv"}),
        ("RXNORM", "7243", {"substance-use"}),
        ("2.16.840.1.113883.6.88", "7243", {"substance-use"}),
        ("NDC", "0555-0902-02", {"substance-use"}),  # contains it, by the site's medicines
        ("NDC", "00555090202", {"substance-use"}),
        ("NDC", "11111-2222-33", {"substance-use"}),
        ("", "11111222233", {"substance-use"}),
        ("NDC", "22222-0001-01", {"behavioral-health"}),  # of the class
        ("RXNORM", "6448", {"behavioral-health"}),
        ("NDC", "0093-1048-01", {"own"}),  # ten digits and eleven are one code
        ("NDC", "00093-1048-02", set()),
        ("SERVICE", "PSY", {"behavioral-health"}),
        ("LOCATION", "PSY", set()),
        ("", "PSY", set()),  # a service is no code
        ("I10", "", set()),
        ("AGE", "18", set()),
    ],
)
def test_the_categories_of_a_code(system: str, code: str, categories: set[str]) -> None:
    assert LIST.categories_of_code(system, code) == categories
    assert LIST.categories_of(Medicine(code, system, "")) == categories


@pytest.mark.parametrize(
    ("born", "on", "minor"),
    [
        ("20081121", "2026-11-20", True),
        ("20081121", "2026-11-21", False),
        ("200811210815-0500", "2026-11-20", True),
        ("20081120", "2026-11-20", False),
        ("200811", "2026-11-29", True),  # it may have been the 30th
        ("2008", "2026-12-30", True),
        ("2007", "2026-12-30", False),
        ("", "2026-11-20", True),
        ('""', "2026-11-20", True),
        ("19xx0101", "2026-11-20", True),
        ("20081341", "2026-11-20", True),
        ("19481103", "", True),  # on an unknown day
    ],
)
def test_an_age_counts_for_the_youngest_that_it_may_be(born: str, on: str, minor: bool) -> None:
    day = date.fromisoformat(on) if on else None
    assert LIST.categories_of_age(born, day) == ({"minors"} if minor else set())


def test_the_first_category_that_codes_touch() -> None:
    codes = [("I10", "I10"), ("LN", "68961-2"), ("I10", "F10.1")]
    assert LIST.touches(codes, {"substance-use", "hiv", "minors"}) == "hiv"
    assert LIST.touches(codes, {"substance-use"}) == "substance-use"
    assert LIST.touches(codes, {"behavioral-health"}) is None
    assert LIST.touches(codes, ()) is None
    assert LIST.names == {"substance-use", "behavioral-health", "hiv", "own", "minors"}

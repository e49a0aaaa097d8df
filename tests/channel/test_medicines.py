"""The site's tables of medicines, as the loader reads them."""

from __future__ import annotations

from pathlib import Path

from hl7bridge.affiliation.facts.facts import Medicine
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.engine.folder import read_folder
from tests.channel.conftest import folder

INGREDIENTS = b"rxcui,name,classes\n29046,lisinopril,RASA\n5487,hydrochlorothiazide,thiazides diuretics\n"


def test_a_combination_has_all_its_ingredients_and_their_classes() -> None:
    medicines = load(
        folder(
            "",
            {
                "tables/medicines.csv": b"code,system,ingredients\n555,NDC,29046 5487\n556,L,29046\n",
                "tables/ingredients.csv": INGREDIENTS,
            },
        )
    ).medicines
    both = Medicine("555", "NDC", "whatever it is called")
    assert medicines.ingredients(both) == {"29046", "5487"}
    assert medicines.classes_of(both) == {"RASA", "thiazides", "diuretics"}
    assert medicines.ingredients(Medicine("556", "L", "")) == {"29046"}


def test_what_is_not_in_the_table_is_unknown_and_never_guessed_from_its_name() -> None:
    medicines = load(
        folder("", {"tables/medicines.csv": b"code,system,ingredients\n555,NDC,29046\n"})
    ).medicines
    for stranger in (Medicine("557", "NDC", "lisinopril"), Medicine("555", "L", "lisinopril")):
        assert medicines.ingredients(stranger) == set()
    assert medicines.classes_of(Medicine("555", "NDC", "")) == set()
    assert load(folder("")).medicines.ingredients(Medicine("555", "NDC", "")) == set()


def test_mistakes_in_the_tables_are_named() -> None:
    mistakes = check(
        folder(
            "",
            {
                "tables/medicines.csv": b"code,system,ingredients\n555,NDC,lisinopril\n",
                "tables/ingredients.csv": b"rxcui,name,class\n29046,lisinopril,RASA\n",
            },
        )
    )
    said = "\n".join(str(each) for each in mistakes)
    assert "tables/medicines.csv:2:1: 'lisinopril' behind '555' is no RxNorm code" in said
    assert "there is no column classes" in said
    assert "rename class to classes" in said


def test_the_shipped_tables_know_the_medicines_of_the_samples() -> None:
    shipped = load(read_folder(Path(__file__).parents[2] / "channels"), lambda name: "x").medicines
    assert shipped.ingredients(Medicine("00093-1048-01", "NDC", "")) == {"6809"}
    assert shipped.classes_of(Medicine("00071-0156-23", "NDC", "")) == {"statins"}

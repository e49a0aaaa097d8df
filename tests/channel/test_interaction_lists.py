"""Lists of interactions: the one that ships with the program, and a site's own in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7bridge import shipped
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.channel.loading.interactions import SHIPPED, interactions_of
from tests.channel.conftest import folder

HEADER = "group,title,side,class,ingredient,rxcui\n"
OWN = HEADER + "1,A with B,object,,a,11\n1,A with B,precipitant,,b,12\n2,Q with Q,,,,\n"
QT = "QT-prolonging medicines with each other"


def own(text: str) -> Interactions:
    return interactions_of({"tables/interactions.csv": text.encode()}, shipped.interactions())


def named(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return "\n".join(str(each) for each in check(folder("", {"tables/interactions.csv": data})))


# -- the shipped one ---------------------------------------------------------------------------------------------------------


def test_the_shipped_list_has_fifteen_groups_with_two_sides_and_names_the_empty_one_as_not_screened() -> None:
    listed = interactions_of({}, shipped.interactions())
    assert listed.name == SHIPPED
    assert len(listed.groups) == 15
    assert [group.title for group in listed.groups if group.empty] == [QT]
    assert all(group.objects and group.precipitants for group in listed.groups if not group.empty)
    assert listed.not_screened == (QT, "moclobemide")


def test_a_code_of_the_shipped_list_is_one_ingredient_and_stands_on_one_side_of_a_group() -> None:
    names: dict[str, set[str]] = {}
    for group in interactions_of({}, shipped.interactions()).groups:
        assert group.objects.keys().isdisjoint(group.precipitants)
        for code, name in [*group.objects.items(), *group.precipitants.items()]:
            names.setdefault(code, set()).add(name)
    assert not [found for found in names.values() if len(found) > 1]
    assert len({name for found in names.values() for name in found}) == len(names)


@pytest.mark.parametrize(
    ("one", "other", "groups"),
    [
        pytest.param("36567", "21212", ["25"], id="simvastatin, clarithromycin"),
        pytest.param("21212", "36567", ["25"], id="the other way round"),
        pytest.param("4493", "8123", ["8"], id="fluoxetine, phenelzine"),
        pytest.param("57258", "2551", ["28"], id="tizanidine, ciprofloxacin"),
        pytest.param("10734", "8702", ["30"], id="tranylcypromine, procarbazine"),
        pytest.param("10734", "8123", [], id="two of one side: not on the list"),
        pytest.param("6809", "29046", [], id="not on the list at all"),
        pytest.param("36567", "36567", [], id="one ingredient twice"),
    ],
)
def test_pairs_of_the_shipped_list(one: str, other: str, groups: list[str]) -> None:
    listed = interactions_of({}, shipped.interactions())
    assert [each.group.number for each in listed.between(frozenset((one,)), frozenset((other,)))] == groups


def test_it_says_where_it_is_from_and_that_it_is_not_complete() -> None:
    head = "".join(line for line in shipped.interactions().decode().splitlines() if line.startswith("#"))
    assert "J Am Med Inform Assoc 2012;19:735" in head
    assert "No claim is made that the list is complete" in head


def test_it_is_in_the_package() -> None:
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert "hl7bridge.affiliation = reference/*.csv" in setup


# -- a site's own ------------------------------------------------------------------------------------------------------------


def test_a_site_s_list_takes_the_place_of_the_shipped_one_and_is_known_by_its_content() -> None:
    assert check(folder("", {"tables/interactions.csv": OWN.encode()})) == []
    listed = own(OWN)
    assert (listed.name, len(listed.version)) == ("interactions.csv", 12)
    assert listed.version != own(OWN + "# a remark\n").version
    assert [group.title for group in listed.groups] == ["A with B", "Q with Q"]
    assert listed.not_screened == ("Q with Q",)
    assert not list(listed.between(frozenset(("36567",)), frozenset(("21212",)))), "nothing is added to it"


def test_an_ingredient_on_both_sides_interacts_with_the_others_and_not_with_itself() -> None:
    both = "".join(
        f"1,QT,{side},,{name},{code}\n"
        for side in ("object", "precipitant")
        for name, code in (("a", 1), ("b", 2))
    )
    listed = own(HEADER + both)
    one, other = frozenset(("1",)), frozenset(("2",))
    assert [(each.ones, each.others) for each in listed.between(one, other)] == [(("a",), ("b",))]
    assert list(listed.between(one, one)) == []


def test_a_combination_is_one_finding_with_all_its_ingredients() -> None:
    listed = interactions_of({}, shipped.interactions())
    [found] = listed.between(frozenset(("85762", "195088")), frozenset(("36567",)))
    assert (found.ones, found.others) == (("lopinavir", "ritonavir"), ("simvastatin",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("object", "objekt"), "interactions.csv:2:1: 'objekt' is no side; did you mean object?"),
        (OWN.replace(",11\n", ",XI\n"), "interactions.csv:2:1: 'XI' is no RxNorm code"),
        (
            OWN.replace("1,A with B,object", "1,A and B,object"),
            "interactions.csv:3:1: group '1' has two titles",
        ),
        (OWN.replace("1,A with B,object", ",A with B,object"), "interactions.csv:2:1: a row without group"),
        (OWN.replace("1,A with B,object", "1,,object"), "interactions.csv:2:1: a row without title"),
        (OWN.replace("object", ""), "interactions.csv:2:1: an ingredient stands on no side"),
        (OWN.replace(",a,11", ",,11"), "interactions.csv:2:1: no ingredient on the side object"),
        (
            OWN.replace("precipitant", "object"),
            "interactions.csv:2:1: group '1' has no code on the side precipitant",
        ),
        (OWN + "1,A with B,object,,a,11\n", "interactions.csv:5:1: 'a' stands a second time"),
        (OWN + "1,A with B,object\n", "interactions.csv:5:1: this row has too few cells: 3"),
        (OWN + '1,"A with B,object\n', "interactions.csv:5:1: this is not CSV"),
        (
            OWN.replace("rxcui", "rxcuis"),
            "interactions.csv:1:1: there is no column rxcui; rename rxcuis to rxcui",
        ),
        ("# nothing\n", "interactions.csv:1:1: the table is empty"),
        (OWN.encode() + b"3,\xff,,,,\n", "interactions.csv:5:1: this byte is not UTF-8"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str | bytes, said: str) -> None:
    assert said in named(text)


def test_a_list_is_no_code_table() -> None:
    files = folder(
        "map: [{PID-2: {from: PID-3.1, table: interactions}}]", {"tables/interactions.csv": OWN.encode()}
    )
    assert any("there is no table 'interactions'" in str(each) for each in check(files))
    assert load(folder("", {"tables/interactions.csv": OWN.encode()})).tables == {}

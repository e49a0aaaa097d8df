"""What the pharmacist did, where a feed writes it: `programme: intervention`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from hl7bridge.affiliation.facts.facts import (
    FillKey,
    InterventionFact,
    Medicine,
    OrderFact,
    PrescriptionKey,
)
from hl7bridge.channel.deciding.decide import Decision
from tests.channel.conftest import Decide, folder

HEAD = "MSH|^~\\&|RX|S1|HUB|HUB|20261120120000||{}|C1|P|2.5.1\nPID|1||7^^^RETAIL^PI||DOE^JANE\n"
ORDER = (
    HEAD.format("RDE^O11^RDE_O11") + "ORC|NW||||||||20261117\nRXE||555^warfarin^NDC|1||TAB||||||||||RX9|2\n"
)
DISPENSE = (
    HEAD.format("RDS^O13^RDS_O13") + "ORC|RE||||||||20261119\nRXD|1|555^warfarin^NDC|20261118|30|TAB||RX9|2\n"
)
TABLE = b"code,words\nDD,interaction found\nM0,prescriber consulted\n1G,filled with prescriber's approval\nEMPTY,\n"
PROGRAMME = "{intervention: {code: [ZIN-1, ZIN-2, ZIN-3], table: interventions}}"
RX = PrescriptionKey("S1", "RX9")
WARFARIN = Medicine("555", "NDC", "warfarin")


def run(decided: Decide, message: str, programme: str = PROGRAMME) -> Decision:
    files = folder(f"programme: {programme}", {"tables/interventions.csv": TABLE})
    decision = decided(files, message.replace("\n", "\r").encode())
    assert decision.status == "RECEIVED", decision.outcomes
    return decision


def made(decided: Decide, message: str, programme: str = PROGRAMME) -> list[InterventionFact]:
    return [each for each in run(decided, message, programme).facts if isinstance(each, InterventionFact)]


def test_an_intervention_on_a_fill_is_of_the_fill_and_dated_by_it(decided: Decide) -> None:
    fact = InterventionFact(
        RX,
        FillKey(RX, "1"),
        date(2026, 11, 18),
        WARFARIN,
        "DD/M0/1G",
        "interaction found; prescriber consulted; filled with prescriber's approval",
    )
    assert made(decided, DISPENSE + "ZIN|DD|M0|1G\n") == [fact]
    later = DISPENSE.replace("20261119", "20261125").replace("|C1|", "|C2|")
    assert made(decided, later + "ZIN|DD|M0|1G\n") == [fact], "a later message of the fill says the same"


def test_an_intervention_on_an_order_is_of_the_order(decided: Decide) -> None:
    [found] = made(decided, ORDER + "ZIN|DD|M0\n")
    assert (found.fill, found.on, found.code) == (None, date(2026, 11, 17), "DD/M0")


def test_each_order_has_its_own(decided: Decide) -> None:
    second = "ORC|RE\nRXD|1|556^metformin^NDC|20261118|30|TAB||RX8|2\n"
    found = made(decided, DISPENSE + "ZIN|DD\n" + second)
    assert [each.prescription.number for each in found] == ["RX9"]


@pytest.mark.parametrize("control", ["CA", "NW", "ZZ"])
def test_whatever_becomes_of_the_order(decided: Decide, control: str) -> None:
    assert len(made(decided, ORDER.replace("ORC|NW", f"ORC|{control}") + "ZIN|DD\n")) == 1


@pytest.mark.parametrize(
    ("segment", "programme"),
    [
        pytest.param("", PROGRAMME, id="no segment"),
        pytest.param("ZIN||\n", PROGRAMME, id="empty fields"),
        pytest.param('ZIN|""\n', PROGRAMME, id="HL7's null"),
        pytest.param("ZIN|DD\n", "{}", id="the channel says nothing of interventions"),
        pytest.param(
            "ZIN|DD||N\n",
            "{intervention: {when: {ZIN-3: Y}, code: ZIN-1, table: interventions}}",
            id="its condition does not hold",
        ),
    ],
)
def test_none(decided: Decide, segment: str, programme: str) -> None:
    assert made(decided, DISPENSE + segment, programme) == []


def test_its_condition_holds(decided: Decide) -> None:
    programme = "{intervention: {when: {ZIN-3: Y}, code: ZIN-1, table: interventions, column: words}}"
    assert [each.code for each in made(decided, DISPENSE + "ZIN|DD||Y\n", programme)] == ["DD"]


@pytest.mark.parametrize("note", ["told her not to mix it with her lithium", "dd", "EMPTY"])
def test_what_the_table_does_not_hold_is_never_taken_and_is_counted_without_its_text(
    decided: Decide, note: str
) -> None:
    alone = run(decided, DISPENSE + f"ZIN|{note}\n")
    beside = run(decided, DISPENSE + f"ZIN|DD|{note}\n")
    assert not [each for each in alone.facts if isinstance(each, InterventionFact)]
    [found] = [each for each in beside.facts if isinstance(each, InterventionFact)]
    assert (found.code, found.text) == ("DD", "interaction found")
    for decision in (alone, beside):
        assert any("that its table does not hold" in miss for miss in decision.misses)
        assert note not in repr((decision.facts, decision.misses))


def test_an_order_without_a_prescription_number_tells_of_none_but_of_the_rest_nothing_is_lost(
    decided: Decide,
) -> None:
    assert made(decided, DISPENSE.replace("RX9", "") + "ZIN|DD\n") == []
    decision = run(decided, ORDER + "ZIN|scribble\n")
    assert [type(each) for each in decision.facts if isinstance(each, OrderFact)] == [OrderFact]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{code: ZIN-1}", "an intervention needs table"),
        ("{table: interventions}", "an intervention needs code"),
        (
            "{code: ZIN-1, table: intervention}",
            "there is no table 'intervention'; did you mean interventions?",
        ),
        ("{code: ZIN-1, table: interventions, column: word}", "has no column 'word'; did you mean words?"),
        ("{code: ZIN-1, table: wide}", "say which column of wide"),
        ("{code: ZIN, table: interventions}", "ZIN is a segment, not a field"),
        ("{code: [], table: interventions}", "there is no code here"),
        (
            "{code: {ZIN-1: present}, table: interventions}",
            "stands where a path belongs; write it like ZIN-1",
        ),
        ("{code: ZIN-1, table: interventions, when: yes}", "stands where conditions belong"),
        ("{code: ZIN-1, table: interventions, text: ZIN-2}", "'text' is not a key of an intervention"),
        (
            "{code: [ZIN-1, ZIN-2, ZIN-3, ZIN-4, ZIN-5, ZIN-6, ZIN-7], table: interventions}",
            "too many codes; at most 6",
        ),
        ("ZIN-1", "stands where the keys of an intervention belong"),
    ],
)
def test_mistakes_are_named(mistakes: Callable[..., list[str]], written: str, said: str) -> None:
    files = {"tables/interventions.csv": TABLE, "tables/wide.csv": b"a,b,c\n1,2,3\n"}
    found = mistakes(f"programme: {{intervention: {written}}}", files)
    assert [each for each in found if said in each], found
    assert all(each.startswith("c.yaml:3:") for each in found)


def test_the_shipped_channel_takes_interventions_by_its_table() -> None:
    channels = Path(__file__).parents[2] / "channels"
    assert "intervention:" in (channels / "pharmacy.yaml").read_text()
    assert (channels / "tables" / "interventions.csv").read_text().startswith("code,words\n")

"""What an affiliate that withholds gets: never a word of the orders that it must not know, whatever the maps do."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.who.roster import MemoryRoster, read_roster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, Outgoing, decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.hl7.message import Message

CHANNEL = b"""channel: c
source: {mllp: {port: 2575}, zone: America/New_York}
send_to: [{affiliates: pharmacy}, {affiliates: clinic}, archive]
"""
AFFILIATE = """affiliate: {0}
agreement: {{clinic: 2014-06-01, pharmacy: 2016-01-01}}
send: {{mllp: {{host: h, port: 6000}}}}
allow: everything
"""
TABLE = b"""category,system,code,text
sud,I10,F10*,
sud,NDC,00001-0001-01,
sud,RXNORM,7243,
hiv,LN,68961-2,
hiv,HL70177,HIV,
bh,LOCATION,BHU,
bh,SERVICE,PSY,
bh,VIP,V,
bh,ACCESS,PSY,
protected,PROTECTED,Y,
minors,AGE,18,
bh,L,UNIT9,
"""
FILES = {
    "c.yaml": CHANNEL,
    "tables/withheld.csv": TABLE,
    "tables/medicines.csv": b"code,system,ingredients\n00002-0002-02,NDC,7243 1\n",
    "tables/ingredients.csv": b"rxcui,name,classes\n7243,naltrexone,\n",
    "archive.yaml": b"destination: archive\nsend: {file: {folder: x}}\n",
    "open.yaml": AFFILIATE.format("open").encode(),
    "closed.yaml": (AFFILIATE.format("closed") + "withhold: [sud, hiv, bh, protected]\n").encode(),
    "hl7bridge.yaml": b"withhold: {fields: [ZMH-2], notices: {sud: The notice & its text.}}\n",
}
RECEIVED = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = "MSH|^~\\&|RX|S|||20261121204700-0500||{0}|K1|P|2.5.1\rPID|1||7^^^R||A^B||19700101\r"
RDS = HEAD.format("RDS^O13^RDS_O13")
OK = "00009-0009-09^fine^NDC"
BAD = "00001-0001-01^secret^NDC"


def order(number: int, medicine: str = OK, more: str = "") -> str:
    """An order of a dispense, with what belongs to it."""
    return f"ORC|RE|P{number}|F{number}\rRXE||{medicine}\rNTE|1||n{number}\rRXD|1|{medicine}|20261120||||RX{number}\r{more}"


def made(text: str, files: dict[str, bytes] = FILES, source: str = "c") -> Decision:
    roster = MemoryRoster()
    for name in ("open", "closed", "other"):
        for entry in read_roster(b"id,authority\n7,R\n", "r"):
            roster.add(name, entry)
    message = Message(text.encode())
    return decide(loaded(tuple(files.items())), source, message, received=RECEIVED, sequence=1, roster=roster)


@cache
def loaded(files: tuple[tuple[str, bytes], ...]) -> Configuration:
    return load(dict(files))


def of(decision: Decision, name: str) -> Outgoing:
    [found] = [each for each in decision.outgoing if each.destination == name]
    return found


def closed(text: str, files: dict[str, bytes] = FILES) -> str | None:
    """What the affiliate that withholds gets; None if nothing. The others get all of it."""
    decision = made(text, files)
    assert decision.status == "RECEIVED", decision.outcomes
    assert of(decision, "open").payload == text.encode()
    found = of(decision, "closed")
    assert found.error is None
    if found.refused is not None:
        assert found.refused.startswith("withheld: ")
        return None
    return found.payload.decode()


# -- where it is looked for ----------------------------------------------------------------------------------------------------

ORDERED = {
    "RXE-2": f"ORC|NW\rRXE||{BAD}\r",
    "RXE-2 alternate": "ORC|NW\rRXE||x^y^L^00001-0001-01^z^NDC\r",
    "RXE-2 second repetition": f"ORC|NW\rRXE||{OK}~{BAD}\r",
    "RXE-2 eleven digits": "ORC|NW\rRXE||00001000101^z^NDC\r",
    "RXE-2 ingredient": "ORC|NW\rRXE||00002-0002-02^z^NDC\r",
    "RXE-2 subcomponent": "ORC|NW\rRXE||00001-0001-01&x^z^NDC\r",
    "RXE-2 longer than is remembered": f"ORC|NW\rRXE||{BAD}~x^{'y' * 600}\r",
    "OBX-5 small letters": "ORC|NW\rOBR|1\rOBX|1|cwe|x||F10.2^x^I10\r",
    "RXO-1": f"ORC|NW\rRXO|{BAD}\rRXE||{OK}\r",
    "RXO-20": f"ORC|NW\rRXO|{OK}|||||||||||||||||||F10.1^x^I10\r",
    "RXC-2": f"ORC|NW\rRXE||{OK}\rRXC|A|{BAD}\r",
    "RXD-2": f"ORC|RE\rRXD|1|{BAD}\r",
    "RXE-27": f"ORC|NW\rRXE||{OK}" + "|" * 25 + "Z00^^I10~F10.20^x^I10\r",
    "RXD-21": f"ORC|NW\rRXD|1|{OK}" + "|" * 19 + "F1020^x^ICD10\r",
    "RXG-4": f"ORC|NW\rRXG|1||| {BAD}\r",
    "RXA-5": f"ORC|NW\rRXA|1|1|1|1|{BAD}\r",
    "DG1-3 in the order": "ORC|NW\rOBR|1\rDG1|1||F10.1^x^I10\r",
    "OBX-3": "ORC|NW\rOBR|1|||x\rOBX|1|NM|68961-2^x^LN||1\r",
    "OBX-5": "ORC|NW\rOBR|1\rOBX|1|CWE|x||a^b^L~F10.2^x^I10\r",
    "OBR-4": "ORC|NW\rOBR|1|||68961-2^x^LN\r",
    "ORC-16": "ORC|NW" + "|" * 15 + "F10^x^I10\rRXE||x\r",
    "ORC-28": "ORC|NW" + "|" * 27 + "HIV\rRXE||x\r",
    "FT1-19": "ORC|NW\rRXE||x\rFT1|1" + "|" * 18 + "F10.2^x^I10\r",
    "ZMH-2": "ORC|NW\rRXE||x\rZMH||F10.2\r",
}
WHOLE = {
    "PV1-3": ("PV1|1|O|BHU^1^2\r", "bh"),
    "PV1-3 facility": ("PV1|1|O|W^1^2^BHU&x\r", "bh"),
    "PV1-3 by a code": ("PV1|1|O|UNIT9^^L\r", "bh"),
    "PV1-10": ("PV1|1|O||||||||PSY\r", "bh"),
    "PV1-16": ("PV1|1|O||||||||||||||V\r", "bh"),
    "PD1-12": ("PD1||||||||||||Y\r", "protected"),
    "PV2-22": ("PV2" + "|" * 22 + "Y\r", "protected"),
    "ARV-3": ("ARV|1|A|PSY^x^HL70717\r", "bh"),
    "DG1-3 of the visit": ("DG1|1||F10.1^x^I10\r", "sud"),
    "OBX of the visit": ("OBX|1|CE|x||F10.1^x^I10\r", "sud"),
    "ZMH of the visit": ("ZMH||F10.1\r", "sud"),
}


@pytest.mark.parametrize("secret", ORDERED.values(), ids=ORDERED)
def test_a_match_takes_the_whole_order_and_leaves_the_others(secret: str) -> None:
    got = closed(RDS + order(1) + secret + order(3))
    assert got is not None
    assert got.replace("NTE|1||The notice \\T\\ its text.\r", "", 1) == RDS + order(1) + order(3)


@pytest.mark.parametrize(("segment", "category"), WHOLE.values(), ids=WHOLE)
def test_a_match_about_the_visit_or_the_patient_stops_the_delivery(segment: str, category: str) -> None:
    text = RDS + segment + order(1)
    assert closed(text) is None
    refused = of(made(text), "closed")
    assert refused.refused == f"withheld: {category}"
    assert refused.payload == text.encode()  # whoever tries again finds the same reason


def test_where_no_order_is_left_nothing_leaves() -> None:
    assert closed(RDS + order(1, BAD)) is None
    assert closed(RDS + order(1, BAD) + order(2, BAD)) is None
    assert of(made(RDS + order(1, BAD)), "archive").refused is None


@pytest.mark.parametrize("system", ["SCT", "99X"])
def test_another_systems_code_is_another_code(system: str) -> None:
    text = RDS + f"ORC|NW\rRXE||F10.1^x^{system}\r"
    assert closed(text) == text


def test_delimiters_of_a_feeds_own_and_escapes() -> None:
    text = (RDS + order(1) + f"ORC|NW\rRXE||{BAD}\r").translate(str.maketrans("|^~\\&", "%*@!?"))
    decision = made(text)
    assert b"secret" not in of(decision, "closed").payload
    assert of(decision, "closed").refused is None
    assert "secret" not in (closed(RDS + order(1) + "ORC|NW\rRXE||F\\X31\\0.1^secret^I10\r") or "")


def test_what_stands_in_one_order_without_orc() -> None:
    """RXE and RXD belong together; a second RXE begins another order."""
    text = RDS + f"RXE||{BAD}\rRXD|1|x^secret^L\rRXR|PO\rRXE||{OK}\rRXD|1|{OK}\r"
    assert closed(text, {**FILES, "hl7bridge.yaml": b"data: x\n"}) == RDS + f"RXE||{OK}\rRXD|1|{OK}\r"


# -- what is left --------------------------------------------------------------------------------------------------------------


def test_set_ids_count_on_and_the_fills_number_stays() -> None:
    text = HEAD.format("ORU^R01") + "".join(
        f"ORC|RE|{n}\rOBR|{n}|||{code}^x^LN\rOBX|1|NM|a^^L||1\rOBX|2|NM|b^^L||1\rFT1|{n}\rRXD|{n}|x\r"
        for n, code in enumerate(("1-1", "68961-2", "3-3"), 1)
    )
    got = closed(text)
    assert got is not None
    segments = Message(got.encode()).segments
    assert [each.field(1) for each in segments if each.name == b"OBR"] == [b"1", b"2"]
    assert [each.field(1) for each in segments if each.name == b"FT1"] == [b"1", b"2"]
    assert [each.field(1) for each in segments if each.name == b"OBX"] == [b"1", b"2"] * 2
    assert [each.field(1) for each in segments if each.name == b"RXD"] == [b"1", b"3"]
    assert [each.field(2) for each in segments if each.name == b"ORC"] == [b"1", b"3"]


def test_the_notice_stands_under_the_patient_where_the_category_has_one() -> None:
    got = closed(RDS + "PD1||x\rNTE|1||of the patient\r" + order(1) + order(2, BAD))
    assert got == (RDS + "PD1||x\rNTE|1||of the patient\rNTE|2||The notice \\T\\ its text.\r" + order(1))
    assert "notice" not in (closed(HEAD.format("ORU^R01") + "OBR|1\rOBR|2|||68961-2\r") or "notice")


def test_a_message_without_a_match_is_the_very_same() -> None:
    text = RDS + "PV1|1|O|W\rDG1|1||E11^x^I10\r" + order(1) + order(2)
    decision = made(text)
    payloads = [each.payload for each in decision.outgoing]
    assert [each.destination for each in decision.outgoing] == ["closed", "open", "archive"]
    assert all(each is payloads[0] for each in payloads)
    assert payloads[0] == text.encode()


# -- maps --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        "map: [{each: ORC, RXE-2: X^fine^L, RXD-2: X^fine^L}]",
        "map: [{remove: [RXE-2, RXD-2, DG1, PV1, RXE-27]}]",
        "map: [{remove: RXE}, {each: RXD, RXD-2: null}]",
        "map: [{new: ORU^R01, keep: PID}, {each: original.ORC, add: OBR, OBR-3: {from: original.ORC-3}}]",
        "split: {each: RXE, with: [ORC]}",
        "split: {each: ORC}\nmap: [{each: ORC, RXE-2: X}]",
    ],
)
def test_no_map_recodes_an_order_past_the_list(steps: str) -> None:
    files = {**FILES, "c.yaml": CHANNEL + steps.encode() + b"\n"}
    decision = made(RDS + order(1) + order(2, BAD) + order(3), files)
    assert decision.status == "RECEIVED"
    everything = b"".join(each.payload for each in decision.outgoing if each.destination == "closed")
    assert [each.refused for each in decision.outgoing] == [None] * len(decision.outgoing)
    assert b"F1\r" in everything or b"F1|" in everything
    assert all(word not in everything for word in (b"F2", b"P2", b"RX2", b"secret", b"n2"))
    assert b"F2" in b"".join(each.payload for each in decision.outgoing if each.destination == "open")
    overlay = {**FILES, "closed.yaml": FILES["closed.yaml"] + steps.replace("split", "#").encode()}
    if steps.startswith("map"):
        got = of(made(RDS + order(1) + order(2, BAD), overlay), "closed")
        assert (got.refused, got.error) == (None, None)
        assert b"F2" not in got.payload
        visit = of(made(RDS + "PV1|1|O|BHU\rDG1|1||F10\r" + order(1), files), "closed")
        assert visit.refused is not None


def test_a_code_that_a_map_writes_is_found_in_what_leaves() -> None:
    files = {**FILES, "c.yaml": CHANNEL + b"map: [{RXE-27: F10.1^x^I10}]\n"}
    assert of(made(RDS + order(1), files), "closed").refused == "withheld: sud"
    overlay = {**FILES, "closed.yaml": FILES["closed.yaml"] + b"map: [{PV1-10: PSY}]\n"}
    assert of(made(RDS + order(1), overlay), "closed").refused == "withheld: bh"


def test_a_channel_that_fails_or_filters_without_the_order_keeps_its_reason() -> None:
    """The others have what they have; the one delivery that could not be made is seen."""
    needs = {**FILES, "c.yaml": CHANNEL + b"map: [{ZZZ-1: {from: 'ORC[2]-2', else: error}}]\n"}
    decision = made(RDS + order(1) + order(2, BAD), needs)
    assert decision.status == "RECEIVED"
    assert of(decision, "open").error is None
    assert (of(decision, "closed").error or "").startswith("c.yaml:4:")
    filtered = {**FILES, "c.yaml": CHANNEL + b"filter: {ORC-2: P2}\n"}
    assert of(made(RDS + order(1) + order(2, BAD), filtered), "closed").refused == "withheld: sud"


def test_those_who_withhold_different_things_get_different_messages() -> None:
    other = (AFFILIATE.format("other") + "withhold: hiv\n").encode()
    text = RDS + order(1) + order(2, BAD) + "ORC|RE|P3\rOBR|1|||68961-2^x^LN\r"
    decision = made(text, {**FILES, "other.yaml": other})
    assert b"P2" in of(decision, "other").payload
    assert b"P3" not in of(decision, "other").payload
    assert b"P2" not in of(decision, "closed").payload
    assert b"P3" not in of(decision, "closed").payload
    assert of(decision, "open").payload == text.encode()


def test_the_programme_still_knows_everything() -> None:
    files = {**FILES, "c.yaml": CHANNEL + b"programme: {filled: counts}\n"}
    assert {
        fact.medicine.code
        for fact in made(RDS + order(1) + order(2, BAD), files).facts
        if hasattr(fact, "medicine")
    } == {
        "00009-0009-09",
        "00001-0001-01",
    }


# -- documents and age ---------------------------------------------------------------------------------------------------------

PDF = "ORC|RE\rOBR|1|||x\rOBX|1|ED|PDF||^application^pdf^Base64^AAAA\r"


@pytest.mark.parametrize("value", ["ED", "RP"])
def test_a_document_does_not_leave_for_who_withholds(value: str) -> None:
    text = HEAD.format("ORU^R01") + PDF.replace("|ED|", f"|{value}|")
    assert of(made(text), "closed").refused == "withheld: a document cannot be looked into"
    whole = {**FILES, "closed.yaml": FILES["closed.yaml"] + b"documents: whole\n"}
    assert of(made(text, whole), "closed").payload == text.encode()
    taken = {
        **FILES,
        "closed.yaml": FILES["closed.yaml"] + b"map: [{each: OBX, where: {OBX-2: [ED, RP]}, remove: run}]\n",
    }
    assert of(made(text, taken), "closed").refused is None


def test_a_document_that_is_called_something_else_is_one() -> None:
    text = HEAD.format("ORU^R01") + PDF.replace("|ED|", "|TX|").replace("AAAA", "A" * 100)
    assert of(made(text), "closed").refused == "withheld: a document cannot be looked into"


def test_what_the_programme_has_composed_is_filtered_already() -> None:
    files = {
        **FILES,
        "c.yaml": CHANNEL.replace(b"source: {", b"source: programme\n#"),
    }
    text = (HEAD.format("MDM^T02") + PDF).replace("|S|||", "|S||closed|")
    assert of(made(text, files, "programme"), "closed").payload == text.encode()


@pytest.mark.parametrize(
    ("born", "sent"),
    [
        ("20081122", False),
        ("20081121", False),
        ("20081120", True),
        ("", False),
        ("2009", False),
        ("19700101", True),
    ],
)
def test_minors_by_the_day_of_the_event(born: str, sent: bool) -> None:
    files = {
        **FILES,
        "closed.yaml": (AFFILIATE.format("closed") + "withhold: [minors]\nmap: [{PID-7: ''}]\n").encode(),
    }
    text = RDS.replace("19700101", born) + order(1)
    assert of(made(text, files), "closed").refused == (None if sent else "withheld: minors")


# -- mistakes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("closed.yaml", b"withhold: [hvi]", "closed.yaml:5:12: there is no category 'hvi'; did you mean hiv?"),
        ("closed.yaml", b"withhold: 'no such'", "closed.yaml:5:11: the text 'no such' is not a category such as substance-use"),
        ("closed.yaml", b"documents: all", "closed.yaml:5:12: the text 'all' is none of refused, whole"),
        ("hl7bridge.yaml", b"withhold: {notices: {sudd: x}}", "hl7bridge.yaml:1:22: there is no category 'sudd'; did you mean sud?"),
        ("hl7bridge.yaml", b"withhold: {fields: [QQQ-1]}", "hl7bridge.yaml:1:21: HL7 has no segment QQQ"),
        ("hl7bridge.yaml", b"withhold: {fields: [ZMH]}", "hl7bridge.yaml:1:21: the text 'ZMH' is not a field such as ZMH-2"),
        ("tables/withheld.csv", b"sud,I10,F*0,", "tables/withheld.csv:2:1: 'F*0' has a * within"),
        ("tables/withheld.csv", b"sud,I10,*,", "tables/withheld.csv:2:1: a code is missing"),
        ("tables/withheld.csv", b"sud,AGE,old,", "tables/withheld.csv:2:1: 'old' is no number of years"),
        ("tables/withheld.csv", b"sud,CLASS,x,", "tables/withheld.csv:2:1: no ingredient is in the class 'x'"),
        ("tables/withheld.csv", b"sud,LOCATON,X,", "tables/withheld.csv:2:1: 'LOCATON' is no system"),
        ("tables/withheld.csv", b"s d,I10,F10,", "tables/withheld.csv:2:1: 's d' is no name of a category"),
        ("tables/withheld.csv", b"sud,I10", "tables/withheld.csv:2:1: this row has too few cells"),
    ],
)  # fmt: skip
def test_mistakes_are_named(name: str, data: bytes, said: str) -> None:
    before = {"closed.yaml": AFFILIATE.format("closed").encode(), "tables/withheld.csv": TABLE[:26]}.get(
        name, b""
    )
    found = [str(each) for each in check({**FILES, name: before + data + b"\n"})]
    assert any(each.startswith(said) for each in found), found


def test_a_table_without_its_columns() -> None:
    found = [str(each) for each in check({**FILES, "tables/withheld.csv": b"category,sytem,code\n"})]
    assert "tables/withheld.csv:1:1: there is no column system; rename sytem to system" in found


def test_a_category_without_any_table() -> None:
    files = {
        name: data for name, data in FILES.items() if name not in ("tables/withheld.csv", "hl7bridge.yaml")
    }
    assert "write tables/withheld.csv" in str(check(files)[0])


# -- always ------------------------------------------------------------------------------------------------------------------

SECRETS = [text.replace("secret", "SECRET") for text in ORDERED.values()]
CODES = (b"00001-0001-01", b"00001000101", b"00002-0002-02", b"F10", b"68961-2", b"|HIV", b"SECRET")
MAPS = [
    b"",
    b"map: [{MSH-5: X}]\n",
    b"map: [{each: ORC, ZZZ-1: {from: RXE-2}}]\n",
    b"split: {each: ORC}\n",
    b"map: [{new: ORU^R01, keep: [PID]}, {each: original.ORC, add: NTE, NTE-3: {from: original.RXE-2.2}}]\n",
]
clear = st.integers(1, 9).map(order) | st.sampled_from(
    ["OBR|1|||a^b^LN\rOBX|1|NM|c^d^LN||1\r", "ORC|NW\rZRX|1\r"]
)


@given(
    st.lists(clear | st.sampled_from(SECRETS), max_size=6),
    st.sampled_from(MAPS),
    st.sampled_from(["\r", "\n", "\r\n"]),
    st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_no_withheld_code_is_anywhere_in_what_leaves(
    orders: list[str], steps: bytes, end: str, last_end: bool
) -> None:
    text = (RDS + "".join(orders)).replace("\r", end)
    files = {**FILES, "c.yaml": CHANNEL + steps}
    decision = made(text if last_end else text.rstrip("\r\n"), files)
    leaving = [each for each in decision.outgoing if each.destination == "closed" and each.refused is None]
    for each in leaving:
        assert each.error is None
        assert not any(code in each.payload for code in CODES)
    secret = [each for each in orders if each in SECRETS]
    assert decision.status == "RECEIVED"
    assert any(each.destination == "closed" for each in decision.outgoing)
    fine = [f"F{n}".encode() for n in range(1, 10) if order(n) in orders]
    if fine and not steps.startswith((b"map: [{new", b"split")):
        assert all(number in leaving[0].payload for number in fine), "what may leave does"
    if not secret:
        assert leaving
        others = [each.payload for each in decision.outgoing if each.destination == "open"]
        assert [each.payload for each in leaving] == others

"""What the language must say in a few lines, each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from hl7bridge.affiliation.who.roster import MemoryRoster, read_roster

Mapped = Callable[..., str]

RDE = """MSH|^~\\&|RX|STORE|||20261121||RDE^O01|1|P|2.3
PID|1||7^^^RETAIL^PI~E7^^^MEDSTAR^MR~999^^^SSA^SS||A^B
ORC|NW|RX1|||||^BID^D90^20261121^^R||20261121|||1234567893^GILBERT^ROBERT^^^DR^MD^^NPI~77^GILBERT^^^^^^^SPI
ZRX|||||||0090
RXE|^BID|00093-1048-01^metformin^NDC|500
NTE|1||with food
NTE|2||no alcohol
"""
ORU = """MSH|^~\\&|LAB|CLINIC|||20261121||ORU^R01|55|P|2.5.1
PID|1||7
ORC|RE|A||||||||||12^CARE
OBR|1|A||GLU
OBX|1|NM|HIV^x||1
NTE|1||about hiv
OBX|2|NM|GLU^x||2
ORC|RE|B||||||||||34^WELL
OBR|2|B||BMP
NTE|1||one
NTE|2||two
OBX|1|NM|K^x||3
"""


def test_keep_one_authoritys_identifier(mapped: Mapped) -> None:
    assert "PID|1||E7^^^MEDSTAR^MR||A^B\n" in mapped("- keep: 'PID-3[4=MEDSTAR,5=MR]'", RDE)


def test_move_days_supply_from_a_z_segment(mapped: Mapped) -> None:
    made = mapped(
        """
        - each: ORC
          where: {ZRX-7: present, TQ1: absent}
          do:
            - {add: TQ1, after: ORC, TQ1-1: 1, TQ1-6.2: d}
            - TQ1-6.1: {from: ZRX-7, replace: ['^0+', '']}
            - remove: [ZRX-7]
        """,
        RDE,
    )
    lines = made.split("\n")
    assert lines[3] == "TQ1|1|||||90^d"
    assert lines[4] == "ZRX|||||||"


def test_split_by_obr(decided: Callable[..., object], around: Callable[..., Mapping[str, bytes]]) -> None:
    decision = decided(around("split: {each: OBR, with: [ORC]}"), ORU.replace("\n", "\r").encode())
    first, second = (each.payload.decode().split("\r") for each in decision.outgoing)  # type: ignore[attr-defined]
    assert [line[:3] for line in first] == ["MSH", "PID", "ORC", "OBR", "OBX", "NTE", "OBX", ""]
    assert [line[:3] for line in second] == ["MSH", "PID", "ORC", "OBR", "NTE", "NTE", "OBX", ""]
    assert first[0].split("|")[9] == "55-1"
    assert second[0].split("|")[9] == "55-2"
    assert second[2].startswith("ORC|RE|B")


def test_drop_results_by_table_with_their_notes(mapped: Mapped) -> None:
    made = mapped(
        """
        - {each: OBX, where: {OBX-3.1: {in_table: suppressed}}, remove: run}
        - {renumber: OBX-1, within: OBR}
        """,
        ORU,
        {"tables/suppressed.csv": b"code,why\nHIV,withheld\n"},
    )
    assert "hiv" not in made.lower()
    assert "OBR|1|A||GLU\nOBX|1|NM|GLU^x||2\n" in made


def test_copy_orc_12_into_each_obr_16(mapped: Mapped) -> None:
    made = mapped("- {each: OBR, OBR-16: {from: ORC-12}}", ORU)
    obrs = [line for line in made.split("\n") if line.startswith("OBR")]
    assert [line.split("|")[16] for line in obrs] == ["12^CARE", "34^WELL"]


def test_join_repeating_notes(mapped: Mapped) -> None:
    made = mapped(
        """
        - 'NTE[1]-3': {join: 'NTE[*]-3[*]', with: '\\.br\\'}
        - keep: 'NTE[1]'
        """,
        RDE,
    )
    assert made.endswith("NTE|1||with food\\.br\\no alcohol\n")


def test_translate_codes_with_a_default(mapped: Mapped) -> None:
    made = mapped(
        "- 'PID-10[*].1': {from: 'PID-10[*].1', table: race, else: 2131-1}",
        "MSH|^~\\&|A\nPID|||||||||| W^White~?~B\n".replace("| W", "|W"),
        {"tables/race.csv": b"local,cdc\nW,2106-3\nB,2054-5\n"},
    )
    assert made.split("\n")[1] == "PID||||||||||2106-3^White~2131-1~2054-5"


def test_take_the_npi_out_of_a_repeating_xcn(mapped: Mapped) -> None:
    steps = "- RXE-13: {first_of: ['ORC-12[9=SPI]', 'ORC-12[13=NPI]'], else: error}"
    assert mapped(steps, RDE).split("\n")[4].split("|")[13] == "77^GILBERT^^^^^^^SPI"


def test_an_order_of_2_3_becomes_one_of_2_5_1(mapped: Mapped) -> None:
    made = mapped(
        """
        - {MSH-9: RDE^O11^RDE_O11, MSH-12: 2.5.1}
        - each: 'ORC-7[*]'
          add: TQ1
          after: ORC
          TQ1-2: {from: it.1}
          TQ1-3: {from: it.2}
          TQ1-6.1: {from: it.3, replace: ['\\D', '']}
          TQ1-6.2: d
          TQ1-7: {from: it.4}
        - {each: ORC, do: [{renumber: TQ1-1}, {remove: ORC-7}]}
        """,
        RDE.replace("^BID^D90^20261121^^R", "1^BID^D90^20261121~2^QD^D10^20270219"),
    ).split("\n")
    assert made[0].endswith("|RDE^O11^RDE_O11|1|P|2.5.1")
    assert made[2].split("|")[7] == ""
    assert made[3:5] == ["TQ1|1|1|BID|||90^d|20261121", "TQ1|2|2|QD|||10^d|20270219"]


def test_build_a_result_from_a_dispense(mapped: Mapped) -> None:
    made = mapped(
        """
        - {new: ORU^R01^ORU_R01, keep: [MSH, PID]}
        - {add: OBR, OBR-1: 1, OBR-4: 'DISP^Dispense report^L', OBR-7: {from: original.RXD-3}}
        - each: original.RXD
          add: OBX
          OBX-2: CE
          OBX-3: DRUG^Dispensed^L
          OBX-5: {from: original.RXD-2}
          OBX-11: F
        - renumber: OBX-1
        """,
        "MSH|^~\\&|A|B|||1||RDS^O13|9|P|2.5.1\nPID|1||7\nORC|RE\nRXD|1|111^a|20261101\nORC|RE\nRXD|2|222^b|20261102\n",
    )
    assert made == (
        "MSH|^~\\&|A|B|||1||ORU^R01^ORU_R01|9|P|2.5.1\nPID|1||7\n"
        "OBR|1|||DISP^Dispense report^L|||20261101\n"
        "OBX|1|CE|DRUG^Dispensed^L||111^a||||||F\nOBX|2|CE|DRUG^Dispensed^L||222^b||||||F\n"
    )


def test_mask_a_field_and_strip_a_pdf_for_one_affiliate_only(decided: Callable[..., object]) -> None:
    affiliate = "affiliate: {0}\nagreement: {{clinic: 2014-06-01}}\nsend: {{mllp: {{host: h, port: {1}}}}}\nallow: PID-19\n"
    files = {
        "c.yaml": b"channel: c\nsource: {mllp: {port: 2575}}\nsend_to: [{affiliates: clinic}]\n",
        "affiliates/plain.yaml": affiliate.format("plain", 6001).encode(),
        "affiliates/careful.yaml": affiliate.format("careful", 6002).encode()
        + b"map:\n  - PID-19: '***'\n"
        + b"  - {each: OBX, where: {OBX-2: ED, OBX-5.5: {longer_than: 1000}}, remove: run}\n",
    }
    message = ORU.replace("PID|1||7\n", "PID|1||7^^^R" + "|" * 16 + "999-99\n")
    message += "OBX|3|ED|PDF||^application^pdf^Base64^" + "A" * 2000 + "\n"
    roster = MemoryRoster()
    for name in ("plain", "careful"):
        for entry in read_roster(b"id,authority\n7,R\n", "roster.csv"):
            roster.add(name, entry)
    decision = decided(
        files,
        message.replace("\n", "\r").encode(),
        roster=roster,
        received=datetime(2026, 11, 22, tzinfo=UTC),
    )
    sent = {each.destination: each.payload for each in decision.outgoing}  # type: ignore[attr-defined]
    assert set(sent) == {"plain", "careful"}
    assert b"999-99" in sent["plain"]
    assert b"Base64" in sent["plain"]
    assert b"|***\r" in sent["careful"]
    assert b"999-99" not in sent["careful"]
    assert b"Base64" not in sent["careful"]

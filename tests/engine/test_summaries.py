"""Visits end, and their summaries reach whom they are for: as documents, by fax, corrected when results come late, or taken back."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from io import BytesIO

import pytest
from pypdf import PdfReader

from hl7bridge.channel.loading.folder import check
from hl7bridge.hl7 import conformance
from hl7bridge.hl7.message import Message
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import act, deliveries, send

Site = Callable[..., World]
NPI = "1234567893"
CLINIC = """channel: clinic
source: {mllp: {port: 2575}, zone: America/New_York}
programme: {visits: yes, days_supply: ORC-7.3}
send_to: [archive]
"""
SUMMARIES = """channel: summaries
source: programme
accept: ['MDM^*', 'ORU^*']
send_to:
  - affiliates: clinic
  - {when: {ZDR-1: FAX}, to: [fax]}
"""
ENGINE = """programme:
  settle: 1m
  letterhead: [Lantern Clinics, 1 Harbor Way, "555-0100"]
  providers: {from: 2026-01-01}
"""
ARCHIVE = "destination: archive\nsend: {file: {folder: archive}}\n"
FAX = "destination: fax\nsend: {documents: {folder: outbox, cover: yes, confirm: no, sender: Lantern}}\n"
MEDSTAR = """affiliate: medstar
agreement: {clinic: 2014-06-01, pharmacy: 2016-01-01}
identifiers: {authority: MEDSTAR, type: MR}
roster: rosters/medstar.csv
summaries: {from: 2026-01-01}
send: {mllp: {host: 127.0.0.1, port: 6701}, timeout: 5s}
"""
ROSTER = f"id,authority,type,from,through,npi\n7,LANTERN,PI,2026-01-01,,{NPI}\n"
PROVIDERS = f"npi,name,fax,street,city,state,zip\n{NPI},Dr. Ada Okonkwo,+1 555 555 0142,,,,\n"
FOLDER = {
    "pharmacy": "",
    "clinic": CLINIC,
    "summaries": SUMMARIES,
    "hl7bridge": ENGINE,
    "destinations__hospital": "",
    "destinations__archive": ARCHIVE,
    "destinations__fax": FAX,
    "affiliates__medstar": MEDSTAR,
}
HEAD = (
    "MSH|^~\\&|EHR|C0107|HUB|HUB|20261119{time}-0500||{type}|{time}-{type}|P|2.5.1\r"
    "EVN||20261119{time}-0500||||20261119094800-0500\r"
    "PID|1||{patient}^^^LANTERN^PI||Núñez^Jane||19480203|F\r"
    f"PD1||||{NPI}^OKONKWO^ADA^^^^MD^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI\r"
    "PV1|1|O|C0107^EXAM1||||1650912233^PRUITT^HANNAH^^^^NP^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"
    "|||MED|||||||||V55^^^LANTERN^VN|||||||||||||||||||||||||20261119090100-0500|20261119094800-0500\r"
)


def visit(event: str, time: str, patient: int = 7) -> bytes:
    return HEAD.format(type=f"ADT^{event}", time=time, patient=patient).encode()


def result(time: str, value: str, status: str = "F", code: str = "4548-4") -> bytes:
    head = HEAD.format(type="ORU^R01", time=time, patient=7).replace("\rEVN||", "\rZVN||")
    return (
        f"{head}ORC|RE\rOBR|1|P1|F{code}^LAB|CHEM2^Chemistry^99LAN|||20261119091700-0500|||||||||||||||20261119{time}-0500|||{status}\r"
        f"OBX|1|NM|{code}^Hemoglobin A1c^LN||{value}|%|4.0-5.6|H|||{status}|||20261119091700-0500\r"
    ).encode()


class Inbox(list[bytes]):
    def __call__(self, payload: bytes) -> str:
        self.append(payload)
        return "AA"


@pytest.fixture
def clinic(site: Site) -> Site:
    def make(*, tables: dict[str, str] | None = None, roster: str = ROSTER, **files: str) -> World:
        world = site(Script(Inbox()), start=False, **(FOLDER | files))
        given = {"rosters/medstar.csv": roster, "tables/providers.csv": PROVIDERS, **(tables or {})}
        for name, text in given.items():
            path = world.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        world.start()
        return world

    return make


def documents(world: World) -> list[Message]:
    inbox = world.hospitals[6701].script.answer
    assert isinstance(inbox, Inbox)
    return [Message(payload) for payload in inbox]


def page(message: Message) -> str:
    value = message.all(b"OBX")[0].field(5).split(b"^")[4]
    return "\n".join(each.extract_text() for each in PdfReader(BytesIO(b64decode(value))).pages)


def faxes(world: World) -> list[str]:
    folder = world.folder.parent / "data" / "outbox"
    found = sorted(folder.glob("*/document.pdf"), key=lambda path: path.stat().st_mtime_ns)
    return ["\n".join(each.extract_text() for each in PdfReader(path).pages) for path in found]


def kinds(world: World) -> list[str]:
    return [f"{m.type_code.decode()}^{m.trigger.decode()}" for m in documents(world)]


def test_a_summary_is_sent_when_the_visit_ends_replaced_by_late_results_and_withdrawn_with_it(
    clinic: Site,
) -> None:
    world = clinic()
    send(world, visit("A04", "090100"))
    world.run(120)
    assert kinds(world) == []
    send(world, visit("A03", "094800"))
    world.run(120)
    assert kinds(world) == ["MDM^T02"]
    [first] = documents(world)
    txa = first.all(b"TXA")[0]
    assert first.receiving_facility == b"medstar"
    assert "Núñez" in page(first)
    assert "No results are given" in page(first)
    assert conformance.check(first) == []
    world.run(3600)
    assert len(kinds(world)) == 1

    send(world, result("101500", "5.9"))
    world.run(120)
    assert kinds(world) == ["MDM^T02", "MDM^T10"]
    second = documents(world)[1]
    assert second.all(b"TXA")[0].field(13) == txa.field(12) != second.all(b"TXA")[0].field(12)
    assert "5.9" in page(second)
    assert "replaces" in page(second).lower()
    assert conformance.check(second) == []

    send(world, visit("A11", "110000"))
    world.run(120)
    assert kinds(world) == ["MDM^T02", "MDM^T10", "MDM^T11"]
    third = documents(world)[2]
    assert third.all(b"TXA")[0].field(12) == second.all(b"TXA")[0].field(12)
    assert conformance.check(third) == []
    assert faxes(world) == [], "an affiliate is told, so nobody else is"


def test_repeats_and_a_restart_send_nothing_twice(clinic: Site) -> None:
    world = clinic()
    history = [visit("A03", "094800"), result("101500", "5.9")]
    send(world, *history)
    world.run(120)
    send(world, *[message.replace(b"2.5.1\r", b"2.5.1||\r") for message in reversed(history)])
    world.run(120)
    world.crash()
    world.start()
    world.run(300)
    assert kinds(world) == ["MDM^T02"]


def test_one_who_is_no_affiliate_gets_a_fax_its_correction_and_its_end(clinic: Site) -> None:
    world = clinic(roster=ROSTER.replace("7,", "9,"))
    send(world, visit("A03", "094800"))
    world.run(120)
    [first] = faxes(world)
    assert "Dr. Ada Okonkwo" in first
    assert "VISIT SUMMARY" in first.upper()
    send(world, result("101500", "5.9"))
    world.run(120)
    assert len(faxes(world)) == 2
    send(world, visit("A11", "110000"))
    world.run(120)
    assert "WITHDRAWN" in faxes(world)[2]
    assert kinds(world) == []
    assert [row.destination for row in deliveries(world)].count("fax") == 3


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"affiliates__medstar": MEDSTAR.replace("summaries: {from: 2026-01-01}\n", "")}, "it wants none"),
        ({"affiliates__medstar": MEDSTAR.replace("from: 2026", "from: 2027")}, "of later visits only"),
        ({"affiliates__medstar": MEDSTAR.replace("clinic: 2014", "clinic: 2027")}, "agreed from later on"),
        ({"roster": ROSTER.replace(",,1", ",2026-11-18,1")}, "no longer on the roster"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_affiliate_that_may_not_have_it_gets_none(clinic: Site, files: dict[str, str], why: str) -> None:
    world = clinic(hl7bridge=ENGINE.replace("providers: {from: 2026", "providers: {from: 2027"), **files)
    send(world, visit("A03", "094800"))
    world.run(120)
    assert kinds(world) == [], why
    assert faxes(world) == []


WITHHELD = {"tables/withheld.csv": "category,system,code\nhiv,LN,68961-2\nhiv,LOCATION,C0107\nother,LN,1\n"}


def test_what_is_withheld_is_not_in_it_and_a_place_that_is_withheld_has_none(clinic: Site) -> None:
    only_results = {"tables/withheld.csv": "category,system,code\nhiv,LN,68961-2\n"}
    world = clinic(tables=only_results, affiliates__medstar=MEDSTAR + "withhold: [hiv]\n")
    send(world, result("091500", "1", code="68961-2"), result("091600", "5.9"), visit("A03", "094800"))
    world.run(120)
    assert kinds(world) == ["MDM^T02"]
    assert "5.9" in page(documents(world)[0])
    assert "68961" not in page(documents(world)[0])


def test_a_visit_at_a_place_that_is_withheld_is_told_to_nobody(clinic: Site) -> None:
    engine = ENGINE.replace("{from: 2026-01-01}", "{from: 2026-01-01, withhold: [hiv]}")
    world = clinic(tables=WITHHELD, affiliates__medstar=MEDSTAR + "withhold: [hiv]\n", hl7bridge=engine)
    send(world, visit("A03", "094800"), visit("A03", "094801", patient=8))
    world.run(120)
    assert kinds(world) == []
    assert faxes(world) == []


def test_medicines_are_in_it_only_where_the_agreement_covers_the_pharmacies(clinic: Site) -> None:
    order = (
        "MSH|^~\\&|RX|S1|HUB|HUB|20261110||RDS^O13^RDS_O13|rx|P|2.5.1\r"
        "PID|1||7^^^LANTERN^PI||Núñez^Jane||19480203|F\rORC|RE||||||^^D30||20261110\r"
        "RXD|1|555^metformin 500 mg^NDC|20261110|60|TAB||RX9|2\r"
    ).encode()
    world = clinic()
    send(world, order, visit("A03", "094800"))
    world.run(120)
    assert "metformin" in page(documents(world)[0])


def test_an_agreement_for_the_clinics_alone_has_none_in_it(clinic: Site) -> None:
    world = clinic(affiliates__medstar=MEDSTAR.replace(", pharmacy: 2016-01-01", ""))
    send(world, visit("A03", "094800"))
    world.run(120)
    assert "not part of this summary" in page(documents(world)[0])


def test_an_affiliate_may_have_it_as_a_result_which_is_corrected(clinic: Site) -> None:
    wish = MEDSTAR.replace("{from: 2026-01-01}", "{from: 2026-01-01, as: ORU}")
    world = clinic(affiliates__medstar=wish)
    send(world, visit("A03", "094800"))
    world.run(120)
    send(world, result("101500", "5.9"))
    world.run(120)
    send(world, visit("A11", "110000"))
    world.run(120)
    assert kinds(world) == ["ORU^R01"] * 3
    assert [m.all(b"OBX")[0].field(11) for m in documents(world)] == [b"F", b"C", b"C"]
    assert len({m.all(b"OBR")[0].field(3) for m in documents(world)}) == 1


def test_a_category_that_providers_shall_not_get_and_that_is_not_known_is_a_mistake(clinic: Site) -> None:
    files = {"hl7bridge.yaml": b"programme:\n  providers: {from: 2026-01-01, withhold: [hvi]}\n"}
    files["tables/withheld.csv"] = b"category,system,code\nhiv,LN,1\n"
    [mistake] = check(files)
    assert mistake.place.startswith("hl7bridge.yaml:2:")
    assert "there is no category 'hvi'" in mistake.what
    assert "hiv" in (mistake.hint or "")


@pytest.mark.parametrize("destination", ["medstar", "fax"])
def test_a_summary_that_waits_does_not_leave_once_its_content_is_withheld(
    clinic: Site, destination: str
) -> None:
    table = {"tables/withheld.csv": "category,system,code\nhiv,LN,68961-2\n"}
    mine = ROSTER if destination == "medstar" else ROSTER.replace("7,", "9,")
    world = clinic(tables=table, roster=mine, affiliates__medstar=MEDSTAR)
    act(world, "hold", destination)
    send(world, result("091500", "1", code="68961-2"), visit("A03", "094800"))
    world.run(120)
    if destination == "medstar":
        (world.folder / "affiliates/medstar.yaml").write_text(MEDSTAR + "withhold: [hiv]\n")
    else:
        text = ENGINE.replace("{from: 2026-01-01}", "{from: 2026-01-01, withhold: [hiv]}")
        (world.folder / "hl7bridge.yaml").write_text(text)
    assert world.engine is not None
    list(world.engine.reload())
    act(world, "release", destination)
    world.run(30)
    [row] = [row for row in deliveries(world) if row.destination == destination]
    assert (row.status.name, row.reason) == (
        "CANCELLED",
        "withheld: it was composed before the rules of what is withheld changed",
    )
    assert documents(world) == faxes(world) == []


def test_a_summary_that_waits_leaves_after_a_reload_that_is_about_something_else(clinic: Site) -> None:
    world = clinic(tables=WITHHELD, affiliates__medstar=MEDSTAR + "withhold: [other]\n")
    act(world, "hold", "medstar")
    send(world, visit("A03", "094800"))
    world.run(120)
    (world.folder / "clinic.yaml").write_text(CLINIC + "# a remark\n")
    assert world.engine is not None
    list(world.engine.reload())
    act(world, "release", "medstar")
    world.run(30)
    assert kinds(world) == ["MDM^T02"]


def test_who_has_a_summary_by_fax_gets_its_correction_though_an_affiliate_is_told_by_then(
    clinic: Site,
) -> None:
    world = clinic(roster=ROSTER.replace("7,", "9,"))
    send(world, visit("A03", "094800"))
    world.run(120)
    (world.folder / "rosters/medstar.csv").write_text(
        ROSTER + ROSTER.split("\n")[1].replace("7,", "9,") + "\n"
    )
    assert world.engine is not None
    list(world.engine.reload())
    send(world, result("101500", "5.9"))
    world.run(120)
    assert kinds(world) == ["MDM^T02"]
    assert [("5.9" in fax) for fax in faxes(world)] == [False, True]

"""The programme at work: messages come, days go by, and hospitals are told once what they must know, and not what they must not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from hl7bridge.engine.operating.replay import Order, Replaying
from hl7bridge.hl7 import conformance
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import MessageQuery
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import World
from tests.engine.site import act, deliveries, statuses

Site = Callable[..., World]
TODAY = date(2026, 11, 21)
PHARMACY = """channel: pharmacy
source: {mllp: {port: 2575}}
programme:
  days_supply: ORC-7.3
  sold: {FT1: present}
send_to: [archive]
"""
ALERTS = """channel: alerts
source: programme
accept: [ORU^R01]
map:
  - MSH-5: EPIC
send_to: [affiliates: pharmacy]
"""
ENGINE = "programme: {settle: 1m}\n"
ARCHIVE = "destination: archive\nsend: {file: {folder: archive}}\n"
MEDSTAR = """affiliate: medstar
agreement: {pharmacy: 2016-01-01}
identifiers: {authority: MEDSTAR, type: MR}
roster: rosters/medstar.csv
alerts_from: 2026-06-01
send: {mllp: {host: 127.0.0.1, port: 6701}, timeout: 5s}
retry: {first: 1s, factor: 2, most: 10s, jitter: 0%, give_up: 9d}
alerts: {kinds: [not-picked-up, refill-late, adherence-falling]}
"""
ROSTER = "id,authority,type,from,through,npi\n7,RETAIL,PI,2026-01-01,,1234567893\n"
FOLDER = {
    "pharmacy": PHARMACY,
    "alerts": ALERTS,
    "hl7bridge": ENGINE,
    "destinations__hospital": "",
    "destinations__archive": ARCHIVE,
    "affiliates__medstar": MEDSTAR,
}


def dispense(
    number: int,
    filled: date,
    *,
    event: str = "filled",
    on: date | None = None,
    patient: str = "7^^^RETAIL^PI~R1^^^RUSH^MR",
    medicine: str = "555^metformin^NDC",
    days: int = 30,
) -> bytes:
    """What a pharmacy says of fill `number` of one prescription."""
    when = (on or filled).strftime("%Y%m%d")
    control = "CA" if event == "returned" else "RE"
    text = (
        f"MSH|^~\\&|RX|S1|HUB|HUB|{when}1200||RDS^O13^RDS_O13|{number}-{event}-{when}|P|2.5.1\r"
        f"PID|1||{patient}||DOE^JANE||19480203|F\r"
        f"ORC|{control}||||||1^BID^D{days}||{when}\r"
        f"RXD|{number}|{medicine}|{filled:%Y%m%d}|60|TAB||RX9|2\r"
    )
    return (text + (f"FT1|1|||{when}\r" if event == "sold" else "")).encode()


class Inbox(list[bytes]):
    """A hospital that files everything it gets; for a Script's `answer`."""

    def __call__(self, payload: bytes) -> str:
        self.append(payload)
        return "AA"


@pytest.fixture
def programme(site: Site, tmp_path: object) -> Site:
    """A site with one affiliate, whose roster holds patient 7."""

    def make(*, roster: str = ROSTER, withheld: str = "", **files: str) -> World:
        world = site(Script(Inbox()), start=False, **(FOLDER | files))
        for name, text in {
            "rosters/medstar.csv": roster,
            "tables/medicines.csv": "code,system,ingredients\n555,NDC,6809\n",
            "tables/ingredients.csv": "rxcui,name,classes\n6809,metformin,diabetes\n",
            **({"tables/withheld.csv": withheld} if withheld else {}),
        }.items():
            path = world.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        world.start()
        return world

    return make


def send(world: World, *messages: bytes) -> None:
    client = world.client(2575)
    client.send(*messages)
    assert world.run(5, lambda: len(client.answers) == len(messages))
    assert set(client.codes) == {"AA"}


def told(world: World) -> list[Message]:
    """The alerts that the hospital has got, in their order."""
    inbox = world.hospitals[6701].script.answer
    assert isinstance(inbox, Inbox)
    return [Message(payload) for payload in inbox]


def texts(world: World) -> list[tuple[str, str]]:
    """(OBX-11, the kind) of each."""
    found = []
    for message in told(world):
        obx = message.all(b"OBX")[0]
        found.append((obx.field(11).decode(), obx.field(3).split(b"^")[0].decode()))
    return found


def days_ago(days: int) -> date:
    return TODAY - timedelta(days)


def test_a_fill_that_is_not_picked_up_is_told_once_and_taken_back_when_it_is(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert texts(world) == [("F", "not-picked-up")]
    [alert] = told(world)
    assert alert.receiving_application == b"EPIC", "it is mapped like any message"
    obr, obx, orc = alert.all(b"OBR")[0], alert.all(b"OBX")[0], alert.all(b"ORC")[0]
    assert obr.field(16).startswith(b"1234567893^")
    assert orc.field(12) == obr.field(16)
    assert (obx.field(8), obr.field(25), obr.field(7)) == (b"A", b"F", b"20261120")
    assert b"filled on 2026-11-06, ready for 14 days and not sold" in obx.field(5)
    assert b"elsewhere" in obx.field(5)
    assert alert.all(b"PID")[0].field(3) == b"7^^^RETAIL^PI~R1^^^RUSH^MR"
    assert conformance.check(alert) == []

    world.run(3600)
    assert len(told(world)) == 1
    send(world, dispense(1, days_ago(15), event="sold", on=TODAY))
    world.run(300)
    assert texts(world) == [("F", "not-picked-up"), ("C", "not-picked-up")]
    back = told(world)[1]
    assert back.all(b"OBR")[0].field(3) == obr.field(3)
    assert back.all(b"OBR")[0].field(25) == b"C"
    assert [o.field(n) for o in back.all(b"OBX")[:1] for n in (3, 4)] == [obx.field(3), obx.field(4)]
    assert b"Picked up on 2026-11-21" in back.all(b"OBX")[0].field(5)
    assert conformance.check(back) == []
    world.run(3600)
    assert len(told(world)) == 2


def test_what_is_in_force_again_is_told_anew_under_a_name_of_its_own(programme: Site) -> None:
    world = programme()
    filled = days_ago(20)
    send(world, dispense(1, filled))
    world.run(300)
    send(world, dispense(1, filled, event="sold", on=days_ago(3)))
    world.run(300)
    send(world, dispense(1, filled, event="returned", on=days_ago(1)))
    world.run(300)
    assert [status for status, _ in texts(world)] == ["F", "C", "F"]
    names = [message.all(b"OBR")[0].field(3) for message in told(world)]
    assert names[0] == names[1] != names[2]
    assert len({message.control_id for message in told(world)}) == 3


@pytest.mark.parametrize("order", ["as it happened", "backwards", "twice and shuffled"])
def test_any_order_and_repetition_leaves_the_same_in_force(programme: Site, order: str) -> None:
    history = [
        dispense(1, days_ago(100), event="sold"),
        dispense(2, days_ago(60), event="sold"),
        dispense(3, days_ago(15)),
        dispense(4, days_ago(13)),
        dispense(4, days_ago(13), event="returned", on=days_ago(1)),
    ]
    if order == "backwards":
        history.reverse()
    elif order == "twice and shuffled":
        history += [message.replace(b"2.5.1\r", b"2.5.1||\r") for message in history]
        random.Random(5).shuffle(history)
    world = programme()
    for message in history:
        send(world, message)
        world.run(100)
    in_force: dict[bytes, tuple[str, bytes]] = {}
    for message, (status, kind) in zip(told(world), texts(world), strict=True):
        name = message.all(b"OBR")[0].field(3)
        assert (name in in_force) == (status == "C"), "told once, taken back at most once"
        if status == "C":
            del in_force[name]
        else:
            in_force[name] = kind, message.all(b"OBR")[0].field(7)
    assert sorted(in_force.values()) == [
        ("adherence-falling", b"20261111"),
        ("not-picked-up", b"20261120"),
        ("not-picked-up", b"20261120"),
        ("refill-late", b"20261026"),
    ]


def test_a_deadline_that_fell_due_while_nobody_was_here_is_decided_by_what_is_known_afterwards(
    programme: Site,
) -> None:
    world = programme()
    send(world, dispense(1, TODAY), dispense(2, TODAY, patient="8^^^RETAIL^PI"))
    world.run(300)
    assert told(world) == []
    world.crash()
    world.days = 20
    world.start()
    # The store's feed was held up too; its message comes before the engine looks.
    send(world, dispense(1, TODAY, event="sold", on=TODAY + timedelta(2)))
    world.run(300)
    assert told(world) == []


def test_a_deadline_is_kept_over_an_outage(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, TODAY))
    world.run(300)
    world.crash()
    world.days = 20
    world.start()
    world.run(30)
    assert told(world) == [], "it waits for what was held up"
    world.run(300)
    assert texts(world) == [("F", "not-picked-up")]
    world.crash()
    world.start()
    world.run(300)
    assert len(told(world)) == 1


def test_an_alert_that_is_over_before_it_could_leave_reaches_nobody(programme: Site) -> None:
    world = programme()
    act(world, "hold", "medstar")
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    send(world, dispense(1, days_ago(15), event="sold", on=TODAY))
    world.run(300)
    act(world, "release", "medstar")
    world.run(60)
    assert told(world) == []
    [row] = [row for row in deliveries(world) if row.destination == "medstar"]
    assert (row.status.name, row.reason) == (
        "CANCELLED",
        "taken back before it left: what it says no longer holds",
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"affiliates__medstar": MEDSTAR.replace("alerts_from: 2026-06-01\n", "")},
            "alerts nobody asked for",
        ),
        ({"affiliates__medstar": MEDSTAR.replace("2026-06-01", "2026-11-21")}, "history before alerts_from"),
        ({"affiliates__medstar": MEDSTAR.replace("2016-01-01", "2026-11-21")}, "the agreement began later"),
        ({"affiliates__medstar": MEDSTAR.replace("not-picked-up, ", "")}, "a kind that is not wanted"),
        ({"alerts": ""}, "nobody listens to the programme"),
        ({"roster": ROSTER.replace(",,1234567893", ",2026-11-19,1234567893")}, "no longer on the roster"),
        ({"roster": ROSTER.replace("2026-01-01", "2026-11-21")}, "on the roster since today"),
        ({"roster": ROSTER.replace("7,RETAIL", "9,RETAIL")}, "not on the roster"),
        ({"roster": ROSTER.replace("npi\n", "npi,opt_out\n").replace("93\n", "93,yes\n")}, "opted out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nobody_is_told_what_is_not_theirs(programme: Site, change: dict[str, str], why: str) -> None:
    world = programme(**change)
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    assert told(world) == [], why
    assert [row.source for row in world.store.messages(MessageQuery(source="programme"))] == []


def test_a_fault_of_the_channel_costs_one_message_and_is_not_tried_again_and_again(programme: Site) -> None:
    broken = ALERTS.replace("  - MSH-5: EPIC\n", "  - MSH-5: {from: ZZZ-1, else: error}\n")
    world = programme(alerts=broken, roster=ROSTER + "8,RETAIL,PI,2026-01-01,,1234567893\n")
    send(world, dispense(1, days_ago(15)), dispense(2, days_ago(15), patient="8^^^RETAIL^PI"))
    world.run(600)
    rows = world.store.messages(MessageQuery(source="programme"))
    assert [row.status.name for row in rows] == ["ERROR", "ERROR"]


def test_a_patient_without_a_name_has_numbers(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)).replace(b"||DOE^JANE||19480203|F", b""))
    world.run(300)
    assert told(world)[0].all(b"PID")[0].field(3).startswith(b"7^^^RETAIL^PI")


def test_an_alert_that_an_opt_out_kept_back_is_told_when_the_patient_opts_in_again(programme: Site) -> None:
    out = ROSTER.replace("npi\n", "npi,opt_out\n").replace("93\n", "93,{}\n")
    world = programme(roster=out.format(""))
    act(world, "hold", "medstar")
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    roster = world.folder / "rosters" / "medstar.csv"
    assert world.engine is not None
    roster.write_text(out.format("yes"))
    list(world.engine.reload())
    act(world, "release", "medstar")
    world.run(300)
    assert told(world) == []
    roster.write_text(out.format(""))
    list(world.engine.reload())
    send(world, dispense(2, days_ago(3)))
    world.run(300)
    assert texts(world) == [("F", "not-picked-up")]
    world.run(3600)
    send(world, dispense(3, days_ago(2)))
    world.run(300)
    assert len(told(world)) == 1, "and once"


WITHHELD = MEDSTAR + "withhold: [metabolic]\n"


@pytest.mark.parametrize(
    "row", ["metabolic,NDC,555", "metabolic,RXNORM,6809", "metabolic,CLASS,diabetes", "metabolic,AGE,99"]
)
def test_no_alert_gives_away_a_medicine_that_is_withheld(programme: Site, row: str) -> None:
    world = programme(affiliates__medstar=WITHHELD, withheld=f"category,system,code\n{row}\n")
    send(
        world,
        dispense(1, days_ago(120), event="sold"),
        dispense(2, days_ago(60), event="sold"),
        dispense(3, days_ago(15)),
    )
    world.run(300)
    assert told(world) == []
    assert world.store.messages(MessageQuery(source="programme")) == []


DEATH = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121||ADT^A08|death|P|2.5.1\rEVN||20261121\r"
    b"PID|1||7^^^RETAIL^PI||DOE^JANE||19480203|F|||||||||||||||||||||20261101|Y\r"
)


def test_none_is_told_after_death_nor_taken_back(programme: Site) -> None:
    world = programme()
    send(world, DEATH, dispense(1, days_ago(15)))
    world.run(300)
    assert told(world) == []


def test_an_alert_of_one_who_died_since_stays_as_it_is(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    send(world, DEATH, dispense(1, days_ago(15), event="returned", on=TODAY))
    world.run(300)
    assert texts(world) == [("F", "not-picked-up")]


def test_an_unknown_days_supply_alerts_nobody(programme: Site) -> None:
    world = programme()
    for number, day in enumerate((200, 150, 100), 1):
        message = dispense(number, days_ago(day), event="sold").replace(b"^D30", b"")
        send(world, message)
    world.run(300)
    assert told(world) == []


MERGE = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121||ADT^A40^ADT_A39|merge|P|2.5.1\rEVN||20261121\r"
    b"PID|1||7^^^RETAIL^PI||DOE^JANE||19480203|F\rMRG|8^^^RETAIL^PI\r"
)


def test_a_merge_sends_nothing_twice_and_a_late_message_with_the_old_number_counts(programme: Site) -> None:
    both = ROSTER + "8,RETAIL,PI,2026-01-01,,1234567893\n"
    world = programme(roster=both)
    old = "8^^^RETAIL^PI"
    send(world, dispense(1, days_ago(15)), dispense(2, days_ago(16), patient=old))
    world.run(300)
    assert [status for status, _ in texts(world)] == ["F", "F"]
    send(world, MERGE)
    world.run(300)
    assert len(told(world)) == 2
    send(world, dispense(2, days_ago(16), event="sold", on=TODAY, patient=old))
    world.run(300)
    # Sold under the old number: the same medicine is at home, so the other fill waits for nobody either.
    assert [status for status, _ in texts(world)] == ["F", "F", "C", "C"]
    assert {m.all(b"PID")[0].field(3).split(b"~")[0] for m in told(world)[2:]} == {
        b"7^^^RETAIL^PI",
        b"8^^^RETAIL^PI",
    }, "each is taken back under the number under which it was told"


def test_one_who_is_held_for_a_person_is_told_of_to_nobody(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)).replace(b"19480203", b"19990101"), dispense(2, days_ago(15)))
    world.run(300)
    assert told(world) == []


def test_an_alert_is_a_message_like_any_other_and_can_be_shown_and_replayed(programme: Site) -> None:
    world = programme()
    send(world, dispense(1, days_ago(15)))
    world.run(300)
    [row] = world.store.messages(MessageQuery(source="programme"))
    assert (row.type, row.status.name, row.event_date) == ("ORU^R01", "RECEIVED", 20261120)
    assert statuses(world).count("SENT") == 2
    order = Order("nurse", query=MessageQuery(source="programme"))
    for _ in Replaying(world.engine).from_store(order):
        world.run(1)
    world.run(60)
    assert texts(world) == [("F", "not-picked-up")] * 2, "an operator may send it again"
    assert told(world)[0].control_id == told(world)[1].control_id

"""A hospital's own feed keeps its affiliate's list of patients up."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import MessageQuery
from hl7bridge.testing.world import World
from tests.engine.site import act, deliveries, order

Site = Callable[..., World]
AFFILIATE = """affiliate: rush
agreement: {pharmacy: 2016-01-01}
IDENTIFIERS
roster: rosters/rush.csv
send: {mllp: {host: 127.0.0.1, port: 6701}}
"""
CHANNEL = (
    "channel: pharmacy\nsource: {mllp: {port: 2575}}\naccept: [RDE^O11]\nsend_to: [affiliates: pharmacy]\n"
)
HOSPITAL = """channel: hospital
source: {mllp: {port: 2576}}
accept: ['ADT^*']
filter: {MSH-11: P}
programme:
  roster: {affiliate: rush, ended: {PV1-18: LEFT}}
send_to: [archive]
"""
NUMBERS = count(1)


@pytest.fixture
def rush(site: Site) -> Callable[..., World]:
    def make(identifiers: str = "", roster: str = "1,RETAIL,,,\n") -> World:
        world = site(
            pharmacy=CHANNEL,
            hospital=HOSPITAL,
            destinations__hospital="",
            destinations__archive="destination: archive\nsend: {file: {folder: archive}}\n",
            affiliates__rush=AFFILIATE.replace("IDENTIFIERS\n", identifiers),
            start=False,
        )
        path = world.folder / "rosters" / "rush.csv"
        path.parent.mkdir()
        path.write_text("id,authority,from,through,opt_out\n" + roster)
        world.start()
        return world

    return make


def tell(world: World, trigger: str, numbers: str, day: str, more: str = "", processing: str = "P") -> None:
    client = world.client(2576)
    client.send(
        f"MSH|^~\\&|EHR|RUSH|HUB|HUB|{day}1200||ADT^{trigger}|H{next(NUMBERS)}|{processing}|2.5.1\r"
        f"EVN||{day}\rPID|1||{numbers}||DOE^JANE\r{more}".encode()
    )
    assert world.run(5, lambda: bool(client.answers))
    assert client.codes == ["AA"]


def gets(world: World, patient: int) -> bool:
    """Whether a message of today about this patient is for the hospital."""
    client = world.client(2575)
    client.send(order(next(NUMBERS), patient))
    assert world.run(5, lambda: bool(client.answers))
    newest = world.store.messages(MessageQuery(), None, 1)[0]
    return bool(world.store.message(newest.id).deliveries)


@pytest.mark.parametrize("trigger", ["A01", "A28", "A31"])
def test_whom_the_hospital_names_is_on_its_list_from_that_day(
    rush: Callable[..., World], trigger: str
) -> None:
    world = rush()
    assert (gets(world, 1), gets(world, 7)) == (True, False)
    provider = "PD1||||99^X~1234567893^DOC^A^^^^^^&2.16.840.1.113883.4.6&ISO\r"
    tell(world, trigger, "7^^^RETAIL^PI", "20261101", provider)
    assert gets(world, 7)
    [row] = world.store.roster_rows([world.engine.hashes.patient(b"RETAIL", b"7")])
    assert (row.valid_from, row.valid_through, row.npi) == (20261101, None, "1234567893")
    world.crash()
    world.start()
    assert gets(world, 7), "it counts with the message, and a restart does not take the list as it was"


def test_what_is_no_word_about_the_list_changes_nothing(rush: Callable[..., World]) -> None:
    world = rush()
    tell(world, "A08", "7^^^RETAIL^PI", "20261101")
    tell(world, "A31", "7^^^RETAIL^PI", "20261101", processing="T")
    tell(world, "A31", "7^^^RETAIL^PI", "20261122")
    assert not gets(world, 7), "filtered, or from a later day on"


def test_only_the_affiliates_own_numbers_count_where_it_names_them(rush: Callable[..., World]) -> None:
    world = rush("identifiers: {authority: RUSH, type: MR}\n")
    tell(world, "A28", "7^^^RETAIL^PI~R1^^^RUSH^MR", "20261101")
    assert not gets(world, 7)
    assert world.store.roster_rows([world.engine.hashes.patient(b"RUSH", b"R1")])


def test_an_opt_out_stays_an_opt_out(rush: Callable[..., World]) -> None:
    world = rush(roster="7,RETAIL,,,yes\n")
    tell(world, "A31", "7^^^RETAIL^PI", "20261101", "PD1||||1234567893\r")
    assert not gets(world, 7)


def test_an_end_counts_from_the_next_day_and_cancels_what_waits(rush: Callable[..., World]) -> None:
    world = rush()
    act(world, "hold", "rush")
    assert gets(world, 1)
    tell(world, "A08", "1^^^RETAIL^PI", "20261121", "PV1||O||||||||||||||||LEFT\r")
    world.run(5)
    assert [row.status.name for row in deliveries(world) if row.destination == "rush"] == ["QUEUED"]
    tell(world, "A08", "1^^^RETAIL^PI", "20261120", "PV1||O||||||||||||||||LEFT\r")
    world.run(5)
    [row] = [row for row in deliveries(world) if row.destination == "rush"]
    assert (row.status.name, row.reason) == ("CANCELLED", "not on the roster on the event's date")
    assert not gets(world, 1)


def test_a_list_of_nobody_is_a_mistake(rush: Callable[..., World]) -> None:
    world = rush()
    (world.folder / "hospital.yaml").write_text(HOSPITAL.replace("affiliate: rush", "affiliate: rusch"))
    with pytest.raises(HL7BridgeError) as refused:
        list(world.engine.reload())
    assert "there is no affiliate 'rusch'" in str(refused.value.mistakes[0])
    assert "rush" in str(refused.value.mistakes[0].hint)

"""`hl7bridge reconcile` on stores that an engine has filled: the sums add up, and the hospital's list is compared."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.engine.operating.replay import Order, Replaying, run_steps
from hl7bridge.places import STORE
from hl7bridge.reconciliation.ends import NO_ROUTE
from hl7bridge.store.base import MessageQuery
from hl7bridge.testing.world import write_folder
from tests.stored import Stored

CHANNEL = (
    "channel: pharmacy\nsource: {mllp: {port: 2575}}\naccept: [RDE^O11]\n"
    "filter: {MSH-4: {not: S9}}\nsend_to: [rush]\n"
)
RUSH = "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n"
FILES = {"pharmacy.yaml": CHANNEL, "destinations/rush.yaml": RUSH}
TABLES = {
    "tables/stores.csv": "code,value\nS1,ONE\n",
    "tables/withheld.csv": "category,system,code\nhiv,NDC,55\n",
    "rosters/rush.csv": "id,authority,from,through,npi,opt_out\n0,RETAIL,,,,\n1,RETAIL,,,,\n",
}
AFFILIATE = (
    "affiliate: rush\nagreement: {pharmacy: 2026-01-01}\nroster: rosters/rush.csv\nwithhold: [hiv]\n"
    "send: {mllp: {host: 127.0.0.1, port: 6701}}\n"
)
#: The day of the memory network's clock.
DAY = "2026-11-21"


def message(number: int, store: str = "S1", orders: int = 1) -> bytes:
    runs = "".join(f"ORC|NW|{number}{each}\rRXE|1|55^m^NDC|1||TAB\r" for each in range(orders))
    return (
        f"MSH|^~\\&|RX|{store}|HUB|HUB|20261121120000||RDE^O11^RDE_O11|C{number:03d}|P|2.5.1\r"
        f"PID|1||{number}^^^RETAIL^PI||SECRETNAME^JANE\r{runs}"
    ).encode()


class Day(Stored):
    """An engine's day, and the command on what it left."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        super().__init__(folder, {**files, **TABLES})
        self.hospital = self.world.hospital(6701)
        self.world.start()

    def replays(self, **given: Any) -> None:
        ended: list[Any] = []
        assert self.world.engine is not None
        steps = Replaying(self.world.engine).from_store(Order("sue", **given))
        run_steps(steps, self.world.engine.clock, 0, lambda step: None, ended.append)
        assert self.world.run(600, lambda: bool(ended) and self.world.settled())
        assert ended == [None]

    def runs(self, *arguments: object, day: str = DAY, zone: str = "UTC") -> Result:
        result = self.command("reconcile", "rush", "--day", day, "--zone", zone, *arguments)
        assert "SECRETNAME" not in result.output
        return result

    def list(self, text: str | bytes, name: str = "theirs.txt") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


def _files(given: dict[str, str]) -> dict[str, str]:
    """The usual ones, and those by names like `affiliates__rush`; an empty text takes one away."""
    files = {**FILES, **{f"{name.replace('__', '/')}.yaml": text for name, text in given.items()}}
    return {name: text for name, text in files.items() if text}


NewDay = Callable[..., Day]


@pytest.fixture
def new_day(tmp_path: Path) -> NewDay:
    return lambda **files: Day(tmp_path, _files(files))


def plain(result: Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return lines[0], lines[1:]


def ends(sums: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in sums["ends"]:
        found[each["end"]] = found.get(each["end"], 0) + each["messages"]
    return found


def test_a_day_adds_up_and_their_list_agrees(new_day: NewDay) -> None:
    day = new_day()
    day.receives(*map(message, range(5)), message(5, "S9"), message(2))
    theirs = day.list("﻿Control ID\n" + "".join(f'"C{number:03d}"\n' for number in range(5)))
    result = day.runs("--their-list", theirs)
    assert result.exit_code == 0, result.output
    assert "the sums agree: every message has its end; 5 deliveries accepted" in result.stdout
    assert "nothing needs a look; their list has 5 control IDs, and agrees" in result.stdout
    assert "filtered" in result.stdout
    assert "pharmacy.yaml:4" in result.stdout
    sums, found = plain(day.runs("--json", "--their-list", theirs))
    assert ends(sums) == {"delivered": 5, "filtered": 1}
    assert [sums[name] for name in ("received", "repeated_by_sender", "to_account_for")] == [7, 1, 6]
    assert found == []


def test_what_they_lack_have_twice_and_have_of_nobody(new_day: NewDay) -> None:
    day = new_day()
    day.receives(*map(message, range(4)))
    theirs = day.list("when;msg\n09:00;C000\n09:01;C002\n09:02;C002\n09:03;C900\n09:04;C003\n", "theirs.csv")
    result = day.runs("--their-list", theirs, "--column", "MSG", "--json")
    assert result.exit_code == 1
    _, found = plain(result)
    assert [(each["finding"], each["sent_control_id"]) for each in found] == [
        ("they lack", "C001"),
        ("they have twice", "C002"),
        ("we did not send", "C900"),
    ]
    assert found[1]["why"] == "2 times from line 3; we sent it once"
    several = day.runs("--their-list", theirs)
    assert several.exit_code == 2
    assert "--column: when, msg" in several.output
    assert "no column nr" in day.runs("--their-list", theirs, "--column", "nr").output
    assert plain(day.runs("--their-list", theirs, "--column", "2", "--json"))[1] == [
        *found,
    ]


def test_failed_queued_and_withheld_need_a_look_unless_expected(new_day: NewDay) -> None:
    day = new_day()
    day.hospital.script.answer = lambda raw: "AR" if b"|C000|" in raw else "AE" if b"|C001|" in raw else "AA"
    day.receives(*map(message, range(3)), seconds=30)
    theirs = day.list("C000\nC001\nC002\n")
    result = day.runs("--their-list", theirs)
    assert result.exit_code == 1
    assert "4 findings; their list has 3 control IDs" in result.stdout
    sums, found = plain(day.runs("--json"))
    assert ends(sums) == {"failed": 1, "still queued": 1, "delivered": 1}
    assert [(each["finding"], each["control_id"]) for each in found] == [
        ("failed", "C000"),
        ("still queued", "C001"),
    ]
    assert day.runs("--expect", "failed", "--expect", "queued").exit_code == 0
    _, found = plain(day.runs("--json", "--their-list", theirs, "--expect", "failed", "--expect", "queued"))
    assert [each["finding"] for each in found if each["needs_a_look"]] == [
        "they have, and we know of no acceptance"
    ] * 2


def test_what_is_withheld_needs_a_look_and_who_is_on_no_roster_does_not(new_day: NewDay) -> None:
    day = new_day(
        pharmacy=CHANNEL.replace("[rush]", "[affiliates: pharmacy]"),
        destinations__rush="",
        affiliates__rush=AFFILIATE,
    )
    day.receives(message(0), message(1).replace(b"|55^m^NDC", b"|7^m^NDC"), message(2))
    sums, found = plain(day.runs("--json"))
    assert ends(sums) == {"withheld": 1, "delivered": 1, "filtered": 1}
    assert [each["reason"] for each in sums["ends"] if each["end"] == "filtered"] == [NO_ROUTE]
    assert [(each["finding"], each["control_id"], each["why"]) for each in found] == [
        ("withheld", "C000", "hiv")
    ]
    assert day.runs("--expect", "withheld").exit_code == 0


def test_one_original_delivered_by_a_replay_counts_once(new_day: NewDay) -> None:
    day = new_day()
    answers = iter(["AR"])
    day.hospital.script.answer = lambda raw: next(answers, "AA")
    day.receives(message(0), message(1))
    day.replays()
    theirs = day.list("C000\nC001\nC001\n")
    sums, found = plain(day.runs("--json", "--their-list", theirs))
    assert ends(sums) == {"delivered": 2}
    assert (sums["received"], sums["replays"], sums["accepted"], sums["agree"]) == (2, 2, 3, True)
    assert [each["finding"] for each in found] == ["they have twice"]
    assert "we sent it 2 times (replay " in found[0]["why"]


def test_a_replay_under_another_control_id_is_linked_by_its_place(new_day: NewDay) -> None:
    day = new_day()
    answers = iter(["AR"])
    day.hospital.script.answer = lambda raw: next(answers, "AA")
    day.receives(message(0))
    write_folder(day.folder / "config", {"destinations/rush.yaml": RUSH + "control_id: own\n"})
    assert day.world.engine is not None
    for _ in day.world.engine.reload():
        pass
    day.replays()
    sums, found = plain(day.runs("--json"))
    assert (ends(sums), found) == ({"delivered": 1}, [])
    assert [each["deliveries"] for each in sums["ends"]] == [1]


@settings(max_examples=15, deadline=None)
@given(
    codes=st.lists(st.sampled_from(["AA", "AE", "AR", "close"]), min_size=1, max_size=8),
    sent=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["S1", "S9"])), min_size=1, max_size=10),
    replayed=st.integers(0, 2),
)
def test_whatever_the_hospital_does_the_sums_agree_and_its_own_log_is_no_surprise(
    tmp_path_factory: pytest.TempPathFactory, codes: list[str], sent: list[tuple[int, str]], replayed: int
) -> None:
    day = Day(tmp_path_factory.mktemp("day"), FILES)
    answers = iter(codes)
    day.hospital.script.answer = lambda raw: next(answers, "AA")
    day.receives(*(message(number, store) for number, store in sent))
    for _ in range(replayed):
        day.replays()
    accepted = [control_id for control_id, code in day.world.ledger.delivered[6701] if code == "AA"]
    theirs = day.list("\n".join(dict.fromkeys(accepted)))
    sums, found = plain(day.runs("--json", "--their-list", theirs))
    assert sums["agree"]
    assert sums["received"] == len(sent)
    assert sum(ends(sums).values()) == sums["to_account_for"] == len({*sent})
    assert not {"the books differ", "we did not send", "they have twice"} & {
        each["finding"] for each in found
    }


def test_a_lost_answer_is_a_possible_duplicate(new_day: NewDay) -> None:
    day = new_day()
    day.hospital.script.answer = lambda raw: "close" if day.hospital.count == 1 else "AA"
    day.receives(message(0))
    _, found = plain(day.runs("--json", "--their-list", day.list("C000\nC000\n")))
    assert [each["finding"] for each in found] == ["they have twice"]
    assert "possible duplicate" in found[0]["why"]


def test_own_control_ids_and_split_messages_are_compared_as_they_were_sent(new_day: NewDay) -> None:
    day = new_day(
        pharmacy=CHANNEL.replace("send_to", "split: {each: ORC}\nsend_to"),
        destinations__rush=RUSH + "control_id: own\n",
    )
    refused: list[bytes] = []

    def answer(raw: bytes) -> str:
        if b"ORC|NW|11\r" in raw and not refused:
            refused.append(raw)
            return "AR"
        return "AA"

    day.hospital.script.answer = answer
    day.receives(message(0), message(1, orders=3))
    first = day.world.store.messages(MessageQuery(control_id="C001"))[0]
    sent = [line.decode() for line in _ids(day)]
    day.replays(query=MessageQuery(control_id="C001"))
    sent = [line.decode() for line in _ids(day)]
    theirs = day.list("\n".join(sent))
    sums, found = plain(day.runs("--json", "--their-list", theirs))
    assert ends(sums) == {"delivered": 2}
    assert sum(each["deliveries"] for each in sums["ends"]) == 4
    assert len(set(sent)) == 1 + 3 + 3
    # Only what was refused at first is theirs without an acceptance of ours.
    assert [each["finding"] for each in found] == ["they have, and we know of no acceptance"]
    assert found[0]["message"] == first.id


def _ids(day: Day) -> list[bytes]:
    return [control_id.encode() for control_id, _ in day.world.ledger.delivered[6701]]


def test_what_was_received_before_midnight_belongs_into_the_list_of_the_day_of_its_acceptance(
    new_day: NewDay,
) -> None:
    day = new_day()
    day.hospital.script.answer = lambda raw: (
        "AE" if day.world.wall_us() < 1_795_262_400_000_000 + 13 * 3600 * 1_000_000 else "AA"
    )
    day.receives(message(0), seconds=14 * 3600)
    before = plain(day.runs("--json", "--their-list", day.list("")))
    assert (before[0]["accepted"], before[1]) == (0, [])
    sums, found = plain(day.runs("--json", "--their-list", day.list(""), day="2026-11-22"))
    assert (sums["received"], sums["of_other_days"], sums["accepted"]) == (0, 1, 1)
    assert [(each["finding"], each["sent_control_id"]) for each in found] == [("they lack", "C000")]
    assert day.runs("--their-list", day.list("C000"), day="2026-11-22").exit_code == 0
    _, found = plain(day.runs("--json", "--their-list", day.list("C000"), day="2026-11-20"))
    assert [(each["finding"], each["needs_a_look"]) for each in found] == [("of another day", False)]


def test_the_day_is_of_the_zone_that_is_asked_for(new_day: NewDay) -> None:
    day = new_day(hl7bridge="programme: {zone: Pacific/Kiritimati}\n")
    day.receives(message(0))
    assert ends(plain(day.runs("--json"))[0]) == {"delivered": 1}
    # Noon in UTC is the next day's beginning there.
    result = day.command("reconcile", "rush", "--day", "2026-11-22")
    assert "Pacific/Kiritimati, the configuration's" in result.output
    assert "delivered" in result.output
    assert "no time zone" in day.runs(zone="Mars/Base").output


def test_a_message_whose_sender_heard_an_error_and_sent_it_again_counts_once(new_day: NewDay) -> None:
    day = new_day(
        pharmacy=CHANNEL.replace(
            "send_to", "map: [{MSH-4.1: {from: MSH-4.1, table: stores, else: error}}]\nsend_to"
        )
    )
    client = day.world.client(2575)
    for each in (message(0, "S2"), message(0, "S2"), message(1, "S2"), message(0)):
        client.send(each)
        day.world.run(5)
    assert client.codes == ["AE", "AE", "AE", "AA"]
    sums, found = plain(day.runs("--json"))
    assert [sums[name] for name in ("received", "sent_again_by_sender", "to_account_for")] == [4, 2, 2]
    assert ends(sums) == {"failed": 1, "delivered": 1}
    assert [(each["finding"], each["control_id"]) for each in found] == [("failed", "C001")]


def test_another_pharmacy_s_message_of_the_same_number_hides_no_failure(new_day: NewDay) -> None:
    """Stores number their messages alike: what comes of another patient is not the failed one sent again."""
    day = new_day(
        pharmacy=CHANNEL.replace(
            "send_to", "map: [{MSH-4.1: {from: MSH-4.1, table: stores, else: error}}]\nsend_to"
        )
    )
    client = day.world.client(2575)
    for each in (message(0, "S2"), message(1).replace(b"|C001|", b"|C000|")):
        client.send(each)
        day.world.run(5)
    assert client.codes == ["AE", "AA"]
    sums, found = plain(day.runs("--json"))
    assert ends(sums) == {"failed": 1, "delivered": 1}
    assert sums["sent_again_by_sender"] == 0
    assert [(each["finding"], each["control_id"]) for each in found] == [("failed", "C000")]


def test_what_was_replayed_on_another_day_is_one_message_of_that_day_s_list(new_day: NewDay) -> None:
    day = new_day()
    day.receives(message(0), seconds=14 * 3600)
    for _ in range(2):
        day.replays()
    [_, *again] = (row.id for row in day.world.store.messages(MessageQuery(), newest_first=False))
    day.replays(message=again[0])

    def on(theirs: str) -> list[tuple[str, str]]:
        result = day.runs("--json", "--their-list", day.list(theirs), day="2026-11-22")
        sums, found = plain(result)
        assert (sums["of_other_days"], sums["accepted"], sums["agree"]) == (3, 3, True)
        return [(each["finding"], each["why"]) for each in found]

    assert on("C000\n") == []
    [(finding, why)] = on("C000\nC000\nC000\n")
    assert finding == "they have twice"
    assert "we sent it 3 times (replay " in why
    assert [finding for finding, _ in on("")] == ["they lack"]


def test_of_acknowledgments_those_that_refused_say_nothing_of_what_they_have(new_day: NewDay) -> None:
    day = new_day()
    answers = iter(["AE"])
    day.hospital.script.answer = lambda raw: next(answers, "AA")
    day.receives(message(0))
    acks = b"".join(
        b"MSH|^~\\&|R|R|H|H|1||ACK|%d|P|2.5\rMSA|%b|C000|fine\r" % (number, code)
        for number, code in enumerate((b"AE", b"AA"))
    )
    result = day.runs("--their-list", day.list(acks, "acks.hl7"))
    assert (result.exit_code, "their list has 1 control ID, and agrees" in result.stdout) == (0, True)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/New_York"])
def test_a_day_at_the_end_of_the_calendar_is_no_day(new_day: NewDay, zone: str) -> None:
    day = new_day()
    day.receives(message(0))
    result = day.runs(day="9999-12-31", zone=zone)
    assert (result.exit_code, "no clock has shown 9999-12-31" in result.output) == (2, True)


def test_a_hospital_s_file_of_messages_and_of_acknowledgments_is_a_list_too(new_day: NewDay) -> None:
    day = new_day()
    day.receives(message(0), message(1))
    batch = b"FHS|^~\\&|R\rBHS|^~\\&|R\r" + message(0) + message(1) + b"BTS|2\rFTS|1\r"
    assert day.runs("--their-list", day.list(batch, "batch.hl7")).exit_code == 0
    acks = b"".join(
        b"MSH|^~\\&|R|R|H|H|1||ACK|%d|P|2.5\rMSA|AA|C00%d|fine\r" % (9 + each, each) for each in (0, 1)
    )
    assert day.runs("--their-list", day.list(acks, "acks.hl7")).exit_code == 0
    wide = '"id"\r\n="C000"\r\n\'C001\r\n'.encode("utf-16")
    assert day.runs("--their-list", day.list(wide, "wide.csv")).exit_code == 0


def test_a_list_that_a_spreadsheet_has_rounded_is_refused_with_its_line(new_day: NewDay) -> None:
    day = new_day()
    day.receives(message(0))
    result = day.runs("--their-list", day.list("C000\n1.23457E+15\n"))
    assert result.exit_code == 2
    assert "theirs.txt:2" in result.output


def test_every_control_id_is_written_for_a_spreadsheet(new_day: NewDay, tmp_path: Path) -> None:
    day = new_day()
    day.receives(message(0), message(1, "S9"))
    day.runs("--csv", tmp_path / "day.csv", "--their-list", day.list("C000"))
    with (tmp_path / "day.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["control_id"], row["end"], row["in_their_list"]) for row in rows] == [
        ("C000", "delivered", "1"),
        ("C001", "filtered", "0"),
    ]


def test_a_book_that_was_changed_is_found(new_day: NewDay) -> None:
    day = new_day()
    day.receives(message(0), message(1))
    day.leaves()
    with sqlite3.connect(day.data / STORE) as conn:
        conn.execute("UPDATE delivery SET status = 4 WHERE id = (SELECT min(id) FROM delivery)")
    result = day.runs()
    assert result.exit_code == 1
    assert "THE SUMS DIFFER: 1 accepted by the deliveries and 2 by the audit trail" in result.stdout
    assert "the books differ: 1" in result.stdout


def test_mistakes_are_said(new_day: NewDay) -> None:
    day = new_day()
    day.receives(message(0))
    assert day.runs().exit_code == 0
    unknown = day.command("reconcile", "rusch", "--day", DAY)
    assert "there is no destination rusch" in unknown.output
    future = day.runs(day="2999-01-01").output
    assert "no message was received for it on this day" in future
    assert "the day is not over yet" in future
    assert "is no day" in day.runs(day="Monday").output
    assert day.runs("--column", "x").exit_code == 2
    assert day.runs("--limit", "-1").exit_code == 2

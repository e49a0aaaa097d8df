"""Folders as sources: files are taken once and whole, their messages in order, and what is refused is set aside with the reason."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hl7bridge.connectors.inbox import Inbox, InboxInUse
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.store.base import DAY_US, MessageQuery, MessageStatus, StoreFull
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import NOON_US
from tests.engine.site import order
from tests.engine.watched import CHANNEL, FILES, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_file_is_taken_when_it_has_settled_and_kept_when_all_is_kept(site: Site) -> None:
    path = site.put("a.hl7", order(1))
    site.world.run(8)
    assert path.exists(), "somebody may still be writing it"
    site.taken()
    assert site.delivered == ["7-1"]
    assert site.within("done") == {"a.hl7": order(1)}


def test_a_file_that_still_grows_is_left_alone(site: Site) -> None:
    path = site.put("a.hl7", order(1))
    for number in range(2, 8):
        site.world.run(7)
        with path.open("ab") as file:
            file.write(order(number))
    assert path.exists()
    assert site.delivered == []
    site.taken()
    assert site.delivered == [f"7-{number}" for number in range(1, 8)]


@pytest.mark.parametrize("name", [".hidden", "a.hl7.part", "b.tmp", "c.filepart", "d.hl7~"])
def test_what_is_unfinished_by_its_name_is_left_alone(site: Site, name: str) -> None:
    path = site.put(name, order(1))
    site.world.run(60)
    assert path.exists()
    assert site.delivered == []


def test_only_what_the_pattern_says_is_taken(tmp_path: Path) -> None:
    site = Site(tmp_path, ", pattern: '*.hl7'")
    other = site.put("a.pdf", order(1))
    site.put("b.hl7", order(2))
    assert site.world.run(60, lambda: site.delivered == ["7-2"])
    assert other.exists()


def test_links_and_folders_are_no_files(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret.hl7").write_bytes(order(1))
    os.symlink(tmp_path / "secret.hl7", site.inbox / "link.hl7")
    (site.inbox / "folder.hl7").mkdir()
    site.world.run(60)
    assert site.delivered == []
    assert (tmp_path / "secret.hl7").exists()


def test_a_file_without_a_last_line_end_fails_where_it_must_have_one(tmp_path: Path) -> None:
    site = Site(tmp_path, ", unended: failed")
    site.put("whole.hl7", order(1))
    site.put("framed.hl7", b"\x0b" + order(2) + b"\x1c")
    site.put("cut.hl7", order(3), order(4)[:-5])
    site.taken()
    assert site.delivered == ["7-1", "7-2"], "a number or a drug may have been cut in two"
    assert sorted(site.within("done")) == ["framed.hl7", "whole.hl7"]
    assert b"may have been cut off" in site.within("failed")["cut.hl7.reason"]


def test_elsewhere_it_is_taken_since_many_systems_leave_it_out(site: Site) -> None:
    site.put("a.hl7", order(1).rstrip(b"\r"))
    site.taken()
    assert site.delivered == ["7-1"]
    assert list(site.within("done")) == ["a.hl7"]


def test_a_batch_file_is_split_and_each_message_goes_in_order(site: Site) -> None:
    body = [order(number) for number in range(1, 201)]
    site.put("batch.hl7", b"FHS|^~\\&|X\rBHS|^~\\&|X\r", *body, b"BTS|200\rFTS|1\r")
    site.taken()
    assert site.delivered == [f"7-{number}" for number in range(1, 201)]
    assert site.within("failed") == {}


def test_files_go_by_age_whatever_they_are_called(site: Site) -> None:
    for age, (name, number) in enumerate([("z", 1), ("a", 2), ("m", 3)]):
        os.utime(site.put(name, order(number)), ns=(0, 10**18 + age))
    site.taken()
    assert site.delivered == ["7-1", "7-2", "7-3"]


def test_what_is_refused_is_set_aside_with_the_reason_and_the_rest_goes_on(site: Site) -> None:
    wrong = order(2).replace(b"RDE^O11^RDE_O11", b"ADT^A08")
    site.put("DOE_JANE.hl7", order(1), wrong, order(3))
    site.taken()
    assert site.delivered == ["7-1", "7-3"]
    assert site.within("done") == {}
    aside = site.within("failed")
    assert aside["DOE_JANE.hl7"] == order(1) + wrong + order(3)
    (reason,) = aside["DOE_JANE.hl7.reason"].decode().splitlines()
    (kept,) = site.store.messages(MessageQuery(status=MessageStatus.REJECTED))
    assert reason == f"message 2: AR, kept as {kept.id} (hl7bridge why {kept.id})"
    assert site.world.engine.folders.files == {"night": {"waiting": 0, "reading": 0, "set_aside": 1}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "there is no message in the file"),
        (b" \r\n", "there is no message in the file"),
        (b"%PDF-1.4 and so on", "message 1: AR, kept as"),
        (b"BHS|^~\\&|X\r" + order(1) + b"BTS|2\r", "the batch: byte 118: BTS-1 says 2, but there are 1"),
        (b"BHS|^~\\&|X\r" + order(1), "the batch: byte 118: the batch has no BTS: it may have been cut off"),
        (order(1) + order(2) + b"ZZZ|" + b"x" * 3000 + b"\r", "message 2: its "),
    ],
    ids=["empty", "blank", "no message", "wrong count", "cut off", "too large"],
)
def test_a_bad_file_is_set_aside_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    site = Site(tmp_path, ", max_message_bytes: 2000")
    site.put("a", content)
    site.taken()
    assert site.within("failed")["a"] == content
    assert site.within("failed")["a.reason"].decode().startswith(reason)
    if order(1) in content:
        assert site.delivered == ["7-1"], "a batch's fault is none of its messages'"


def test_a_name_that_is_taken_gets_a_number(site: Site) -> None:
    for number in (1, 2, 3):
        site.put("a.hl7", order(number))
        site.taken()
    assert site.within("done") == {"a.hl7": order(1), "a.hl7~2": order(2), "a.hl7~3": order(3)}


def test_a_sender_that_wants_no_answer_is_read_all_the_same(site: Site) -> None:
    site.put("a", order(1, msh="|||NE|NE"), order(2, msh="|||NE|NE"))
    site.taken()
    assert site.delivered == ["7-1", "7-2"]


def test_a_store_without_room_is_tried_again_in_the_middle_of_a_file(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 6)])
    site.world.run(9)
    site.store.refuse_next(StoreFull("full"), after=2)
    site.taken(120)
    assert site.delivered == [f"7-{number}" for number in range(1, 6)]
    assert site.times == site.delivered
    assert site.within("failed") == {}


@pytest.mark.parametrize("duplicates", ["", ", duplicates: off"])
@pytest.mark.parametrize("kept", [0, 1, 25, 50, 77, 119])
def test_a_crash_in_the_middle_of_a_file_loses_and_repeats_nothing(
    tmp_path: Path, duplicates: str, kept: int
) -> None:
    site = Site(tmp_path, of_source=duplicates)
    count = 120
    site.put("a", *[order(number) for number in range(1, count + 1)])
    assert site.world.run(60, lambda: site.kept >= kept and not site.within(""))
    site.crashed()
    site.world.days = 9  # nobody was there for longer than repetitions are remembered
    site.taken(120)
    assert site.delivered == [f"7-{number}" for number in range(1, count + 1)]
    received = [
        row.control_id for row in site.store.messages(MessageQuery(status=MessageStatus.RECEIVED), None, 1000)
    ]
    assert sorted(received) == sorted(site.delivered)
    assert site.within("done").keys() == {"a"}


def test_a_file_that_somebody_puts_into_working_is_read(site: Site) -> None:
    (site.inbox / "working" / "a").write_bytes(order(1))
    site.taken()
    assert site.delivered == ["7-1"]


def test_a_note_that_is_damaged_costs_no_message(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 120)])
    assert site.world.run(60, lambda: site.kept > 70)
    for note in (site.inbox / "working").glob(".*.json"):
        note.write_bytes(b"{")
    site.crashed()
    site.taken()
    assert site.delivered == [f"7-{number}" for number in range(1, 120)]
    assert site.statuses().count("RECEIVED") == 119, "what was kept is recognised within the day"


def test_an_orderly_stop_leaves_the_file_for_the_next_start(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 100)])
    assert site.world.run(60, lambda: site.kept > 30)
    stopped = site.world.engine.stop()
    assert site.world.run(30, lambda: stopped.called)
    assert site.within("working").keys() == {"a"}
    site.crashed()
    site.taken()
    assert site.times == [f"7-{number}" for number in range(1, 100)]
    assert "DUPLICATE" not in site.statuses()


def test_a_reload_replaces_the_watch_and_loses_nothing(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 100)])
    assert site.world.run(60, lambda: site.kept > 30)
    (site.world.folder / "night.yaml").write_text(CHANNEL % (", pattern: '*.hl7'", ""))
    list(site.world.engine.reload())
    other = site.put("b", order(200))
    assert site.world.run(60, lambda: "a" in site.within("done"))
    site.world.run(60, site.world.settled)
    assert site.times == [f"7-{number}" for number in range(1, 100)]
    site.world.run(60)
    assert other.exists(), "it is none of the pattern's"


def test_who_watches_a_folder_next_waits_without_a_word(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Sparing, "error", lambda self, text, **values: said.append(text))
    site.put("a", *[order(number) for number in range(1, 100)])
    assert site.world.run(60, lambda: site.kept > 30)
    begun = site.world.network.clock.seconds()
    (site.world.folder / "night.yaml").write_text(CHANNEL % (", keep: 30d", ""))
    list(site.world.engine.reload())
    site.taken()
    assert said == []
    assert site.world.network.clock.seconds() - begun < 5


def test_a_source_that_is_taken_away_lets_go_of_its_folder(site: Site) -> None:
    (site.world.folder / "night.yaml").write_text(
        "channel: night\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n"
    )
    list(site.world.engine.reload())
    path = site.put("a", order(1))
    site.world.run(60)
    assert path.exists()
    mine = Inbox(site.inbox, "*", 0, 1000)
    mine.open()
    mine.close()


def test_two_engines_do_not_watch_one_folder(site: Site) -> None:
    other = Inbox(site.inbox, "*", 0, 1000)
    with pytest.raises(InboxInUse) as caught:
        other.open()
    assert str(site.inbox) in caught.value.place


def test_old_files_are_removed_where_that_is_asked(tmp_path: Path) -> None:
    site = Site(tmp_path, ", keep: 30d")
    site.put("a", order(1))
    site.taken()
    site.world.days = (
        int(time.time() * 1e6) - NOON_US
    ) // DAY_US + 20  # files have the times of the real clock
    site.world.run(700)
    assert site.within("done") == {"a": order(1)}
    site.world.days = 4000
    site.world.run(700)
    assert site.within("done") == {}


def test_a_folder_that_cannot_be_used_is_looked_at_again(tmp_path: Path) -> None:
    site = Site(tmp_path, start=False)
    site.inbox.parent.mkdir(parents=True)
    site.inbox.write_bytes(b"a file stands in its place")
    site.world.start()
    site.world.run(30)
    site.inbox.unlink()
    site.put("a", order(1))
    site.taken(120)
    assert site.delivered == ["7-1"]


def test_what_cannot_be_read_is_set_aside_and_holds_up_nothing(site: Site) -> None:
    os.mkfifo(site.inbox / "working" / "a")
    site.put("b", order(2))
    site.taken()
    assert b"cannot be read: it is not a file" in site.within("failed")["a.reason"]
    assert site.delivered == ["7-2"]


def test_a_hospital_that_is_down_holds_up_no_file(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hospital.script = Script(answer="silent")
    site.put("a", *[order(number) for number in range(1, 50)])
    assert site.world.run(60, lambda: site.within("done").keys() == {"a"})
    assert len(site.statuses()) == 49


def test_two_sources_of_one_folder_are_a_mistake(mistakes_of: Callable[[dict[str, str]], list[str]]) -> None:
    found = mistakes_of(
        FILES
        | {
            "other.yaml": FILES["night.yaml"]
            .replace("night", "other")
            .replace("folder: in,", "folder: ./in,")
        }
    )
    assert ["the folder './in' is watched by the source night" in each for each in found] == [True]


def test_the_data_folder_itself_is_not_watched(mistakes_of: Callable[[dict[str, str]], list[str]]) -> None:
    (found,) = mistakes_of(
        FILES | {"night.yaml": FILES["night.yaml"].replace("folder: in,", "folder: in/..,")}
    )
    assert "the data folder itself cannot be watched" in found


def test_the_data_folder_is_not_watched_under_its_full_name_either(tmp_path: Path) -> None:
    site = Site(tmp_path, start=False)
    path = site.world.folder / "night.yaml"
    path.write_text(path.read_text().replace("folder: in,", f"folder: {tmp_path}/data,"))
    store = tmp_path / "data" / "store.db"
    store.parent.mkdir()
    store.write_bytes(b"all that was kept")
    site.world.start()
    site.world.run(60)
    assert store.exists()


def test_a_source_is_one_thing(mistakes_of: Callable[[dict[str, str]], list[str]]) -> None:
    both = FILES["night.yaml"].replace("{file:", "{mllp: {port: 2575}, file:")
    assert any(
        "needs exactly one of mllp or file" in each for each in mistakes_of(FILES | {"night.yaml": both})
    )
    neither = "channel: night\nsource: {zone: UTC}\nsend_to: [hospital]\n"
    assert any(
        "needs exactly one of mllp or file" in each for each in mistakes_of(FILES | {"night.yaml": neither})
    )


@pytest.fixture
def mistakes_of() -> Callable[[dict[str, str]], list[str]]:
    from hl7bridge.channel.loading.folder import check

    def of(files: dict[str, str]) -> list[str]:
        return [
            str(each)
            for each in check({name: text.encode() for name, text in files.items()}, lambda name: "x")
        ]

    return of


OUT = "destination: out\nsend: {file: {folder: %s, name: '${id}.hl7'}}\n"


@pytest.mark.parametrize(("folder", "circles"), [("in", 1), ("./in/", 1), ("out", 0), ("in/done", 0)])
def test_a_destination_that_writes_into_its_own_source_s_folder_is_a_mistake(
    mistakes_of: Callable[[dict[str, str]], list[str]], folder: str, circles: int
) -> None:
    found = mistakes_of(
        {"night.yaml": FILES["night.yaml"].replace("hospital", "out"), "destinations/out.yaml": OUT % folder}
    )
    assert len([each for each in found if "taken in again, without end" in each]) == len(found) == circles


def test_folders_that_lead_in_a_circle_are_a_mistake_and_in_a_row_are_none(
    mistakes_of: Callable[[dict[str, str]], list[str]],
) -> None:
    there = FILES["night.yaml"].replace("hospital", "two")
    back = there.replace("night", "day").replace("in,", "two,").replace("[two]", "[one]")
    files = {
        "night.yaml": there,
        "day.yaml": back,
        "destinations/two.yaml": OUT.replace("out", "two") % "two",
    }
    row = mistakes_of({**files, "destinations/one.yaml": OUT.replace("out", "one") % "one"})
    assert row == []
    circle = mistakes_of({**files, "destinations/one.yaml": OUT.replace("out", "one") % "in"})
    assert ["taken in again" in each for each in circle] == [True, True]
    dated = OUT.replace("out", "one").replace("${id}", "${date}/${id}") % "in"
    assert mistakes_of({**files, "destinations/one.yaml": dated}) == [], "folders below it are not watched"

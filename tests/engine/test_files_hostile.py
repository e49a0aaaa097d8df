"""What a folder, its neighbours and the world may do to files on their way: nothing is lost, repeated, or held up for ever."""

from __future__ import annotations

import errno
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from hl7bridge.connectors import inbox as inbox_module
from hl7bridge.engine.receiving import answer
from hl7bridge.store.base import StoreFault
from hl7bridge.testing.world import MemoryConnector
from tests.engine.site import order
from tests.engine.watched import CHANNEL, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- names and neighbours ----------------------------------------------------------------------------------------------------------


def test_a_name_of_odd_bytes_that_cannot_be_read_holds_up_nothing(site: Site) -> None:
    os.mkfifo(os.fsencode(site.inbox / "working") + b"/DOE\xff\n")
    site.put("b", order(2))
    site.taken()
    assert site.delivered == ["7-2"]
    (reason,) = (each for name, each in site.within("failed").items() if name.endswith(".reason"))
    assert reason == b"cannot be read: it is not a file\n"


def test_what_others_put_into_working_is_left_alone(site: Site) -> None:
    (site.inbox / "working" / ".snapshot").mkdir()
    (site.inbox / "working" / ".nfs0001").write_bytes(b"a file that a server keeps")
    site.put("a", order(1))
    site.taken()
    assert site.delivered == ["7-1"]
    assert (site.inbox / "working" / ".nfs0001").exists()


def test_long_names_keep_their_reasons_apart(site: Site) -> None:
    for number in (1, 2, 3):
        site.put("x" * 249 + f"{number}.hl7", b"BHS|^~\\&|X\r", order(number))
        site.taken()
    aside = site.within("failed")
    assert len([name for name in aside if name.endswith(".reason")]) == 3
    assert len(aside) == 6


def test_a_link_is_not_followed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret.hl7").write_bytes(order(1))
    os.symlink(tmp_path / "secret.hl7", site.inbox / "working" / "a")
    site.put("b", order(2))
    assert site.world.run(60, lambda: site.delivered == ["7-2"])
    assert (site.inbox / "failed" / "a").is_symlink()
    assert site.kept == 1


@pytest.mark.parametrize("name", ["working", "done", "failed"])
def test_a_file_or_a_link_in_place_of_a_folder_is_said(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, start=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    site.put("a", order(1))
    os.symlink(elsewhere, site.inbox / name)
    site.world.start()
    site.world.run(30)
    assert (site.inbox / "a").exists()
    assert list(elsewhere.iterdir()) == []
    (site.inbox / name).unlink()
    site.put(name, b"a sender calls its file so")
    site.world.run(30)
    assert (site.inbox / "a").exists()
    (site.inbox / name).unlink()
    site.taken()
    assert site.delivered == ["7-1"]


def test_a_folder_that_is_replaced_is_watched_on(site: Site) -> None:
    site.put("a", order(1))
    site.taken()
    shutil.rmtree(site.inbox)
    site.world.run(20)
    site.put("b", order(2))
    site.taken()
    assert site.delivered == ["7-1", "7-2"]
    lock = site.inbox / "working" / ".lock"
    lock.unlink()
    site.world.run(20)
    assert lock.exists(), "nobody else may take it"


def test_a_file_that_may_not_be_moved_holds_up_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def renamed(source: Any, target: Any) -> None:
        if Path(source) == site.inbox / "a":
            raise PermissionError(1, "Operation not permitted")
        rename(source, target)

    monkeypatch.setattr(inbox_module.os, "rename", renamed)
    site.put("a", order(1))
    site.put("b", order(2))
    assert site.world.run(120, lambda: site.delivered == ["7-2"])
    monkeypatch.undo()
    site.taken(120)
    assert site.delivered == ["7-2", "7-1"]


def test_a_file_that_goes_away_meanwhile_is_no_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir
    site.put("a", order(1))
    site.put("b", order(2))

    class Going:
        """The entries of a folder out of which a file is taken after they were read."""

        def __init__(self, path: Any) -> None:
            self._entries = scandir(path)

        def __enter__(self) -> list[os.DirEntry[str]]:
            entries = sorted(self._entries, key=lambda each: each.name)
            (site.inbox / "a").unlink(missing_ok=True)
            return entries

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    monkeypatch.setattr(inbox_module.os, "scandir", Going)
    assert site.world.run(17, lambda: site.delivered == ["7-2"]), "it settles no later for that"


def test_old_files_are_removed_beside_a_folder_of_somebody(tmp_path: Path) -> None:
    site = Site(tmp_path, ", keep: 30d")
    (site.inbox / "done" / "2025").mkdir()
    for name in "abcdefgh":
        (site.inbox / "done" / name).write_bytes(order(1))
    site.world.days = 4000
    site.world.run(700)
    assert [each.name for each in (site.inbox / "done").iterdir()] == ["2025"]


def test_many_files_are_looked_for_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    scandir = os.scandir
    for number in range(1, 201):
        site.put(f"{number:04}", order(number))
    monkeypatch.setattr(inbox_module.os, "scandir", lambda path: looks.append(path) or scandir(path))
    site.taken(120)
    assert site.times == [f"7-{number}" for number in range(1, 201)]
    assert len(looks) < 40, "each look costs as much as there are files"


# -- writers -----------------------------------------------------------------------------------------------------------------------


def test_what_is_written_into_a_file_that_was_taken_is_said(site: Site) -> None:
    path = site.put("a", *[order(number) for number in range(1, 61)])
    with path.open("ab") as writer:
        assert site.world.run(60, lambda: site.kept > 3)
        assert site.world.run(60, lambda: site.kept > 57)
        writer.write(order(61))
        writer.flush()
        site.taken()
    assert b"was still being written" in site.within("failed")["a.reason"]


def test_a_file_is_on_the_disk_before_its_messages_are(site: Site, synced: set[int]) -> None:
    path = site.put("a", *[order(number) for number in range(1, 60)])
    inode = path.stat().st_ino
    assert site.world.run(60, lambda: site.kept > 0)
    assert inode in synced, "its sender may not have done so, and only its beginning is in the store"


def test_a_file_that_has_become_shorter_is_said(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 120)])
    assert site.world.run(60, lambda: site.kept > 70)
    site.world.crash()
    (site.inbox / "working" / "a").write_bytes(order(1))
    site.store = site.store.crash()
    site.world.start()
    site.taken()
    assert b"fewer messages" in site.within("failed")["a.reason"]


def test_a_file_that_changes_after_the_look_waits(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 60)])
    late = site.put("b", order(100))
    assert site.world.run(60, lambda: site.kept > 10)
    with late.open("ab") as writer:
        writer.write(order(101))
    assert site.world.run(60, lambda: "a" in site.within("done"))
    site.world.run(6)
    assert late.exists()
    site.taken()
    assert site.delivered[-2:] == ["7-100", "7-101"]


def test_a_vertical_tab_in_a_text_makes_no_frames_of_a_file(site: Site) -> None:
    site.put("a", order(1), order(2).replace(b"DOE", b"DOE\x0bJANE"), order(3))
    site.taken()
    assert site.delivered == ["7-1", "7-2", "7-3"]
    assert site.within("failed") == {}


def test_what_is_wrong_with_a_batch_takes_no_memory(site: Site) -> None:
    site.put("a", order(1), b"BHS|^~\\&|X\r" * 300_000)
    tracemalloc.start()
    site.taken()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000
    assert len(site.within("failed")["a.reason"].splitlines()) == 1001


# -- repetitions and clocks ----------------------------------------------------------------------------------------------------------


def test_the_same_twice_in_a_file_is_taken_twice_where_the_source_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, of_source=", duplicates: off")
    site.put("a", order(1), order(2), order(1))
    site.taken()
    assert site.times == ["7-1", "7-2", "7-1"]


def test_a_clock_that_was_set_back_loses_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, of_source=", duplicates: off")
    site.put("a", order(1))
    site.taken()
    site.world.days = -1
    site.put("b", order(1))
    site.taken()
    assert site.times == ["7-1", "7-1"]


def test_a_clock_that_is_set_back_in_the_middle_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, of_source=", duplicates: off")
    site.put("a", *[order(number) for number in range(1, 40)])
    assert site.world.run(60, lambda: bool(site.within("working")))
    site.world.days = -1
    assert site.world.run(60, lambda: site.kept > 20)
    site.crashed()
    site.taken()
    assert site.statuses().count("RECEIVED") == 39


def test_a_file_that_somebody_put_into_working_is_repeated_by_no_crash(tmp_path: Path) -> None:
    site = Site(tmp_path, of_source=", duplicates: off")
    (site.inbox / "working" / "a").write_bytes(b"".join(order(number) for number in range(1, 40)))
    assert site.world.run(60, lambda: site.kept > 20)
    site.crashed()
    site.taken()
    assert site.statuses().count("RECEIVED") == 39


# -- faults ------------------------------------------------------------------------------------------------------------------------


def test_what_the_store_can_never_keep_is_set_aside(site: Site) -> None:
    site.put("a", order(1), order(2), order(3))
    site.world.run(9)
    commit = site.store.commit

    def refusing(batch: Any) -> Any:
        if any(message.control_id == "7-2" for message in batch.messages):
            raise StoreFault("a value cannot be stored")
        return commit(batch)

    site.store.commit = refusing  # type: ignore[method-assign]
    site.taken(120)
    assert site.delivered == ["7-1", "7-3"]
    assert b"message 2: the program failed on it" in site.within("failed")["a.reason"]


def test_an_answer_that_cannot_be_made_stops_no_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise ValueError

    monkeypatch.setattr(answer, "ack", SimpleNamespace(build=broken))
    site.put("a", order(1), order(2))
    site.taken()
    assert site.within("done").keys() == {"a"}


def test_a_source_that_gets_another_name_loses_no_message(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 60)])
    engine = site.world.engine
    frame, frames = engine.receiver.frame, []

    def reloading(received: Any) -> None:
        frame(received)
        frames.append(received)
        if len(frames) == 20:
            list(engine.reload())

    engine.receiver.frame = reloading  # type: ignore[method-assign]
    named = (CHANNEL % ("", "")).replace("source: {file", "source: evening\n#")
    (site.world.folder / "night.yaml").write_text(named)
    (site.world.folder / "sources").mkdir()
    (site.world.folder / "sources" / "evening.yaml").write_text(
        "source: evening\nfile: {folder: in, every: 5s, settled: 10s}\n"
    )
    site.taken(120)
    assert site.times == [f"7-{number}" for number in range(1, 60)]
    assert site.within("failed") == {}


def test_a_note_that_cannot_be_written_repeats_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("a", *[order(number) for number in range(1, 120)])
    assert site.world.run(60, lambda: site.kept > 10)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox_module, "write_whole", full)
    site.taken(120)
    assert site.statuses() == ["RECEIVED"] * 119


def test_what_cannot_be_read_only_now_is_read_later(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, tries = os.open, []

    def short(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("working/DOE_JANE"):
            tries.append(path)
            if len(tries) < 4:
                raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(os, "open", short)
    site.put("DOE_JANE", order(1), order(2))
    site.taken(120)
    assert len(tries) == 4
    assert site.times == ["7-1", "7-2"]
    assert site.within("done").keys() == {"DOE_JANE"}
    assert "DOE_JANE" not in "".join(capsys.readouterr())


class Died(BaseException):
    """The process ends here."""


def test_a_crash_between_any_two_steps_on_the_disk_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {name: getattr(os, name) for name in ("rename", "replace", "fsync", "unlink")}
    left = 0

    def step(name: str) -> Callable[..., Any]:
        def taken(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Died
            return steps[name](*arguments, **more)

        return taken

    def elsewhere(connector: MemoryConnector, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        try:
            return succeed(function(*arguments))
        except Died:
            return Deferred()  # nobody hears of it any more

    monkeypatch.setattr(MemoryConnector, "run_elsewhere", elsewhere)
    for name in steps:
        monkeypatch.setattr(os, name, step(name))
    for number in range(1, 100):
        site = Site(tmp_path / str(number), of_source=", duplicates: off")
        site.put("a", *[order(each) for each in range(1, 56)], b"BTS|9\r")
        site.put("b", order(56))
        left = number
        if site.world.run(60, lambda: left <= 0):  # noqa: B023
            site.crashed()
        site.taken(120)
        assert site.times == [f"7-{each}" for each in range(1, 57)], number
        assert site.statuses().count("RECEIVED") == 56
        assert set(site.within("done")) == {"b"}
        assert {each for each in site.within("failed") if not each.endswith(".reason")} in ({"a"}, {"a~2"})
        if left > 0:
            break
    assert 20 < number < 99

"""A folder as a destination: whole files, several at once, and what went wrong in words without the message."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from hl7bridge.connectors.file_destination import FileDestination, write_whole


class Elsewhere:
    """Runs calls when told, as a thread would at its own time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[None], Callable[[], None]]] = []

    def run(self, function: Callable[..., None], *arguments: Any) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.waiting.append((done, lambda: function(*arguments)))
        return done

    def turn(self) -> None:
        """The first of the waiting calls is made and ends."""
        done, call = self.waiting.pop(0)
        call()
        done.callback(None)


def destination(
    folder: Path, run: Callable[..., Deferred[None]], **more: Any
) -> tuple[FileDestination, list[Any]]:
    answers: list[Any] = []
    made = FileDestination(
        "archive",
        folder,
        lambda token, payload: f"a/{token}.hl7",
        run,
        answered=lambda token, code, why, answer: answers.append((token, code, why)),
        ready=lambda: None,
        **more,
    )
    return made, answers


def test_as_many_files_are_written_at_once_as_it_has_connections(tmp_path: Path) -> None:
    elsewhere = Elsewhere()
    archive, answers = destination(tmp_path, elsewhere.run, connections=2)
    archive.send(b"one", b"1", 1)
    assert archive.free()
    archive.send(b"two", b"2", 2)
    assert not archive.free()
    elsewhere.turn()
    assert archive.free()
    archive.send(b"three", b"3", 3)
    assert not archive.free()
    elsewhere.turn()
    elsewhere.turn()
    assert [token for token, code, _ in answers if code == "AA"] == [1, 2, 3]
    assert archive.busy_connections == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {
        "1.hl7": b"one",
        "2.hl7": b"two",
        "3.hl7": b"three",
    }


def test_one_at_a_time_unless_told(tmp_path: Path) -> None:
    elsewhere = Elsewhere()
    archive, _ = destination(tmp_path, elsewhere.run)
    archive.send(b"one", b"1", 1)
    assert not archive.free()


def test_a_file_that_cannot_be_written_is_an_error_that_may_be_retried(tmp_path: Path) -> None:
    archive, answers = destination(tmp_path, lambda *_: fail(OSError(28, "No space left on device")))
    archive.send(b"MSH|secret", b"1", 1)
    assert answers == [(1, "AE", "cannot write the file: No space left on device")]
    assert archive.free()


def test_a_file_written_again_replaces_itself(tmp_path: Path) -> None:
    def run(function: Callable[..., None], *arguments: Any) -> Deferred[None]:
        function(*arguments)
        return succeed(None)

    archive, answers = destination(tmp_path, run)
    archive.send(b"one", b"1", 1)
    archive.send(b"one", b"1", 1)
    assert len(answers) == 2
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1.hl7"]


def test_nothing_but_whole_files_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "er.hl7", b"x" * 100_000)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["er.hl7"]
    assert (tmp_path / "deep" / "er.hl7").stat().st_size == 100_000


def test_folders_that_are_made_for_a_file_are_on_the_disk_with_it(tmp_path: Path, synced: set[int]) -> None:
    path = tmp_path / "archive" / "2026-11-21" / "1.hl7"
    write_whole(path, b"one")
    # What names a file, or a folder on the way to it, is lost in a power cut with what was not synced.
    assert {each.stat().st_ino for each in (path, *path.parents[:3])} <= synced


@pytest.mark.parametrize("lay", [lambda path, other: path.symlink_to(other), lambda path, _: os.mkfifo(path)])
def test_nothing_that_somebody_laid_there_is_written_through(
    tmp_path: Path, lay: Callable[..., None]
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of somebody")
    lay(tmp_path / ".1.hl7.part", other)
    write_whole(tmp_path / "1.hl7", b"one")
    assert other.read_bytes() == b"of somebody"
    assert (tmp_path / "1.hl7").read_bytes() == b"one"
    assert not (tmp_path / "1.hl7").is_symlink()

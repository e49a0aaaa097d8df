"""No message that was committed is lost with the power: only what fdatasync covered is kept, at any moment.

A process commits to a store whose disk is power_cut/disk.c: a shadow folder has the bytes that were synced
and nothing else. At random moments (seeded) the process is stopped, the shadow is copied away, and what
opens from the copy must hold every message printed before that moment. Of what was written and not synced,
a disk may have kept any part: so some copies take over random sectors of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from hl7bridge.store.sqlite.store import SqliteStore

HERE = Path(__file__).parent / "power_cut"
SECTOR = 512
#: The process deletes what is older than so many messages.
KEPT = 3000


class Machine:
    """A process that commits on the disk, and whose power can be cut."""

    def __init__(self, disk: Path, folder: Path, seed: int, *options: str) -> None:
        self.live, self.shadow = folder / "live", folder / "shadow"
        self.live.mkdir()
        self.shadow.mkdir()
        self.copies = 0
        self.folder = folder
        self.random = Random(seed)
        environment = os.environ | {
            "LD_PRELOAD": str(disk),
            "DISK_FOLDER": str(self.live),
            "DISK_SHADOW": str(self.shadow),
            "PYTHONPATH": str(HERE.parents[2]),
        }
        command = [sys.executable, HERE / "committing.py", self.live / "store.db", str(seed), *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        self.printed = b""
        while b"\n" not in self.printed:
            self.read()
        os.set_blocking(self.output, False)

    def read(self) -> None:
        """Take what was printed."""
        some = os.read(self.output, 1 << 16)
        if not some:
            raise AssertionError(f"the process ended with status {self.process.wait()}")
        self.printed = (self.printed + some)[-2000:]

    def cut(self, torn: bool) -> tuple[Path, int]:
        """A copy of what the disk has at this moment, and the last number printed before it."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)
        try:
            while True:
                self.read()
        except BlockingIOError:
            pass
        self.copies += 1
        copy = self.folder / f"copy{self.copies}"
        shutil.copytree(self.shadow, copy)
        if torn:
            for file in self.live.iterdir():
                if not file.name.endswith(("-shm", ".lock")):
                    self.tear(file, copy / file.name)
        last = int(self.printed.rsplit(b"\n", 2)[-2])
        self.process.send_signal(signal.SIGCONT)
        return copy, last

    def tear(self, written: Path, kept: Path) -> None:
        """Let random sectors of what was written, but not synced, be kept all the same."""
        if not kept.exists() and self.random.random() < 0.5:
            return
        new = written.read_bytes()
        old = kept.read_bytes() if kept.exists() else b""
        size = self.random.choice((len(old), len(new)))
        old, share = old.ljust(size, b"\0")[:size], self.random.choice((0.1, 0.5, 0.9))
        torn = bytearray(old)
        for at in range(0, min(size, len(new)), SECTOR):
            if new[at : at + SECTOR] != old[at : at + SECTOR] and self.random.random() < share:
                torn[at : at + SECTOR] = new[at : min(at + SECTOR, size)]
        kept.write_bytes(torn)

    def moments(self, count: int, longest_s: float) -> Iterator[tuple[Path, int]]:
        """Cut the power `count` times."""
        for number in range(count):
            time.sleep(self.random.uniform(0, longest_s))
            yield self.cut(torn=number % 2 == 1)

    def stop(self) -> None:
        """The end of it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def missing(folder: Path, last: int) -> list[int]:
    """The messages up to `last` that a store has lost, but for those that retention may take; and the
    store is sound.
    """
    store = SqliteStore(folder / "store.db")
    try:
        conn = store._database.conn
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        have = {row[0] for row in conn.execute("SELECT id FROM message WHERE id <= ?", (last,))}
        lost = [number for number in range(max(1, last - KEPT), last + 1) if number not in have]
        for number in sorted(have)[-20:]:
            assert store.body(number << 16).startswith(b"%d " % number)
        store.recover(1)
        return lost
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(2))
def test_what_was_printed_survives_the_power(disk: Path, tmp_path: Path, seed: int) -> None:
    machine = Machine(disk, tmp_path, seed)
    try:
        for copy, last in machine.moments(8, 0.15):
            assert missing(copy, last) == [], f"seed {seed}, copy {copy.name}, printed up to {last}"
            shutil.rmtree(copy)
    finally:
        machine.stop()


def test_the_same_test_sees_the_loss_where_nothing_is_synced(disk: Path, tmp_path: Path) -> None:
    machine = Machine(disk, tmp_path, 9, "unsafe")
    try:
        copy, last = list(machine.moments(3, 0.15))[-1]
    finally:
        machine.stop()
    assert last in missing(copy, last)

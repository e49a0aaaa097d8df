"""A simulated year of the affiliation programme, day by day: a command, not a test.

    python tests/benchmarks/programme.py [--patients N] [--days N] [--seed S]

The engine is the real one over an SQLite store, with channels/ as it is (but for the archive) and rosters and feeds made up. The
network and the clock are of memory: the clock goes on by a day when that day's messages are answered and what follows is told.
Printed for each month: messages, what the programme told and took back, and CPU microseconds for each message, all included. No growth
from month to month is the aim; memory is the process's peak.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hl7bridge.channel.loading.folder import load
from hl7bridge.engine.folder import read_folder
from hl7bridge.store.sqlite.store import SqliteStore
from hl7bridge.testing.synthetic import Sent, generate, roster
from hl7bridge.testing.world import NOON_US, Client, World

CHANNELS = Path(__file__).resolve().parents[2] / "channels"
DAY_S = 86_400


def configured(folder: Path, seed: int, patients: int, start: date) -> None:
    """channels/ with made-up rosters; nothing is archived, and the programme waits no longer than a second."""
    shutil.copytree(CHANNELS, folder)
    for path in [*folder.glob("*.test.yaml"), folder / "destinations" / "archive.yaml"]:
        path.unlink()
    for path in folder.glob("*.yaml"):
        text = re.sub(r"^ *- archive.*\n", "", path.read_text(), flags=re.M)
        path.write_text(re.sub(r"settle: \S+", "settle: 1s", text))
    for path in folder.glob("affiliates/*.yaml"):
        path.write_text(
            re.sub(r"(alerts_from|summaries: \{from): [0-9-]+", rf"\1: {start}", path.read_text())
        )
    lines: dict[str, list[str]] = {}
    for name, row in roster(seed, patients, start=start):
        through = "" if row.valid_through is None else row.valid_through.isoformat()
        begin = "" if row.valid_from is None else row.valid_from.isoformat()
        opted = "yes" if row.opt_out else ""
        line = (
            row.id.decode(),
            row.authority.decode(),
            row.type.decode(),
            begin,
            through,
            row.npi or "",
            opted,
        )
        lines.setdefault(name, []).append(",".join(line))
    for name, found in lines.items():
        head = "id,authority,type,from,through,npi,opt_out\n"
        (folder / "rosters" / f"{name}.csv").write_text(head + "\n".join(found) + "\n")


def days(seed: int, patients: int, count: int, start: date) -> Iterator[tuple[date, list[Sent]]]:
    """Each day's messages."""
    sent = generate(seed, patients, count, start=start)
    for day, messages in groupby(sent, key=lambda each: each.sent_s // DAY_S):
        yield date.fromordinal(day), list(messages)


class Year:
    """One run."""

    def __init__(self, folder: Path, patients: int, seed: int, start: date) -> None:
        configured(folder / "channels", seed, patients, start)
        self._path = folder / "store.db"
        self.world = World(folder / "channels", self._open)
        configuration = load(read_folder(folder / "channels"))
        for settings in configuration.destinations.values():
            if settings.mllp is not None:
                self.world.hospital(settings.mllp.port)
        self.world.days = (start - datetime.fromtimestamp(NOON_US / 1e6).date()).days
        self.world.start()
        self._clients = {
            name: self.world.client(each.mllp.port) for name, each in configuration.sources.items()
        }

    def _open(self, before: Any) -> SqliteStore:
        return SqliteStore(self._path)

    def day(self, on: date, messages: list[Sent]) -> None:
        """One day: its messages, and what follows."""
        world = self.world
        today = datetime.fromtimestamp(world.wall_us() / 1e6).date()
        world.days += (on - today).days
        for name, client in self._clients.items():
            mine = [each.raw for each in messages if each.source == name]
            client.answers.clear()
            client.raw = b""
            client.send(*mine)
            assert world.run(600, partial(self._answered, client, len(mine)))
        world.run(3)
        world.run(600, lambda: world.settled() and not world.store.looks(world.wall_us() - 1_500_000, 1))

    @staticmethod
    def _answered(client: Client, count: int) -> bool:
        return len(client.answers) == count

    @property
    def told(self) -> tuple[int, int]:
        """What was told and taken back so far."""
        assert self.world.engine is not None
        teller = self.world.engine.programme.teller
        return teller.told, teller.withdrawn


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patients", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    start = date(2026, 1, 1)
    folder = Path(tempfile.mkdtemp(prefix="hl7bridge-year-"))
    try:
        year = Year(folder, given.patients, given.seed, start)
        print(f"{'month':8}{'messages':>10}{'told':>8}{'back':>8}{'us/message':>12}{'due ms':>8}")
        for month, found in groupby(
            days(given.seed, given.patients, given.days, start), key=lambda each: f"{each[0]:%Y-%m}"
        ):
            count, cpu, (told, back) = 0, time.process_time(), year.told
            for on, messages in found:
                year.day(on, messages)
                count += len(messages)
                world = year.world
                world.ledger.answered.clear()
                for seen in world.ledger.delivered.values():
                    seen.clear()
            spent = (time.process_time() - cpu) / max(count, 1) * 1e6
            begun = time.perf_counter()
            year.world.store.looks(year.world.wall_us(), 100)
            due_ms = (time.perf_counter() - begun) * 1000
            now, taken = year.told
            print(
                f"{month:8}{count:10,}{now - told:8,}{taken - back:8,}{spent:12.0f}{due_ms:8.2f}", flush=True
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        size = sum(each.stat().st_size for each in folder.glob("store.db*")) / 1e6
        print(f"peak memory {peak:,.0f} MB; store {size:,.0f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

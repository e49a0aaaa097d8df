"""How long the SQLite store takes to commit: a command, not a test.

    python tests/benchmarks/store_commit.py [--groups 1,16,32,128] [--messages N] [--grown N] [--folder DIR]

Each group is one transaction: its messages (900 bytes raw, 880 bytes of payload, two patient keys, one delivery)
and the results of the group before. Printed for an empty store and for one grown to --grown messages: CPU and wall
microseconds for each message, commit times (checkpoints included, as the engine sees them: between two commits),
and what one fdatasync costs on this disk. --queued keeps the deliveries waiting instead of sending them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryStatus,
    MessageStatus,
    NewDelivery,
    NewMessage,
)
from hl7bridge.store.sqlite.store import SqliteStore

PATIENTS = 300_000
RAW, PAYLOAD = 900, 880


class Feed:
    """Makes groups of messages with plausible variety, outside the measured time."""

    def __init__(self, queued: bool, senders: int = 32) -> None:
        self.random = Random(1)
        self.number = 0
        self.queued = queued
        self.senders = senders
        self.bodies = [os.urandom(RAW // 2).hex().encode() for _ in range(64)]
        self.outcomes = (("pharmacy", "RECEIVED", None),)

    def group(self, size: int) -> list[NewMessage]:
        """`size` messages from as many senders, control IDs counting up by sender."""
        made = []
        for _ in range(size):
            self.number += 1
            n = self.number
            patient = self.random.randrange(PATIENTS)
            key = (patient * 0x9E3779B97F4A7C15 & (1 << 64) - 1) - (1 << 63)
            raw = b"%09d" % n + self.bodies[n & 63][9:]
            delivery = NewDelivery(
                id=n,
                position=n,
                destination="hospital",
                channel="pharmacy",
                payload=0,
                keys=(key,),
                status=DeliveryStatus.QUEUED if self.queued else DeliveryStatus.SENDING,
                scope="pharmacy",
            )
            made.append(
                NewMessage(
                    id=n,
                    received_us=1_790_000_000_000_000 + n * 200,
                    source="pharmacy",
                    type="RDE^O11",
                    control_id=f"B{n % self.senders}-{n // self.senders}-{n * 200}",
                    sender=1234567890123456789 - n % 3,
                    fingerprint=self.random.getrandbits(64) - (1 << 63),
                    status=MessageStatus.RECEIVED,
                    answer="AA",
                    version="0123456789abcdef",
                    raw=raw,
                    payloads=(raw[: PAYLOAD - 9] + b"destined!",),
                    deliveries=(delivery,),
                    patient_keys=(key, key ^ 12345),
                    event_date=20260701,
                    outcomes=self.outcomes,
                )
            )
        return made

    def results(self, messages: list[NewMessage]) -> list[DeliveryChange]:
        """What the hospital answered to a group, unless nothing is sent."""
        if self.queued:
            return []
        return [
            DeliveryChange(d.id, DeliveryStatus.SENT, 1, m.received_us + 900, "AA")
            for m in messages
            for d in m.deliveries
        ]


def measure(store: SqliteStore, feed: Feed, group: int, messages: int) -> str:
    """Commit so many messages in groups; one line of figures."""
    before: list[NewMessage] = []
    walls: list[float] = []
    checkpoints: list[float] = []
    cpu = 0.0
    for _ in range(messages // group):
        new = feed.group(group)
        batch = Batch(messages=new, changes=feed.results(before))
        cpu_from, wall_from = time.process_time(), time.perf_counter()
        store.commit(batch)
        committed = time.perf_counter()
        if store.checkpoint_due():
            store.checkpoint()
            checkpoints.append(time.perf_counter() - committed)
        walls.append(time.perf_counter() - wall_from)
        cpu += time.process_time() - cpu_from
        before = new
    count = len(walls) * group
    walls.sort()
    return (
        f"{group:6d} {cpu / count * 1e6:10.1f} {sum(walls) / count * 1e6:10.1f}"
        f" {walls[len(walls) // 2] * 1e3:9.2f} {walls[int(len(walls) * 0.99)] * 1e3:9.2f} {walls[-1] * 1e3:9.2f}"
        f" {len(checkpoints):7d} {max(checkpoints, default=0) * 1e3:9.2f}"
    )


def fdatasync_ms(folder: Path) -> float:
    """The median of 200 syncs of 100 kB each, overwritten in place."""
    path = folder / "sync"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    block = os.urandom(100_000)
    taken = []
    for _ in range(200):
        os.pwrite(handle, block, 0)
        began = time.perf_counter()
        os.fdatasync(handle)
        taken.append(time.perf_counter() - began)
    os.close(handle)
    path.unlink()
    return sorted(taken)[100] * 1e3


def grow(store: SqliteStore, feed: Feed, to: int) -> None:
    """Fill a store quickly, then let the disk come to rest."""
    before: list[NewMessage] = []
    while feed.number < to:
        new = feed.group(500)
        store.commit(Batch(messages=new, changes=feed.results(before)))
        before = new
    store.commit(Batch(changes=feed.results(before)))
    store.checkpoint()
    os.sync()


def lines(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The table."""
    groups = [int(each) for each in arguments.groups.split(",")]
    yield f"one fdatasync: {fdatasync_ms(folder):.3f} ms"
    head = " group   CPU us/m  wall us/m   p50 ms    p99 ms    max ms   ckpts  longest ckpt ms"
    feed = Feed(arguments.queued)
    store = SqliteStore(folder / "store.db")
    for grown in dict.fromkeys((0, arguments.grown)):
        grow(store, feed, grown)
        yield f"\na store of {feed.number} messages, {(folder / 'store.db').stat().st_size / 1e6:.0f} MB\n{head}"
        for group in groups:
            yield measure(store, feed, group, arguments.messages if group > 1 else arguments.messages // 4)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", default="1,16,32,128")
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--grown", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    parser.add_argument("--queued", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for line in lines(arguments, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()

"""How the SQLite store does when it is large: a command, not a test.

    python tests/benchmarks/store_scale.py [--messages N] [--roster N] [--folder DIR]

One store with --messages messages, each with a queued delivery of one of 300,000 patients: how long until it is open
and ready, pages of the queue, look-ups of repeated messages, searches; then every message is sent and removed by
retention while others are committed: how long the steps and those commits take, and what the file has shrunk to.
Then a roster of --roster rows of 350 affiliates: staging, publishing, looking up.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from store_commit import Feed

from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryQuery,
    DeliveryStatus,
    MessageQuery,
    RosterEntry,
)
from hl7bridge.store.sqlite.store import SqliteStore

FOREVER_US = 1 << 62


def times(taken: list[float], unit: float = 1e3, name: str = "ms") -> str:
    """Median, 99th percentile and longest of some seconds."""
    taken = sorted(taken)
    three = taken[len(taken) // 2], taken[int(len(taken) * 0.99)], taken[-1]
    return "  ".join(
        f"{word} {each * unit:.2f} {name}" for word, each in zip(("median", "p99", "max"), three, strict=True)
    )


def each_of(work: Callable[[int], object], count: int) -> list[float]:
    """Seconds that each of `count` calls takes."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - began)
    return taken


def megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6


def queued(path: Path, messages: int) -> Iterator[str]:
    """Fill, open, page, look up."""
    feed = Feed(queued=True)
    store = SqliteStore(path)
    began = time.perf_counter()
    while feed.number < messages:
        store.commit(Batch(messages=feed.group(200)))
    took = time.perf_counter() - began
    yield f"queued {feed.number} messages in groups of 200: {took / feed.number * 1e6:.1f} us each, with the feed's own"
    groups = [feed.group(16) for _ in range(1000)]

    def commit(number: int) -> None:
        store.commit(Batch(messages=groups[number]))
        if store.checkpoint_due():
            store.checkpoint()

    yield f"16 more at a time, with checkpoints: {times(each_of(commit, 1000))}"
    store.close()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    store = SqliteStore(path)
    opened = time.perf_counter() - began
    store.recover(1)
    store.counters()
    store.destinations_with_work()
    count = store.open_count("hospital")
    page = store.open_deliveries("hospital", 0, 500)
    ready = time.perf_counter() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield f"{megabytes(path):.0f} MB with {count} queued: open {opened:.2f} s, ready {ready:.2f} s, {more:.0f} MB more"
    random = Random(2)
    page_at = each_of(lambda n: store.open_deliveries("hospital", random.randrange(messages), 500), 50)
    yield f"a page of 500 of the queue: {times(page_at)}"
    keys = [each.keys[0] for each in page]
    of_key = each_of(lambda n: store.open_deliveries("hospital", 0, 16, keys[n]), 500)
    yield f"16 of one patient: {times(of_key, 1e6, 'us')}"
    new = each_of(lambda n: store.duplicate_of(f"N{n}", 7, n, 0), 2000)
    yield f"a control ID that is new: {times(new, 1e6, 'us')}"
    seen = store.messages(MessageQuery(), messages // 2, 500)
    again = each_of(lambda n: store.duplicate_of(seen[n].control_id, seen[n].id % 3, 1, 0), 500)
    yield f"a control ID that is known: {times(again, 1e6, 'us')}"
    patient = each_of(lambda n: store.messages(MessageQuery(patient_key=keys[n])), 100)
    yield f"the messages of a patient: {times(patient)}"
    one = each_of(lambda n: store.messages(MessageQuery(control_id=seen[n].control_id)), 100)
    yield f"the messages with a control ID: {times(one)}"
    nothing = each_of(lambda n: store.messages(MessageQuery(source="pharmacy", type="ADT^A01")), 3)
    yield f"a search through all that finds nothing: {times(nothing)}"
    failed = each_of(lambda n: store.deliveries(DeliveryQuery(status=DeliveryStatus.FAILED)), 3)
    yield f"the failed deliveries: {times(failed)}"
    yield f"statistics of all: {times(each_of(lambda n: store.stats(0), 3))}"
    store.close()


def finish(path: Path) -> Iterator[str]:
    """Send everything."""
    store = SqliteStore(path)
    after, total = 0, 0
    began = time.perf_counter()
    while page := store.open_deliveries("hospital", after, 500):
        after = page[-1].position
        total += len(page)
        store.commit(Batch(claims=[each.id for each in page if each.status is DeliveryStatus.QUEUED]))
        store.commit(
            Batch(changes=[DeliveryChange(each.id, DeliveryStatus.SENT, 1, 5, "AA") for each in page])
        )
        if store.checkpoint_due():
            store.checkpoint()
    yield f"claimed and sent {total}: {(time.perf_counter() - began) / total * 1e6:.1f} us each"
    store.close()


def retention(path: Path) -> Iterator[str]:
    """Remove everything while messages come in."""
    store = SqliteStore(path)
    feed = Feed(queued=False)
    feed.number = store.counters().message
    size = megabytes(path)
    steps: list[float] = []
    commits: list[float] = []
    checkpoints: list[float] = []
    removed = freed = 0
    before = feed.group(16)
    store.commit(Batch(messages=before))
    last_us = before[0].received_us
    began = time.perf_counter()
    busy = 0.0
    while True:
        started = time.perf_counter()
        step = store.expire(last_us)
        steps.append(time.perf_counter() - started)
        busy += steps[-1]
        removed += step.messages
        freed += step.bytes
        new = feed.group(16)
        batch = Batch(messages=new, changes=feed.results(before))
        before = new
        started = time.perf_counter()
        store.commit(batch)
        commits.append(time.perf_counter() - started)
        if store.checkpoint_due():
            started = time.perf_counter()
            store.checkpoint()
            checkpoints.append(time.perf_counter() - started)
            busy += checkpoints[-1]
        if not step.more:
            break
    took = time.perf_counter() - began
    yield f"retention removed {removed} messages, {freed / 1e6:.0f} MB of bodies, in {len(steps)} steps, {took:.0f} s"
    yield f"  a step: {times(steps)}"
    yield f"  a commit of 16 between: {times(commits)}"
    yield f"  a checkpoint: {times(checkpoints)}"
    yield f"  the writer was busy with it for {busy:.1f} s; the file went from {size:.0f} to {megabytes(path):.0f} MB"
    store.close()


def rosters(path: Path, rows: int) -> Iterator[str]:
    """Load, publish, look up."""
    store = SqliteStore(path)
    random = Random(3)
    steps: list[float] = []
    publishing: list[float] = []
    each = rows // 350
    keys: list[int] = []

    def load(affiliate: str, entries: list[RosterEntry]) -> None:
        staged = store.stage_roster(affiliate, entries, True, 1, 500)
        while True:
            started = time.perf_counter()
            report = next(staged, None)
            if report is None:
                break
            last = report
            steps.append(time.perf_counter() - started)
            if store.checkpoint_due():
                store.checkpoint()
        started = time.perf_counter()
        store.publish_rosters([last.load], 2)
        publishing.append(time.perf_counter() - started)

    began = time.perf_counter()
    lists = []
    for number in range(350):
        mine = [
            random.getrandbits(63) if random.random() < 0.7 or not keys else random.choice(keys)
            for _ in range(each)
        ]
        keys += mine[: each // 10]
        lists.append([RosterEntry(key, 20240101, None, "1234567893") for key in mine])
        load(f"affiliate{number}", lists[-1])
    took = time.perf_counter() - began
    yield f"{each * 350} rows of 350 affiliates: {took:.1f} s ({took / each / 350 * 1e6:.1f} us a row)"
    yield f"  a step: {times(steps)}"
    yield f"  publishing: {times(publishing)}"
    steps.clear()
    began = time.perf_counter()
    load("affiliate7", lists[7])
    yield f"  one list again, unchanged: {time.perf_counter() - began:.2f} s; a step: {times(steps)}"
    found = each_of(lambda n: store.roster_rows((keys[n], n)), 5000)
    yield f"  two patients looked up: {times(found, 1e6, 'us')}"
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--roster", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "store.db"
        for part in (
            queued(path, arguments.messages),
            finish(path),
            retention(path),
            rosters(path, arguments.roster),
        ):
            for line in part:
                print(line, flush=True)


if __name__ == "__main__":
    main()

"""Stores to test, and rows to put into them.

`stores` below names every implementation; the suite under conformance/ runs once for each. A third store
joins by one line there, with a kit that can open it, crash it and read it from beside.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest

from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryStatus,
    MessageStatus,
    NewDelivery,
    NewMessage,
    Store,
    StoreReader,
)
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.store.process.separate import SeparateStore
from hl7bridge.store.sqlite import audit, bodies, control, names, places, search, sorting, trail, upkeep
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.store.sqlite.store import SqliteStore

DAY_US = 86_400_000_000


POWER_CUT = Path(__file__).parent / "power_cut"


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled disk of power_cut/disk.c, for LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc): the disk for power cuts cannot be built")
    built = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", built, POWER_CUT / "disk.c", "-ldl", "-lpthread"],
        check=True,
    )
    return built


class MemoryKit:
    """A store in memory: a crash keeps what was committed."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = MemoryStore()

    def crash(self) -> Store:
        """The store as the next process finds it."""
        assert isinstance(self.store, MemoryStore)
        self.store = self.store.crash()
        return self.store

    def reader(self) -> StoreReader:
        """Another's view."""
        return self.store

    def close(self) -> None:
        """The end."""
        self.store.close()


class SqliteKit:
    """A store in a file: a crash keeps the file and its WAL as they are at that moment."""

    opens: ClassVar[Callable[[Path], Store]] = SqliteStore

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a"
        self.folder.mkdir()
        self.store: Store = self.opens(self.folder / "store.db")
        self._opened: list[StoreReader] = [self.store]

    def crash(self) -> Store:
        """The store as the next process finds it: the files are copied away while the first still has them
        open.
        """
        fresh = self.folder.with_name(self.folder.name + "a")
        fresh.mkdir()
        for name in ("store.db", "store.db-wal"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, fresh / name)
        self.folder = fresh
        self.store = self.opens(fresh / "store.db")
        self._opened.append(self.store)
        return self.store

    def reader(self) -> StoreReader:
        """Another process's view."""
        self._opened.append(SqliteReader(self.folder / "store.db"))
        return self._opened[-1]

    def close(self) -> None:
        """The end."""
        for each in self._opened:
            each.close()


class NarrowSqliteKit(SqliteKit):
    """The same with every bound so low that each is met: short runs, few entries, small rows."""

    NARROW: ClassVar = {
        search: {"_FEW": 0, "_RUN": 1, "_INDEX_RUN": 1, "_COUNTED_RUN": 1, "_DELIVERY_RUN": 3},
        control: {"WAITING": 8, "_AT_ONCE": 2, "_LONGEST": 6},
        upkeep: {"DUE_PAGES": 20, "OVERDUE_PAGES": 40, "MOST_HOLES": 2, "_SLICES": 2, "_ENTRIES": 1},
        places: {"MANY": 2, "REMEMBERED": 1},
        trail: {"RUN_ENTRIES": 12, "_BUCKETS": 4, "_SHIFT": 62, "_PAGE": 2, "_ENTRIES": 1},
        audit: {"_PAGE": 2},
        bodies: {"SHARED_BYTES": 30},
        sorting: {"HELD": 3},
        names: {"MOST": 12},
    }

    def __init__(self, folder: Path) -> None:
        self._bounds = pytest.MonkeyPatch()
        for module, bounds in self.NARROW.items():
            for name, bound in bounds.items():
                self._bounds.setattr(module, name, bound)
        super().__init__(folder)

    def close(self) -> None:
        super().close()
        self._bounds.undo()


class SeparateKit(SqliteKit):
    """The same, written by a process of its own."""

    opens = SeparateStore


#: Every store that must pass the conformance suite.
stores: dict[str, Callable[[Path], MemoryKit | SqliteKit]] = {
    "memory": MemoryKit,
    "sqlite": SqliteKit,
    "sqlite-narrow": NarrowSqliteKit,
    "separate": SeparateKit,
}


@pytest.fixture(params=stores)
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryKit | SqliteKit]:
    """A kit for each store in turn."""
    made = stores[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(kit: MemoryKit | SqliteKit) -> Store:
    """A new store."""
    return kit.store


class Rows:
    """Makes messages and deliveries with fresh identifiers and plausible fields."""

    def __init__(self) -> None:
        self.messages = self.deliveries = self.positions = 0
        self._processed: dict[tuple[str, int], int] = {}

    def delivery(self, destination: str = "rush", **fields: object) -> NewDelivery:
        """A delivery of the message's first payload, queued."""
        self.deliveries += 1
        self.positions += 1
        given = {
            "id": self.deliveries,
            "position": self.positions,
            "destination": destination,
            "channel": "pharmacy",
            "payload": 0,
            "keys": (7,),
        }
        return NewDelivery(**(given | fields))  # type: ignore[arg-type]

    def message(self, *deliveries: NewDelivery, **fields: object) -> NewMessage:
        """A message received in the order of its number, one second apart."""
        self.messages += 1
        number = self.messages
        given = {
            "id": number,
            "received_us": number * 1_000_000,
            "source": "feed",
            "type": "RDE^O11",
            "control_id": f"C{number}",
            "sender": 17,
            "fingerprint": 1000 + number,
            "status": MessageStatus.RECEIVED,
            "answer": "AA",
            "version": "v1",
            "raw": b"MSH|raw %d" % number,
            "payloads": (b"MSH|payload %d" % number,),
            "deliveries": deliveries,
            "patient_keys": (-5, number),
            "event_date": 20261121,
            "outcomes": (("pharmacy", "RECEIVED", None),),
        }
        return NewMessage(**(given | fields))  # type: ignore[arg-type]

    def batch(self, *messages: NewMessage) -> Batch:
        """A batch of messages only."""
        return Batch(messages=list(messages))

    def sent(self, delivery_id: int, at_us: int = 5, **fields: object) -> DeliveryChange:
        """A first attempt that was accepted."""
        given = {
            "id": delivery_id,
            "status": DeliveryStatus.SENT,
            "attempts": 1,
            "at_us": at_us,
            "code": "AA",
        }
        return DeliveryChange(**(given | fields))  # type: ignore[arg-type]

    def random_batch(self, random: Random, open_ids: list[int]) -> Batch:
        """Some messages of every kind, and changes to deliveries of earlier batches; `open_ids` is kept
        up.
        """
        batch = Batch()
        for _ in range(random.randrange(4)):
            payloads = tuple(b"payload %d" % random.randrange(3) * random.choice((1, 9)) for _ in range(2))
            status = random.choice(list(MessageStatus))
            content = random.choice(("1", "201", f"C{self.messages}")), random.randrange(3)
            original = random.choice((None, None, self.messages))
            if status is MessageStatus.DUPLICATE:
                original = self._processed.get(content)
                status = MessageStatus.RECEIVED if original is None else status
            deliveries = tuple(
                self.delivery(
                    random.choice(("rush", "tucson", "medstar")),
                    payload=random.choice((-1, 0, 1)),
                    keys=tuple(random.sample(range(-2, 3), random.choice((0, 1, 1, 2)))),
                    status=random.choice(list(DeliveryStatus)),
                    scope=random.choice((None, "clinic", "pharmacy")),
                    reason=random.choice((None, "shadow")),
                )
                for _ in range(random.choice((0, 1, 1, 3)))
            )
            message = self.message(
                *deliveries,
                payloads=payloads,
                status=status,
                source=random.choice(("feed", "clinic-feed")),
                type=random.choice(("RDE^O11", "ADT^A08")),
                control_id=content[0],
                fingerprint=content[1],
                patient_keys=tuple(random.sample(range(5), random.randrange(3))),
                received_us=(self.messages + random.randrange(-2, 3)) * 1_000_000,
                outcomes=random.choice(
                    ((), (("clinic", "FILTERED", "a.yaml:3"), ("pharmacy", "ERROR", None)))
                ),
                flags=random.choice(((), ("reused",), ("reused", "future"))),
                original=original,
                operator=random.choice((None, "sue")),
                event_date=random.choice((None, 20260101)),
            )
            batch.messages.append(message)
            if status is not MessageStatus.DUPLICATE:
                self._processed[content] = message.id
            open_ids.extend(d.id for d in deliveries if d.status is DeliveryStatus.QUEUED)
        random.shuffle(open_ids)
        for delivery_id in [open_ids.pop() for _ in range(min(len(open_ids), random.randrange(3)))]:
            batch.claims.append(delivery_id)
            if random.random() < 0.8:
                batch.changes.append(self._random_change(random, delivery_id))
        return batch

    def _random_change(self, random: Random, delivery_id: int) -> DeliveryChange:
        if random.random() < 0.4:
            return self.sent(delivery_id)
        self.positions += 1
        return DeliveryChange(
            delivery_id,
            random.choice(list(DeliveryStatus)),
            random.randrange(4),
            random.randrange(100),
            random.choice((None, "AE", "none", "AA")),
            random.choice((None, "gave up")),
            random.random() < 0.3,
            random.choice((None, b"MSA|AE")),
            random.choice((None, self.positions)),
            random.choice((None, 77)),
        )


@pytest.fixture
def rows() -> Rows:
    """A maker of rows."""
    return Rows()

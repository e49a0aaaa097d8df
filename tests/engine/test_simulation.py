"""The engine against crashes, torn connections and unwilling hospitals, in a world that repeats itself from a seed."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from hl7bridge.delivery import machines
from hl7bridge.store import audit_check
from hl7bridge.store.base import DISCLOSURES, Batch, Store, records_of
from hl7bridge.store.memory.store import MemoryStore
from hl7bridge.testing.hospital import Script
from hl7bridge.testing.world import Crash, World, write_folder

CHANNEL = """
channel: pharmacy
source: {mllp: {port: 2575}}
filter: {MSH-11: P}
map:
  - MSH-5: EPIC
send_to: [hospital]
"""
DESTINATION = """
destination: hospital
send: {mllp: {host: 127.0.0.1, port: 6701}, timeout: 5s, connections: 3}
order: patient
retry: {first: 200ms, factor: 2, most: 2s}
answers: {AR: retry}
"""


def message(number: int, patient: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{patient}-{number}|P|2.5.1\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


def folder(tmp_path: Path) -> Path:
    return write_folder(
        tmp_path / "config", {"pharmacy.yaml": CHANNEL, "destinations/hospital.yaml": DESTINATION}
    )


class CrashingStore:
    """A store whose process dies at one of its calls: before the call's effect, or after it."""

    def __init__(self, store: Store, plan: dict[str, Any]) -> None:
        self._store = store
        self._plan = plan

    def _check_steps(self, batch: Batch) -> None:
        """No delivery takes a step that the machine's table does not have."""
        for change in batch.changes:
            before = self._store.delivery(change.id).status.name.lower()
            assert (before, change.status.name.lower()) in STEPS
        for claimed in batch.claims:
            assert self._store.delivery(claimed).status.name == "QUEUED"

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._store, name)
        if not callable(attribute) or name == "free_bytes":
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            plan = self._plan
            plan["calls"] += 1
            if name == "commit":
                self._check_steps(args[0])
            at = plan["crash_at"]
            if plan["calls"] == at and plan["before"]:
                raise Crash
            result = attribute(*args, **kwargs)
            if plan["calls"] == at:
                raise Crash
            return result

        return call


STEPS = {(before, after) for (before, _), after in machines.DELIVERY.items()}


def stores(plan: dict[str, Any]) -> Any:
    def open_store(before: Any) -> Any:
        durable = MemoryStore() if before is None else before._store.crash()
        return CrashingStore(durable, plan)

    return open_store


def check(world: World, messages: list[bytes], *, clean: bool) -> None:
    ledger = world.ledger
    assert len(ledger.answered) == len(messages), "a feed is still waiting for an answer"
    assert set(ledger.answered.values()) == {"AA"}
    assert not ledger.lost(6701)
    key, place = (lambda each: each.partition("-")[0]), (lambda each: int(each.partition("-")[2]))
    assert not ledger.reordered(6701, key, place)
    repeated = ledger.repeated(6701)
    if clean:
        assert not repeated
    marked = set()
    from hl7bridge.store.base import DeliveryQuery

    store: Store = world.store._store  # looking is no call at which it may crash
    for row in store.deliveries(DeliveryQuery(), limit=10_000):
        assert row.status.name == "SENT", row
        if row.possible_duplicate:
            marked.add(store.message(row.message_id).row.control_id)
    assert repeated <= marked, "delivered twice without being marked"
    check_trail(world)


def check_trail(world: World) -> None:
    """Whatever the hospital got is told in the audit trail, and whatever it got twice is told twice."""
    store: Store = world.store._store
    verdict = audit_check.check(store)
    assert verdict.faults == []
    told: dict[str, int] = {}
    for row in store.audit_rows(0, 10_000):
        for record in records_of(row):
            if record.kind in DISCLOSURES:
                control_id = store.message(record.message).row.control_id
                told[control_id] = told.get(control_id, 0) + 1
                assert record.destination == "hospital"
    delivered = {control_id for control_id, _ in world.ledger.delivered[6701]}
    assert told.keys() == delivered
    for control_id in world.ledger.repeated(6701):
        assert told[control_id] > 1


def run_world(
    tmp_path: Path, seed: int | None, plan: dict[str, Any], script: Script, count: int = 24
) -> World:
    world = World(folder(tmp_path), stores(plan), seed=seed)
    world.hospital(6701, script)
    random = Random(seed)
    messages = [message(number, random.randint(1, 5)) for number in range(count)]
    per_patient: dict[bytes, list[bytes]] = {}
    for each in messages:
        per_patient.setdefault(each.split(b"|")[9].partition(b"-")[0], []).append(each)
    try:
        world.start()
    except Crash:
        world.crash()
        world.start()
    feeds = [world.feed(2575, list(each)) for each in per_patient.values()]
    world.run(3000, lambda: all(feed.done.called for feed in feeds) and world.settled())
    check(world, messages, clean=seed is None and not plan["crash_at"])
    return world


def test_without_faults_everything_arrives_once_and_in_order(tmp_path: Path) -> None:
    run_world(tmp_path, None, {"calls": 0, "crash_at": 0, "before": False}, Script())


def calls_of_a_quiet_run(tmp_path: Path) -> int:
    plan = {"calls": 0, "crash_at": 0, "before": False}
    run_world(tmp_path, 7, plan, Script(delay_s=0.05))
    return int(plan["calls"])


def test_a_crash_at_any_store_call_loses_nothing(tmp_path: Path) -> None:
    calls = calls_of_a_quiet_run(tmp_path / "quiet")
    assert calls > 50
    for before in (True, False):
        for crash_at in range(1, calls, 3):
            plan = {"calls": 0, "crash_at": crash_at, "before": before}
            world = run_world(tmp_path / f"{crash_at}{before}", 7, plan, Script(delay_s=0.05))
            assert world.crashes == 1


@pytest.mark.parametrize("seed", range(25))
def test_unwilling_hospitals_and_torn_connections(tmp_path: Path, seed: int) -> None:
    """The seed in the test's name reproduces a failure."""
    random = Random(seed)

    def answer(payload: bytes) -> str:
        manners = ["AA"] * 6 + ["AE", "AR", "silence", "garbage", "wrong-id", "twice", "close", "half"]
        return random.choice(manners)

    plan = {"calls": 0, "crash_at": random.randint(1, 120), "before": random.random() < 0.5}
    run_world(tmp_path, seed, plan, Script(answer=answer, delay_s=random.choice([0, 0.01, 0.3])))

"""The account at the end of a run finds what is missing, wherever it went missing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from hl7bridge.channel.loading.folder import load
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import STORE
from hl7bridge.store.base import (
    RAW_BODY,
    Batch,
    DeliveryChange,
    DeliveryStatus,
    MessageStatus,
    NewDelivery,
    NewMessage,
)
from hl7bridge.store.sqlite.store import SqliteStore
from hl7bridge.testing import account
from hl7bridge.testing.people import Patient
from hl7bridge.testing.site import NotHere, Site
from hl7bridge.testing.traffic import Sent, Traffic

FOLDER = {
    "pharmacy.yaml": b"channel: pharmacy\nsource: pharmacy-feed\nsend_to: [near]\n",
    "sources/pharmacy-feed.yaml": b"source: pharmacy-feed\nmllp: {port: 2575}\n",
    "destinations/near.yaml": b"destination: near\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}
PEOPLE = [Patient(b"%d" % n, "DOE", "JO", date(1980, 1, 1), "F", "W", "5550100") for n in (13, 26)]


def body(control_id: str) -> bytes:
    return b"MSH|^~\\&|RX|S1|||20261121||RDE^O11|%s|P|2.5.1\r" % control_id.encode()


def site(folder: Path, count: int) -> Site:
    """A run whose pharmacies have sent `count` messages, of two patients in turn, and were told AA."""
    messages = [Sent(f"P{n}", PEOPLE[n % 2], body(f"P{n}")) for n in range(count)]
    made = Site(folder, load(FOLDER), folder, Traffic({"pharmacies": messages}), Clock(), 5.0)
    made.progress["pharmacies"].answers["AA"] = count
    return made


def keep(folder: Path, count: int, status: DeliveryStatus = DeliveryStatus.SENT, twice: bool = False) -> None:
    """The store of an engine that has received so many and ended their deliveries in a status."""
    store = SqliteStore(folder / STORE)
    now = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1e6)
    for n in range(count):
        delivery = NewDelivery(n + 1, n + 1, "near", "pharmacy", RAW_BODY, (n % 2,), DeliveryStatus.SENDING)
        message = NewMessage(
            n + 1,
            now + n,
            "pharmacy-feed",
            "RDE^O11",
            f"P{n}",
            1,
            n,
            MessageStatus.RECEIVED,
            "AA",
            "v1",
            body(f"P{n}"),
            deliveries=(delivery,),
        )
        store.commit(Batch(messages=[message]))
        if status is not DeliveryStatus.SENDING:
            change = DeliveryChange(n + 1, status, 2 if twice else 1, now + n, "AA", possible_duplicate=twice)
            store.commit(Batch(changes=[change]))
    store.close()


def arrive(run: Site, *numbers: int, code: str = "AA") -> None:
    for n in numbers:
        run.receivers["near"].hospital.seen(body(f"P{n}"), code)


def problems(run: Site) -> list[str]:
    return account.of_site(run).problems


def test_all_there(tmp_path: Path) -> None:
    run = site(tmp_path, 4)
    keep(tmp_path, 4)
    arrive(run, 0, 1, 2, 3)
    result = account.of_site(run)
    assert result.problems == []
    assert (result.acknowledged, result.delivered) == (4, 4)
    assert result.destinations[0].got == 4


def test_a_delivery_that_never_arrived(tmp_path: Path) -> None:
    run = site(tmp_path, 4)
    keep(tmp_path, 4)
    arrive(run, 0, 1, 3)
    assert problems(run) == ["near: deliveries that count as ended and did not arrive: 1"]


def test_an_acknowledged_message_that_the_store_has_not(tmp_path: Path) -> None:
    run = site(tmp_path, 4)
    keep(tmp_path, 3)
    arrive(run, 0, 1, 2)
    assert problems(run) == ["pharmacies: messages that the store has not: 1"]


def test_a_message_without_an_answer(tmp_path: Path) -> None:
    run = site(tmp_path, 4)
    run.progress["pharmacies"].answers["AA"] = 3
    keep(tmp_path, 4)
    arrive(run, 0, 1, 2, 3)
    assert problems(run) == ["pharmacies: messages without an answer: 1"]


def test_something_that_nobody_sent(tmp_path: Path) -> None:
    run = site(tmp_path, 3)
    keep(tmp_path, 3)
    arrive(run, 0, 1, 2, 9)
    assert problems(run) == ["near: messages that arrived and that nobody sent: 1"]


def test_what_still_waits(tmp_path: Path) -> None:
    run = site(tmp_path, 2)
    keep(tmp_path, 2, DeliveryStatus.SENDING)
    arrive(run, 0)
    assert problems(run) == ["near: deliveries that still wait: 2"]


def test_a_refusal_that_the_hospital_knows_nothing_of(tmp_path: Path) -> None:
    run = site(tmp_path, 2)
    keep(tmp_path, 2, DeliveryStatus.FAILED)
    arrive(run, 0, 1, code="AR")
    assert problems(run) == []
    other = site(tmp_path, 2)
    arrive(other, 0, code="AR")
    assert problems(other) == ["near: deliveries that count as ended and did not arrive: 1"]


def test_order_counts_within_a_patient(tmp_path: Path) -> None:
    keep(tmp_path, 4)
    run = site(tmp_path, 4)
    arrive(run, 1, 0, 3, 2)
    assert problems(run) == []
    other = site(tmp_path, 4)
    arrive(other, 2, 1, 0, 3)
    assert problems(other) == ["near: messages that came behind a later one of their patient: 1"]


def test_twice_needs_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    keep(tmp_path / "a", 2)
    run = site(tmp_path / "a", 2)
    arrive(run, 0, 1, 1)
    assert problems(run) == ["near: messages that arrived twice and are not marked possible duplicates: 1"]
    keep(tmp_path / "b", 2, twice=True)
    run = site(tmp_path / "b", 2)
    arrive(run, 0, 1, 1)
    result = account.of_site(run)
    assert result.problems == []
    assert result.destinations[0].retried == 2


def test_made_up_messages_go_to_this_machine_only(tmp_path: Path) -> None:
    elsewhere = {
        **FOLDER,
        "destinations/near.yaml": b"destination: near\nsend: {mllp: {host: ehr.example.org, port: 6701}}\n",
    }
    with pytest.raises(NotHere) as raised:
        Site(tmp_path, load(elsewhere), tmp_path, Traffic(), Clock(), 5.0)
    assert isinstance(raised.value, HL7BridgeError)
    assert "ehr.example.org" in str(raised.value)

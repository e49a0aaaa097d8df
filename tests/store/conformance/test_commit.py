"""What every store keeps of a batch: all of it or nothing, and what is read afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from hl7bridge.store.base import (
    BODY_BITS,
    Act,
    Batch,
    ConfigurationVersion,
    Counters,
    DeliveryChange,
    DeliveryQuery,
    DeliveryStatus,
    Hold,
    MessageQuery,
    Recovered,
    Store,
    StoreFault,
)


def test_a_new_store_is_empty_and_has_a_secret_key(store: Store) -> None:
    assert len(store.key) == 32
    assert store.counters() == Counters(0, 0, 0)
    assert store.messages(MessageQuery()) == []
    assert store.deliveries(DeliveryQuery()) == []
    assert store.message(1) is None
    assert store.delivery(1) is None
    assert store.configuration("v1") is None
    assert store.destinations_with_work() == []
    assert store.open_deliveries("rush", 0, 10) == []


def test_a_message_is_read_as_it_was_kept_also_after_a_crash(kit: Any, rows: Any) -> None:
    first = rows.delivery("rush", scope="pharmacy", keys=(7,))
    merge = rows.delivery("tucson", payload=1, keys=(7, -9))
    refused = rows.delivery("medstar", payload=-1, keys=(), status=DeliveryStatus.CANCELLED, reason="shadow")
    kept = rows.message(
        first,
        merge,
        refused,
        payloads=(b"one", b"two"),
        outcomes=(("pharmacy", "RECEIVED", None), ("clinic", "FILTERED", "clinic.yaml:7")),
        flags=("reused-control-id",),
        operator="sue",
        original=4,
    )
    kit.store.commit(rows.batch(kept))
    for store in (kit.store, kit.reader(), kit.crash()):
        detail = store.message(kept.id)
        row = detail.row
        for name in ("id", "received_us", "source", "type", "control_id", "status", "answer", "version"):
            assert getattr(row, name) == getattr(kept, name), name
        for name in ("event_date", "patient_keys", "outcomes", "flags", "original", "operator"):
            assert getattr(row, name) == getattr(kept, name), name
        assert row.size == len(kept.raw)
        one, two, three = detail.deliveries
        assert (one.destination, one.scope, one.keys, one.code) == ("rush", "pharmacy", (7,), None)
        assert (two.destination, two.keys, two.status) == ("tucson", (7, -9), DeliveryStatus.QUEUED)
        assert (three.status, three.reason, three.keys) == (DeliveryStatus.CANCELLED, "shadow", ())
        assert [store.body(d.payload_ref) for d in detail.deliveries] == [b"one", b"two", kept.raw]
        assert [store.body(ref) for ref, _ in detail.bodies] == [kept.raw, b"one", b"two"]
        assert [size for _, size in detail.bodies] == [len(kept.raw), 3, 3]
        assert store.delivery(one.id) == one


@pytest.mark.parametrize("size", [0, 10, 5_000, 9_000, 3_000_000])
def test_equal_bodies_of_a_message_are_kept_once_whatever_their_size(
    store: Store, rows: Any, size: int
) -> None:
    body = b"x" * size
    other = b"y" * size + b"!"
    first, second, third = rows.delivery(), rows.delivery(payload=1), rows.delivery(payload=2)
    kept = rows.message(first, second, third, raw=body, payloads=(other, body, bytes(bytearray(other))))
    store.commit(rows.batch(kept))
    detail = store.message(kept.id)
    assert detail is not None
    assert sorted(size for _, size in detail.bodies) == [size, size + 1]
    assert [store.body(each.payload_ref) for each in detail.deliveries] == [other, body, other]
    assert [each.size for each in store.open_deliveries("rush", 0, 9)] == [size + 1, size, size + 1]


def test_four_hundred_different_payloads_have_a_place_each(store: Store, rows: Any) -> None:
    payloads = tuple(b"payload %d" % n for n in range(400))
    kept = rows.message(*[rows.delivery(payload=n) for n in range(400)], payloads=payloads)
    store.commit(rows.batch(kept))
    assert [store.body(each.payload_ref) for each in store.open_deliveries("rush", 0, 500)] == list(payloads)


def test_a_body_that_is_not_there_is_a_fault(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message()))
    for ref in (5 << BODY_BITS, 1 << BODY_BITS | 7):
        with pytest.raises(StoreFault, match="no such body"):
            store.body(ref)


WRONG = {
    "a payload that is not there": lambda rows: rows.message(rows.delivery(payload=1)),
    "a negative payload": lambda rows: rows.message(rows.delivery(payload=-2)),
    "a message identifier used twice": lambda rows: rows.message(id=1),
    "a delivery identifier used twice": lambda rows: rows.message(rows.delivery(id=1)),
    "a number beyond 64 bits": lambda rows: rows.message(sender=1 << 63),
    "an order key beyond 64 bits": lambda rows: rows.message(rows.delivery(keys=(1 << 64,))),
    "a patient key beyond 64 bits": lambda rows: rows.message(patient_keys=(1 << 64,)),
    "lone surrogates": lambda rows: rows.message(control_id="\udce9"),
    "lone surrogates in a name": lambda rows: rows.message(source="\udce9"),
    "text for a number": lambda rows: rows.message(fingerprint="x"),
    "text for a body": lambda rows: rows.message(raw="text"),
    "no body": lambda rows: rows.message(raw=None),
    "no time": lambda rows: rows.message(received_us=None),
    "no destination": lambda rows: rows.message(rows.delivery(None)),
    "an unknown status": lambda rows: rows.message(status=9),
    "an unknown delivery status": lambda rows: rows.message(rows.delivery(status=9)),
    "a negative identifier": lambda rows: rows.message(id=-4),
    "an identifier beyond the last node": lambda rows: rows.message(id=1 << 47),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_one_bad_message_is_refused_with_its_batch_and_the_others_alone_succeed(
    kit: Any, rows: Any, wrong: str
) -> None:
    store = kit.store
    store.commit(rows.batch(rows.message(rows.delivery())))
    good = [rows.message(rows.delivery("tucson"), source="new-feed") for _ in range(2)]
    bad = WRONG[wrong](rows)
    with pytest.raises(StoreFault):
        store.commit(Batch(messages=[good[0], bad, good[1]], changes=[rows.sent(1)]))
    assert [row.id for row in store.messages(MessageQuery())] == [1]
    assert store.open_count("tucson") == 0
    assert store.open_count("rush") == 1
    for message in good:
        store.commit(rows.batch(message))
    with pytest.raises(StoreFault):
        store.commit(rows.batch(bad))
    for after in (store, kit.crash()):
        assert [row.id for row in after.messages(MessageQuery(source="new-feed"))] == [good[1].id, good[0].id]
        assert after.open_count("tucson") == 2
        assert after.delivery(1).status is DeliveryStatus.QUEUED


def test_a_claim_needs_a_queued_delivery(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message(rows.delivery(), rows.delivery())))
    store.commit(Batch(claims=[1]))
    for wrong in ([1], [2, 1], [99], [2, 2]):
        with pytest.raises(StoreFault):
            store.commit(Batch(claims=wrong))
    assert [row.status for row in store.deliveries(DeliveryQuery())] == [
        DeliveryStatus.SENDING,
        DeliveryStatus.QUEUED,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": 99},
        {"at_us": "x"},
        {"status": 7},
        {"position": 1 << 63},
        {"code": "\ud800"},
        {"answer": "text"},
    ],
)
def test_a_change_that_cannot_be_kept_takes_its_batch_along(
    store: Store, rows: Any, wrong: dict[str, Any]
) -> None:
    store.commit(rows.batch(rows.message(rows.delivery(), rows.delivery())))
    change = rows.sent(2, **wrong)
    with pytest.raises(StoreFault):
        store.commit(Batch(changes=[rows.sent(1), change]))
    assert {row.status for row in store.deliveries(DeliveryQuery())} == {DeliveryStatus.QUEUED}
    store.commit(Batch(changes=[rows.sent(1)]))
    assert store.open_count("rush") == 1


def test_a_plain_acceptance_leaves_no_attempt_and_everything_else_does(store: Store, rows: Any) -> None:
    store.commit(rows.batch(rows.message(rows.delivery(), rows.delivery())))
    store.commit(Batch(claims=[1, 2]))
    store.commit(
        Batch(
            changes=[
                rows.sent(1, at_us=10),
                DeliveryChange(
                    2, DeliveryStatus.QUEUED, 1, 11, "AE", "answered AE", True, b"MSA|AE", None, 99
                ),
            ]
        )
    )
    store.commit(Batch(claims=[2]))
    store.commit(Batch(changes=[DeliveryChange(2, DeliveryStatus.SENT, 2, 20, "AA")]))
    detail = store.message(1)
    assert detail is not None
    one, two = detail.deliveries
    assert (one.status, one.attempts, one.first_attempt_us, one.at_us, one.code) == (2, 1, 10, 10, "AA")
    assert (two.status, two.attempts, two.first_attempt_us, two.at_us, two.code) == (2, 2, 11, 20, "AA")
    assert two.possible_duplicate, "once a possible duplicate, always one"
    assert (two.reason, two.next_us) == (None, None)
    assert [(a.delivery_id, a.status, a.code, a.reason, a.answer) for a in detail.attempts] == [
        (2, DeliveryStatus.QUEUED, "AE", "answered AE", b"MSA|AE"),
        (2, DeliveryStatus.SENT, "AA", None, None),
    ]


def test_a_message_may_be_accepted_claimed_and_finished_in_one_batch(kit: Any, rows: Any) -> None:
    message = rows.message(rows.delivery(), rows.delivery(status=DeliveryStatus.SENDING))
    kit.store.commit(Batch(messages=[message], claims=[1], changes=[rows.sent(1)]))
    store = kit.crash()
    assert [row.status for row in store.deliveries(DeliveryQuery())] == [2, 1]
    assert store.open_count("rush") == 1
    assert store.recover(50) == [Recovered("rush", 1)]


def test_recovery_queues_again_what_was_being_sent_and_marks_it(kit: Any, rows: Any) -> None:
    kit.store.commit(
        rows.batch(
            rows.message(rows.delivery("rush"), rows.delivery("tucson"), rows.delivery("rush")),
            rows.message(rows.delivery("tucson", status=DeliveryStatus.SENDING)),
        )
    )
    kit.store.commit(Batch(claims=[1, 3]))
    kit.store.commit(Batch(changes=[rows.sent(3)]))
    store = kit.crash()
    assert store.recover(77) == [Recovered("rush", 1), Recovered("tucson", 1)]
    store = kit.crash()
    assert store.recover(78) == []
    every = store.deliveries(DeliveryQuery())
    assert [(row.status, row.possible_duplicate) for row in every] == [
        (DeliveryStatus.QUEUED, True),
        (DeliveryStatus.QUEUED, False),
        (DeliveryStatus.SENT, False),
        (DeliveryStatus.QUEUED, True),
    ]
    assert store.open_count("rush") == 1
    assert store.open_count("tucson") == 2


def test_counters_go_on_after_a_restart_also_for_moved_deliveries(kit: Any, rows: Any) -> None:
    kit.store.commit(rows.batch(rows.message(rows.delivery(id=40, position=50), id=2000)))
    assert kit.crash().counters() == Counters(2000, 40, 50)
    kit.store.commit(Batch(changes=[DeliveryChange(40, DeliveryStatus.QUEUED, 1, 5, position=90)]))
    kit.store.commit(rows.batch(rows.message(id=1999)))
    assert kit.crash().counters() == Counters(2000, 40, 90)


def test_identifiers_of_a_node_count_without_it(kit: Any, rows: Any) -> None:
    node = 5 << 40
    message = rows.message(rows.delivery(id=node | 8), id=node | 3, patient_keys=(1,))
    kit.store.commit(rows.batch(message))
    store = kit.crash()
    assert store.counters() == Counters(3, 8, 1)
    assert [row.id for row in store.messages(MessageQuery(patient_key=1))] == [node | 3]
    assert store.body(message.id << BODY_BITS) == message.raw


def test_holds_acts_and_configurations_survive(kit: Any, rows: Any) -> None:
    files = {"a.yaml": b"channel: a\n", "tables/t.csv": b"\xff\x00", "b.yaml": b"channel: a\n"}
    version = ConfigurationVersion("v1", 10, files, ("TOKEN", "file./run/x"))
    kit.store.commit(
        Batch(
            versions=[version, ConfigurationVersion("v2", 5, {"a.yaml": b"channel: a\n"})],
            holds=[
                Hold("rush", True, "sue", 1),
                Hold("tucson", True, "sue", 1),
                Hold("tucson", False, "joe", 2),
            ],
            acts=[Act(2, "joe", "release", "tucson"), Act(1, "sue", "hold", "rush")],
        )
    )
    kit.store.commit(Batch(versions=[ConfigurationVersion("v1", 99, {})]))
    for store in (kit.reader(), kit.crash()):
        assert store.held() == {"rush"}
        assert [act.operator for act in store.acts()] == ["sue", "joe"]
        assert [act.operator for act in store.acts(after_us=2, limit=5)] == ["joe"]
        assert store.configuration("v1") == version
        assert store.configuration("v2").secret_names == ()
        assert store.configuration("v3") is None
        assert store.versions() == [("v2", 5), ("v1", 10)]


def test_an_empty_batch_is_kept(store: Store) -> None:
    store.commit(Batch())
    store.checkpoint()
    assert store.counters() == Counters(0, 0, 0)

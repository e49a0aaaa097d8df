"""The queue of one destination, against a model store: whatever happens in whatever order, order and bounds hold."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hl7bridge.delivery.queue import DestinationQueue, Entry, Place

PAGE = 3
#: The key of what is decided under order `strict`.
LINE = 9
#: What may be decided under each order.
NONE, STRICT = st.just(()), st.just((LINE,))
PATIENT = st.one_of(st.tuples(st.integers(0, 2)), st.sampled_from([(0, 1), (2, 0)]))


def order_of(keys: tuple[int, ...]) -> str:
    return "strict" if keys == (LINE,) else "patient" if keys else "none"


class Row:
    """What the store knows of a delivery."""

    def __init__(self, position: int, keys: tuple[int, ...]) -> None:
        self.position, self.keys, self.status = position, keys, "queued"


class QueueWithStore(RuleBasedStateMachine):
    """A queue, a store that commits when told, and a hospital that answers when told."""

    @initialize(
        strict=st.booleans(),
        ahead=st.integers(1, 5),
        window=st.integers(2, 8),
        left_over=st.lists(st.one_of(PATIENT, PATIENT, STRICT, NONE), max_size=12),
        changes=st.booleans(),
    )
    def begin(
        self, strict: bool, ahead: int, window: int, left_over: list[tuple[int, ...]], changes: bool
    ) -> None:
        self.decided = STRICT if strict else st.one_of(NONE, PATIENT)
        self.changes = changes
        self.make = lambda: DestinationQueue(line=LINE, strict=strict, ahead=ahead, window=window)
        self.queue = self.make()
        self.queue.key_window = min(3, window) if not strict else window
        self.rows: dict[int, Row] = {}
        self.next_id = 0
        self.now = 0.0
        self.uncommitted: list[tuple[Entry, bool]] = []
        self.uncommitted_claims: list[Entry] = []
        self.on_the_way: list[Entry] = []
        self.uncommitted_results: list[tuple[Entry, str]] = []
        self.left: dict[int, list[int]] = defaultdict(list)
        for keys in left_over:
            self.rows[self.next_id] = Row(self.next_id, keys)
            self.next_id += 1
        if left_over:
            self.queue.start_from_store()

    @precondition(lambda self: self.changes)
    @rule(decided=st.sampled_from([NONE, STRICT, PATIENT]))
    def reload(self, decided: st.SearchStrategy[tuple[int, ...]]) -> None:
        self.decided = decided
        self.queue.strict = decided is STRICT
        self.queue.stopped = self.queue.stopped and self.queue.strict

    @precondition(lambda self: self.changes)
    @rule()
    def crash(self) -> None:
        """The process dies and starts again: what was on its way is sent anew, everything else is as the store has it."""
        strict, narrow = self.queue.strict, self.queue.key_window
        self.queue = self.make()
        self.queue.strict, self.queue.key_window = strict, narrow
        self.uncommitted, self.uncommitted_claims = [], []
        self.on_the_way, self.uncommitted_results = [], []
        for row in self.rows.values():
            row.status = "queued" if row.status == "sending" else row.status
        self.queue.start_from_store()

    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        keys = data.draw(self.decided)
        entry = Entry(self.next_id, self.next_id, keys, b"payload", 0)
        self.next_id += 1
        self.uncommitted.append((entry, self.queue.admit(entry)))

    @rule(succeeds=st.booleans())
    def commit(self, succeeds: bool) -> None:
        results, self.uncommitted_results = self.uncommitted_results, []
        claims, self.uncommitted_claims = self.uncommitted_claims, []
        messages, self.uncommitted = self.uncommitted, []
        if succeeds:
            for entry, _ in messages:
                self.rows[entry.id] = Row(entry.position, entry.keys)
            for entry, licensed in messages:
                self.rows[entry.id].status = "sending" if licensed else "queued"
            for entry in claims:
                self.rows[entry.id].status = "sending"
        for entry, result in results:
            self.rows[entry.id].status = result
            if result == "queued":
                self.queue.try_again(entry, self.now + 1)
            else:
                self.queue.finished(entry, failed=result == "failed")
        if succeeds:
            self.queue.claimed(claims)
        else:
            self.queue.unclaimed(claims)
        for entry, _ in messages if succeeds else reversed(messages):
            (self.queue.committed if succeeds else self.queue.rolled_back)(entry)

    @rule()
    def claim(self) -> None:
        self.uncommitted_claims += self.queue.take_claims()

    @rule()
    def send(self) -> None:
        entry = self.queue.next_to_send()
        if entry is None:
            return
        assert self.rows[entry.id].status == "sending", "a byte left before the claim was durable"
        if entry.keys:
            others = [
                row.position
                for row in self.rows.values()
                if order_of(row.keys) != order_of(entry.keys)
                and row.position < entry.position
                and row.status in ("queued", "sending")
            ]
            assert not others, "an earlier delivery that was decided under another order is still open"
        for key in entry.keys:
            earlier = [
                row.position
                for row in self.rows.values()
                if key in row.keys and row.position < entry.position and row.status in ("queued", "sending")
            ]
            assert not earlier, "an earlier delivery of this key is still open"
            assert not self.left[key] or self.left[key][-1] <= entry.position
            self.left[key].append(entry.position)
        self.on_the_way.append(entry)

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), result=st.sampled_from(["sent", "sent", "queued", "failed"]))
    def answer(self, data: st.DataObject, result: str) -> None:
        entry = data.draw(st.sampled_from(self.on_the_way))
        self.on_the_way.remove(entry)
        self.uncommitted_results.append((entry, result))

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.queue.due(self.now)

    @rule(up=st.booleans(), held=st.booleans())
    def outside(self, up: bool, held: bool) -> None:
        self.queue.up, self.queue.held = up, held

    @rule()
    def page(self) -> None:
        after = self.queue.page_wanted()
        if after is not None:
            page = self.open_rows(after)
            self.queue.loaded(page[:PAGE], exhausted=len(page) < PAGE)
        wanted = self.queue.key_wanted()
        if wanted is not None:
            key, after = wanted
            page = [entry for entry in self.open_rows(after) if entry.keys[:1] == (key,)]
            self.queue.key_loaded(key, page[:PAGE], exhausted=len(page) < PAGE)

    @precondition(lambda self: self.queue.entries)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(sorted(self.rows) or [0]))
        if (
            delivery in self.rows
            and self.rows[delivery].status == "queued"
            and self.queue.cancellable(delivery)
        ):
            self.rows[delivery].status = "cancelled"
            self.queue.cancelled(delivery)

    def open_rows(self, after: int) -> list[Entry]:
        return [
            Entry(id_, row.position, row.keys, None, 0)
            for id_, row in sorted(self.rows.items(), key=lambda item: item[1].position)
            if row.status in ("queued", "sending") and row.position > after
        ]

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert len(self.queue.entries) - self.queue._waiting_count <= self.queue.window + PAGE
        assert 0 <= self.queue.claims <= self.queue.ahead
        waiting = [entry for entry in self.queue.entries.values() if entry.place is Place.WAITING]
        assert len(waiting) == self.queue._waiting_count

    def teardown(self) -> None:
        """Whatever went before: with a hospital that accepts all, everything that is open leaves."""
        if not hasattr(self, "queue"):
            return
        self.queue.up, self.queue.held, self.queue.stopped = True, False, False
        for _ in range(10 * (len(self.rows) + len(self.uncommitted)) + 20):
            self.wait(5)
            self.page()
            self.claim()
            self.commit(True)
            self.send()
            for entry in self.on_the_way:
                self.uncommitted_results.append((entry, "sent"))
            self.on_the_way = []
            self.queue.stopped = False
        still_open = {
            id_: row.status for id_, row in self.rows.items() if row.status in ("queued", "sending")
        }
        assert not still_open, f"forgotten: {still_open}"
        assert self.queue.idle
        assert not self.queue.keys
        assert self.queue._payload_bytes == 0


TestQueue = QueueWithStore.TestCase
TestQueue.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)

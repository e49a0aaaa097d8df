"""The queue of one destination: which delivery may leave next.

It keeps three promises. Deliveries that share an order key leave in the order of their positions, one at a time, and the next
only when the previous one's result is durable. A delivery leaves only when its claim (`sending`) is durable. Memory is bounded:
beyond the window the store alone holds what waits, and pages of it are asked for as room appears.

Two kinds of work may lie in the store alone. After an *overflow* everything behind `loaded_to` does. A *spilled key* has more
waiting than one key may keep in memory; what lies behind `spilled` does, while other keys go on.

The order of a destination may change while deliveries wait. Which order one was decided under shows in its keys: none, the `line`
(the one key that all share under `strict`), or a patient's. One that has a key leaves only when every older one that was decided
under another order has ended; until then it lies in the store alone, as after an overflow. So the old ones drain under their own
keys, and as positions and keys are all that counts, the rule holds over restarts. One without a key has no order to keep: it bars
what comes after it, and is not barred itself (it may only have to wait in the store behind one that is).

The queue knows no store, no socket and no clock. It is told what happened (admitted, committed, claimed, finished, due, loaded)
and asked what to do (claims, next to send, pages wanted). Times are seconds on any steady clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from hl7bridge.delivery.entry import Entry, Place

__all__ = ["DestinationQueue", "Entry", "KeyQueue", "Place"]

#: Deliveries in memory for one destination, the first MOST_WAITING of those that wait for a retry not counted.
WINDOW = 2000
MOST_WAITING = 20_000
#: Deliveries in memory for one key under order `patient`.
KEY_WINDOW = 64
#: What a key that waits for its retry keeps in memory behind its head.
WAITING_TAIL = 4
#: Payload bytes a queue keeps so that it need not read them again.
PAYLOAD_BYTES = 16 * 1024 * 1024


@dataclass(slots=True, eq=False)
class KeyQueue:
    """The deliveries of one key in memory; `spilled` is the position behind which more lie in the store alone."""

    entries: deque[Entry] = field(default_factory=deque)
    spilled: int | None = None


class DestinationQueue:
    """See the module. `ahead` bounds the claims that may be out at once (about four for each connection); `line` is the key
    of what was decided under `strict`.
    """

    def __init__(self, *, line: int, strict: bool = False, ahead: int = 4, window: int = WINDOW) -> None:
        self.line = line
        self.strict = strict
        self.ahead = ahead
        self.window = window
        self.key_window = window if strict else min(KEY_WINDOW, window)
        self.entries: dict[int, Entry] = {}
        self.keys: dict[int, KeyQueue] = {}
        self.ready: deque[Entry] = deque()
        self.claimable: deque[Entry] = deque()
        self.claims = 0
        self.up = True
        self.held = False
        self.stopped = False
        self.overflow = False
        self.loaded_to = -1
        self._last_admitted = -1
        self._uncommitted_in_store = 0
        self._payload_bytes = 0
        self._waiting: list[tuple[float, int, Entry]] = []
        self._waiting_count = 0
        self._starved: dict[int, None] = {}
        self._keyless = 0
        self._barred: Entry | None = None

    # -- what came ------------------------------------------------------------------------------------------------------

    def admit(self, entry: Entry) -> bool:
        """A delivery was decided and is about to be made durable.

        True: make it durable as `sending`, it leaves as soon as that is done. False: as `queued`.
        """
        if self.overflow or self._crowd() >= self.window or self._bars(entry):
            if not self.overflow:
                self.overflow = True
                self.loaded_to = self._last_admitted
            return self._leave_to_store(entry)
        self._last_admitted = entry.position
        if not self._register(entry):
            return self._leave_to_store(entry)
        entry.place = Place.NEW
        if self.claims < self.ahead and self.up and not (self.held or self.stopped) and self._at_head(entry):
            self.claims += 1
            entry.licensed = True
            return True
        return False

    def committed(self, entry: Entry) -> None:
        """What `admit` was told of is durable now."""
        if entry.place is Place.STORED:
            self._uncommitted_in_store -= 1
        elif entry.licensed:
            entry.place = Place.READY
            self.ready.append(entry)
        else:
            entry.place = Place.QUEUED
            if self._at_head(entry):
                self.claimable.append(entry)

    def rolled_back(self, entry: Entry) -> None:
        """What `admit` was told of will not become durable."""
        if entry.place is Place.STORED:
            self._uncommitted_in_store -= 1
            return
        if entry.licensed:
            self.claims -= 1
        self._drop(entry)

    # -- pages from the store ---------------------------------------------------------------------------------------------

    def start_from_store(self) -> None:
        """The store holds open deliveries from before; they are asked for by pages."""
        self.overflow = True
        self.loaded_to = -1

    def page_wanted(self) -> int | None:
        """The position behind which a page of open deliveries is wanted, or None."""
        if not self.overflow or self._crowd() > self.window // 2:
            return None
        return None if self._barred is not None and self._bars(self._barred) else self.loaded_to

    def loaded(self, page: Sequence[Entry], *, exhausted: bool) -> None:
        """A page, in order of position; `exhausted`: the store had no more."""
        self._barred = None
        for entry in page:
            if entry.id not in self.entries and self._bars(entry):
                self._barred = entry
                return
            self.loaded_to = entry.position
            self._last_admitted = max(self._last_admitted, entry.position)
            if entry.id not in self.entries and self._register(entry):
                self._queued(entry)
        if exhausted and not self._uncommitted_in_store:
            self.overflow = False

    def key_wanted(self) -> tuple[int, int] | None:
        """(key, position): a key whose memory is empty while the store holds more of it behind that position."""
        for key in self._starved:
            spilled = self.keys[key].spilled
            assert spilled is not None
            return key, spilled
        return None

    def key_loaded(self, key: int, page: Sequence[Entry], *, exhausted: bool) -> None:
        """A page of one key, in order of position, as `key_wanted` asked for it."""
        self._starved.pop(key, None)
        queue = self.keys.get(key)
        if queue is None or queue.spilled is None:
            return
        within = [entry for entry in page if not self.overflow or entry.position <= self.loaded_to]
        for entry in within:
            queue.spilled = entry.position
            if entry.id not in self.entries:
                self._insert(queue, entry)
        if (exhausted or len(within) < len(page)) and not self._uncommitted_in_store:
            queue.spilled = None
        self._advance(key, queue)

    # -- what may leave -----------------------------------------------------------------------------------------------------

    def take_claims(self) -> list[Entry]:
        """Deliveries to be made durable as `sending` now, the oldest first."""
        taken: list[Entry] = []
        if not self.up or self.held or self.stopped:
            return taken
        while self.claims < self.ahead and self.claimable:
            entry = self.claimable.popleft()
            if entry.place is Place.QUEUED:
                entry.place = Place.CLAIMING
                self.claims += 1
                taken.append(entry)
        return taken

    @property
    def may_claim(self) -> bool:
        """Whether `take_claims` could give something (or at least has candidates) now."""
        return (
            bool(self.claimable) and self.claims < self.ahead and self.up and not (self.held or self.stopped)
        )

    def claimed(self, entries: Iterable[Entry]) -> None:
        """These claims are durable."""
        for entry in entries:
            entry.place = Place.READY
            self.ready.append(entry)

    def unclaimed(self, entries: Iterable[Entry]) -> None:
        """These claims did not become durable, or were taken back before a byte left."""
        for entry in entries:
            self.claims -= 1
            entry.licensed = False
            self._queued(entry)

    def next_to_send(self) -> Entry | None:
        """The delivery that leaves now; the caller sends it, or has a reason not to and says `finished`."""
        if self.held or self.stopped or not self.ready:
            return None
        entry = self.ready.popleft()
        entry.place = Place.SENDING
        return entry

    def not_sent(self, entry: Entry) -> None:
        """What `next_to_send` gave could not even be read; it is the next again."""
        entry.place = Place.READY
        self.ready.appendleft(entry)

    def unsent(self, ids: Collection[int] | None = None) -> list[Entry]:
        """Takes back every claim, or those of `ids`, of which no byte has left; make them durable as `queued` and say `unclaimed`,
        or as `cancelled` and say `finished`. If they stay as they were, say `claimed`.
        """
        taken = [entry for entry in self.ready if ids is None or entry.id in ids]
        self.ready = deque(entry for entry in self.ready if ids is not None and entry.id not in ids)
        for entry in taken:
            entry.place = Place.CLAIMING
        return taken

    # -- how it ended --------------------------------------------------------------------------------------------------------

    def finished(self, entry: Entry, *, failed: bool = False) -> None:
        """The result (sent, failed or cancelled) is durable; the next of its keys may go, or under `strict` the queue stops."""
        self.claims -= 1
        self.stopped = self.stopped or (failed and self.strict)
        self._drop(entry)

    def try_again(self, entry: Entry, until: float) -> None:
        """The attempt is durable and did not succeed; its keys wait until then."""
        self.claims -= 1
        entry.licensed = False
        entry.place = Place.WAITING
        self._keep_payload(entry, None)
        heappush(self._waiting, (until, entry.position, entry))
        self._waiting_count += 1
        for key in entry.keys:
            self._shorten(self.keys[key])

    def due(self, now: float) -> None:
        """Time has come to `now`: what waited until then may be claimed again."""
        while self._waiting and self._waiting[0][0] <= now:
            entry = heappop(self._waiting)[2]
            if entry.place is Place.WAITING:
                self._waiting_count -= 1
                self._queued(entry)

    def next_due(self) -> float | None:
        """The time of the earliest retry, or None."""
        return self._waiting[0][0] if self._waiting else None

    def retry_now(self) -> None:
        """An operator, or a link that came up, ends all waiting."""
        for _, _, entry in sorted(self._waiting, key=lambda item: item[1]):
            if entry.place is Place.WAITING:
                self._waiting_count -= 1
                self._queued(entry)
        self._waiting.clear()

    def cancellable(self, delivery_id: int) -> bool:
        """False while the delivery is on its way (its claim may have let bytes leave)."""
        entry = self.entries.get(delivery_id)
        return entry is None or entry.place in (Place.QUEUED, Place.WAITING)

    def cancelled(self, delivery_id: int) -> None:
        """Its cancellation is durable."""
        entry = self.entries.get(delivery_id)
        if entry is not None:
            if entry.place is Place.WAITING:
                self._waiting_count -= 1
            self._drop(entry)

    @property
    def idle(self) -> bool:
        """Nothing in memory and nothing known in the store."""
        return not self.entries and not self.overflow

    def _crowd(self) -> int:
        return len(self.entries) - min(self._waiting_count, MOST_WAITING)

    # -- inside ---------------------------------------------------------------------------------------------------------------

    def _bars(self, entry: Entry) -> bool:
        """Whether anything here, or spilled from here, was decided under another order than this entry, which is younger."""
        in_line = self.line in self.keys
        others = len(self.keys) - in_line if entry.keys == (self.line,) else in_line
        return bool(entry.keys and (others or self._keyless))

    def _at_head(self, entry: Entry) -> bool:
        for key in entry.keys:
            queue = self.keys[key]
            if queue.entries[0] is not entry or (
                queue.spilled is not None and entry.position > queue.spilled
            ):
                return False
        return True

    def _register(self, entry: Entry) -> bool:
        """Puts the entry into its keys' queues; False where its one key has spilled, or spills with it."""
        if len(entry.keys) == 1:
            key = entry.keys[0]
            queue = self.keys.get(key)
            if queue is None:
                self.keys[key] = queue = KeyQueue()
            elif queue.spilled is not None:
                return False
            elif len(queue.entries) >= self.key_window:
                queue.spilled = queue.entries[-1].position
                return False
            queue.entries.append(entry)
        else:
            # A merge belongs to several keys and is never spilled: its place among them must not be forgotten.
            for key in entry.keys:
                self.keys.setdefault(key, KeyQueue()).entries.append(entry)
            self._keyless += not entry.keys
        self.entries[entry.id] = entry
        if entry.payload is not None:
            self._keep_payload(entry, entry.payload)
        return True

    def _leave_to_store(self, entry: Entry) -> bool:
        entry.place = Place.STORED
        entry.payload = None
        self._uncommitted_in_store += 1
        return False

    def _insert(self, queue: KeyQueue, entry: Entry) -> None:
        """Puts a loaded entry of a spilled key before the merges that came after it."""
        at = len(queue.entries)
        while at and queue.entries[at - 1].position > entry.position:
            at -= 1
        queue.entries.insert(at, entry)
        self.entries[entry.id] = entry
        entry.place = Place.QUEUED

    def _queued(self, entry: Entry) -> None:
        entry.place = Place.QUEUED
        if self._at_head(entry):
            self.claimable.append(entry)

    def _drop(self, entry: Entry) -> None:
        entry.place = Place.GONE
        self._keep_payload(entry, None)
        self.entries.pop(entry.id, None)
        self._keyless -= not entry.keys
        for key in entry.keys:
            queue = self.keys[key]
            if queue.entries[0] is entry:
                queue.entries.popleft()
                self._advance(key, queue)
            else:
                queue.entries.remove(entry)

    def _advance(self, key: int, queue: KeyQueue) -> None:
        """The head of this key is another one now."""
        head = queue.entries[0] if queue.entries else None
        if queue.spilled is not None and (head is None or head.position > queue.spilled):
            self._starved[key] = None
        elif head is None:
            del self.keys[key]
        elif head.place is Place.QUEUED and self._at_head(head):
            self.claimable.append(head)

    def _shorten(self, queue: KeyQueue) -> None:
        """A key that waits keeps only a short tail, so that many waiting keys cannot fill the window."""
        entries = queue.entries
        while len(entries) > 1 + WAITING_TAIL:
            last = entries[-1]
            if last.place is not Place.QUEUED or len(last.keys) > 1:
                return
            entries.pop()
            del self.entries[last.id]
            self._keep_payload(last, None)
            last.place = Place.STORED
            if queue.spilled is None or queue.spilled > entries[-1].position:
                queue.spilled = entries[-1].position

    def _keep_payload(self, entry: Entry, payload: bytes | None) -> None:
        """Keeps or gives up the bytes of a payload, within PAYLOAD_BYTES for the whole queue."""
        if payload is None:
            if entry.payload is not None:
                self._payload_bytes -= len(entry.payload)
                entry.payload = None
        elif self._payload_bytes + len(payload) <= PAYLOAD_BYTES or not self.entries:
            self._payload_bytes += len(payload)
        else:
            entry.payload = None

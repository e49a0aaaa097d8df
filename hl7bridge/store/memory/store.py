"""A store that lives in memory: an honest fake for tests and simulations.

Holds what was committed, and only that: `crash()` returns the durable state as a new store, as a restart
would find it. It passes the same conformance suite as the others. `refuse_next` makes the next commit say
no (or leave its outcome unknown), and `room_bytes` makes it full.

Refuses to know: files, SQL, time. Raises the kinds of `StoreError` that the protocol names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hl7bridge.store.base import (
    BODY_BITS,
    Act,
    Batch,
    ConfigurationVersion,
    Counters,
    DeliveryQuery,
    DeliveryRow,
    DeliveryStatus,
    Earlier,
    MessageDetail,
    MessageQuery,
    MessageRow,
    MessageStatus,
    NewMessage,
    OpenDelivery,
    Recovered,
    Removed,
    RosterEntry,
    RosterFile,
    RosterMatch,
    RosterReport,
    Stats,
    StoreError,
    StoreFault,
    StoreFull,
    StoreUnknown,
)
from hl7bridge.store.checks import once
from hl7bridge.store.memory.audit import AuditTrail
from hl7bridge.store.memory.programme import ProgrammeRows
from hl7bridge.store.memory.seen import SeenRows
from hl7bridge.store.memory.state import Pending, State, message_row

_SENT = DeliveryStatus.SENT


class MemoryStore(ProgrammeRows, SeenRows, AuditTrail):
    """The protocol `Store`, kept in dictionaries.

    `room_bytes` bounds the bodies it takes: beyond it, commits raise StoreFull until retention makes room
    or the attribute is raised.
    """

    def __init__(self, *, key: bytes = b"k" * 32, room_bytes: int = 1 << 40) -> None:
        self.room_bytes = room_bytes
        self._state = State(key)
        self._refusal: tuple[StoreError, bool, int] | None = None
        self._broken: StoreUnknown | None = None

    # For tests and simulations

    def crash(self) -> MemoryStore:
        """The store as a restart finds it: what was committed, and nothing else."""
        fresh = MemoryStore(key=self._state.key, room_bytes=self.room_bytes)
        fresh._state = self._state.copy()
        return fresh

    def refuse_next(self, error: StoreError, *, kept: bool = False, after: int = 0) -> None:
        """Make the next commit (or publishing), or the one `after` so many, raise `error`; `kept` (for StoreUnknown
        only) keeps the batch all the same.
        """
        self._refusal = (error, kept, after)

    # Writing

    def commit(self, batch: Batch) -> dict[int, Earlier]:
        """Keep a batch, or nothing of it."""
        with self._refusing():
            messages, repeated = once(batch.messages, self.duplicate_of)
            batch = replace(batch, messages=messages)
            pending = Pending(self._state)
            pending.add(batch)
            if pending.body_bytes and self._state.body_bytes + pending.body_bytes > self.room_bytes:
                raise StoreFull("the store has no room left")
            pending.merge(batch)
        return repeated

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Around one transaction: says no where `refuse_next` asked for it, before or after what is kept."""
        self._usable()
        refusal = None
        if self._refusal is not None:
            error, kept, after = self._refusal
            refusal = None if after else (error, kept)
            self._refusal = (error, kept, after - 1) if after else None
        if refusal is not None and not refusal[1]:
            self._note(refusal[0])
            raise refusal[0]
        yield
        if refusal is not None:
            self._note(refusal[0])
            raise refusal[0]

    def recover(self, at_us: int) -> list[Recovered]:
        """What was being sent is queued again, marked as a possible duplicate."""
        self._usable()
        counts: dict[str, int] = {}
        gathered = self._state.gathering()
        gathered.start(at_us)
        for _, row in sorted(self._state.deliveries.items()):
            if row.status == DeliveryStatus.SENDING:
                counts[row.destination] = counts.get(row.destination, 0) + 1
                gathered.interrupted(row.id, self._state.place(row, {}), row.attempts, row.code, at_us)
                self._state.deliveries[row.id] = replace(
                    row, status=DeliveryStatus.QUEUED, possible_duplicate=True, at_us=at_us
                )
        self._state.chain(gathered)
        return [Recovered(name, counts[name]) for name in sorted(counts)]

    def expire(
        self, before_us: int, limit: int = 1000, budget_us: int = 5_000, failed_too: bool = False
    ) -> Removed:
        """Remove up to `limit` old messages; no budget is needed here."""
        self._usable()
        state = self._state
        stay = {DeliveryStatus.QUEUED, DeliveryStatus.SENDING}
        if not failed_too:
            stay.add(DeliveryStatus.FAILED)
        kept = {row.message_id for row in state.deliveries.values() if row.status in stay}
        old = [i for i, m in sorted(state.messages.items()) if m.received_us < before_us and i not in kept]
        size = 0
        for message_id in old[:limit]:
            message = state.messages.pop(message_id)
            for number in range(len(message.payloads) + 1):
                size += len(state.bodies.pop(message_id << BODY_BITS | number, b""))
            gone = {delivery.id for delivery in message.deliveries}
            state.attempts = [attempt for attempt in state.attempts if attempt.delivery_id not in gone]
            for delivery_id in gone:
                del state.deliveries[delivery_id]
        state.body_bytes -= size
        return Removed(len(old[:limit]), size, len(old) > limit)

    def checkpoint(self) -> None:
        """Nothing to do."""
        self._usable()

    def close(self) -> None:
        """Nothing to do."""

    # Asking

    @property
    def key(self) -> bytes:
        """32 secret bytes."""
        return self._state.key

    def counters(self) -> Counters:
        """Where to go on counting."""
        return self._state.counters

    def duplicate_of(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest exact copy since then, else the newest with other bytes."""
        other: NewMessage | None = None
        for message in sorted(self._state.messages.values(), key=lambda m: m.id, reverse=True):
            if (message.control_id, message.sender) != (control_id, sender) or message.received_us < since_us:
                continue
            if message.status == MessageStatus.DUPLICATE:
                continue
            if message.fingerprint == fingerprint:
                return _earlier(message, True)
            other = other or message
        return None if other is None else _earlier(other, False)

    def open_deliveries(
        self, destination: str, after_position: int, limit: int, key: int | None = None
    ) -> list[OpenDelivery]:
        """A page of a queue."""
        rows = [
            row
            for row in self._state.deliveries.values()
            if row.destination == destination
            and row.position > after_position
            and (
                row.status < _SENT if key is None else row.status == DeliveryStatus.QUEUED and key in row.keys
            )
        ]
        rows.sort(key=lambda row: row.position)
        return [self._open_delivery(row) for row in rows[:limit]]

    def _open_delivery(self, row: DeliveryRow) -> OpenDelivery:
        message = self._state.messages[row.message_id]
        return OpenDelivery(
            id=row.id,
            position=row.position,
            message_id=row.message_id,
            destination=row.destination,
            channel=row.channel,
            scope=row.scope,
            keys=row.keys,
            status=row.status,
            attempts=row.attempts,
            possible_duplicate=row.possible_duplicate,
            payload_ref=row.payload_ref,
            size=len(self._state.bodies[row.payload_ref]),
            received_us=message.received_us,
            first_attempt_us=row.first_attempt_us,
            next_us=row.next_us,
            source=message.source,
            type=message.type,
            control_id=message.control_id,
            version=message.version,
            event_date=message.event_date,
            patient_keys=message.patient_keys,
        )

    def open_count(self, destination: str) -> int:
        """How many are open."""
        return sum(r.status < _SENT and r.destination == destination for r in self._state.deliveries.values())

    def failed_count(self, destination: str) -> int:
        """How many have failed."""
        failed = DeliveryStatus.FAILED
        return sum(
            r.status == failed and r.destination == destination for r in self._state.deliveries.values()
        )

    def destinations_with_work(self) -> list[str]:
        """Those with open deliveries."""
        return sorted({row.destination for row in self._state.deliveries.values() if row.status < _SENT})

    def held(self) -> set[str]:
        """Those that an operator holds."""
        return set(self._state.held)

    def acts(self, after_us: int = 0, limit: int = 100) -> list[Act]:
        """What operators did."""
        since = [act for act in self._state.acts if act.at_us >= after_us]
        return sorted(since, key=lambda act: act.at_us)[:limit]

    def body(self, ref: int) -> bytes:
        """A body by its reference."""
        found = self._state.bodies.get(ref)
        if found is None:
            raise StoreFault("there is no such body", hint="retention may have removed it")
        return found

    def messages(
        self, query: MessageQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = True
    ) -> list[MessageRow]:
        """A page of messages."""
        found: list[MessageRow] = []
        for message_id in sorted(self._state.messages, reverse=newest_first):
            if after_id is not None and (message_id >= after_id if newest_first else message_id <= after_id):
                continue
            if len(found) == limit:
                break
            if self._matches(query, self._state.messages[message_id]):
                found.append(message_row(self._state.messages[message_id]))
        return found

    def _matches(self, query: MessageQuery, message: NewMessage) -> bool:
        asked = (
            (query.type, message.type),
            (query.control_id, message.control_id),
            (query.status, message.status),
            (query.source, message.source),
            (query.original, message.original),
        )
        if any(want is not None and want != have for want, have in asked):
            return False
        if query.since_us is not None and message.received_us < query.since_us:
            return False
        if query.until_us is not None and message.received_us >= query.until_us:
            return False
        if query.channel is not None and all(query.channel != outcome[0] for outcome in message.outcomes):
            return False
        if query.patient_key is not None and query.patient_key not in message.patient_keys:
            return False
        if query.destination is None and query.delivery_status is None:
            return True
        rows = [self._state.deliveries[delivery.id] for delivery in message.deliveries]
        return any(
            query.destination in (None, row.destination) and query.delivery_status in (None, row.status)
            for row in rows
        )

    def message(self, message_id: int) -> MessageDetail | None:
        """One message with all about it."""
        state = self._state
        message = state.messages.get(message_id)
        if message is None:
            return None
        rows = sorted((state.deliveries[d.id] for d in message.deliveries), key=lambda row: row.position)
        mine = {row.id for row in rows}
        refs = sorted(ref for ref in state.bodies if ref >> BODY_BITS == message_id)
        return MessageDetail(
            message_row(message),
            rows,
            [attempt for attempt in state.attempts if attempt.delivery_id in mine],
            [(ref, len(state.bodies[ref])) for ref in refs],
        )

    def deliveries(
        self, query: DeliveryQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[DeliveryRow]:
        """A page of deliveries."""
        found: list[DeliveryRow] = []
        for delivery_id in sorted(self._state.deliveries, reverse=newest_first):
            row = self._state.deliveries[delivery_id]
            if after_id is not None and (row.id >= after_id if newest_first else row.id <= after_id):
                continue
            asked = (
                (query.destination, row.destination),
                (query.channel, row.channel),
                (query.status, row.status),
                (query.message_id, row.message_id),
                (query.open, row.status < _SENT),
            )
            if any(want is not None and want != have for want, have in asked):
                continue
            if query.since_us is not None and row.received_us < query.since_us:
                continue
            if query.until_us is not None and row.received_us >= query.until_us:
                continue
            found.append(row)
        return found[:limit]

    def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """One delivery."""
        return self._state.deliveries.get(delivery_id)

    def configuration(self, version: str) -> ConfigurationVersion | None:
        """The content of a version."""
        return self._state.versions.get(version)

    def versions(self) -> list[tuple[str, int]]:
        """All versions, oldest first."""
        every = [(version.version, version.at_us) for version in self._state.versions.values()]
        return sorted(every, key=lambda pair: pair[1])

    def stats(self, since_us: int) -> Stats:
        """Counts since a time."""
        found = Stats({}, {}, {}, {})
        for message in self._state.messages.values():
            if message.received_us >= since_us:
                one = (message.source, MessageStatus(message.status))
                found.messages[one] = found.messages.get(one, 0) + 1
        first: dict[str, DeliveryRow] = {}
        for row in self._state.deliveries.values():
            if row.received_us >= since_us:
                two = (row.destination, row.status)
                found.deliveries[two] = found.deliveries.get(two, 0) + 1
            if row.status < _SENT:
                found.open[row.destination] = found.open.get(row.destination, 0) + 1
                if row.destination not in first or row.position < first[row.destination].position:
                    first[row.destination] = row
        found.oldest_open_us = {name: row.received_us for name, row in first.items()}
        return found

    def free_bytes(self) -> int:
        """What is left of `room_bytes`."""
        return max(0, self.room_bytes - self._state.body_bytes)

    # Rosters

    def stage_roster(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int = 200
    ) -> Iterator[RosterReport]:
        """Load a list invisibly."""
        self._usable()
        return self._state.rosters.stage(affiliate, rows, full, at_us, chunk)

    def publish_rosters(
        self, loads: Sequence[int], at_us: int, files: Sequence[RosterFile] = ()
    ) -> list[RosterReport]:
        """Make staged lists count; refused as `refuse_next` asks."""
        with self._refusing():
            return self._state.rosters.publish(loads, files)

    def roster_rows(self, keys: Sequence[int]) -> list[RosterMatch]:
        """Published rows of these patients."""
        return self._state.rosters.rows(keys)

    def roster_patients(self, affiliate: str, from_key: int = -(1 << 63), limit: int = 100) -> list[int]:
        """A page of an affiliate's patients."""
        return self._state.rosters.patients(affiliate, from_key, limit)

    def roster_files(self, affiliate: str) -> list[RosterFile]:
        """Published files."""
        return [file for file in self._state.rosters.files if file.affiliate == affiliate]

    def roster_generation(self) -> int:
        """How many lists were published."""
        return self._state.rosters.generation

    def _usable(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _note(self, error: StoreError) -> None:
        if isinstance(error, StoreUnknown):
            self._broken = error


def _earlier(message: NewMessage, same: bool) -> Earlier:
    return Earlier(message.id, same, message.answer, MessageStatus(message.status), message.received_us)

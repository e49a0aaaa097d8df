"""What a store in memory keeps, and how one batch is added to it: wholly or not at all.

`State` is all that survives a crash. `Pending` collects one batch beside it, refusing what cannot be kept,
and is merged only when all of it has passed. Refuses to know queries. Raises StoreFault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hl7bridge.store.base import (
    BODY_BITS,
    COUNTER_BITS,
    Act,
    Attempt,
    Batch,
    ConfigurationVersion,
    Counters,
    DeliveryChange,
    DeliveryRow,
    DeliveryStatus,
    FactRow,
    HeldPatient,
    Joined,
    MessageRow,
    MessageStatus,
    NewDelivery,
    NewMessage,
    NoticeRow,
    SeenRow,
    StoreFault,
    VerdictRow,
    Watched,
)
from hl7bridge.store.checks import (
    AT_ONCE,
    check_change,
    check_message,
    check_notice,
    check_seen,
    check_verdict,
    is_plain_acceptance,
    news_of,
)
from hl7bridge.store.memory.roster import MemoryRosters
from hl7bridge.store.rows.audit import GENESIS, AuditHead, AuditRow, Gathering, Place, about_of

_COUNTER = (1 << COUNTER_BITS) - 1


@dataclass
class State:
    """All that survives a crash. Rows are replaced, never changed, so a copy may share them."""

    key: bytes
    messages: dict[int, NewMessage] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    deliveries: dict[int, DeliveryRow] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    versions: dict[str, ConfigurationVersion] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    acts: list[Act] = field(default_factory=list)
    counters: Counters = field(default_factory=lambda: Counters(0, 0, 0))
    rosters: MemoryRosters = field(default_factory=MemoryRosters)
    facts: dict[tuple[int, int], FactRow] = field(default_factory=dict)
    aliases: dict[tuple[int, int], Joined] = field(default_factory=dict)
    looks: dict[int, tuple[int, int]] = field(default_factory=dict)
    notices: dict[tuple[int, str, int], NoticeRow] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    anchor: AuditHead = field(default_factory=lambda: AuditHead(0, 0, GENESIS))
    verdicts: dict[tuple[int, int], VerdictRow] = field(default_factory=dict)
    held_patients: dict[int, HeldPatient] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    seen: dict[tuple[str, str, str, int, int], SeenRow] = field(default_factory=dict)
    watched: Watched | None = None
    body_bytes: int = 0

    def copy(self) -> State:
        """An independent copy, as a restart reads it from a disk."""
        return State(
            self.key,
            dict(self.messages),
            dict(self.bodies),
            dict(self.deliveries),
            list(self.attempts),
            dict(self.versions),
            set(self.held),
            list(self.acts),
            self.counters,
            self.rosters.copy(),
            dict(self.facts),
            dict(self.aliases),
            dict(self.looks),
            dict(self.notices),
            list(self.audit),
            self.anchor,
            dict(self.verdicts),
            dict(self.held_patients),
            dict(self.marks),
            dict(self.seen),
            self.watched,
            self.body_bytes,
        )

    @property
    def head(self) -> AuditHead:
        """The newest row of the audit trail."""
        if not self.audit:
            return self.anchor
        last = self.audit[-1]
        return AuditHead(last.sequence, last.at_us, last.hash)

    def place(self, row: DeliveryRow, new: Mapping[int, NewMessage]) -> Place:
        """What the audit trail says of a delivery, of a message that is kept or among the new ones."""
        message = new.get(row.message_id) or self.messages[row.message_id]
        return row.destination, row.scope, about_of(message)

    def gathering(self) -> Gathering:
        """For the records of one transaction."""
        return Gathering(0 if self.head.sequence == 0 else None)

    def chain(self, gathered: Gathering) -> None:
        """Puts what was gathered into the audit trail."""
        self.audit += [row for row, _ in gathered.rows(self.head)]


class Pending:
    """One batch beside the state it is to join."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.messages: dict[int, NewMessage] = {}
        self.bodies: dict[int, bytes] = {}
        self.deliveries: dict[int, DeliveryRow] = {}
        self.attempts: list[Attempt] = []
        self.counters = state.counters
        self.gathered = state.gathering()
        self.body_bytes = 0

    def add(self, batch: Batch) -> None:
        """Take in a batch's messages, claims and changes; raises StoreFault where one cannot be kept."""
        for message in batch.messages:
            self._add_message(message)
        for delivery_id in batch.claims:
            row = self._delivery(delivery_id)
            if row is None or row.status != DeliveryStatus.QUEUED:
                raise StoreFault("a delivery was claimed that is not queued")
            self.deliveries[delivery_id] = replace(row, status=DeliveryStatus.SENDING)
        for change in batch.changes:
            self._change(change)
        for notice in batch.notices:
            check_notice(notice)
        self.gathered.acts(batch.acts)
        self.gathered.views(batch.views)
        for verdict in batch.verdicts:
            check_verdict(verdict)
        for each in batch.seen:
            check_seen(each)

    def merge(self, batch: Batch) -> None:
        """Make all that was taken in part of the state."""
        state = self._state
        for version in batch.versions:
            state.versions.setdefault(version.version, version)
        state.messages.update(self.messages)
        state.bodies.update(self.bodies)
        state.deliveries.update(self.deliveries)
        state.attempts.extend(self.attempts)
        state.counters = self.counters
        state.body_bytes += self.body_bytes
        for hold in batch.holds:
            (state.held.add if hold.held else state.held.discard)(hold.destination)
        state.acts.extend(batch.acts)
        for message in batch.messages:
            self._learn(message)
            state.rosters.assign(message.assignments)
        for look in batch.looks:
            _, news = state.looks.get(look.patient, (0, None))
            if news == look.seen:
                if look.due_us is None:
                    del state.looks[look.patient]
                else:
                    state.looks[look.patient] = look.due_us, news
        for row in batch.notices:
            state.notices[row[:3]] = row
        state.chain(self.gathered)
        for verdict in batch.verdicts:
            self._settle(verdict)
        for held in batch.held_patients:
            if held.reason is None:
                state.held_patients.pop(held.patient, None)
            else:
                state.held_patients[held.patient] = held
        for each in batch.seen:
            state.seen.setdefault(each[:5], each)
        state.watched = batch.watched or state.watched

    def _settle(self, verdict: VerdictRow) -> None:
        one, other = verdict.patient, verdict.other
        for patient, near in dict.fromkeys([(one, other), (other, one)]):
            self._state.verdicts[patient, near] = replace(verdict, patient=patient, other=near)
            self._look_soon(patient, AT_ONCE)

    def _look_soon(self, patient: int, at_us: int) -> None:
        due_us, news = self._state.looks.get(patient, (at_us, -1))
        self._state.looks[patient] = min(due_us, at_us), news + 1

    def _learn(self, message: NewMessage) -> None:
        """What a message says to the programme."""
        state = self._state
        for digest, data in message.facts:
            patient = message.patient_keys[0]
            state.facts.setdefault((patient, digest), FactRow(patient, message.id, data))
        for key, other, merged in message.aliases:
            for pair in ((key, other), (other, key)):
                known = state.aliases.get(pair)
                if known is None or (merged and not known.merged):
                    state.aliases[pair] = Joined(merged, message.id)
        for patient in news_of(message):
            self._look_soon(patient, message.received_us)
        for row in message.notices:
            state.notices[row[:3]] = row

    def _delivery(self, delivery_id: int) -> DeliveryRow | None:
        return self.deliveries.get(delivery_id) or self._state.deliveries.get(delivery_id)

    def _add_message(self, message: NewMessage) -> None:
        check_message(message)
        if message.id in self._state.messages or message.id in self.messages:
            raise StoreFault("a message identifier was used twice")
        numbers: dict[bytes, int] = {message.raw: 0}
        places = [numbers.setdefault(body, len(numbers)) for body in message.payloads]
        for body, number in numbers.items():
            self.bodies[message.id << BODY_BITS | number] = body
            self.body_bytes += len(body)
        self.messages[message.id] = message
        self.gathered.born(message)
        self._count(message=message.id & _COUNTER)
        for new in message.deliveries:
            if self._delivery(new.id) is not None:
                raise StoreFault("a delivery identifier was used twice")
            place = places[new.payload] if new.payload >= 0 else 0
            self.deliveries[new.id] = _row(message, new, message.id << BODY_BITS | place)
            self._count(delivery=new.id & _COUNTER, position=new.position)

    def _change(self, change: DeliveryChange) -> None:
        check_change(change)
        row = self._delivery(change.id)
        if row is None:
            raise StoreFault("a delivery was changed that is not in the store")
        self.gathered.changed(change, self._state.place(row, self.messages), row.code)
        first_us = row.first_attempt_us
        if first_us is None and change.attempts > 0:
            first_us = change.at_us
        self.deliveries[change.id] = replace(
            row,
            status=DeliveryStatus(change.status),
            attempts=change.attempts,
            at_us=change.at_us,
            code=change.code,
            reason=change.reason,
            possible_duplicate=row.possible_duplicate or change.possible_duplicate,
            position=row.position if change.position is None else change.position,
            keys=row.keys if change.keys is None else change.keys,
            next_us=change.next_us,
            first_attempt_us=first_us,
        )
        if change.position is not None:
            self._count(position=change.position)
        if not is_plain_acceptance(change):
            self.attempts.append(
                Attempt(
                    delivery_id=change.id,
                    at_us=change.at_us,
                    status=DeliveryStatus(change.status),
                    attempts=change.attempts,
                    code=change.code,
                    reason=change.reason,
                    answer=change.answer,
                )
            )

    def _count(self, message: int = 0, delivery: int = 0, position: int = 0) -> None:
        have = self.counters
        self.counters = Counters(
            max(have.message, message), max(have.delivery, delivery), max(have.position, position)
        )


def _row(message: NewMessage, new: NewDelivery, payload_ref: int) -> DeliveryRow:
    return DeliveryRow(
        id=new.id,
        position=new.position,
        message_id=message.id,
        destination=new.destination,
        channel=new.channel,
        scope=new.scope,
        keys=new.keys,
        status=DeliveryStatus(new.status),
        attempts=0,
        possible_duplicate=False,
        payload_ref=payload_ref,
        received_us=message.received_us,
        first_attempt_us=None,
        at_us=message.received_us,
        next_us=None,
        code=None,
        reason=new.reason,
    )


def message_row(m: NewMessage) -> MessageRow:
    """A message as lists show it."""
    return MessageRow(
        id=m.id,
        received_us=m.received_us,
        source=m.source,
        type=m.type,
        control_id=m.control_id,
        status=MessageStatus(m.status),
        answer=m.answer,
        version=m.version,
        event_date=m.event_date,
        patient_keys=m.patient_keys,
        outcomes=m.outcomes,
        flags=m.flags,
        original=m.original,
        operator=m.operator,
        size=len(m.raw),
    )

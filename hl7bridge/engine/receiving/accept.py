"""Accepting: a decided message, its deliveries and their places in the queues go to the journal together.

Receiving and replaying both end here. Deliveries are admitted to their queues when decided, so that order is settled before the
transaction, and taken back if it fails or finds that the message came before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from hl7bridge.affiliation.facts.data import packed
from hl7bridge.affiliation.facts.facts import Fact, PersonFact
from hl7bridge.channel.deciding.decide import Decision, Outgoing
from hl7bridge.delivery.queue import Entry
from hl7bridge.engine.delivering.deliver import Delivery
from hl7bridge.engine.keeping.about import About
from hl7bridge.engine.keeping.identity import day_number, patient_keys
from hl7bridge.engine.keeping.journal import End, Journal
from hl7bridge.engine.keeping.numbers import Numbers
from hl7bridge.store.base import (
    BODY_BITS,
    RAW_BODY,
    AssignmentRow,
    DeliveryStatus,
    MessageStatus,
    NewDelivery,
    NewMessage,
)
from hl7bridge.store.hashes import Hashes

#: Patients of late of whom it is remembered who they are.
REMEMBERED = 16_384
#: Called once with None when the message is durable, with what came before instead of it, or with the error.
WhenKept = Callable[[End], None]


class _Accepting(NamedTuple):
    entries: list[tuple[Delivery, Entry]]
    assignments: tuple[AssignmentRow, ...]
    when_kept: WhenKept


class Acceptor:
    """Keeps messages with what was decided about them. `deliveries` has one for every destination there is; `assigned` is told what
    messages said of rosters when it counts.
    """

    def __init__(
        self,
        journal: Journal,
        deliveries: Mapping[str, Delivery],
        numbers: Numbers,
        hashes: Hashes,
        generation: Callable[[], int],
        assigned: Callable[[Sequence[AssignmentRow]], None],
    ) -> None:
        self._journal = journal
        self._deliveries = deliveries
        self._numbers = numbers
        self._hashes = hashes
        self._generation = generation
        self._assigned = assigned

        # What a message says of who its patient is, the next one says again; no other fact is often said twice.
        self._again = lru_cache(REMEMBERED)(self._as_kept)

    def accept(
        self, message: NewMessage, decision: Decision, when_kept: WhenKept, *, release_again: bool = False
    ) -> None:
        """Fills in what was decided, admits the deliveries and hands all to the journal.

        `release_again`: whether each may leave is looked at when it leaves, even if nothing has changed since the decision.
        """
        hashes = self._hashes
        message.type = decision.type
        message.status = MessageStatus[decision.status]
        message.event_date = day_number(decision.event_date)
        message.patient_keys = patient_keys(hashes, decision.identifiers)
        message.outcomes = tuple([(each.channel, each.status, each.reason) for each in decision.outcomes])
        message.flags += decision.flags
        if message.patient_keys and (decision.facts or decision.aliases):
            self._learn(message, decision)
        if decision.assignments:
            message.assignments = tuple(
                [
                    AssignmentRow(each.affiliate, key, day_number(each.day) or 0, each.npi, each.ended)
                    for each in decision.assignments
                    for key in patient_keys(hashes, each.identifiers)
                ]
            )
        payloads: list[bytes] = []
        deliveries: list[NewDelivery] = []
        entries: list[tuple[Delivery, Entry]] = []
        generation = -1 if release_again else self._generation()
        for outgoing in decision.outgoing:
            deliveries.append(self._admit(message, outgoing, payloads, entries, generation))
        message.payloads = tuple(payloads)
        message.deliveries = tuple(deliveries)
        self._journal.message(message, self._done, _Accepting(entries, message.assignments, when_kept))

    def _as_kept(self, fact: Fact) -> tuple[int, bytes]:
        data = packed(fact)
        return self._hashes.fact(data), data

    def _learn(self, message: NewMessage, decision: Decision) -> None:
        """What the message says to the programme, as the store keeps it."""
        hashes = self._hashes
        message.facts = tuple(
            [
                self._again(fact) if isinstance(fact, PersonFact) else self._as_kept(fact)
                for fact in decision.facts
            ]
        )
        message.aliases = tuple(
            [
                (
                    hashes.patient(alias.one.authority, alias.one.id),
                    hashes.patient(alias.other.authority, alias.other.id),
                    alias.merged,
                )
                for alias in decision.aliases
            ]
        )

    def _admit(
        self,
        message: NewMessage,
        outgoing: Outgoing,
        payloads: list[bytes],
        entries: list[tuple[Delivery, Entry]],
        generation: int,
    ) -> NewDelivery:
        payload = self._place(message.raw, outgoing.payload, payloads)
        row = NewDelivery(
            self._numbers.delivery(),
            self._numbers.position(),
            outgoing.destination,
            outgoing.channel,
            payload,
            tuple([self._hashes.order(key) for key in dict.fromkeys(outgoing.keys)]),
            DeliveryStatus.QUEUED,
            outgoing.scope,
        )
        if outgoing.error is not None:
            row.status, row.reason = DeliveryStatus.FAILED, outgoing.error
            self._deliveries[outgoing.destination].could_not_be_made(message.id, outgoing.error)
            return row
        if outgoing.refused is not None:
            row.status, row.reason = DeliveryStatus.CANCELLED, outgoing.refused
            return row
        about = About(
            message.id,
            message.id << BODY_BITS | (payload + 1),
            outgoing.scope,
            message.event_date,
            message.patient_keys,
            generation,
        )
        entry = Entry(row.id, row.position, row.keys, outgoing.payload, message.received_us, 0, False, about)
        delivery = self._deliveries[outgoing.destination]
        if delivery.queue.admit(entry):
            row.status = DeliveryStatus.SENDING
        entries.append((delivery, entry))
        return row

    @staticmethod
    def _place(raw: bytes, payload: bytes, payloads: list[bytes]) -> int:
        """The index of a payload among the message's, where it may stand already; the raw message needs no second copy."""
        if payload is raw or payload == raw:
            return RAW_BODY
        for index, known in enumerate(payloads):
            if known is payload:
                return index
        payloads.append(payload)
        return len(payloads) - 1

    def _done(self, accepting: _Accepting, end: End) -> None:
        if end is None:
            if accepting.assignments:
                self._assigned(accepting.assignments)
            for delivery, entry in accepting.entries:
                delivery.queue.committed(entry)
                delivery.touch()
        else:
            for delivery, entry in reversed(accepting.entries):
                delivery.queue.rolled_back(entry)
                delivery.touch()
        accepting.when_kept(end)

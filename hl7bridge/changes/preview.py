"""What a replay would do, before anything moves: what goes, where, and what of it the other side has; from the store, read only.

A message is decided as the replay will decide it, by the configuration of the running engine and the rosters of now, and held against
what the store kept of the first time. Whether a delivery may leave is looked at once more when it leaves; that is not foreseen. Raises
what a store raises, and ConfigurationErrors.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from hl7bridge.changes.difference import Difference, concerns, differences
from hl7bridge.changes.newer import Newer
from hl7bridge.changes.tally import Tally
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.channel.deciding.leaving import Outgoing
from hl7bridge.channel.deciding.outcome import ERROR, ChannelOutcome
from hl7bridge.engine.delivering.release import Releasing
from hl7bridge.engine.keeping.about import About, every_delivery
from hl7bridge.engine.keeping.identity import StoredRoster
from hl7bridge.engine.operating.edited import must_be_of_its_patient
from hl7bridge.engine.operating.replaywhere import Again, payload_again, payloads_again
from hl7bridge.engine.receiving.in_time import TooLong, decide
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import (
    DeliveryRow,
    DeliveryStatus,
    MessageDetail,
    MessageRow,
    MessageStatus,
    StoreReader,
)
from hl7bridge.store.hashes import Hashes

REPEATED: Final = "a sender repeated it"
COPY: Final = "a replay made it"
REJECTED: Final = "no channel took it"
NO_SOURCE: Final = "its source is not configured any more"
UNDECIDED: Final = "it cannot be read, or decided in time"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asks for, as `operating.replay.Order` has it."""

    as_it_was: bool = False
    to: tuple[str, ...] | None = None
    replays_too: bool = False
    edited: bytes | None = None


@dataclass(slots=True)
class Planned:
    """One message. `skipped`: why it does not go, or None. `to`: a destination for each delivery. `acknowledged`: those of them that
    have accepted it, or a replay of it. `newer`: how many newer messages of its patients they have that do not go again. `otherwise`:
    what is decided differently. `fails`: what of it does not go: errors, and who would be refused it.
    """

    row: MessageRow
    skipped: str | None = None
    to: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    newer: int = 0
    otherwise: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """All of them. `newer_patients`: of how many patients a destination has newer messages. `failing`: messages of which something
    does not go.
    """

    messages: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    acknowledged_types: Counter[str] = field(default_factory=Counter)
    newer: Counter[str] = field(default_factory=Counter)
    newer_patients: int = 0
    failing: int = 0
    otherwise: Tally = field(default_factory=Tally)
    first: MessageRow | None = None
    last: MessageRow | None = None


class Planning:
    """For one replay; `among`: the identifiers of the messages that it is about, rising."""

    def __init__(
        self, reader: StoreReader, configuration: Configuration, wish: Wish, among: Sequence[int]
    ) -> None:
        self._reader = reader
        self._configuration = configuration
        self._wish = wish
        self._hashes = Hashes(reader.key)
        self._roster = StoredRoster(reader, self._hashes)
        self._newer = Newer(reader, among)
        self._patients: set[int] = set()
        self._releasing = Releasing(configuration, self._roster, lambda: time.time_ns() // 1000, reader)
        self.plan = Plan()

    def each(self, rows: Iterable[MessageRow]) -> Iterator[Planned]:
        """The messages in the order in which they go, as they are added to the plan."""
        for row in rows:
            planned = self._planned(row)
            if planned.skipped is not None:
                self.plan.skipped[planned.skipped] += 1
            else:
                self._add(planned)
            yield planned

    def _add(self, planned: Planned) -> None:
        plan, row = self.plan, planned.row
        plan.messages += 1
        plan.first = plan.first or row
        plan.last = row
        plan.failing += bool(planned.fails)
        plan.deliveries.update(planned.to)
        plan.acknowledged.update(planned.acknowledged)
        if planned.acknowledged:
            plan.acknowledged_types[row.type] += 1
        if planned.newer and self._patients.isdisjoint(row.patient_keys):
            plan.newer_patients += 1
            self._patients.update(row.patient_keys)

    def _planned(self, row: MessageRow) -> Planned:
        wish = self._wish
        if row.status is MessageStatus.DUPLICATE:
            return Planned(row, REPEATED)
        if row.is_replay and not wish.replays_too:
            return Planned(row, COPY)
        if row.status is MessageStatus.REJECTED:
            return Planned(row, REJECTED)
        detail = self._reader.message(row.id)
        if detail is None:
            return Planned(row, UNDECIDED)
        if wish.as_it_was:
            return self._as_it_was(row, detail)
        if row.source not in self._configuration.plans:
            return Planned(row, NO_SOURCE)
        try:
            decision = self._decide(row, detail)
        except (TooLong, Unreadable):
            return Planned(row, UNDECIDED)
        planned = self._seen(row, detail, _leaving(decision))
        found = list(differences(self._before(detail, decision), decision))
        self.plan.otherwise.count(row.id, concerns(decision), found)
        planned.otherwise = tuple(dict.fromkeys(map(_said, found)))
        planned.fails = tuple(_failing(decision))
        return planned

    def _decide(self, row: MessageRow, detail: MessageDetail) -> Decision:
        wish, configuration = self._wish, self._configuration
        raw = self._reader.body(detail.bodies[0][0]) if wish.edited is None else wish.edited
        message = Message(raw, configuration.encoding(row.source))
        if wish.edited is not None:
            must_be_of_its_patient(self._hashes, message, row)
        # Under its own number, so that a control ID of our own is no difference; a replay gets a number of its own.
        decision = decide(
            configuration,
            row.source,
            message,
            received=datetime.fromtimestamp(row.received_us / 1e6, UTC),
            sequence=row.id,
            roster=self._roster,
        )
        if wish.to is not None:
            decision.outgoing = tuple(each for each in decision.outgoing if each.destination in wish.to)
        return decision

    def _as_it_was(self, row: MessageRow, detail: MessageDetail) -> Planned:
        """Where stored payloads go again, whose they are, and who would not be sent them as things stand."""
        to: list[str] = []
        fails: list[str] = []
        theirs: list[str] = []
        for again in payloads_again(self._configuration, detail, self._wish.to):
            reason = again.unfit or self._refused(row, again)
            if reason is not None:
                fails.append(f"{again.destination}: {reason}")
                continue
            to.append(again.destination)
            if again.of_another:
                theirs.append(f"{again.destination} gets what was made for {again.delivery.destination}")
        planned = self._seen(row, detail, to)
        planned.fails, planned.otherwise = tuple(fails), tuple(theirs)
        return planned

    def _refused(self, row: MessageRow, again: Again) -> str | None:
        payload = payload_again(self._configuration, again, self._reader.body(again.delivery.payload_ref))
        about = About(row.id, again.delivery.payload_ref, again.delivery.scope, None, row.patient_keys, -1)
        return self._releasing.look_again(again.destination, about, payload)

    def _seen(self, row: MessageRow, detail: MessageDetail, to: Sequence[str]) -> Planned:
        """What its destinations have of it, and what they have that is newer."""
        accepted = {
            each.destination
            for each in every_delivery(self._reader, detail)
            if each.status is DeliveryStatus.SENT
        }
        newer = {name: self._newer.of(row, name) for name in dict.fromkeys(to)}
        self.plan.newer.update([name for name, count in newer.items() if count])
        acknowledged = tuple(name for name in dict.fromkeys(to) if name in accepted)
        return Planned(row, None, tuple(to), acknowledged, max(newer.values(), default=0))

    def _before(self, detail: MessageDetail, now: Decision) -> Decision:
        """The decision as the store has kept it; of what it keeps only hashes, or nothing, that of now."""
        keys = {(each.destination, each.channel): each.keys for each in now.outgoing}
        outgoing = [
            self._left(each, keys.get((each.destination, each.channel), ()))
            for each in detail.deliveries
            if self._wish.to is None or each.destination in self._wish.to
        ]
        outcomes = tuple(ChannelOutcome(*each) for each in detail.row.outcomes)
        if not outcomes:  # what was replayed as it was, no channel looked at
            outcomes = now.outcomes
        # The answer to the sender was given, and is not given again.
        return replace(now, outcomes=outcomes, outgoing=tuple(outgoing))

    def _left(self, each: DeliveryRow, keys: tuple[bytes, ...]) -> Outgoing:
        refused = each.reason or "cancelled" if each.status is DeliveryStatus.CANCELLED else None
        unmade = each.status is DeliveryStatus.FAILED and not each.attempts
        error = each.reason if unmade else None
        payload = b"" if refused or error else self._reader.body(each.payload_ref)
        return Outgoing(each.destination, each.channel, payload, keys, each.scope, refused, error)


def _leaving(decision: Decision) -> list[str]:
    return [each.destination for each in decision.outgoing if each.refused is None and each.error is None]


def _failing(decision: Decision) -> Iterator[str]:
    for outcome in decision.outcomes:
        if outcome.status == ERROR:
            yield f"channel {outcome.channel}: {outcome.reason}"
    for each in decision.outgoing:
        if each.error is not None:
            yield f"{each.destination}: {each.error}"


def _said(each: Difference) -> str:
    return f"{each.signature.of}: {each.signature.what}"

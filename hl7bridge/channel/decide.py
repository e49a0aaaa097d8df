"""`decide`: what becomes of one message. The heart, and pure: the same message, configuration, time and
roster give the same.

Knows plans that were compiled when the folder loaded; it does no look-up but tables and the roster. A fault
in a channel's own filter or map is an error of that channel, one in a destination's overlay an error of that
delivery; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from hl7bridge.affiliation.agreement import entitled_by
from hl7bridge.affiliation.facts import Fact
from hl7bridge.affiliation.roster import Roster, RosterRow
from hl7bridge.channel.facts import facts_of
from hl7bridge.channel.outcome import ERROR, FILTERED, RECEIVED, REJECTED, ChannelOutcome
from hl7bridge.channel.scope import Scope, Work
from hl7bridge.channel.split import pieces_of
from hl7bridge.channel.times import event_date
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.ack import AckError
from hl7bridge.hl7.identifiers import Identifier, merge_identifiers, merges, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.types import MERGES

if TYPE_CHECKING:
    from hl7bridge.channel.configuration import Configuration
    from hl7bridge.channel.plan import ChannelPlan, DestinationPlan, SourcePlan

#: The order key that all deliveries of a destination share under `strict`.
STRICT: Final = (b"*",)
_NONE: Final[tuple[bytes, ...]] = ()
_MOST_KEYS: Final = 16


@dataclass(slots=True)
class Outgoing:
    """One delivery. `refused` is why it is kept but not sent, `error` why it could not be made."""

    destination: str
    channel: str
    payload: bytes
    keys: tuple[bytes, ...]
    scope: str | None = None
    refused: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Decision:
    """Everything that was decided. `misses` names tables (and where) in which a code was not found, and orders (and why) of which
    the programme knows nothing; `facts` is what it does know.
    """

    status: str
    outcomes: tuple[ChannelOutcome, ...]
    outgoing: tuple[Outgoing, ...]
    answer: str
    errors: tuple[AckError, ...]
    type: str
    event_date: date | None
    identifiers: tuple[Identifier, ...]
    flags: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    aliases: tuple[Alias, ...] = ()


class Alias(NamedTuple):
    """Two identifiers that a message says are one patient: it bears both, or it merges them."""

    one: Identifier
    other: Identifier
    merged: bool


def decide(
    configuration: Configuration,
    source_name: str,
    message: Message,
    *,
    received: datetime,
    sequence: int,
    roster: Roster,
    trace: list[str] | None = None,
) -> Decision:
    """What becomes of a message that came through a source.

    `received` is an aware datetime; `sequence` a number that no other message has (of it `control_id: own` is
    made). Raises `KeyError` for an unknown source.
    """
    plan = configuration.plans[source_name]
    delimiters = message.delimiters
    parts = message.header_field(9).split(delimiters.component or b"^", 2)
    code, trigger = parts[0], parts[1] if len(parts) > 1 else b""
    type_, channels = plan.accepting(code, trigger)
    day, future = event_date(message, type_, plan.zone, received)
    people = patient_identifiers(message)
    if type_ in MERGES:
        people = tuple(dict.fromkeys((*people, *merge_identifiers(message))))
    case = Case(plan, message, type_, received, sequence, roster, trace, day, people)
    outcomes = [run_channel(channel, case) for channel in channels]
    status, answer, errors = _answered(plan, channels, outcomes, code)
    facts: tuple[Fact, ...] = ()
    aliases: tuple[Alias, ...] = ()
    if plan.programme and any(map(_tells, channels, outcomes)):
        facts = _facts(channels, outcomes, case)
        aliases = _aliases(message, type_, people)
    return Decision(
        status,
        tuple(outcomes),
        tuple(case.outgoing),
        answer,
        errors,
        type_,
        day,
        people,
        _flags(future, bool(channels)),
        tuple(case.misses),
        facts,
        aliases,
    )


def _aliases(message: Message, type_: str, people: Sequence[Identifier]) -> tuple[Alias, ...]:
    if type_ not in MERGES:
        return tuple([Alias(people[0], other, False) for other in people[1:]])
    return tuple(
        [
            Alias(merge.surviving[0], prior, True)
            for merge in merges(message)
            if merge.surviving
            for prior in merge.prior
            if prior != merge.surviving[0]
        ]
    )


def _tells(channel: ChannelPlan, outcome: ChannelOutcome) -> bool:
    """Whether a channel feeds the programme and took the message: what was filtered says nothing."""
    return channel.programme is not None and outcome.status == RECEIVED


def _facts(
    channels: Sequence[ChannelPlan], outcomes: Sequence[ChannelOutcome], case: Case
) -> tuple[Fact, ...]:
    """What the channels that took the message say of it to the programme, each thing once."""
    found: dict[Fact, None] = {}
    for channel, outcome in zip(channels, outcomes, strict=True):
        if channel.programme is not None and _tells(channel, outcome):
            said = facts_of(channel.programme, case.message, case.type_, case.plan.zone, case.received)
            found.update(dict.fromkeys(said.found))
            case.misses += said.left_out
    return tuple(found)


def _flags(future: bool, accepted: bool) -> tuple[str, ...]:
    if accepted and not future:
        return ()
    return ("future-event-date",) * future + ("unaccepted",) * (not accepted)


class Case:
    """What the channels share while one message is decided."""

    __slots__ = (
        "_keys",
        "_rows",
        "day",
        "message",
        "misses",
        "outgoing",
        "people",
        "plan",
        "processing_id",
        "received",
        "roster",
        "sequence",
        "trace",
        "type_",
    )

    def __init__(
        self,
        plan: SourcePlan,
        message: Message,
        type_: str,
        received: datetime,
        sequence: int,
        roster: Roster,
        trace: list[str] | None,
        day: date | None,
        people: tuple[Identifier, ...],
    ) -> None:
        self.plan = plan
        self.message = message
        self.type_ = type_
        self.received = received
        self.sequence = sequence
        self.roster = roster
        self.trace = trace
        self.day = day
        self.people = people
        self.processing_id = message.processing_id
        self.outgoing: list[Outgoing] = []
        self.misses: list[str] = []
        self._keys: tuple[bytes, ...] | None = None
        self._rows: dict[str, list[RosterRow]] | None = None

    def keys(self, order: str) -> tuple[bytes, ...]:
        """The order keys of a delivery: none, one for everything, or the patients'. They show what `order` was."""
        if order == "none":
            return _NONE
        if order == "strict":
            return STRICT
        if self._keys is None:
            self._keys = patient_keys(self.people, self.type_ in MERGES, self.plan.name)
        return self._keys

    def rows(self) -> dict[str, list[RosterRow]]:
        """The patient's roster rows by affiliate, asked for once."""
        if self._rows is None:
            found: dict[str, list[RosterRow]] = {}
            for row in self.roster.rows(self.people):
                found.setdefault(row.affiliate, []).append(row)
            self._rows = found
        return self._rows


def patient_keys(people: Sequence[Identifier], merge: bool, source: str) -> tuple[bytes, ...]:
    """The first identifier with its authority, for a merge all of them; without any, the source."""
    if not people:
        return (b"source\x00" + source.encode(),)
    if not merge:
        first = people[0]
        return (first.id + b"\x00" + first.authority,)
    return tuple(dict.fromkeys(each.id + b"\x00" + each.authority for each in people))[:_MOST_KEYS]


def run_channel(channel: ChannelPlan, case: Case) -> ChannelOutcome:
    """One channel's part: filter, split, map, route. What fails here fails in this channel alone."""
    before = len(case.outgoing)
    trace = case.trace
    work = Work(case.received, case.sequence, case.plan.zone, trace)
    try:
        if channel.clauses:
            view = Scope(case.message, work)
            for clause in channel.clauses:
                if not clause.test(view):
                    if trace is not None:
                        trace.append(f"{clause.place}: filtered, since not {clause.says}")
                    return ChannelOutcome(channel.name, FILTERED, f"{clause.place}: {clause.says}")
        if channel.split is None:
            _map_and_route(channel, case, case.message, work, 0)
        else:
            for part, piece in enumerate(pieces_of(case.message, channel.split)):
                _map_and_route(channel, case, piece, work, part)
    except HL7BridgeError as fault:
        del case.outgoing[before:]
        return ChannelOutcome(channel.name, ERROR, reason_of(fault, channel.place))
    except Exception as fault:  # a fault of ours in one channel must not stop the others, nor the message
        del case.outgoing[before:]
        return ChannelOutcome(channel.name, ERROR, f"{channel.place}: internal fault {type(fault).__name__}")
    finally:
        if work.misses:
            case.misses += work.misses
    return channel.received


def reason_of(fault: HL7BridgeError, place: str) -> str:
    """A reason of low cardinality: the step's place and what is wrong with it."""
    where = fault.place if fault.place is not None and ":" in fault.place else place
    return f"{where}: {fault.what}"


class Piece(NamedTuple):
    """One message of a channel after its map, and its bytes; `part` counts what a split made."""

    scope: Scope
    payload: bytes
    part: int


def _map_and_route(channel: ChannelPlan, case: Case, message: Message, work: Work, part: int) -> None:
    scope = Scope(message.copy() if channel.program else message, work)
    if channel.program:
        channel.program(scope)
        payload = scope.message.emit()  # what cannot be written is an error of the channel, not of a delivery
    else:
        payload = message.raw if message is case.message else message.emit()
    piece = Piece(scope, payload, part)
    sent: set[str] = set()
    for route in channel.routes:
        if route.when is not None and not route.when(scope):
            continue
        for destination in route.destinations:
            if destination.name not in sent:
                sent.add(destination.name)
                if case.trace is not None:
                    case.trace.append(f"{channel.place}: to {destination.name}")
                case.outgoing.append(_outgoing(channel, destination, piece, case, None))
        if route.affiliates:
            _to_affiliates(channel, route.scope, route.affiliates, piece, case, sent)


def _to_affiliates(
    channel: ChannelPlan,
    scope: str,
    affiliates: dict[str, DestinationPlan],
    piece: Piece,
    case: Case,
    sent: set[str],
) -> None:
    day = case.day
    if day is None:
        return
    rows = case.rows()
    if case.plan.addressed:
        recipient = case.message.receiving_facility.decode("utf-8", "replace")
        rows = {name: found for name, found in rows.items() if name == recipient}
    for name in sorted(rows) if len(rows) > 1 else rows:
        destination = affiliates.get(name)
        if destination is None or name in sent or destination.agreement is None:
            continue
        answer = entitled_by(destination.agreement, scope, rows[name], day)
        if case.trace is not None:
            case.trace.append(f"{channel.place}: {name} for {scope}: {answer.reason}")
        if answer.entitled:
            sent.add(name)
            case.outgoing.append(_outgoing(channel, destination, piece, case, scope))


def _outgoing(
    channel: ChannelPlan, destination: DestinationPlan, piece: Piece, case: Case, scope: str | None
) -> Outgoing:
    error: str | None = None
    program = destination.program
    if program is None and not destination.own_id:
        payload = piece.payload
    else:
        try:
            payload = _overlaid(destination, piece, case)
        except HL7BridgeError as fault:
            payload, error = piece.payload, reason_of(fault, destination.place)
        except Exception as fault:  # as in run_channel: one delivery fails, not its neighbours
            payload, error = piece.payload, f"{destination.place}: internal fault {type(fault).__name__}"
    refused = destination.shadow
    processing = destination.processing
    if processing is not None and case.processing_id not in processing:
        refused = destination.unprocessed
    return Outgoing(
        destination.name, channel.name, payload, case.keys(destination.order), scope, refused, error
    )


def _overlaid(destination: DestinationPlan, piece: Piece, case: Case) -> bytes:
    message = piece.scope.message.copy()
    work = Work(case.received, case.sequence, case.plan.zone, case.trace)
    if destination.program is not None:
        scope = Scope(message, work)
        scope.original = piece.scope.original
        try:
            destination.program(scope)
        finally:
            if work.misses:
                case.misses += work.misses
    if destination.own_id:
        message.header.set_field(10, destination.control_id(case.sequence, piece.part))
    return message.emit()


def _answered(
    plan: SourcePlan, channels: Sequence[ChannelPlan], outcomes: list[ChannelOutcome], code: bytes
) -> tuple[str, str, tuple[AckError, ...]]:
    """The message's status, the answer, and the ERR segments."""
    if len(outcomes) == 1 and outcomes[0].status == RECEIVED:
        return RECEIVED, "AA", ()
    if not outcomes:
        if plan.unaccepted == "AA":
            return FILTERED, "AA", ()
        known = plan.knows_type(code)
        error = AckError("201" if known else "200", "no channel accepts this message", "MSH-9")
        return REJECTED, plan.unaccepted, (error,)
    failed = [outcome for outcome in outcomes if outcome.status == ERROR]
    if not failed:
        received = any(outcome.status == RECEIVED for outcome in outcomes)
        return RECEIVED if received else FILTERED, "AA", ()
    if len(failed) < len(outcomes):
        return ERROR, "AA", ()
    answers = {channel.errors_answer or plan.errors_answer for channel in channels}
    answer = next((each for each in ("AE", "AR", "AA") if each in answers), "AE")
    if answer == "AA":
        return ERROR, answer, ()
    errors = tuple(
        AckError("207", f"channel {outcome.channel} could not process the message") for outcome in failed
    )
    return ERROR, answer, errors


__all__ = [
    "STRICT",
    "ChannelOutcome",
    "Decision",
    "Outgoing",
    "decide",
]

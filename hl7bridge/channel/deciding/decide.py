"""`decide`: what becomes of one message. The heart, and pure: the same message, configuration, time and
roster give the same.

Knows plans that were compiled when the folder loaded; it does no look-up but tables and the roster. A fault
in a channel's own filter or map is an error of that channel, one in a destination's overlay an error of that
delivery; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from hl7bridge.affiliation.facts.facts import Fact
from hl7bridge.affiliation.who.agreement import Agreement, entitled_by
from hl7bridge.affiliation.who.roster import Roster, RosterRow
from hl7bridge.channel.deciding.case import STRICT, Case, patient_keys
from hl7bridge.channel.deciding.leaving import Outgoing, Piece, outgoing_of, reason_of, refusal_of
from hl7bridge.channel.deciding.outcome import ERROR, FILTERED, RECEIVED, REJECTED, ChannelOutcome
from hl7bridge.channel.feed.attribution import Assignment, assignment_of
from hl7bridge.channel.feed.facts import facts_of
from hl7bridge.channel.privacy.withhold import reason_of_category, without
from hl7bridge.channel.rules.scope import Scope, Work
from hl7bridge.channel.rules.split import pieces_of
from hl7bridge.channel.rules.times import event_date
from hl7bridge.channel.rules.trace import FOR_ANOTHER, NOT_COVERED, ON_NO_LIST, Kind, Trace
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.ack import AckError
from hl7bridge.hl7.identifiers import Identifier, merge_identifiers, merges, patient_identifiers
from hl7bridge.hl7.message import Message, Segment
from hl7bridge.hl7.types import MERGES

if TYPE_CHECKING:
    from hl7bridge.channel.deciding.configuration import Configuration
    from hl7bridge.channel.deciding.plan import ChannelPlan, DestinationPlan, Route, SourcePlan
    from hl7bridge.channel.feed.programme import ProgrammePlan
    from hl7bridge.channel.rules.condition import Conditions


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
    assignments: tuple[Assignment, ...] = ()


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
    trace: Trace | None = None,
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
    people = borne = patient_identifiers(message)
    if type_ in MERGES:
        people = tuple(dict.fromkeys((*borne, *merge_identifiers(message))))
    case = Case(plan, message, type_, received, sequence, roster, trace, day, people)
    outcomes = [run_channel(channel, case) for channel in channels]
    status, answer, errors = _answered(plan, channels, outcomes, code)
    facts: tuple[Fact, ...] = ()
    aliases: tuple[Alias, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    if plan.programme and any(map(_tells, channels, outcomes)):
        whole = Scope(message, Work(received, sequence, plan.zone))
        speaking = _speaking(channels, outcomes, whole)
        if speaking:
            facts = _facts(speaking, whole, case)
            aliases = _aliases(message, type_, people)
            assignments = _assignments(speaking, whole, type_, borne, day or received.date())
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
        assignments,
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
    return bool(channel.programme) and outcome.status == RECEIVED


def _speaking(
    channels: Sequence[ChannelPlan], outcomes: Sequence[ChannelOutcome], whole: Scope
) -> list[ProgrammePlan]:
    """What each channel that took the message says of the system that it is from."""
    telling = [each for each, outcome in zip(channels, outcomes, strict=True) if _tells(each, outcome)]
    first = [
        next((each for each in channel.programme if each.when is None or each.when(whole)), None)
        for channel in telling
    ]
    return [each for each in first if each is not None]


def _facts(speaking: Sequence[ProgrammePlan], whole: Scope, case: Case) -> tuple[Fact, ...]:
    """What the channels that took the message say of it to the programme, each thing once."""
    found: dict[Fact, None] = {}
    for speaks in speaking:
        said = facts_of(speaks, whole, case.type_)
        found.update(dict.fromkeys(said.found))
        case.misses += said.left_out
    return tuple(found)


def _assignments(
    speaking: Sequence[ProgrammePlan], whole: Scope, type_: str, people: tuple[Identifier, ...], day: date
) -> tuple[Assignment, ...]:
    """What the channels that took the message say of rosters."""
    kept = [speaks.roster for speaks in speaking if speaks.roster is not None]
    said = [assignment_of(each, whole, type_, people, day) for each in kept]
    return tuple([each for each in said if each is not None])


def _flags(future: bool, accepted: bool) -> tuple[str, ...]:
    if accepted and not future:
        return ()
    return ("future-event-date",) * future + ("unaccepted",) * (not accepted)


def run_channel(channel: ChannelPlan, case: Case) -> ChannelOutcome:
    """One channel's part: filter, split, map, route. What fails here fails in this channel alone."""
    if case.trace is None:
        return _run_channel(channel, case)
    case.trace.note(Kind.CHANNEL, channel.place, channel.name)
    with case.trace.within():
        outcome = _run_channel(channel, case)
        if outcome.status == ERROR:
            case.trace.note(Kind.ERROR, channel.place, channel.name, because=outcome.reason or "")
    return outcome


def _run_channel(channel: ChannelPlan, case: Case) -> ChannelOutcome:
    before = len(case.outgoing)
    work = Work(case.received, case.sequence, case.plan.zone, case.trace)
    try:
        stopped = _through(channel, case, Turn(case.message, work))
        if stopped is not None:
            return ChannelOutcome(channel.name, FILTERED, stopped)
        if case.postponed:
            _without_what_is_withheld(channel, case)
    except HL7BridgeError as fault:
        del case.outgoing[before:]
        return ChannelOutcome(channel.name, ERROR, reason_of(fault, channel.place))
    except Exception as fault:  # a fault of ours in one channel must not stop the others, nor the message
        del case.outgoing[before:]
        return ChannelOutcome(channel.name, ERROR, f"{channel.place}: internal fault {type(fault).__name__}")
    finally:
        case.postponed.clear()
        if work.misses:
            case.misses += work.misses
    return channel.received


class Turn(NamedTuple):
    """A message on its way through a channel: the whole one for everybody, or one without `withheld` for those in `only`."""

    message: Message
    work: Work
    withheld: frozenset[str] = frozenset()
    only: Container[str] | None = None


def _through(channel: ChannelPlan, case: Case, turn: Turn) -> str | None:
    """Filter, split, map and route; gives the clause that stopped the message."""
    if channel.clauses:
        view = Scope(turn.message, turn.work)
        for clause in channel.clauses:
            if not (clause.test(view) if case.trace is None else case.trace.clause(clause, view)):
                return f"{clause.place}: {clause.says}"
    if channel.split is None:
        _map_and_route(channel, case, turn.message, turn, 0)
    else:
        for part, piece in enumerate(pieces_of(turn.message, channel.split)):
            _map_and_route(channel, case, piece, turn, part)
    return None


def _without_what_is_withheld(channel: ChannelPlan, case: Case) -> None:
    """Those who must not get some of the orders get what the channel makes of a message that never had them."""
    for withheld, wanted in sorted(case.postponed.items(), key=lambda item: sorted(item[0])):
        before = len(case.outgoing)
        work = Work(case.received, case.sequence, case.plan.zone, case.trace)
        error: str | None = None
        try:
            message = without(case.message, case.held(), withheld)
            if message is not None:
                _through(channel, case, Turn(message, work, withheld, wanted))
        except HL7BridgeError as fault:
            error = reason_of(fault, channel.place)
        except Exception as fault:  # as in run_channel: these deliveries fail, not those of the others
            error = f"{channel.place}: internal fault {type(fault).__name__}"
        if error is not None:
            del case.outgoing[before:]
        if work.misses:
            case.misses += work.misses
        reached = {each.destination for each in case.outgoing[before:]}
        for name, (destination, scope) in wanted.items():
            if name not in reached:
                refused = reason_of_category(withheld)
                case.outgoing.append(refusal_of(channel, destination, case, scope, refused, error))


def _map_and_route(channel: ChannelPlan, case: Case, message: Message, turn: Turn, part: int) -> None:
    came: tuple[Segment, ...] | None = None
    if channel.program:
        scope = Scope(message.copy(), turn.work)
        came = tuple(scope.segments)
        channel.program(scope)
        payload = scope.message.emit()  # what cannot be written is an error of the channel, not of a delivery
    else:
        scope = Scope(message, turn.work)
        payload = message.raw if message is turn.message else message.emit()
    piece = Piece(scope, payload, part, came, turn.withheld)
    sent: set[str] = set()
    for route in channel.routes:
        if route.when is not None and not _taken(route, route.when, scope):
            continue
        for destination in route.destinations:
            if destination.name not in sent and (turn.only is None or destination.name in turn.only):
                sent.add(destination.name)
                if case.trace is not None:
                    case.trace.note(Kind.TO, route.place, destination.name)
                _deliver(channel, destination, piece, case, None)
        if route.affiliates:
            _to_affiliates(channel, route, piece, case, turn.only, sent)


def _taken(route: Route, when: Conditions, scope: Scope) -> bool:
    """Whether a message takes a route."""
    trace = scope.work.trace
    if trace is None:
        return when.test(scope)
    held = trace.when(route.place, when, scope)
    if not held:
        for name in (*(each.name for each in route.destinations), *sorted(route.affiliates)):
            trace.note(Kind.NOT_TO, route.place, name, because="its `when` does not hold")
    return held


def _deliver(
    channel: ChannelPlan, destination: DestinationPlan, piece: Piece, case: Case, scope: str | None
) -> None:
    """A delivery; none yet where some orders must not be in it, and a refusal where the whole message must not leave."""
    privacy = destination.privacy
    if privacy is not None and privacy.categories and (found := case.found(privacy.sensitive)) is not None:
        if mine := found.whole & privacy.categories:
            known = (destination.name, channel.name)
            if not any((each.destination, each.channel) == known for each in case.outgoing):
                refused = reason_of_category(mine)
                case.outgoing.append(refusal_of(channel, destination, case, scope, refused))
            return
        if (mine := found.ordered & privacy.categories) != piece.withheld:
            case.postponed.setdefault(mine, {})[destination.name] = (destination, scope)
            return
    if case.trace is None:
        case.outgoing.append(outgoing_of(channel, destination, piece, case, scope))
        return
    with case.trace.within():
        case.outgoing.append(outgoing_of(channel, destination, piece, case, scope))


def _to_affiliates(
    channel: ChannelPlan, route: Route, piece: Piece, case: Case, only: Container[str] | None, sent: set[str]
) -> None:
    day = case.day
    if day is None:
        return
    rows = case.rows()
    recipient: str | None = None
    if case.plan.addressed:
        recipient = case.message.receiving_facility.decode("utf-8", "replace")
        rows = {name: found for name, found in rows.items() if name == recipient}
    if case.trace is not None:
        for name in route.uncovered:
            case.trace.note(Kind.NOT_TO, route.place, name, because=f"{NOT_COVERED}{route.scope}")
        for name in sorted(route.affiliates.keys() - rows.keys()):
            because = FOR_ANOTHER if recipient not in (None, name) else ON_NO_LIST
            case.trace.note(Kind.NOT_TO, route.place, name, because=because)
    for name in sorted(rows) if len(rows) > 1 else rows:
        destination = route.affiliates.get(name)
        if destination is None or name in sent or destination.agreement is None:
            continue
        if only is not None and name not in only:
            continue
        answer = entitled_by(destination.agreement, route.scope, rows[name], day)
        if case.trace is not None:
            kind = Kind.TO if answer.entitled else Kind.NOT_TO
            because = (
                f"for {route.scope} on {day}: {answer.reason}; {_behind(destination.agreement, rows[name])}"
            )
            case.trace.note(kind, route.place, name, because=because)
        if answer.entitled:
            sent.add(name)
            _deliver(channel, destination, piece, case, route.scope)


def _behind(agreement: Agreement, rows: Sequence[RosterRow]) -> str:
    """The agreement and the rows of a list that an answer rests on; nothing in them names a patient."""
    since = ", ".join(f"{scope} since {begin}" for scope, begin in agreement.scopes.items())
    spans = [
        f"{row.valid_from or 'ever'} through {row.valid_through or 'ever'}{', opted out' if row.opt_out else ''}"
        for row in rows
    ]
    return f"agreement: {since}; on its list: {'; '.join(spans)}"


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
    "patient_keys",
]

"""A message of the store explained: decided again by the configuration that decided it, with the time at which it came.

Rosters are those of now: where they have changed since, the decision of now is held against what was decided then. Raises
HL7BridgeError where the message, or its configuration, is there no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hl7bridge.changes.versions import Version
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.channel.rules.trace import NOT_COVERED, Event, Kind, Trace
from hl7bridge.channel.written.mistake import meant
from hl7bridge.engine.keeping.identity import StoredRoster
from hl7bridge.engine.receiving.in_time import bounded, decide
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.changed import Changed, changed
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

#: Seconds of computing after which a trace is cut off: each step of it costs a comparison of the whole message.
TRACED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Explained:
    """A stored message, and what the configuration of then makes of it now. `otherwise`: what differs from what was decided then.
    `instead`: why no channel decided about it at all, so that what one would make of it says nothing.
    """

    detail: MessageDetail
    configuration: Configuration
    decision: Decision
    events: tuple[Event, ...]
    otherwise: tuple[str, ...]
    instead: str | None = None


def explained(reader: StoreReader, detail: MessageDetail) -> Explained:
    """Why a message became what it became."""
    row = detail.row
    whole = detail
    if row.size == 0 and row.original is not None:  # a repetition keeps no bytes of its own
        found = reader.message(row.original)
        if found is None:
            raise HL7BridgeError(
                f"message {row.id} repeats message {row.original}, which is there no more", code="no-original"
            )
        whole = found
    kept = reader.configuration(row.version)
    if kept is None:
        raise HL7BridgeError(
            f"the store no longer has the configuration that decided message {row.id}", code="no-version"
        )
    configuration = Version(row.version[:12], kept.files, True).load()
    if row.source not in configuration.plans:
        raise HL7BridgeError(f"the configuration of then has no source {row.source}", code="no-source")
    message = Message(reader.body(whole.bodies[0][0]), configuration.encoding(row.source))
    about: dict[str, Any] = {
        "received": datetime.fromtimestamp(row.received_us / 1e6, UTC),
        "sequence": row.id,
        "roster": StoredRoster(reader, Hashes(reader.key)),
    }
    instead = _instead(row, configuration, message)
    trace = Trace()
    with bounded():
        decision = decide(configuration, row.source, message, **about)
        if instead is not None:
            return Explained(detail, configuration, decision, (), (), instead)
        # Apart: what is decided must not rest on how long it takes to trace it.
        decide(configuration, row.source, message, TRACED_S, trace=trace, **about)
    return Explained(
        detail, configuration, decision, tuple(trace.events), tuple(_otherwise(reader, detail, decision))
    )


def _instead(row: MessageRow, configuration: Configuration, message: Message) -> str | None:
    """Why no channel decided about a message; None where one did."""
    if row.status is MessageStatus.DUPLICATE:
        return (
            f"its sender repeated message {row.original}: it was answered {row.answer or 'nothing'} again and not "
            f"processed; hl7bridge why {row.original} tells of that one"
        )
    plan = configuration.plans[row.source]
    if row.status is not MessageStatus.REJECTED or plan.accepting(message.type_code, message.trigger)[1]:
        return None
    accepted = [
        f"{name} accepts {', '.join(each.accept or ())}"
        for name, each in configuration.channels.items()
        if each.source == row.source
    ]
    return (
        f"no channel of {row.source} takes {row.type or 'such messages'} ({'; '.join(accepted) or 'it has none'}): "
        f"answered {row.answer or 'nothing'}, kept, and sent to nobody"
    )


def _otherwise(reader: StoreReader, detail: MessageDetail, decision: Decision) -> list[str]:
    """What is decided otherwise now than it was then; nothing for copies, of which replays may have chosen some."""
    if detail.row.original is not None:
        return []
    then = {(each.destination, each.channel) for each in detail.deliveries}
    now = {(each.destination, each.channel): each for each in decision.outgoing}
    found = [
        f"{destination} would get it now (channel {channel})"
        for destination, channel in sorted(now.keys() - then)
        if now[destination, channel].refused is None and now[destination, channel].error is None
    ]
    found += [
        f"{destination} was decided for then, and would not be now (channel {channel})"
        for destination, channel in sorted(then - now.keys())
    ]
    for each in detail.deliveries:
        made = now.get((each.destination, each.channel))
        several = sum(other.destination == each.destination for other in detail.deliveries) > 1
        if made is None or several or made.refused is not None or each.reason is not None:
            continue
        paths = sorted({change.path for change in _differs(reader.body(each.payload_ref), made.payload)})
        if paths:
            found.append(f"what leaves for {each.destination} would differ now: {', '.join(paths)}")
    return found


def _differs(before: bytes, after: bytes) -> list[Changed]:
    return [] if before == after else list(changed(before, after))


def answer_for(explained: Explained, name: str) -> str:
    """Whether a destination got the message, and if not, why, in a sentence. Raises HL7BridgeError for a name that was none then."""
    deliveries = [each for each in explained.detail.deliveries if each.destination == name]
    if explained.instead is not None:
        return f"{name} did not get it: {explained.instead}"
    if deliveries:
        return "; ".join(_of_delivery(name, each) for each in deliveries)
    if name not in explained.configuration.destinations:
        known = explained.configuration.destinations
        raise HL7BridgeError(
            f"the configuration of then has no destination {name}",
            code="unknown-destination",
            hint=meant(name, known, ", ".join(sorted(known))),
        )
    goes = any(each.kind is Kind.TO and each.says == name for each in explained.events)
    reasons = [
        each.because
        for each in explained.events
        # A route that does not cover it is no reason where another takes it there.
        if each.kind is Kind.NOT_TO
        and each.says == name
        and not (goes and each.because.startswith(NOT_COVERED))
    ]
    stopped = [
        f"channel {outcome.channel}: {outcome.reason}"
        for outcome in explained.decision.outcomes
        if outcome.reason
    ]
    if reasons or stopped:
        return f"{name} did not get it: {'; '.join([*stopped, *dict.fromkeys(reasons)])}"
    if any(each.destination == name for each in explained.decision.outgoing):
        return f"{name} did not get it, and would by the lists of now"
    return f"{name} did not get it: no channel that takes the message sends it there"


def _of_delivery(name: str, each: DeliveryRow) -> str:
    if each.status is DeliveryStatus.SENT:
        return f"{name} got it, and answered {each.code}" + (
            " (possible duplicate)" if each.possible_duplicate else ""
        )
    because = f": {each.reason}" if each.reason else ""
    return f"{name} has not got it: the delivery is {each.status.name}{because}"

"""One delivery: what leaves for one destination, made of what a channel has made of a message.

Its privacy comes first (fields that it is not given, categories that it is not told of), then its own map, then its control ID; at the
end what leaves is looked at once more. A fault here fails this delivery alone. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hl7bridge.channel.rules.scope import Scope, Work
from hl7bridge.channel.rules.trace import Kind
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message, Segment

if TYPE_CHECKING:
    from hl7bridge.channel.deciding.case import Case
    from hl7bridge.channel.deciding.plan import ChannelPlan, DestinationPlan
    from hl7bridge.channel.privacy.share import Share

_NOTHING: Final[frozenset[str]] = frozenset()


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


class Piece:
    """One message of a channel after its map, and its bytes.

    `part` counts what a split made; `came` are the segments that the map was given, None if there was none; `withheld` the categories
    whose orders were taken out of it before.
    """

    __slots__ = ("_reduced", "came", "part", "payload", "scope", "withheld")

    def __init__(
        self,
        scope: Scope,
        payload: bytes,
        part: int,
        came: Sequence[Segment] | None = None,
        withheld: frozenset[str] = _NOTHING,
    ) -> None:
        self.scope = scope
        self.payload = payload
        self.part = part
        self.came = came
        self.withheld = withheld
        #: By the identity of a Share; None is this very piece, of which it must not hold itself: nothing would free the message.
        self._reduced: dict[int, Piece | None] | None = None

    def reduced(self, share: Share) -> Piece:
        """The same with no more than `share` lets leave; this very one where that is all."""
        if self._reduced is None:
            self._reduced = {}
        if id(share) not in self._reduced:
            self._reduced[id(share)] = self._reduce(share)
        return self._reduced[id(share)] or self

    def _reduce(self, share: Share) -> Piece | None:
        message = share.reduced(self.scope.message, self.came)
        original = self.scope.original
        if message is self.scope.message and original is None:
            return None
        scope = Scope(message, self.scope.work)
        if original is not None:  # what the message was before `new` is read by maps, too
            scope.original = Scope(share.reduced(original.message), original.work)
        payload = self.payload if message is self.scope.message else message.emit()
        return Piece(scope, payload, self.part, self.came, self.withheld)


def reason_of(fault: HL7BridgeError, place: str) -> str:
    """A reason of low cardinality: the step's place and what is wrong with it."""
    where = fault.place if fault.place is not None and ":" in fault.place else place
    return f"{where}: {fault.what}"


def outgoing_of(
    channel: ChannelPlan, destination: DestinationPlan, piece: Piece, case: Case, scope: str | None
) -> Outgoing:
    """The delivery of a piece to a destination."""
    error: str | None = None
    withheld: str | None = None
    privacy = destination.privacy
    payload = piece.payload
    try:
        if privacy is not None and privacy.share is not None:
            whole, piece = piece, piece.reduced(privacy.share)
            payload = piece.payload
            if case.trace is not None:
                case.trace.changed(destination.place, "not given to it", whole.payload, payload)
        message = piece.scope.message
        if destination.program is not None or destination.own_id:
            message = _overlaid(destination, piece, case)
            payload = message.emit()
        if privacy is not None and privacy.categories:
            if piece.withheld and (noticed := privacy.noticed(message, piece.withheld)) is not message:
                message, payload = noticed, noticed.emit()
            clean = case.found(privacy.sensitive) is None
            withheld = privacy.refusal(message, case.plan.name, clean=clean)
    except HL7BridgeError as fault:
        payload, error = piece.payload, reason_of(fault, destination.place)
    except Exception as fault:  # as in run_channel: one delivery fails, not its neighbours
        payload, error = piece.payload, f"{destination.place}: internal fault {type(fault).__name__}"
    if withheld is not None:
        return refusal_of(channel, destination, case, scope, withheld)
    if error is not None and case.trace is not None:
        case.trace.note(Kind.NOT_TO, destination.place, destination.name, because=error)
    refused = destination.shadow
    processing = destination.processing
    if processing is not None and case.processing_id not in processing:
        refused = destination.unprocessed
    if refused is not None and case.trace is not None:
        case.trace.note(Kind.NOT_TO, destination.place, destination.name, because=refused)
    return Outgoing(
        destination.name, channel.name, payload, case.keys(destination.order), scope, refused, error
    )


def refusal_of(
    channel: ChannelPlan,
    destination: DestinationPlan,
    case: Case,
    scope: str | None,
    refused: str,
    error: str | None = None,
) -> Outgoing:
    """A delivery that is not made, kept with its reason. Its body is the message as it came, which needs no second copy, and in which
    whoever tries to send it again finds the same reason.
    """
    if case.trace is not None:
        case.trace.note(Kind.NOT_TO, destination.place, destination.name, because=error or refused)
    keys = case.keys(destination.order)
    return Outgoing(destination.name, channel.name, case.message.raw, keys, scope, refused, error)


def _overlaid(destination: DestinationPlan, piece: Piece, case: Case) -> Message:
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
    return message

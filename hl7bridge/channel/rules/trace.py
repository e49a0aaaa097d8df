"""What happened to one message, rule by rule: for a person who asks why. It is kept in the order in which it happened.

An engine decides without one. With one, each step costs a comparison of the whole message. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.changed import Changed, changed

if TYPE_CHECKING:
    from hl7bridge.channel.rules.condition import Clause, Conditions
    from hl7bridge.channel.rules.scope import Scope

#: Why an affiliate does not get a message, beside its agreement.
ON_NO_LIST: Final = "the patient is on no list of it"
FOR_ANOTHER: Final = "it is meant for another affiliate"
NOT_COVERED: Final = "its agreement does not cover "
#: Values of one field that are shown, and letters of each.
_MOST_VALUES, _LONGEST = 8, 200


class Kind(StrEnum):
    """What an event is."""

    CHANNEL = "channel"  # a channel begins
    CONDITION = "condition"  # of a filter or a `when`
    STEP = "step"
    LOOK_UP = "look-up"
    TO = "to"  # a delivery is made
    NOT_TO = "not to"
    ERROR = "error"


class Event(NamedTuple):
    """One thing that happened, `depth` deep in what stands above it.

    `place`: file:line:column of the rule. `says`: the rule, in words of the configuration. `held`: whether a condition held or a code
    was found, None where that is no question. `seen`: the values that it looked at, as text. `changes`: what became other by it.
    `because`: a reason, in words that hold nothing of the message.
    """

    kind: Kind
    depth: int
    place: str
    says: str
    held: bool | None = None
    seen: tuple[str, ...] = ()
    changes: tuple[Changed, ...] = ()
    because: str = ""


class Trace:
    """The events of one decision."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._depth = 0

    def note(
        self,
        kind: Kind,
        place: str,
        says: str,
        *,
        held: bool | None = None,
        seen: Sequence[str] = (),
        because: str = "",
    ) -> None:
        """Something happened."""
        self.events.append(Event(kind, self._depth, place, says, held, tuple(seen), (), because))

    @contextmanager
    def within(self) -> Iterator[None]:
        """What happens meanwhile belongs to what was noted last."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def clause(self, clause: Clause, scope: Scope) -> bool:
        """A condition is asked; whether it holds."""
        held = clause.test(scope)
        self.note(Kind.CONDITION, clause.place, clause.says, held=held, seen=_seen(clause, scope))
        return held

    def when(self, place: str, conditions: Conditions, scope: Scope) -> bool:
        """A `when` is asked, clause by clause until one does not hold; whether all do."""
        at = len(self.events)
        self.note(Kind.STEP, place, "when " + ", ".join(clause.says for clause in conditions.clauses))
        with self.within():
            held = all(self.clause(clause, scope) for clause in conditions.clauses)
        self.events[at] = self.events[at]._replace(held=held)
        return held

    def step(self, place: str, says: str, scope: Scope, run: Callable[[Scope], None]) -> None:
        """A step runs; what it changed is noted, unless steps inside it have noted that."""
        if not says:  # it speaks for itself
            run(scope)
            return
        at, before = len(self.events), _written(scope)
        self.note(Kind.STEP, place, says)
        with self.within():
            run(scope)
        if not any(event.changes for event in self.events[at:]):
            self.events[at] = self.events[at]._replace(changes=difference(before, _written(scope)))

    def changed(self, place: str, says: str, before: bytes, after: bytes) -> None:
        """Something else than a step made this of the message."""
        found = difference(before, after)
        if found:
            self.events.append(Event(Kind.STEP, self._depth, place, says, None, (), found))


def difference(before: bytes | None, after: bytes | None) -> tuple[Changed, ...]:
    """Where two messages differ; nowhere where one could not be written."""
    if before is None or after is None or before == after:
        return ()
    try:
        return tuple(changed(before, after))
    except HL7BridgeError:
        return ()


def _seen(clause: Clause, scope: Scope) -> list[str]:
    if clause.values is None:
        return []
    charset = scope.message.charset
    found = [charset.decode(value) for value in clause.values(scope)[:_MOST_VALUES]]
    return [value if len(value) <= _LONGEST else value[:_LONGEST] + "..." for value in found]


def _written(scope: Scope) -> bytes | None:
    try:
        return scope.message.emit()
    except HL7BridgeError:
        return None

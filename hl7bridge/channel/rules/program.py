"""A compiled map: its steps, and how they run.

Raises `MappingError` with the place of the step that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hl7bridge.channel.rules.constant import MappingError
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.written.mistake import Place
from hl7bridge.errors import HL7BridgeError

Run = Callable[[Scope], None]


class Step:
    """A compiled step with its place, and what it says in a trace (nothing if it speaks for itself)."""

    __slots__ = ("place", "run", "says")

    def __init__(self, run: Run, place: Place, says: str) -> None:
        self.run = run
        self.place = str(place)
        self.says = says


class Program:
    """A compiled map."""

    __slots__ = ("_runs", "steps")

    def __init__(self, steps: list[Step]) -> None:
        self.steps = tuple(steps)
        self._runs = tuple(step.run for step in steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __call__(self, scope: Scope) -> None:
        """Runs the steps. Raises `MappingError`."""
        trace = scope.work.trace
        if trace is not None:
            for step in self.steps:
                trace.step(step.place, step.says, scope, partial(_guarded, step))
            return
        at = 0
        try:
            for run in self._runs:
                run(scope)
                at += 1
        except HL7BridgeError as fault:
            raise _at(fault, self.steps[at]) from None


def _guarded(step: Step, scope: Scope) -> None:
    try:
        step.run(scope)
    except HL7BridgeError as fault:
        raise _at(fault, step) from None


def _at(fault: HL7BridgeError, step: Step) -> MappingError:
    if isinstance(fault, MappingError):
        return fault
    hint = f"at {fault.place}" if fault.place else fault.hint
    return MappingError(fault.what, code=fault.code, place=step.place, hint=hint)

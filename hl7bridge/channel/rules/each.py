"""`each`: through segments with their runs, or through the repetitions of a field as `it`.

Compiled from YAML into functions of a scope. Raises what the steps inside raise; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Callable

from hl7bridge.channel.rules.condition import Condition
from hl7bridge.channel.rules.program import Program, Run
from hl7bridge.channel.rules.reference import Reference, read_reference
from hl7bridge.channel.rules.scope import Bound, Scope, runs
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Node, Scalar, noun
from hl7bridge.hl7 import access
from hl7bridge.hl7.message import Segment


def read_each(
    node: Node, setting: Setting
) -> tuple[Callable[[Program, Condition | None], Run], Setting] | Wrong:
    """What `each` goes through: segments with their runs, or the repetitions of a field as `it`."""
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a segment such as OBX belongs")
    reference = read_reference(node, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if reference.it is not None or reference.path is None:
        return setting.wrong(node, "each goes through segments or repetitions", "OBX, or 'ORC-7[*]'")
    path = reference.path
    setting.goes_through(reference, node)
    if path.field is None:
        inside = setting.within(loop=True) if reference.original else setting.within(run=True)
        return (lambda program, where: _each_segment(reference, program, where)), inside
    if path.component is not None or not isinstance(path.repetition, access.Each):
        hint = f"write each: '{path.segment.decode()}-{path.field}[*]'"
        return setting.wrong(node, f"{node.text} is one value, and each goes through several", hint)
    return (lambda program, where: _each_repetition(reference, program, where)), setting.within(
        it=True, bound=path
    )


def _each_segment(reference: Reference, program: Program, where: Condition | None) -> Run:
    path, name = reference.path, reference.name
    assert path is not None
    plain = reference.plain_segment or reference.each_segment

    def each(scope: Scope) -> None:
        source = scope.original if reference.original else scope
        if source is None:
            return
        found = list(runs(source, name))
        if not plain:
            meant_ = {id(segment) for segment in path.select([head for head, _ in found], source.delimiters)}
            found = [(head, run) for head, run in found if id(head) in meant_]
        dropped: list[Segment] = []
        for _, run in found:
            inner = run
            if reference.original:
                inner = scope.inner(scope.segments, scope.head, scope.up)
                inner.original = run
            if where is None or where(inner):
                inner.dropped = None
                program(inner)
                dropped += inner.dropped or ()
        if dropped:
            scope.drop(dropped)

    return each


def _each_repetition(reference: Reference, program: Program, where: Condition | None) -> Run:
    path, name = reference.path, reference.name
    assert path is not None
    assert path.field is not None
    number = path.field
    plain = reference.plain_segment or reference.each_segment

    def each(scope: Scope) -> None:
        source = scope.original if reference.original else scope
        if source is None:
            return
        delimiters = source.delimiters
        heads: list[tuple[Segment, Scope]] = list(runs(source, name))
        if not heads:
            heads = [(segment, scope) for segment in source.all(name)]
        if not plain:
            meant_ = {id(segment) for segment in path.select([head for head, _ in heads], delimiters)}
            heads = [(head, run) for head, run in heads if id(head) in meant_]
        for head, run in heads:
            around = scope if reference.original or run.head is None else run
            bounds: list[Bound] = []
            for at in range(len(access.repetitions(head.field(number), delimiters))):
                inner = around.inner(around.segments, around.head, around.up)
                inner.it = Bound(head, number, at)
                bounds.append(inner.it)
                if where is None or where(inner):
                    program(inner)
                    if inner.dropped:
                        scope.dropped = [*(scope.dropped or ()), *inner.dropped]
            _close_gaps(head, number, bounds, scope)

    return each


def _close_gaps(segment: Segment, number: int, bounds: list[Bound], scope: Scope) -> None:
    gone = {bound.at for bound in bounds if bound.gone}
    if gone:
        found = access.repetitions(segment.field(number), scope.delimiters)
        kept = [value for at, value in enumerate(found) if at not in gone]
        segment.set_field(number, scope.delimiters.repetition.join(kept))

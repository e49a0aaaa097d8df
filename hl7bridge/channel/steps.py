"""Steps of a map: what each verb does, compiled from YAML into functions of a scope.

A step is a set of keys: target fields, or one of the verbs in `VERBS`, with `when`, `each` and `where` around it. Steps run
from the top and each sees what the ones before it did. A compiled map raises `MappingError` with the place of the step that
failed; compiling raises nothing, mistakes are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hl7bridge.channel.assign import read_assignment
from hl7bridge.channel.condition import Condition, read_condition
from hl7bridge.channel.mistake import Place, meant
from hl7bridge.channel.model import WRONG, _Wrong
from hl7bridge.channel.reference import (
    Reference,
    first_segment,
    looks_like_path,
    read_reference,
    remover,
)
from hl7bridge.channel.scope import Bound, Scope, Work, runs
from hl7bridge.channel.setting import Setting
from hl7bridge.channel.value import MappingError
from hl7bridge.channel.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import access
from hl7bridge.hl7.message import HEADERS, Message, Segment
from hl7bridge.hl7.path import Path

Run = Callable[[Scope], None]
_MODIFIERS: Final = (
    "when",
    "each",
    "where",
    "do",
    "after",
    "within",
    "keep",
    "python",
    "remove",
    "renumber",
    "add",
    "new",
)


class Step:
    """A compiled step with its place and what it says, for errors and traces."""

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
        if scope.work.trace is not None:
            for step in self.steps:
                scope.work.trace.append(f"{step.place}: {step.says}")
                _guarded(step, scope)
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


def read_steps(node: Node, setting: Setting) -> list[Step] | _Wrong:
    """The steps of a `map` or a `do`: a list, or one set of keys."""
    nodes = node.items if isinstance(node, Items) else [node]
    found: list[Step] = []
    complete = True
    for each in nodes:
        if not isinstance(each, Pairs):
            setting.wrong(each, f"{noun(each)} stands where a step belongs", "write it like MSH-5: EPIC")
            complete = False
            continue
        made = _step(each, setting)
        if isinstance(made, _Wrong):
            complete = False
            continue
        found += made
        if any(key.text == "new" for key, _ in each.pairs):
            setting = setting.within(original=True)
    return found if complete else WRONG


def _step(node: Pairs, setting: Setting) -> list[Step] | _Wrong:
    """One item of a map: several steps if it sets several fields."""
    each = node.get("each")
    when = node.get("when")
    where = node.get("where")
    if where is not None and each is None:
        key = node.key("where")
        assert key is not None
        return setting.wrong(
            key, "where chooses among each, which does not stand here", "write when, or add each"
        )
    inside = setting
    loop: Callable[[Program, Condition | None], Run] | _Wrong | None = None
    if each is not None:
        found = read_each(each, setting)
        loop, inside = (WRONG, setting.within(it=True)) if isinstance(found, _Wrong) else found
    condition = None if when is None else read_condition(when, setting)
    filter_ = None if where is None else read_condition(where, inside)
    body = _body(node, inside)
    if isinstance(loop, _Wrong) or isinstance(condition, _Wrong) or isinstance(filter_, _Wrong):
        return WRONG
    if isinstance(body, _Wrong):
        return WRONG
    if not body:
        return setting.wrong(
            node, "this step does nothing", "give it a field to set, or a verb such as remove"
        )
    if loop is not None:
        assert each is not None
        body = [
            Step(
                loop(Program(body), filter_),
                node.place,
                f"each {each.text if isinstance(each, Scalar) else ''}",
            )
        ]
    if condition is not None:
        body = (
            [_gated(step, condition) for step in body]
            if len(body) == 1
            else [_gated_all(body, condition, node.place)]
        )
    return body


def _gated(step: Step, condition: Condition) -> Step:
    run = step.run

    def gated(scope: Scope) -> None:
        if condition(scope):
            run(scope)

    gate = Step(gated, Place("", 0, 0), f"when: {step.says}")
    gate.place = step.place
    return gate


def _gated_all(steps: list[Step], condition: Condition, place: Place) -> Step:
    program = Program(steps)

    def gated(scope: Scope) -> None:
        if condition(scope):
            program(scope)

    return Step(gated, place, "when")


def _body(node: Pairs, setting: Setting) -> list[Step] | _Wrong:
    """What a step does: its keys in the order in which they stand, without those that say when and where."""
    found: list[Step] = []
    complete = True
    adds = node.get("add")
    added = adds.text if isinstance(adds, Scalar) else None
    verbs = [key for key, _ in node.pairs if key.text in VERBS]
    new = node.get("new")
    for key, value in node.pairs:
        made: Run | list[Step] | _Wrong | None
        if key.text in ("when", "each", "where"):
            continue
        if key.text == "do":
            made = read_steps(value, setting)
        elif key.text in ("after", "within"):
            owner = {"after": "add", "within": "renumber"}[key.text]
            if node.get(owner) is not None:
                continue
            made = setting.wrong(key, f"{key.text} belongs to {owner}, which does not stand here")
        elif key.text == "keep" and new is not None:
            continue
        elif key.text in VERBS:
            if key is not verbs[0]:
                what = f"{key.text} and {verbs[0].text} are two steps"
                made = setting.wrong(key, what, "put each into a list item of its own")
            else:
                made = VERBS[key.text][1](value, node, setting)
        elif looks_like_path(key.text):
            if added is not None and key.text.removeprefix("/").startswith(added):
                continue  # a field of the segment that is added
            made = read_assignment(key, value, setting)
        else:
            made = _unknown(key, value, setting)
        if isinstance(made, _Wrong):
            complete = False
        elif isinstance(made, list):
            found += made
        elif made is not None:
            found.append(Step(made, key.place, _says(key, value)))
    return found if complete else WRONG


def _says(key: Scalar, value: Node) -> str:
    return f"{key.text} {value.text}" if key.text in VERBS and isinstance(value, Scalar) else key.text


def _unknown(key: Scalar, value: Node, setting: Setting) -> _Wrong:
    if len(key.text) == 3 and key.text.isupper():
        return setting.wrong(key, f"{key.text} is a segment, not a field", f"name a field: {key.text}-1")
    return setting.wrong(
        key,
        f"{shown(key.text)} is neither a path nor a step",
        meant(key.text, (*_MODIFIERS,), "paths look like PID-3.1"),
    )


# each ----------------------------------------------------------------------------------------------------------------


def read_each(
    node: Node, setting: Setting
) -> tuple[Callable[[Program, Condition | None], Run], Setting] | _Wrong:
    """What `each` goes through: segments with their runs, or the repetitions of a field as `it`."""
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a segment such as OBX belongs")
    reference = read_reference(node, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if reference.it is not None or reference.path is None:
        return setting.wrong(node, "each goes through segments or repetitions", "OBX, or 'ORC-7[*]'")
    path = reference.path
    if path.field is None:
        inside = setting.within(it=True) if reference.original else setting.within(run=True)
        return (lambda program, where: _each_segment(reference, program, where)), inside
    if path.component is not None or not isinstance(path.repetition, access.Each):
        hint = f"write each: '{path.segment.decode()}-{path.field}[*]'"
        return setting.wrong(node, f"{node.text} is one value, and each goes through several", hint)
    return (lambda program, where: _each_repetition(reference, program, where)), setting.within(it=True)


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


# Verbs ---------------------------------------------------------------------------------------------------------------


def _remove(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    if isinstance(value, Scalar) and value.text == "run":
        if not setting.in_run:
            return setting.wrong(value, "there is no run here", "remove: run stands beside each: OBX")
        return _drop_run
    nodes = value.items if isinstance(value, Items) else [value]
    removes: list[Run] = []
    for each in nodes:
        if not isinstance(each, Scalar):
            return setting.wrong(each, f"{noun(each)} stands where a path belongs", "[PID-19, NTE]")
        if each.text == "run":
            return setting.wrong(each, "run stands alone", "remove: run")
        reference = read_reference(each, setting)
        if isinstance(reference, _Wrong):
            return WRONG
        if reference.original:
            return setting.wrong(each, "the original is only read", "name the field of the new message")
        if reference.name in HEADERS and (
            reference.whole_segment or (reference.path and (reference.path.field or 9) < 3)
        ):
            return setting.wrong(each, f"{each.text} holds the message together", "it cannot be removed")
        removes.append(remover(reference))
    if not removes:
        return setting.wrong(value, "there is nothing to remove", "[PID-19, NTE]")
    if len(removes) == 1:
        return removes[0]

    def remove(scope: Scope) -> None:
        for each in removes:
            each(scope)

    return remove


def _drop_run(scope: Scope) -> None:
    if scope.head is not None:
        scope.dropped = [*(scope.dropped or ()), *scope.segments]


def _keep(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a path belongs", "'PID-3[4=X]'")
    reference = read_reference(value, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    path = reference.path
    if path is None or reference.original:
        return setting.wrong(value, "keep chooses among repetitions of a field", "keep: 'PID-3[4=X]'")
    place, text = value.place, value.text
    if path.field is None:
        if reference.plain_segment or reference.each_segment:
            return setting.wrong(value, "this keeps every one", f"say which: '{text}[1]'")
        return _keep_segments(reference)
    if path.component is not None or not isinstance(path.repetition, access.Where | access.Index):
        return setting.wrong(value, f"{text} does not choose among repetitions", "keep: 'PID-3[4=X]'")
    return _keep_repetitions(path, place, text)


def _keep_segments(reference: Reference) -> Run:
    path, name = reference.path, reference.name
    assert path is not None

    def keep(scope: Scope) -> None:
        all_ = scope.run_of(name)
        kept = {id(segment) for segment in path.select(all_, scope.delimiters)}
        scope.drop([segment for segment in all_ if id(segment) not in kept])

    return keep


def _keep_repetitions(path: Path, place: Place, text: str) -> Run:
    assert path.field is not None
    choose, number, name = access.compile_choice(path.repetition), path.field, path.segment

    def keep(scope: Scope) -> None:
        for segment in path.select(scope.all(name), scope.delimiters):
            found = access.repetitions(segment.field(number), scope.delimiters)
            kept = [found[at] for at in choose(found, segment)]
            if not kept:
                what = f"keep leaves nothing of {name.decode()}-{number}"
                raise MappingError(
                    what, code="nothing-kept", place=str(place), hint=f"no repetition is {text}"
                )
            if len(kept) < len(found):
                segment.set_field(number, scope.delimiters.repetition.join(kept))

    return keep


def _renumber(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    reference = _plain_field(value, setting, "renumber")
    if isinstance(reference, _Wrong):
        return WRONG
    path = reference.path
    assert path is not None
    name, assign = path.segment, path.assign
    within = node.get("within")
    around: bytes | None = None
    if within is not None:
        found = segment_name(within, setting)
        if isinstance(found, _Wrong):
            return WRONG
        around = found

    def number(scope: Scope) -> None:
        for at, segment in enumerate(scope.run_of(name), 1):
            assign(segment, scope.delimiters, b"%d" % at)

    def renumber(scope: Scope) -> None:
        if around is None:
            number(scope)
            return
        for _, run in list(runs(scope, around)):
            number(run)

    return renumber


def _plain_field(value: Node, setting: Setting, verb: str) -> Reference | _Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a path belongs", f"{verb}: OBX-1")
    reference = read_reference(value, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if (
        reference.path is None
        or reference.path.field is None
        or reference.original
        or not reference.plain_segment
    ):
        return setting.wrong(value, f"{verb} takes one field of a segment", f"{verb}: OBX-1")
    return reference


def segment_name(value: Node, setting: Setting) -> bytes | _Wrong:
    """A bare segment ID."""
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a segment such as OBR belongs")
    reference = read_reference(value, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if not reference.whole_segment or not reference.plain_segment or reference.original:
        return setting.wrong(value, f"{value.text} is not the name of a segment", "write it like OBR")
    return reference.name


def _add(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    name = segment_name(value, setting)
    if isinstance(name, _Wrong):
        return WRONG
    if name in HEADERS:
        return setting.wrong(value, "a message has one header", "set the fields of MSH")
    anchors: list[bytes] = []
    after = node.get("after")
    if after is not None:
        for each in after.items if isinstance(after, Items) else [after]:
            anchor = segment_name(each, setting)
            if isinstance(anchor, _Wrong):
                return WRONG
            anchors.append(anchor)
    fields: list[Step] = []
    complete = True
    for key, content in node.pairs:
        if not key.text.removeprefix("/").startswith(name.decode()) or not looks_like_path(key.text):
            continue
        made = read_assignment(key, content, setting, added=True)
        if isinstance(made, _Wrong):
            complete = False
        else:
            fields.append(Step(made, key.place, key.text))
    if not complete:
        return WRONG
    return _adding(name, anchors, Program(fields), node.place)


def _adding(name: bytes, anchors: list[bytes], fill: Program, place: Place) -> Run:
    identity = id(fill)

    def add(scope: Scope) -> None:
        anchor = scope.segments[-1] if not anchors else None
        for each in anchors:
            anchor = scope.first(each)
            if anchor is not None:
                break
        if anchor is None:
            what = f"there is no {' or '.join(each.decode() for each in anchors)} behind which {name.decode()} could go"
            raise MappingError(
                what,
                code="no-anchor",
                place=str(place),
                hint="after: [PV1, PID] takes the first that is there",
            )
        made = Segment.make(name, scope.delimiters, scope.message.charset)
        # Several that one step adds behind one segment stay in the order in which they were made.
        work = scope.work
        if work.added is None:
            work.added = {}
        previous = work.added.get((identity, id(anchor)))
        if previous is not None and previous not in scope.message.segments:
            previous = None
        scope.insert(previous or anchor, made)
        work.added[(identity, id(anchor))] = made
        inner = scope.inner(scope.segments, scope.head, scope.up)
        inner.made = made
        fill(inner)

    return add


def _new(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    if setting.in_loop:
        return setting.wrong(value, "new makes another message of the whole one", "move it out of each")
    if not isinstance(value, Scalar) or not value.text or "^" not in value.text:
        return setting.wrong(value, f"{noun(value)} is not a message type", "write it like ORU^R01^ORU_R01")
    names: set[bytes] = {b"MSH"}
    keep = node.get("keep")
    if keep is not None:
        for each in keep.items if isinstance(keep, Items) else [keep]:
            name = segment_name(each, setting)
            if isinstance(name, _Wrong):
                return WRONG
            names.add(name)
    type_ = read_assignment(Scalar("MSH-9", value.place), value, setting)
    if isinstance(type_, _Wrong):
        return WRONG
    set_type = type_

    def new(scope: Scope) -> None:
        before: Message = scope.message.copy()
        seen = Scope(before, Work(scope.work.received, scope.work.sequence, scope.work.zone))
        scope.drop([segment for segment in scope.message.segments if segment.name not in names])
        scope.original = seen
        set_type(scope)

    return new


def _python(value: Node, node: Pairs, setting: Setting) -> Run | _Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(
            value, f"{noun(value)} stands where a function belongs", "python: module:function"
        )
    hook = setting.hooks(value.text)
    if isinstance(hook, str):
        return setting.wrong(value, hook, "python: module:function, of module.py in this folder")
    from hl7bridge.channel.hook import HookMessage

    call, place = hook, str(value.place)

    def python(scope: Scope) -> None:
        try:
            call(HookMessage(scope.message))
        except HL7BridgeError:
            raise
        except (Exception, SystemExit) as fault:
            what = f"the Python hook failed with {type(fault).__name__}"
            raise MappingError(what, code="hook-failed", place=place, hint=value.text) from None
        scope.refresh()

    return python


Verb = Callable[[Node, Pairs, Setting], "Run | _Wrong"]
#: Every verb of a step: what it is for, and how it is compiled.
VERBS: Final[dict[str, tuple[str, Verb]]] = {
    "remove": ("segments, fields or chosen repetitions to take out; run beside each", _remove),
    "keep": ("the repetitions of a field that stay; the others go", _keep),
    "renumber": ("a set ID that counts 1, 2, 3 (within: anew for each of these)", _renumber),
    "add": ("a new segment, after: another; its fields stand beside it", _add),
    "new": ("another message of this type, keep: these segments; the old one is original.", _new),
    "python": ("a function of a Python file in this folder, module:function", _python),
}

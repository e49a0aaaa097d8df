"""The verbs of a step: `remove`, `keep`, `renumber`, `add`, `new`, `python`.

Compiled from YAML into functions of a scope, which raise `MappingError` with the step's place; mistakes are
named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.rules.assign import read_assignment
from hl7bridge.channel.rules.constant import MappingError
from hl7bridge.channel.rules.hook import HookMessage
from hl7bridge.channel.rules.program import Program, Run, Step
from hl7bridge.channel.rules.reference import Reference, looks_like_path, read_reference, remover
from hl7bridge.channel.rules.scope import Scope, Work, runs
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.mistake import Place
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import access
from hl7bridge.hl7.message import HEADERS, Message, Segment
from hl7bridge.hl7.path import Path


def _remove(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
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
        if isinstance(reference, Wrong):
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


def _keep(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a path belongs", "'PID-3[4=X]'")
    reference = read_reference(value, setting)
    if isinstance(reference, Wrong):
        return WRONG
    path = reference.path
    if path is None or reference.original:
        return setting.wrong(value, "keep chooses among repetitions of a field", "keep: 'PID-3[4=X]'")
    setting.goes_through(reference, value)
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


def _renumber(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
    reference = _plain_field(value, setting, "renumber")
    if isinstance(reference, Wrong):
        return WRONG
    path = reference.path
    assert path is not None
    name, assign = path.segment, path.assign
    within = node.get("within")
    around: bytes | None = None
    if within is not None:
        found = segment_name(within, setting)
        if isinstance(found, Wrong):
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


def _plain_field(value: Node, setting: Setting, verb: str) -> Reference | Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a path belongs", f"{verb}: OBX-1")
    reference = read_reference(value, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if (
        reference.path is None
        or reference.path.field is None
        or reference.original
        or not reference.plain_segment
    ):
        return setting.wrong(value, f"{verb} takes one field of a segment", f"{verb}: OBX-1")
    return reference


def segment_name(value: Node, setting: Setting) -> bytes | Wrong:
    """A bare segment ID."""
    if not isinstance(value, Scalar):
        return setting.wrong(value, f"{noun(value)} stands where a segment such as OBR belongs")
    reference = read_reference(value, setting)
    if isinstance(reference, Wrong):
        return WRONG
    if not reference.whole_segment or not reference.plain_segment or reference.original:
        return setting.wrong(value, f"{value.text} is not the name of a segment", "write it like OBR")
    return reference.name


def _add(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
    name = segment_name(value, setting)
    if isinstance(name, Wrong):
        return WRONG
    if name in HEADERS:
        return setting.wrong(value, "a message has one header", "set the fields of MSH")
    anchors: list[bytes] = []
    after = node.get("after")
    if after is not None:
        for each in after.items if isinstance(after, Items) else [after]:
            anchor = segment_name(each, setting)
            if isinstance(anchor, Wrong):
                return WRONG
            anchors.append(anchor)
    fields: list[Step] = []
    complete = True
    for key, content in node.pairs:
        if not key.text.removeprefix("/").startswith(name.decode()) or not looks_like_path(key.text):
            continue
        made = read_assignment(key, content, setting, added=True)
        if isinstance(made, Wrong):
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
            wanted = " or ".join(each.decode() for each in anchors)
            what = f"there is no {wanted} behind which {name.decode()} could go"
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


def _new(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
    if setting.in_loop:
        return setting.wrong(value, "new makes another message of the whole one", "move it out of each")
    if not isinstance(value, Scalar) or not value.text or "^" not in value.text:
        return setting.wrong(value, f"{noun(value)} is not a message type", "write it like ORU^R01^ORU_R01")
    names: set[bytes] = {b"MSH"}
    keep = node.get("keep")
    if keep is not None:
        for each in keep.items if isinstance(keep, Items) else [keep]:
            name = segment_name(each, setting)
            if isinstance(name, Wrong):
                return WRONG
            names.add(name)
    type_ = read_assignment(Scalar("MSH-9", value.place), value, setting)
    if isinstance(type_, Wrong):
        return WRONG
    set_type = type_

    def new(scope: Scope) -> None:
        before: Message = scope.message.copy()
        seen = Scope(before, Work(scope.work.received, scope.work.sequence, scope.work.zone))
        scope.drop([segment for segment in scope.message.segments if segment.name not in names])
        scope.original = seen
        set_type(scope)

    return new


def _python(value: Node, node: Pairs, setting: Setting) -> Run | Wrong:
    if not isinstance(value, Scalar):
        return setting.wrong(
            value, f"{noun(value)} stands where a function belongs", "python: module:function"
        )
    hook = setting.hooks(value.text)
    if isinstance(hook, str):
        return setting.wrong(value, hook, "python: module:function, of module.py in this folder")
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


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of a step: what it is for, and how it is compiled."""

    about: str
    compile: Callable[[Node, Pairs, Setting], Run | Wrong]


#: Every verb of a step.
VERBS: Final[dict[str, Verb]] = {
    "remove": Verb(
        "segments, fields or chosen repetitions to take out; run (beside each) the whole run", _remove
    ),
    "keep": Verb("the repetitions of a field that stay; beside new the segments that do", _keep),
    "renumber": Verb("a set ID that counts 1, 2, 3", _renumber),
    "add": Verb("a new segment; its fields stand beside it", _add),
    "new": Verb("another message of this type; the old one is read as original.", _new),
    "python": Verb("a function of a Python file in this folder, module:function", _python),
}
#: The words that say when, for what and where a step works.
MODIFIERS: Final = {
    "when": "only where this holds",
    "each": "for each of these segments with its run, or each repetition as it",
    "where": "only those of each for which this holds",
    "do": "steps inside it",
    "after": "the segment behind which add puts the new one; of a list the first that is there",
    "within": "renumber begins anew in the run of each of these",
}

"""Transformer steps as the steps of a map.

Steps run in their order, as ours do. What cannot be carried over stands as a comment where it stood, and makes every variable
doubtful behind it. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hl7bridge.mirth.elements import Part
from hl7bridge.mirth.lines import Block, Comment, Listing
from hl7bridge.mirth.replacing import replacement
from hl7bridge.mirth.rules import Condition, set_filter_condition
from hl7bridge.mirth.script import Field, NotRead, Read, read_expression, read_field, read_text
from hl7bridge.mirth.tame import leaves
from hl7bridge.mirth.values import Known, Value, checked, touches, value_of

#: The maps of Mirth that end with the message.
_SCOPES = {"CHANNEL": "channel", "CONNECTOR": "connector", "": "channel"}
#: What a step that is lost writes to, where that may hide a variable of these.
_HIDING = {**_SCOPES, "RESPONSE": "response"}


@dataclass(slots=True)
class Taken:
    """A condition under which destinations get nothing: those of these IDs, or (`rest`) all others."""

    condition: Condition
    reads: Field
    ids: tuple[int, ...]
    rest: bool
    part: Part
    comment: Comment
    #: A later step may change the field that it asks for: destinations are chosen behind the whole map.
    overtaken: bool = False


@dataclass(slots=True)
class Steps:
    """What a transformer becomes. `missing` are the steps that were not carried over, with why."""

    map: Listing = field(default_factory=Listing)
    missing: list[tuple[Part, str]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    #: Paths that may mean several values, of which the first is taken, or written.
    firsts: list[str] = field(default_factory=list)
    changed_firsts: list[str] = field(default_factory=list)
    #: Paths that are written with an index that a message may not have.
    indexed: list[str] = field(default_factory=list)
    #: Some step that filters destinations is not carried over.
    unfiltered: bool = False
    variables: list[str] = field(default_factory=list)


def steps_of(parts: Sequence[Part], known: Known) -> Steps:
    """The map of a transformer's steps; `known` is what is certain before them, and behind them afterwards."""
    found = Steps()
    for part in parts:
        if not part.enabled:
            found.map.entries.append(Comment(f"step {part} is switched off in Mirth ({part.kind})"))
            continue
        try:
            _step(part, known, found, found.map)
        except NotRead as why:
            lost(part, str(why), known, found, found.map)
    return found


def lost(part: Part, why: str, known: Known, found: Steps, into: Listing) -> None:
    """Notes a step that is not carried over, at its place."""
    found.missing.append((part, why))
    into.entries.append(Comment(quoted(part, "step", why)))
    if part.kind == "Mapper":
        scope = _HIDING.get(part.fields.get("scope", "").strip(), "other")
        known.put(scope, part.fields.get("variable", ""), f"step {part} sets it: {why}")
        return
    if part.kind == "Message Builder":
        try:
            _written(read_field(part.fields.get("messageSegment", "")), known, found)
            return
        except NotRead:
            pass
    if part.kind == "Destination Set Filter":
        found.unfiltered = True
        return
    known.doubt(f"step {part} may change it", part.script if part.kind == "JavaScript" else None)
    for taken in found.taken:
        taken.overtaken = taken.overtaken or not leaves(part.script, "", (taken.reads,))


def _written(target: Field, known: Known, found: Steps) -> None:
    """A step changes this field, or may."""
    known.written(target)
    for taken in found.taken:
        taken.overtaken = taken.overtaken or touches(target, taken.reads)


def quoted(part: Part, noun: str, why: str) -> str:
    """A step or rule in words, and its script in full."""
    lines = [f"NOT CARRIED OVER: {noun} {part} ({part.kind}): {why}"]
    if part.script.strip():
        lines += ["    " + line for line in part.script.strip().splitlines()]
    else:
        named = {"messageSegment": "target", "mapping": "value", "defaultValue": "default"}
        for name, text in part.fields.items():
            if name not in ("name", "sequenceNumber", "enabled", "operator", "script") and text.strip():
                lines += [f"    {named.get(name, name)}: {line}" for line in text.strip().splitlines()]
        lines += [f"    compared with: {each}" for each in part.values]
        lines += [f"    replaces {each} by {by}" for each, by in part.replacements]
        lines += [f"    destination {each}" for each in part.destinations]
    for child in part.children:
        lines += ["    " + line for line in quoted(child, noun, "inside it").splitlines()]
    return "\n".join(lines)


def _step(part: Part, known: Known, found: Steps, into: Listing) -> None:
    if part.kind == "Mapper":
        _mapper(part, known, found, into)
    elif part.kind == "Message Builder":
        _builder(part, known, found, into)
    elif part.kind == "Destination Set Filter":
        _destinations(part, known, found, into)
    elif part.kind == "Iterator":
        _iterator(part, known, found, into)
    elif part.kind == "JavaScript":
        raise NotRead("it is JavaScript")
    else:
        raise NotRead(f"steps of the kind {part.kind} are not carried over")


def _mapper(part: Part, known: Known, found: Steps, into: Listing) -> None:
    name = part.fields.get("variable", "").strip()
    scope = _SCOPES.get(part.fields.get("scope", "").strip())
    if scope is None:
        raise NotRead("its map lives longer than a message")
    if known.loop is not None:
        raise NotRead("it gathers a variable over an iterator")
    known.put(scope, name, _validated(part, known, None))
    into.entries.append(Comment(f"step {part}: the variable {name} is put in where it is used"))
    found.variables.append(name)


def _builder(part: Part, known: Known, found: Steps, into: Listing) -> None:
    target = read_field(part.fields.get("messageSegment", ""))
    key = _target(target, known)
    value = _validated(part, known, target)
    if value.text is not None:
        checked(value.text, whole=target.component is None)
    if value.otherwise:
        checked(value.otherwise, whole=target.component is None)
    into.entries += _written_as(target, key, value, known)
    found.firsts += [each.path() for each in value.reads if each.several]
    if target.root == "msg":
        if target.several_segments or (target.several_repetitions and target.component is not None):
            found.changed_firsts.append(target.path())
        if isinstance(target.repetition, int) and target.repetition > 0:
            found.indexed.append(target.path())
        elif isinstance(target.occurrence, int) and target.repeats:
            found.indexed.append(target.exact())
        _written(target, known, found)


def _written_as(target: Field, key: str, value: Value, known: Known) -> list[Any]:
    """The steps that write a value. A whole field that is named without an index is written with all its repetitions."""
    if target.component is not None or target.repetition is not None:
        return [{key: value.form()}]
    alone = target.several_segments and known.loop is None
    whole = replace(target, occurrence=0).exact() if alone else key
    if value.text == "":
        return [{"remove": [whole]}]
    if not target.several_repetitions:
        return [{key: value.form()}]
    if any(touches(target, each) for each in value.reads):
        raise NotRead(f"it writes every repetition of {target.path()}, and reads one of them")
    return [{"remove": [whole]}, {key: value.form()}]


def _target(target: Field, known: Known) -> str:
    """Where a step writes. Raises `NotRead`."""
    if target.field is None:
        raise NotRead("it writes a whole segment")
    if known.template and target.root == "msg":
        raise NotRead("it changes msg, while tmp is what leaves")
    path = known.path(target)
    if known.loop is not None and not path.startswith("it") and target.occurrence is None:
        raise NotRead("it writes outside of what the iterator goes through")
    return path.removeprefix("original.")


def _validated(part: Part, known: Known, target: Field | None) -> Value:
    """Mirth's `validate(mapping, default, replacements)`. Raises `NotRead`."""
    mapping = part.fields.get("mapping", "").strip()
    default = part.fields.get("defaultValue", "").strip()
    expression = read_expression(mapping) if mapping else None
    value = Value(text="") if expression is None else value_of(expression, known, target)
    otherwise = read_text(default) if default else ""
    if value.text is not None:
        value = Value(text=value.text or otherwise)
    elif otherwise and not value.otherwise:
        value = Value(value.text, value.origin, value.functions, otherwise, value.reads)
    if part.replacements and isinstance(expression, Read) and not expression.as_text:
        raise NotRead("it replaces in a field without .toString(), which not every Mirth does")
    for pattern, by in part.replacements:
        made = replacement(read_text(pattern), read_text(by) if by.strip() else "")
        value = value.changed("replace", [made.pattern, made.by], made.apply)
    if value.functions and target is not None and target.component is None:
        raise NotRead("it changes the text of a whole field")
    return value


def _destinations(part: Part, known: Known, found: Steps, into: Listing) -> None:
    if known.template:
        raise NotRead("it looks at the message before the new one")
    if known.loop is not None:
        raise NotRead("it stands inside an iterator")
    behaviour = part.fields.get("behavior", "").strip()
    if behaviour not in ("REMOVE", "REMOVE_ALL_EXCEPT", "REMOVE_ALL"):
        raise NotRead("what it does is not known")
    condition = set_filter_condition(part, known)
    expression = read_expression(part.fields.get("field", ""))
    reads = expression.field if isinstance(expression, Read) else None
    if reads is None:
        raise NotRead("it asks for a variable")
    ids = () if behaviour == "REMOVE_ALL" else part.destinations
    comment = Comment(f"step {part}: stands as a condition where destinations are chosen")
    found.taken.append(Taken(condition, reads, ids, behaviour != "REMOVE", part, comment))
    into.entries.append(comment)


def _turned(part: Part, inner: Known) -> None:
    """What steps of an iterator change is changed for those before them, too, when it comes round again."""
    for child in part.children:
        if not child.enabled or child.kind == "Mapper":
            continue
        try:
            inner.written(read_field(child.fields.get("messageSegment", "")))
        except NotRead:
            script = child.script if child.kind == "JavaScript" else None
            inner.doubt(f"step {child} may change it when the iterator comes round again", script)


def _iterator(part: Part, known: Known, found: Steps, into: Listing) -> None:
    if known.loop is not None:
        raise NotRead("it is an iterator inside another")
    if known.template:
        raise NotRead("it goes through the message before the new one")
    loop = read_field(part.fields.get("target", ""))
    variable = part.fields.get("indexVariable", "").strip() or "i"
    if loop.component is not None or loop.occurrence is not None or loop.repetition is not None:
        raise NotRead("its target is neither a segment nor a field")
    if loop.field is None:
        each: Any = loop.segment
        place = Field(loop.root, loop.segment, variable)
    else:
        if loop.several_segments:
            raise NotRead(f"it goes through the fields of every {loop.segment}")
        each = f"{loop.segment}-{loop.field}[*]"
        place = Field(loop.root, loop.segment, None, loop.field, variable)
    inner = Known(False, known.zone, place, known.variables)
    _turned(part, inner)
    listing = Listing()
    for child in part.children:
        if not child.enabled:
            listing.entries.append(Comment(f"step {child} is switched off in Mirth ({child.kind})"))
            continue
        try:
            _step(child, inner, found, listing)
        except NotRead as why:
            lost(child, str(why), inner, found, listing)
    known.variables = inner.variables
    if listing.empty:
        into.entries += [Comment(f"step {part} (Iterator over {each}):"), *listing.entries]
        return
    block = Block()
    block.put("each", each if loop.field is None else str(each))
    block.put("do", listing)
    into.entries.append(block)

"""Paths as they stand in a channel, compiled to functions of a scope: reading the first or every value,
writing, removing.

A path may begin with `original.` (the message before `new`), or be `it` (the repetition bound by `each:
'ORC-7[*]'`). `${...}` in its conditions is put in when the channel loads. Named mistakes: a path that cannot
be read, a segment that no version of HL7 has, a field that no segment has; what goes `beyond` the standard is
doubted. The compiled functions raise
`BadValue` where a value would not stay where it is put.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hl7bridge.channel.rules.quick import quick_write
from hl7bridge.channel.rules.scope import Bound, Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.beyond import MOST_FIELDS, doubt, places
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.channel.written.yaml import Scalar, shown
from hl7bridge.hl7 import access
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.message import HEADERS, Segment
from hl7bridge.hl7.path import Path, PathError

_LOOKS_LIKE_PATH = re.compile(r"/?[A-Z][A-Z0-9]{2}(?:[-.(\[]\d|[-.]|\[)")
_IT = re.compile(r"it(?:[.-](\d{1,4})(?:[.-](\d{1,4}))?)?")

First = Callable[[Scope], bytes]
Every = Callable[[Scope], "list[tuple[bytes, Segment]]"]
Assign = Callable[[Scope, bytes], None]


@dataclass(frozen=True, slots=True)
class Reference:
    """A path, and what it is a path of: the message, the `original`, or `it`."""

    text: str
    path: Path | None
    original: bool = False
    it: tuple[int | None, int | None] | None = None

    @property
    def name(self) -> bytes:
        return b"" if self.path is None else self.path.segment

    @property
    def whole_segment(self) -> bool:
        return self.path is not None and self.path.field is None

    @property
    def whole_field(self) -> bool:
        """Whether it means a field or `it` without a component."""
        if self.it is not None:
            return self.it[0] is None
        return self.path is not None and self.path.field is not None and self.path.component is None

    @property
    def each_segment(self) -> bool:
        return self.path is not None and isinstance(self.path.occurrence, access.Each)

    @property
    def each_repetition(self) -> bool:
        return self.path is not None and isinstance(self.path.repetition, access.Each)

    @property
    def appends(self) -> bool:
        return self.path is not None and isinstance(self.path.repetition, access.Append)

    @property
    def plain_segment(self) -> bool:
        """Whether the segment stands without brackets."""
        return self.path is not None and isinstance(self.path.occurrence, access.Any)


def looks_like_path(text: str) -> bool:
    """Whether somebody who wrote `text` most likely meant a path."""
    text = text.removeprefix("original.")
    return bool(_LOOKS_LIKE_PATH.match(text)) or _IT.fullmatch(text) is not None


def read_reference(node: Scalar, setting: Setting) -> Reference | Wrong:
    """The path that a scalar writes; mistakes are named at its place."""
    text = node.text
    if match := _IT.fullmatch(text):
        if not setting.binds_it:
            return setting.wrong(node, "'it' means nothing here", "it stands inside each: 'ORC-7[*]'")
        component, subcomponent = (int(part) if part else None for part in match.groups())
        if 0 in (component, subcomponent):
            return setting.wrong(node, f"the path {shown(text)} cannot be read", "components count from 1")
        return Reference(text, None, it=(component, subcomponent))
    bare = text.removeprefix("original.")
    if bare != text and not setting.has_original:
        return setting.wrong(
            node, "there is no original here", "original.X stands in steps behind new: TYPE^TRIGGER"
        )
    try:
        path = Path.parse(bare)
    except PathError as fault:
        return setting.wrong(
            node, f"the path {shown(text)} cannot be read: {fault.expected}", _path_hint(bare, fault)
        )
    name = path.segment.decode("ascii")
    if name not in SEGMENTS and not name.startswith("Z"):
        return setting.wrong(
            node, f"HL7 has no segment {name}", meant(name, SEGMENTS, "site segments begin with Z")
        )
    number = max((place[0] for place in places(path)), default=0)
    if number > MOST_FIELDS and name in SEGMENTS and not setting.reading.kept:
        return setting.wrong(
            node, f"{name} has no field {number}", "look at the number: no segment has a hundred fields"
        )
    doubt(path, node, setting.reading)
    if path.variables:
        values: dict[str, str] = {}
        for variable in path.variables:
            value = setting.variable(variable, node)
            if isinstance(value, Wrong):
                return WRONG
            values[variable] = value
        path = path.substitute(values.__getitem__)
    return Reference(text, path, original=bare != text)


def _path_hint(text: str, fault: PathError) -> str:
    if re.fullmatch(r"/?[a-z][a-z0-9]{2}([-.].*)?", text):
        return f"segment names are capitals: {text[:4].upper()}{text[4:]}"
    return f"at character {fault.offset + 1}; paths look like PID-3.1, 'PID-3[5=MR].1', 'OBX[2]-5'"


def _view(reference: Reference) -> Callable[[Scope], Scope | None]:
    return (lambda scope: scope.original) if reference.original else (lambda scope: scope)


def first_segment(reference: Reference) -> Callable[[Scope], Segment | None]:
    """The first segment that a path means."""
    path = reference.path
    assert path is not None
    name = path.segment
    if reference.original:

        def of_original(scope: Scope) -> Segment | None:
            original = scope.original
            return None if original is None else path.select_first(original.all(name), original.delimiters)

        return of_original
    if reference.plain_segment or reference.each_segment:
        return lambda scope: scope.first(name)
    return lambda scope: path.select_first(scope.all(name), scope.delimiters)


def every_segment(reference: Reference) -> Callable[[Scope], list[Segment]]:
    """All segments that a path means."""
    path, view = reference.path, _view(reference)
    assert path is not None
    name = path.segment
    plain = reference.plain_segment or reference.each_segment

    def segments(scope: Scope) -> list[Segment]:
        seen = view(scope)
        if seen is None:
            return []
        found = seen.all(name)
        return found if plain else path.select(found, seen.delimiters)

    return segments


def first_value(reference: Reference) -> First:
    """Reads the first value that a path means; b"" if there is none."""
    if reference.it is not None:
        part = access.compile_part(*reference.it)

        def of_it(scope: Scope) -> bytes:
            it = scope.it
            return b"" if it is None else part(_repetition(it, scope.delimiters), scope.delimiters)

        return of_it
    path = reference.path
    assert path is not None
    read = path.first
    if not reference.original and reference.plain_segment:
        name = path.segment

        def of_plain(scope: Scope) -> bytes:
            segment = scope.first(name)
            return b"" if segment is None else read(segment, scope.delimiters)

        return of_plain
    find = first_segment(reference)

    def of_found(scope: Scope) -> bytes:
        segment = find(scope)
        return b"" if segment is None else read(segment, segment.delimiters)

    return of_found


def every_value(reference: Reference) -> Every:
    """Reads every value that a path means, each with the segment it stands in."""
    if reference.it is not None:
        first = first_value(reference)
        return lambda scope: [] if scope.it is None else [(first(scope), scope.it.segment)]
    path, find = reference.path, every_segment(reference)
    assert path is not None
    read = path.values

    def values(scope: Scope) -> list[tuple[bytes, Segment]]:
        return [(value, segment) for segment in find(scope) for value in read(segment, segment.delimiters)]

    return values


def assigner(reference: Reference) -> Assign:
    """Writes to the first place that a path means (with `[*]` to all); a missing segment is made at the
    scope's end.
    """
    if reference.it is not None:
        put = access.compile_put(access.Target(b"it", 0, access.Any(), *reference.it))
        check = access.compile_check(access.Target(b"it", 0, access.Any(), *reference.it))

        def to_it(scope: Scope, value: bytes) -> None:
            it = scope.it
            if it is not None:
                check(value, scope.delimiters)
                _put_repetition(
                    it, put(_repetition(it, scope.delimiters), scope.delimiters, value), scope.delimiters
                )

        return to_it
    path = reference.path
    assert path is not None
    write = path.assign
    name = path.segment
    if reference.each_segment:

        def to_each(scope: Scope, value: bytes) -> None:
            for segment in scope.all(name):
                write(segment, scope.delimiters, value)

        return to_each
    if reference.plain_segment:
        if isinstance(path.repetition, access.Any) and path.subcomponent is None:
            write = quick_write(path)

        def to_plain(scope: Scope, value: bytes) -> None:
            segment = scope.first(name)
            if segment is None:
                if not value:
                    return
                segment = _made(scope, path)
            write(segment, scope.delimiters, value)

        return to_plain

    def to_found(scope: Scope, value: bytes) -> None:
        segment = path.select_first(scope.all(name), scope.delimiters)
        if segment is None:
            if not value:
                return
            segment = _made(scope, path)
        write(segment, scope.delimiters, value)

    return to_found


def _made(scope: Scope, path: Path) -> Segment:
    """A new segment at the end of the scope, as many as an index needs, meeting the conditions that a path
    has.
    """
    message = scope.message
    name = path.segment
    have = len(scope.run_of(name))
    wanted = path.occurrence.number - have if isinstance(path.occurrence, access.Index) else 1
    made = message.header
    for _ in range(max(wanted, 1)):
        made = Segment.make(name, message.delimiters, message.charset)
        scope.insert(scope.segments[-1], made)
    if isinstance(path.occurrence, access.Where):
        for condition in path.occurrence.conditions:
            number, *rest = condition.position
            target = access.Target(name, number, access.Any(), *[*rest, None, None][:2])
            raw = (
                condition.values[0].encode()
                if made.charset is None
                else made.charset.encode(condition.values[0])
            )
            access.compile_assign(target)(made, scope.delimiters, raw)
    return made


def remover(reference: Reference) -> Callable[[Scope], None]:
    """Removes all that a path means: whole segments, fields, components, or the chosen repetitions."""
    if reference.it is not None:
        if reference.it[0] is None:
            return _drop_it
        put = assigner(reference)
        return lambda scope: put(scope, b"")
    path, find = reference.path, every_segment(reference)
    assert path is not None
    if path.field is None:
        name = path.segment

        def segments(scope: Scope) -> None:
            found = path.select(scope.run_of(name), scope.delimiters)
            if found:
                scope.drop(found)

        return segments
    take = path.remove

    def fields(scope: Scope) -> None:
        for segment in find(scope):
            take(segment, segment.delimiters)

    return fields


def _repetition(it: Bound, delimiters: Delimiters) -> bytes:
    found = access.repetitions(it.segment.field(it.field), delimiters)
    return found[it.at] if it.at < len(found) else b""


def _put_repetition(it: Bound, value: bytes, delimiters: Delimiters) -> None:
    found = access.repetitions(it.segment.field(it.field), delimiters)
    if it.at < len(found):
        found[it.at] = value
        it.segment.set_field(it.field, delimiters.repetition.join(found))


def _drop_it(scope: Scope) -> None:
    """Marks the repetition of `it` as gone; `each` takes it out when it ends, so that indexes stay true
    meanwhile.
    """
    if scope.it is not None:
        scope.it.gone = True


def is_header(reference: Reference) -> bool:
    """Whether a path means one of the two header fields that declare the delimiters, which no step may
    change.
    """
    path = reference.path
    return path is not None and path.segment in HEADERS and path.field is not None and path.field < 3

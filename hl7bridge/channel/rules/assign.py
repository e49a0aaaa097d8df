"""Assignments: `target: value`, paired where both sides have `[*]`.

Compiled from YAML into one function of a scope. The function raises `MappingError` and `BadValue`; mistakes
are named while compiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hl7bridge.channel.rules.function import run_functions
from hl7bridge.channel.rules.reference import (
    Reference,
    assigner,
    every_segment,
    first_segment,
    is_header,
    read_reference,
)
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.value import Source, read_source, settle
from hl7bridge.channel.written.mistake import Place
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Node, Scalar
from hl7bridge.hl7 import access
from hl7bridge.hl7.delimiters import STANDARD
from hl7bridge.hl7.message import Segment

Run = Callable[[Scope], None]


def read_assignment(key: Scalar, value: Node, setting: Setting, added: bool = False) -> Run | Wrong:
    """The function that sets a field; with `added` that of the segment that a step has just added."""
    target = read_reference(key, setting)
    if isinstance(target, Wrong):
        return WRONG
    if target.original:
        return setting.wrong(key, "the original is only read", "name the field of the new message")
    if target.whole_segment:
        return setting.wrong(key, f"{key.text} is a segment, not a field", f"name a field: {key.text}-1")
    if is_header(target):
        return setting.wrong(key, f"{key.text} declares the delimiters of the message", "it stays as it came")
    source = read_source(value, target, setting)
    if isinstance(source, Wrong):
        return WRONG
    if added:
        if not target.plain_segment:
            return setting.wrong(
                key, "the segment that is added needs no brackets", f"write {target.name.decode()}-1"
            )
        return _to_added(target, source, key.place)
    if target.each_segment and source.reference is not None and source.reference.each_segment:
        return _paired_segments(target, source, key.place)
    if target.each_repetition and source.one is None:
        return _paired(target, source, key.place)
    if source.one is None:
        return setting.wrong(
            key, f"{key.text} is one place and its value is several", "join them, or write [*] here too"
        )
    return _single(target, source, key.place)


def _single(target: Reference, source: Source, place: Place) -> Run:
    write = assigner(target)
    value, otherwise = source.one, source.otherwise
    assert value is not None
    constant = source.constant.ready if source.constant is not None else None
    if constant is not None:
        fixed = constant
        quick = _whole_field(target)
        name, number = quick or (b"", 0)

        def set_constant(scope: Scope) -> None:
            if scope.delimiters is not STANDARD:
                write(scope, value(scope) or b"")
                return
            segment = scope.first(name) if quick is not None else None
            if segment is not None:
                fields = segment.split()
                if number < len(fields) and b"~" not in fields[number]:
                    segment.own_fields()[number] = fixed
                    return
            write(scope, fixed)

        return set_constant
    if otherwise is None:
        return lambda scope: write(scope, value(scope) or b"")

    def set_value(scope: Scope) -> None:
        settled = settle(value(scope), otherwise, scope, place, target.text)
        if settled is not None:
            write(scope, settled)

    return set_value


def _to_added(target: Reference, source: Source, place: Place) -> Run:
    path, value, otherwise = target.path, source.one, source.otherwise
    assert path is not None
    if value is None:
        many = _values_of(source)

        def set_many(scope: Scope) -> None:
            made = scope.made
            assert made is not None
            path.assign_each(made, scope.delimiters, [each or b"" for each in many(scope)])

        return set_many
    one = value

    def set_one(scope: Scope) -> None:
        made = scope.made
        assert made is not None
        settled = settle(one(scope), otherwise, scope, place, target.text)
        if settled:
            path.assign(made, scope.delimiters, settled)

    return set_one


def _values_of(source: Source) -> Callable[[Scope], list[bytes | None]]:
    """One value for each repetition of the source, its functions applied."""
    reference, functions = source.reference, source.functions
    assert reference is not None
    assert reference.path is not None
    read = reference.path.values if reference.each_repetition else None
    first = reference.path.first
    find = every_segment(reference) if reference.each_segment else None
    find_first = first_segment(reference)

    def values(scope: Scope) -> list[bytes | None]:
        if find is not None:
            segments: Sequence[Segment] = find(scope)
        else:
            segment = find_first(scope)
            segments = () if segment is None else (segment,)
        found: list[bytes] = []
        for each in segments:
            if read is not None:
                found += read(each, each.delimiters)
            else:
                found.append(first(each, each.delimiters))
        return [run_functions(functions, value, scope) for value in found]

    return values


def _paired(target: Reference, source: Source, place: Place) -> Run:
    """Repetition by repetition: the n-th of the source goes to the n-th of the target."""
    many, find, path = _values_of(source), first_segment(target), target.path
    assert path is not None
    write_first = assigner(target)

    def paired(scope: Scope) -> None:
        values = many(scope)
        segment = find(scope)
        if segment is None:
            if not any(values):
                return
            write_first(scope, next(value for value in values if value))
            segment = find(scope)
            if segment is None:
                return
        _write_each(target, segment, values, source, scope, place)

    return paired


def _write_each(
    target: Reference,
    segment: Segment,
    values: list[bytes | None],
    source: Source,
    scope: Scope,
    place: Place,
) -> None:
    path = target.path
    assert path is not None
    present = path.values(segment, scope.delimiters)
    settled: list[bytes] = []
    for at, value in enumerate(values):
        made = settle(value, source.otherwise, scope, place, target.text)
        settled.append((present[at] if at < len(present) else b"") if made is None else made)
    path.assign_each(segment, scope.delimiters, settled)


def _paired_segments(target: Reference, source: Source, place: Place) -> Run:
    """Segment by segment, and repetition by repetition within them where both sides say so."""
    path, reference = target.path, source.reference
    assert path is not None
    assert reference is not None
    assert reference.path is not None
    targets, sources = every_segment(target), every_segment(reference)
    from_path, functions = reference.path, source.functions
    pairs_repetitions = target.each_repetition and reference.each_repetition

    def paired(scope: Scope) -> None:
        theirs = sources(scope)
        for at, segment in enumerate(targets(scope)):
            other = theirs[at] if at < len(theirs) else None
            if pairs_repetitions:
                found = [] if other is None else from_path.values(other, other.delimiters)
                values = [run_functions(functions, each, scope) for each in found]
                _write_each(target, segment, values, source, scope, place)
                continue
            value = None if other is None else from_path.first(other, other.delimiters) or None
            made = settle(run_functions(functions, value, scope), source.otherwise, scope, place, target.text)
            if made is not None:
                path.assign(segment, scope.delimiters, made)

    return paired


def _whole_field(reference: Reference) -> tuple[bytes, int] | None:
    """The segment and number of a whole field without any brackets, which a constant can fill at once."""
    path = reference.path
    if path is None or not reference.plain_segment or path.field is None or path.component is not None:
        return None
    return (path.segment, path.field) if isinstance(path.repetition, access.Any) else None

"""Which places of a message a channel reads, noted while it is compiled. Raises nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from hl7bridge.channel.written.yaml import Node, Pairs, Scalar
from hl7bridge.hl7.access import Where
from hl7bridge.hl7.path import Path


class LookUp(Enum):
    """How a table is asked: for the code's translation, for that of what functions make of the code, or only whether it has it."""

    CODE = "code"
    CHANGED = "changed"
    WHETHER = "whether"


#: The component of a read that only goes through what is there, or passes it on.
WHOLE: Final = 0


class Read(NamedTuple):
    """A place that a line of the configuration reads; what is None means all of it. `table` is the one in which it is looked up."""

    segment: str
    field: int | None
    component: int | None
    where: str
    table: str | None = None
    look_up: LookUp = LookUp.CODE


def reads_of(
    path: Path,
    where: str,
    part: tuple[int | None, int | None],
    table: str | None = None,
    look_up: LookUp = LookUp.CODE,
) -> Iterator[Read]:
    """What a path reads: its place, and those by which it chooses segments and repetitions. `part`: the component and subcomponent."""
    segment = path.segment.decode("ascii")
    for choice, field in ((path.occurrence, None), (path.repetition, path.field)):
        for condition in choice.conditions if isinstance(choice, Where) else ():
            number, *rest = condition.position if field is None else (field, *condition.position)
            yield Read(segment, number, rest[0] if rest else 1, where)
    component, subcomponent = part
    if (subcomponent or 1) > 1:  # codes are first subcomponents
        table = None
    yield Read(segment, path.field, component, where, table, look_up)


def table_in(form: Node | None) -> tuple[str | None, LookUp]:
    """The table of `{from: path, table: name}`, or of a condition `{in_table: name}`, also under not."""
    if not isinstance(form, Pairs):
        return None, LookUp.CODE
    words = [key.text for key, _ in form.pairs]
    if isinstance(name := form.get("table"), Scalar):
        before = words[: words.index("table")]
        return name.text, LookUp.CHANGED if {"replace", "case", "date"} & {*before} else LookUp.CODE
    if isinstance(name := form.get("in_table"), Scalar):
        return name.text, LookUp.WHETHER
    return table_in(form.get("not"))


def looked_up(reads: Iterable[Read]) -> dict[str, dict[int, tuple[int, ...]]]:
    """The components, by segment and field, that are looked up in tables: what stands there is a code."""
    found: dict[str, dict[int, tuple[int, ...]]] = {}
    for read in reads:
        if read.table is not None and read.field is not None:
            fields = found.setdefault(read.segment, {})
            fields[read.field] = tuple(sorted({*fields.get(read.field, ()), read.component or 1}))
    return found

"""Which places of a message a channel reads, noted while it is compiled. Raises nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hl7bridge.hl7.path import Path


class Read(NamedTuple):
    """A place that a line of the configuration reads; what is None means all of it. `table` is the one in which it is looked up."""

    segment: str
    field: int | None
    component: int | None
    where: str
    table: str | None = None


def read_of(path: Path, where: str, table: str | None = None) -> Read:
    """What a path reads."""
    return Read(path.segment.decode("ascii"), path.field, path.component, where, table)


def looked_up(reads: Iterable[Read]) -> dict[str, dict[int, tuple[int, ...]]]:
    """The components, by segment and field, that are looked up in tables: what stands there is a code."""
    found: dict[str, dict[int, tuple[int, ...]]] = {}
    for read in reads:
        if read.table is not None and read.field is not None:
            fields = found.setdefault(read.segment, {})
            fields[read.field] = tuple(sorted({*fields.get(read.field, ()), read.component or 1}))
    return found

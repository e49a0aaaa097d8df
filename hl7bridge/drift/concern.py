"""Which lines of the configuration something new concerns: those that read the place, and those that look its code up in a table.

A code concerns a line that translates it by a table which does not have it. Other lines it concerns where the place has had few codes
so far: where there are many, as of medicines, a new one is nothing new; nor does a table have to hold them all that is only asked
whether it has one. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from hl7bridge.channel.rules.reads import WHOLE, LookUp, Read
from hl7bridge.channel.rules.table import Table
from hl7bridge.channel.rules.text import decoded
from hl7bridge.drift.profile import News
from hl7bridge.hl7.charset import Charset
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.store.rows.seen import SeenKind

#: So many codes a place may have had that a line which reads it is concerned by one more.
FEW_CODES: Final = 50


class Concerns:
    """For the reads of the channels that accept one type of a source's messages."""

    def __init__(self, reads: Iterable[Read], tables: Mapping[str, Table]) -> None:
        self._reads: dict[str, list[Read]] = {}
        for read in reads:
            self._reads.setdefault(read.segment, []).append(read)
        self._tables = tables

    def of(self, news: News, delimiters: Delimiters, charset: Charset) -> str | None:
        """The first line that is concerned, with the table that lacks a code; None where none is."""
        return next(self._all(news, delimiters, charset), None)

    def _all(self, news: News, delimiters: Delimiters, charset: Charset) -> Iterator[str]:
        if news.kind is SeenKind.MANY:
            return
        reads = [read for read in self._reads.get(news.segment, ()) if _meets(read, news)]
        if news.kind is not SeenKind.CODE:
            # A value that is shorter than others is no harm; one that is longer may be cut off, or refused.
            if news.kind is not SeenKind.LENGTH or news.value > news.known:
                yield from (read.where for read in reads)
            return
        code = decoded(news.code, delimiters, charset)
        few = news.known <= FEW_CODES
        for read in reads:
            if read.table is None or read.look_up is LookUp.CHANGED:
                continue
            if (few or read.look_up is LookUp.CODE) and self._lacks(read.table, code):
                yield f"{read.where}, and tables/{read.table}.csv does not have it"
        if few:
            yield from (read.where for read in reads if read.table is None or read.look_up is LookUp.CHANGED)

    def _lacks(self, name: str, code: str) -> bool:
        table = self._tables.get(name)
        return table is not None and code not in table.rows


def _meets(read: Read, news: News) -> bool:
    """Whether a read is of the place."""
    if news.kind is SeenKind.SEGMENT or read.field is None:
        return news.kind is SeenKind.SEGMENT
    if read.field != news.field or news.kind is SeenKind.FIELD:
        return read.field == news.field
    if news.kind is SeenKind.LENGTH:
        return read.component != WHOLE
    if read.table is not None:
        return news.component == (read.component or 1)
    return read.component is None or read.component == news.component

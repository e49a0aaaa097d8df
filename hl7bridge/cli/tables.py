"""Tables on a terminal, by rich; the same text without colour where the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hl7bridge.cli.times import column

#: Words that are bad news, and words that are good.
_COLOURS = {
    "FAILED": "bold red",
    "ERROR": "bold red",
    "REJECTED": "red",
    "down": "red",
    "stopped": "bold red",
    "held": "yellow",
    "QUEUED": "yellow",
    "SENDING": "cyan",
    "CANCELLED": "yellow",
    "FILTERED": "dim",
    "DUPLICATE": "dim",
    "SENT": "green",
    "RECEIVED": "green",
    "up": "green",
}


def console(*, stderr: bool = False) -> Console:
    """Where tables and progress go. Not a terminal: as wide as the content needs."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=250)


#: Lines of a row beyond which rich may fold words as it likes: the terminal is narrower than the words.
_MOST_LINES = 8


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str | None = None,
    none: str | None = None,
    stderr: bool = False,
) -> None:
    """One table; numbers to the right, times (`At`) with their zone. Without rows it is the sentence `none`, if there is one."""
    if not rows and none is not None:
        click.echo(none, err=stderr)
        return
    out = console(stderr=stderr)
    drawn = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    if rows:
        written = [column(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
        columns = [name for name, _ in written]
        rows = list(zip(*[cells for _, cells in written], strict=True))
    for place, name in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(name, justify="right" if numbers else "left", overflow="fold")
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        drawn.add_row(*row)
    texts = [{name, *(row[place].plain for row in cells)} for place, name in enumerate(columns)]
    _fit(drawn, texts, out)
    out.print(drawn)


def _fit(drawn: Table, texts: Sequence[set[str]], out: Console) -> None:
    """Where the table is wider than the terminal: the widths by which no row needs more lines than it must, and no word is cut."""
    natural = [max(map(cell_len, each)) for each in texts]
    if _between(drawn, natural, out) + sum(natural) <= out.width:
        return
    drawn.collapse_padding = True
    room = out.width - _between(drawn, natural, out)
    for lines in range(1, _MOST_LINES + 1):
        widths = [max(_narrowest(text, lines) for text in each) for each in texts]
        spare = room - sum(widths)
        if spare >= 0:
            widths[-1] = min(widths[-1] + spare, natural[-1])  # remarks stand last, and are the longest
            for column, width in zip(drawn.columns, widths, strict=True):
                column.width = width
            return


def _between(drawn: Table, natural: Sequence[int], out: Console) -> int:
    """What the table puts around and between its columns."""
    return drawn.__rich_measure__(out, out.options.update(width=1_000_000)).maximum - sum(natural)


def _narrowest(text: str, lines: int) -> int:
    """The least width in which this text takes at most so many lines without a word being cut."""
    words = [cell_len(word) for word in text.split()]
    low, high = max(words, default=0), cell_len(text)
    while low < high:
        middle = (low + high) // 2
        if _lines(words, middle) <= lines:
            high = middle
        else:
            low = middle + 1
    return low


def _lines(words: Iterable[int], width: int) -> int:
    """How many lines words of these widths take, of which none is wider than a line."""
    count, left = 0, -1
    for word in words:
        if word > left:
            count, left = count + 1, width
        left -= word + 1
    return count


def _cell(value: Any) -> Text:
    text = (
        ""
        if value is None
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )
    return Text(text, style=_COLOURS.get(text, ""))

"""Tables on a terminal, by rich; the same text without colour where the output is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

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


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """One table; numbers to the right."""
    drawn = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for place, name in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[_cell(value) for value in row])
    console().print(drawn)


def _cell(value: Any) -> Text:
    text = (
        ""
        if value is None
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )
    return Text(text, style=_COLOURS.get(text, ""))

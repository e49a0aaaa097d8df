"""Named SQL: each statement stands in a file under queries/, with a name and a description, and is loaded
by name.

A statement begins with the line `-- name: word`, then lines of description, then the SQL up to the next name.
Refuses to know what the statements do. Raises ValueError for a file that is not written so (a mistake of
ours).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n((?:-- .+\n)+)", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """The statements of queries/`file`, by name.

    >>> load("read.sql")["held"]
    'SELECT destination FROM hold'
    """
    return parse(text(f"queries/{file}"))


def parse(source: str) -> dict[str, str]:
    """The statements of one file's text, by name."""
    marks = list(_NAME.finditer(source))
    if not marks or source[: marks[0].start()].strip():
        raise ValueError("a file of queries begins with '-- name: ...' and a description")
    found: dict[str, str] = {}
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        statement = source[mark.end() : after.start() if after else None].strip().removesuffix(";")
        if mark[1] in found or not statement or ";" in statement:
            raise ValueError(f"query {mark[1]} is not exactly one statement, or its name is used twice")
        found[mark[1]] = statement
    return found


def text(path: str) -> str:
    """The text of an SQL file beside this module."""
    return files(__package__).joinpath(path).read_text("utf-8")


def migrations() -> list[tuple[int, str]]:
    """Each step of migrations/NNNN_what.sql as (its number, its SQL), in order."""
    folder = files(__package__).joinpath("migrations")
    steps = [(int(f.name[:4]), f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(steps)

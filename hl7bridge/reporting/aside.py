"""Rows laid aside and given back in their order, with memory for a bounded number of them.

They are sorted in runs, which lie in files that have no name, so that nothing of a patient is left behind whatever happens. Raises
OSError.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from hl7bridge.affiliation.report.rows import Row

#: Rows that are held in memory.
MOST = 20_000


class Aside:
    """`add` all rows, then read them; sections come in the order of their names. Use it in a `with`."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._most = most
        self._held: list[Row] = []
        self._runs: list[IO[str]] = []
        self._files = ExitStack()

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, row: Row) -> None:
        """One row more."""
        self.counts[row.section] += 1
        self._held.append(row)
        if len(self._held) >= self._most:
            self._held.sort()
            run: IO[str] = TemporaryFile("w+", dir=self._folder, encoding="ascii")  # noqa: SIM115
            self._files.callback(run.close)
            run.writelines(json.dumps(each) + "\n" for each in self._held)
            self._runs.append(run)
            self._held = []

    def __iter__(self) -> Iterator[Row]:
        """All rows, sorted; anew each time."""
        self._held.sort()
        for run in self._runs:
            run.seek(0)
        return merge(self._held, *map(_read, self._runs))


def _read(run: IO[str]) -> Iterator[Row]:
    for line in run:
        section, key, cells = _loaded(line)
        yield Row(section, tuple(key), tuple(cells))


def _loaded(line: str) -> Any:
    return json.loads(line)

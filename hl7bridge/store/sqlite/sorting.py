"""Sorting more rows than fit into memory: into many parts by key first, then each part by itself.

A part is a range of 64-bit keys; parts are in order. What comes is written to a temporary file in blocks and read part by part. Keys
are hashes, so that parts are about equally large. Refuses to know what rows mean beyond their first value, the key. Raises OSError.
"""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

#: So many parts; ten million rows give one of two thousand.
PARTS: Final = 1 << 12
_SHIFT: Final = 64 - 12
_HALF: Final = 1 << 63
#: Rows that are held in memory before they are written.
HELD: Final = 200_000
#: About what a row takes in the file.
_ROW_BYTES: Final = 40


class Sorting:
    """Rows are added, and then taken part by part. Use it in a `with`: the temporary file goes with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[list[Any]] = [[] for _ in range(PARTS)]
        self._count = 0
        self._file: Any = None
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]
        self.rows = 0

    def __enter__(self) -> Sorting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: Iterable[Any]) -> None:
        """Takes tuples whose first value is the key."""
        held, count = self._held, 0
        for row in rows:
            held[(row[0] + _HALF) >> _SHIFT].append(row)
            count += 1
        self._count += count
        self.rows += count
        if self._count >= HELD:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by __exit__
        at = self._file.seek(0, 2)
        for part, rows in enumerate(self._held):
            if rows:
                data = marshal.dumps([tuple(row) for row in rows])
                self._file.write(data)
                self._blocks[part].append((at, len(data)))
                at += len(data)
                rows.clear()
        self._count = 0

    def size(self, part: int) -> int:
        """About how many rows of a part there are; 0 where there is none."""
        written = sum(length for _, length in self._blocks[part])
        return len(self._held[part]) + (max(1, written // _ROW_BYTES) if written else 0)

    def part(self, part: int) -> list[Any]:
        """The rows of a part in the order in which they came."""
        found: list[Any] = []
        for at, length in self._blocks[part]:
            self._file.seek(at)
            found += marshal.loads(self._file.read(length))
        return found + self._held[part]


def keys_of(first: int, last: int) -> tuple[int, int]:
    """The lowest and the highest key of the parts from `first` through `last`."""
    return (first << _SHIFT) - _HALF, ((last + 1) << _SHIFT) - _HALF - 1

"""Words that recur in rows (sources, destinations, channels, reasons, outcomes) and the small numbers kept
for them.

`Names` is a cache of one table: looking a word up that is not there gives it the next number, which
becomes durable with the transaction that uses it (`pending`) or is forgotten with it (`forget`). Tuples
are kept as their JSON. Refuses to know what the words mean. Raises TypeError for what is neither text nor
a tuple of texts.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from hl7bridge.store.sqlite import sql

_READ = sql.load("read.sql")
#: Beyond this many words the cache begins again: they are then not as low in variety as they should be.
MOST = 100_000


class Names(dict[Any, int | None]):
    """Word (or tuple of words) to number, for the writer. None and the empty tuple have no number."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        super().__init__(conn.execute(_READ["names"]).fetchall())
        self._conn = conn
        self._next: int = conn.execute(_READ["last_name"]).fetchone()[0] + 1
        self.pending: list[tuple[int, str]] = []
        self._tuples: list[Any] = []
        self[None] = self[()] = None

    def __missing__(self, word: Any) -> int:
        if isinstance(word, tuple):
            text = json.dumps(word, ensure_ascii=False, separators=(",", ":"))
            number = self._number(text)
            self._tuples.append(word)
        elif isinstance(word, str):
            number = self._number(word)
        else:
            raise TypeError("a name is text")
        self[word] = number
        return number

    def _number(self, text: str) -> int:
        known = self.get(text)
        if known is not None:
            return known
        row = self._conn.execute(_READ["name_by_text"], (text,)).fetchone()
        if row is not None:
            number = int(row[0])
        else:
            number = self._next
            self._next += 1
            self.pending.append((number, text))
        self[text] = number
        return number

    def settle(self) -> None:
        """The transaction that used the pending words is durable."""
        if self.pending:
            self.pending.clear()
            self._tuples.clear()
        if len(self) > MOST:
            self.clear()
            self[None] = self[()] = None

    def forget(self) -> None:
        """The transaction that used the pending words did not happen."""
        if self.pending:
            for _, text in self.pending:
                self.pop(text, None)
            for word in self._tuples:
                self.pop(word, None)
            self._next = self.pending[0][0]
            self.pending.clear()
        self._tuples.clear()


class Words(dict[int | None, Any]):
    """Number to word, for queries."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        super().__init__({None: None})
        self._conn = conn

    def __missing__(self, number: int) -> str:
        row = self._conn.execute(_READ["name_by_id"], (number,)).fetchone()
        if row is None:
            return "?"
        if len(self) > MOST:
            self.clear()
            self[None] = None
        word = str(row[0])
        self[number] = word
        return word

    def outcomes(self, number: int | None) -> tuple[tuple[str, str, str | None], ...]:
        """The (channel, status, reason) of each channel."""
        if number is None:
            return ()
        return tuple((channel, status, reason) for channel, status, reason in json.loads(self[number]))

    def flags(self, number: int | None) -> tuple[str, ...]:
        """A message's flags."""
        return () if number is None else tuple(json.loads(self[number]))

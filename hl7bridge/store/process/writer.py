"""The process that writes the store: it does what the engine's process asks, one thing after the other.

Kept apart from the engine's, so that SQLite's work, its syncs and its checkpoints use another core and let no
feed wait. It holds the store's lock; it ends when the engine's process closes the socket or dies, after what
it was doing, and takes no notice of the signals that a terminal or a supervisor sends to both (`separate` sees to that).

Refuses to know why anything is asked. What it cannot say to the engine it says by ending: then nobody
knows what was kept, and the engine ends too.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from hl7bridge.store.base import STORE_LOST, RosterEntry, RosterReport, StoreError, StoreInUse
from hl7bridge.store.checks import WRONG, wrong_shape
from hl7bridge.store.process import wire
from hl7bridge.store.sqlite.store import SqliteStore

#: Seconds that a writer of an engine that was killed may take to end what it was doing.
PREDECESSOR_S = 20.0
_LOOK_S = 0.02


def main(file_number: int, path: str, wait_s: float) -> None:
    """Serves one store over an inherited socket until the other side closes it."""
    with socket.socket(fileno=file_number) as link, contextlib.suppress(wire.Gone):
        try:
            store = _opened(path, wait_s, link)
        except StoreError as error:
            wire.send(link, wire.REFUSED, wire.packed(described(error)))
            return
        try:
            wire.send(link, wire.DONE, wire.packed(None))
            _Serving(store, link).serve()
        finally:
            if store.is_lost:
                # What could not be synced must not be tried again, and the interpreter's end would: it closes every connection.
                link.close()
                sys.stderr.flush()
                os._exit(STORE_LOST)
            store.close()


def _opened(path: str, wait_s: float, link: socket.socket) -> SqliteStore:
    """Opens the store; where another writer holds it, waits for its end, as that of a killed engine's is near. Raises Gone when the
    engine has not waited.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            return SqliteStore(path)
        except StoreInUse:
            if time.monotonic() > until:
                raise
        readable, _, _ = select.select([link], [], [], _LOOK_S)
        if readable:
            raise wire.Gone


class _Serving:
    """One store and the socket over which it is asked."""

    def __init__(self, store: SqliteStore, link: socket.socket) -> None:
        self._store = store
        self._link = link
        self._feed: deque[Any] = deque()
        self._staging: Iterator[RosterReport] = iter(())

    def serve(self) -> None:
        """Until the other side ends, or the store is lost."""
        while not self._store.is_lost:
            kind, _, data = wire.receive(self._link)
            try:
                kind, answer = self._do(kind, data)
            except StoreError as error:
                kind, answer = wire.REFUSED, wire.packed(described(error))
            settle = not self._store.is_lost and self._store.checkpoint_due()
            wire.send(self._link, kind, answer, more=settle)
            if settle:
                self._settle()

    def _settle(self) -> None:
        """Checkpoints while the engine gathers what comes next, and says when that has ended, and how."""
        kind, answer = wire.DONE, wire.packed(None)
        try:
            self._store.checkpoint()
        except StoreError as error:
            kind, answer = wire.REFUSED, wire.packed(described(error))
        wire.send(self._link, kind, answer)

    def _do(self, kind: bytes, data: bytes) -> tuple[bytes, bytes]:
        if kind == wire.COMMIT:
            try:
                batch = wire.unpacked_batch(data, self._link)
            except WRONG as error:
                raise wrong_shape(error, self._store.place) from None
            repeated = self._store.commit(batch)
            return wire.REPEATED, wire.packed_repeated(repeated)
        verb, arguments = wire.unpacked(data)
        own = getattr(self, f"_{verb}", None)
        return wire.DONE, wire.packed((own or getattr(self._store, verb))(*arguments))

    # -- a roster, whose rows come in portions -----------------------------------------------------------------------

    def _stage_begin(self, affiliate: str, full: bool, at_us: int, chunk: int) -> None:
        self._feed = deque()
        self._staging = self._store.stage_roster(affiliate, self._fed(), full, at_us, chunk)

    def _stage_step(self, rows: list[tuple[Any, ...]]) -> RosterReport | None:
        self._feed.extend(rows)
        return next(self._staging, None)

    def _fed(self) -> Iterator[RosterEntry]:
        while self._feed:
            yield self._feed.popleft()


def described(error: StoreError) -> tuple[str, str, str | None, str | None]:
    """An error so that the other side can raise it again."""
    return type(error).__name__, error.what, error.place, error.hint

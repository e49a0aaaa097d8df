"""The store as the engine's process has it: writing is done by a process of its own, reading here.

`SeparateStore` starts that process (`writer`) and passes on what is to be written, one request at a time. A
request can be waited for, as with any store; or it is begun with `begin`, and fetched with `fetch` when
`fileno()` has become readable, so that the engine goes on meanwhile. Questions are answered by a read-only
connection of this process, which sees everything that has been reported as kept.

Refuses to know reactors and threads. Raises the kinds of `StoreError`; StoreUnknown when the other process
has ended.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hl7bridge.store import base, wire
from hl7bridge.store.base import (
    Batch,
    Counters,
    Earlier,
    Recovered,
    Removed,
    RosterEntry,
    RosterReport,
    StoreError,
    StoreUnknown,
)
from hl7bridge.store.checks import WRONG, wrong_shape
from hl7bridge.store.sqlite_reader import SqliteReader
from hl7bridge.store.writer import PREDECESSOR_S, lost

#: What the other process runs: this program, found where this process found it.
_RUN = """import sys; sys.path[:] = {path!r}
from hl7bridge.store.writer import main; main({number}, {store!r}, {wait_s!r})"""
#: Room for what is handed over at once, in bytes.
_ROOM = 4 << 20
#: Seconds that the other process may take to end after it was asked to.
_END_S = 30.0


class SeparateStore(SqliteReader):
    """The protocol `Store`. Another writer of the same store is given `wait_s` seconds to end, as that of an engine that was killed
    does by itself. `fetched_early` is called when a waiting request had to take a begun one's answer.
    """

    def __init__(self, path: str | os.PathLike[str], *, wait_s: float = PREDECESSOR_S) -> None:
        self.fetched_early: Callable[[], None] = lambda: None
        self._unknown: StoreUnknown | None = None
        self._begun = False
        self._answer: tuple[bytes, bytes] | None = None
        self._path = Path(path)
        self._link, theirs = socket.socketpair()
        for end in (self._link, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        run = _RUN.format(path=sys.path, number=theirs.fileno(), store=os.fspath(path), wait_s=wait_s)
        self._process = subprocess.Popen(
            [sys.executable, "-c", run], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        try:
            _result(*self._receive())
            super().__init__(path)
        except BaseException:
            self._end()
            raise

    @property
    def writer_pid(self) -> int:
        """Of the process that writes."""
        return self._process.pid

    def close(self) -> None:
        """Ends the other process, after which the file is whole by itself; a second call does nothing."""
        super().close()
        self._end()

    def _end(self) -> None:
        self._link.close()
        if self._unknown is None:
            self._process.wait(_END_S)

    # Writing without waiting

    def fileno(self) -> int:
        """Readable when what was begun has an answer, or the other process has gone."""
        return self._link.fileno()

    def begin(self, verb: str, *arguments: Any) -> None:
        """Asks for one of the verbs below; nothing else may be begun before its answer was fetched."""
        self._send(verb, arguments)
        self._begun = True

    def fetch(self) -> Any:
        """What the begun verb returns, or raises; waits for it where it is not there yet."""
        answer, self._answer = self._answer, None
        if answer is None:
            answer = self._receive()
        self._begun = False
        return _result(*answer)

    # Writing

    def commit(self, batch: Batch) -> dict[int, Earlier]:
        """Keep all of a batch in one durable transaction, or nothing of it."""
        kept: dict[int, Earlier] = self._call("commit", batch)
        return kept

    def recover(self, at_us: int) -> list[Recovered]:
        """What was being sent is queued again, marked as a possible duplicate; durable when it returns."""
        recovered: list[Recovered] = self._call("recover", at_us)
        return recovered

    def counters(self) -> Counters:
        """Where to go on counting."""
        counters: Counters = self._call("counters")
        return counters

    def duplicate_of(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest exact copy since then, else one of the newer messages with other bytes."""
        earlier: Earlier | None = self._call("duplicate_of", control_id, sender, fingerprint, since_us)
        return earlier

    def open_count(self, destination: str) -> int:
        """How many deliveries of a destination are open; the writer counts them as they change."""
        count: int = self._call("open_count", destination)
        return count

    def destinations_with_work(self) -> list[str]:
        """The destinations with open deliveries."""
        names: list[str] = self._call("destinations_with_work")
        return names

    def expire(
        self, before_us: int, limit: int = 1000, budget_us: int = 5_000, failed_too: bool = False
    ) -> Removed:
        """One bounded step of retention."""
        removed: Removed = self._call("expire", before_us, limit, budget_us, failed_too)
        return removed

    def checkpoint_due(self) -> bool:
        """Never here: the other process sees to it between two requests."""
        return False

    def checkpoint(self) -> None:
        """Settle everything in its final place now."""
        self._call("checkpoint")

    def stage_roster(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int = 200
    ) -> Iterator[RosterReport]:
        """Load a list invisibly, in bounded steps."""
        self._call("stage_begin", affiliate, full, at_us, chunk)
        entries = iter(rows)
        while True:
            some = [
                (e.key, e.valid_from, e.valid_through, e.npi, e.opt_out, e.ended)
                for e in islice(entries, chunk)
            ]
            report: RosterReport | None = self._call("stage_step", some)
            if report is None:
                return
            yield report

    def publish_rosters(self, loads: Sequence[int], at_us: int) -> list[RosterReport]:
        """Make staged lists the ones that count, all of them in one small transaction."""
        reports: list[RosterReport] = self._call("publish_rosters", loads, at_us)
        return reports

    # The link

    def _call(self, verb: str, *arguments: Any) -> Any:
        if self._begun and self._answer is None:
            self._answer = self._receive()
            self.fetched_early()
        self._send(verb, arguments)
        return _result(*self._receive())

    def _send(self, verb: str, arguments: tuple[Any, ...]) -> None:
        if self._unknown is not None:
            raise self._unknown
        try:
            if verb == "commit" and wire.is_plain(arguments[0]):
                data, bodies = wire.packed_batch(arguments[0])
                wire.send(self._link, wire.COMMIT, data, bodies)
            else:
                wire.send(self._link, wire.CALL, wire.packed((verb, arguments)))
        except wire.Ended:
            raise self._lost() from None
        except WRONG as error:
            raise wrong_shape(error, self.place) from None

    def _receive(self) -> tuple[bytes, bytes]:
        try:
            return wire.receive(self._link)
        except wire.Ended:
            raise self._lost() from None

    def _lost(self) -> StoreUnknown:
        self._unknown = self._unknown or lost(self._path)
        return self._unknown


def _result(kind: bytes, data: bytes) -> Any:
    if kind == wire.REPEATED:
        return wire.unpacked_repeated(data)
    value = wire.unpacked(data)
    if kind == wire.DONE:
        return value
    name, what, place, hint = value
    error: type[StoreError] = getattr(base, name)
    raise error(what, place=place, hint=hint)

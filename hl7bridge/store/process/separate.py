"""The store as the engine's process has it: writing is done by a process of its own, reading here.

`SeparateStore` starts that process (`writer`) and passes on what is to be written, one request at a time. A
request can be waited for, as with any store; or it is begun with `begin`, and fetched with `fetch` when
`fileno()` has become readable, so that the engine goes on meanwhile. After an answer the other process may
be `settling` what it wrote; it says when it has `settled`, and what is sent before would wait. Most questions
are answered by a read-only connection of this process, which sees everything that has been reported as kept;
those that only the writer can answer wait for it.

Refuses to know reactors and threads. Raises the kinds of `StoreError`; StoreUnknown when the other process
has ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hl7bridge.store import base
from hl7bridge.store.base import (
    Batch,
    Counters,
    Earlier,
    Recovered,
    Removed,
    RosterEntry,
    RosterFile,
    RosterReport,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnknown,
    StoreUnusable,
)
from hl7bridge.store.checks import WRONG, wrong_shape
from hl7bridge.store.process import wire
from hl7bridge.store.process.writer import PREDECESSOR_S
from hl7bridge.store.sqlite.reader import SqliteReader

#: What the other process runs: this program, found where this process found it. The signals that a terminal or a supervisor sends to
#: both are blocked until it ignores them.
_RUN = """import signal, sys
for number in {signals!r}: signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signals!r})
sys.path[:] = {path!r}
from hl7bridge.store.process.writer import main; main({number}, {store!r}, {wait_s!r})"""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Room asked for, in bytes, for what is handed over at once; the kernel may give less.
_ROOM = 4 << 20
#: Seconds that the other process may take to end after it was asked to.
_END_S = 30.0


class SeparateStore(SqliteReader):
    """The protocol `Store`. Another writer of the same store is given `wait_s` seconds to end, as that of an engine that was killed
    does by itself. `moved_on` is called when a request that waited has read an answer or a word that was meant for whoever does not.
    """

    def __init__(self, path: str | os.PathLike[str], *, wait_s: float = PREDECESSOR_S) -> None:
        self.moved_on: Callable[[], None] = lambda: None
        self.settling = False
        self._unknown: StoreUnknown | None = None
        self._begun = False
        self._answer: tuple[bytes, bytes] | None = None
        self._path = Path(path)
        self._link, theirs = socket.socketpair()
        with theirs:
            for end in (self._link, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
            self._process = self._started(theirs.fileno(), wait_s)
        try:
            _result(*self._receive())
            super().__init__(path)
        except BaseException:
            self._end()
            raise

    def _started(self, number: int, wait_s: float) -> subprocess.Popen[bytes]:
        numbers = tuple(int(each) for each in _SIGNALS)
        run = _RUN.format(
            signals=numbers, path=sys.path, number=number, store=os.fspath(self._path), wait_s=wait_s
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            return subprocess.Popen([sys.executable, "-c", run], pass_fds=[number], stdin=subprocess.DEVNULL)
        except OSError as error:
            self._link.close()
            raise StoreUnusable(
                f"the process that writes the store cannot be started ({error.strerror})", place=self.place
            ) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

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
        # One that hangs in its disk ends when that lets it.
        with contextlib.suppress(subprocess.TimeoutExpired):
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

    @property
    def answered(self) -> bool:
        """Whether the begun verb's answer has been read already."""
        return self._answer is not None

    def settled(self) -> None:
        """Reads the other process's word that it has settled what it wrote; raises what prevented that."""
        kind, data = self._receive()
        _result(kind, data)

    def assert_there(self) -> None:
        """Raises StoreUnknown if the other process has gone."""
        try:
            if self._link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        raise self._lost()

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

    def expire_audit(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the trail's retention."""
        removed: Removed = self._call("expire_audit", before_us, at_us, limit)
        return removed

    def expire_facts(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the retention of facts."""
        removed: Removed = self._call("expire_facts", before_us, at_us, limit)
        return removed

    def checkpoint(self) -> None:
        """Settle everything in its final place now."""
        self._call("checkpoint")

    def stage_roster(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int = 200
    ) -> Iterator[RosterReport]:
        """Load a list invisibly, in bounded steps."""
        self._call("stage_begin", affiliate, full, at_us, chunk)
        entries = iter(rows)
        some = [tuple(entry) for entry in islice(entries, chunk)]
        while True:
            self._ask_for("stage_step", some)
            # The next ones are read while the other process sorts these.
            coming = [tuple(entry) for entry in islice(entries, chunk)] if some else []
            report: RosterReport | None = _result(*self._receive())
            if report is None:
                return
            some = coming
            yield report

    def publish_rosters(
        self, loads: Sequence[int], at_us: int, files: Sequence[RosterFile] = ()
    ) -> list[RosterReport]:
        """Make staged lists the ones that count, all of them in one small transaction."""
        reports: list[RosterReport] = self._call("publish_rosters", loads, at_us, files)
        return reports

    # The link

    def _call(self, verb: str, *arguments: Any) -> Any:
        self._ask_for(verb, *arguments)
        return _result(*self._receive())

    def _ask_for(self, verb: str, *arguments: Any) -> None:
        """Asks when nothing else is under way; `_receive` has the answer."""
        if self._begun and self._answer is None:
            self._answer = self._receive()
            self.moved_on()
        if self.settling:
            self.moved_on()
            with contextlib.suppress(StoreBusy, StoreFull):  # it will be due again
                self.settled()
        self._send(verb, arguments)

    def _send(self, verb: str, arguments: tuple[Any, ...]) -> None:
        if self._unknown is not None:
            raise self._unknown
        try:
            if verb == "commit" and wire.is_plain(arguments[0]):
                data, bodies = wire.packed_batch(arguments[0])
                wire.send(self._link, wire.COMMIT, data, bodies)
            else:
                wire.send(self._link, wire.CALL, wire.packed((verb, arguments)))
        except wire.Gone:
            raise self._lost() from None
        except WRONG as error:
            raise wrong_shape(error, self.place) from None

    def _receive(self) -> tuple[bytes, bytes]:
        try:
            kind, self.settling, data = wire.receive(self._link)
        except wire.Gone:
            raise self._lost() from None
        return kind, data

    def _lost(self) -> StoreUnknown:
        if self._unknown is None:
            self._unknown = StoreUnknown(
                "the process that writes the store ended; what was kept last is not known",
                place=self.place,
                hint="see the system's log for what ended it; start the engine again",
            )
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

"""A folder that documents leave through: each is a folder in it, which a fax or mail gateway claims and confirms by renaming it.

    NAME.ready/      document.pdf and document.json, whole and on the disk; nobody has touched it
    NAME.claimed/    the gateway has taken it (it renamed NAME.ready): it alone may work on it
    NAME.sent/       the gateway is done: the document has left. We move it to done/NAME, from where it may be removed
    NAME.failed/     the gateway gave up; the first line of a file `reason` in it says why. We rename it to NAME.refused
    NAME.refused/    known to be failed; if the delivery is tried again it becomes NAME.ready again

A rename is one step, so two gateways may share a folder and whoever renames first has it. NAME is the delivery's number: a
delivery that is tried again, also after a crash, finds its folder in whichever state it is, and there is never a second one. What
waits for its confirmation holds up nothing: up to MOST_WAITING are out at once. A folder that has vanished leaves it unknown
whether the document went.

A gateway must not delete or change what it has not claimed, and leaves NAME.sent to us. Knows no queue and no store.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hl7bridge.connectors.durable import make_folder, sync_folder, write_durably
from hl7bridge.connectors.outgoing import Outgoing, Unsendable
from hl7bridge.connectors.sparing import Sparing

log = Logger(namespace="hl7bridge.outbox")

READY, CLAIMED, SENT, FAILED, REFUSED = "ready", "claimed", "sent", "failed", "refused"
DONE: Final = "done"
#: The order in which a gateway renames: who looks in this order cannot miss a folder that is renamed meanwhile.
_ONWARD: Final = (READY, CLAIMED, FAILED, SENT)
#: Documents of one destination that may wait for their confirmation at once.
MOST_WAITING: Final = 20_000
#: Seconds between two looks at the folder.
LOOK_S: Final = 5.0
#: Characters of a gateway's reason that are kept; digits are not, since they may be somebody's number.
MOST_REASON: Final = 80

Run = Callable[..., "Deferred[Any]"]


@dataclass(slots=True)
class _Waiting:
    token: Any
    since_s: float


class DocumentOutbox:
    """The same doors as an MLLP pool; `connections` documents are written at once.

    `name_of(token)` is the same for each attempt of a delivery. `compose(token, payload)` makes the document and is called in a
    thread; it raises Unsendable. `run` runs a blocking call elsewhere, `wall_s` is the time of day in seconds since the epoch,
    `clock` paces the looks at the folder. With `confirm_within_s` None a document counts as sent as soon as it is ready.
    """

    up = True
    open_connections = 0

    def __init__(
        self,
        name: str,
        folder: Path,
        name_of: Callable[[Any], str],
        compose: Callable[[Any, bytes], Outgoing],
        run: Run,
        clock: IReactorTime,
        wall_s: Callable[[], float],
        *,
        confirm_within_s: float | None,
        connections: int = 1,
        answered: Callable[[Any, str | None, str | None, bytes | None], None],
        ready: Callable[[], None],
    ) -> None:
        self.name = name
        self.folder = folder
        self._name_of = name_of
        self._compose = compose
        self._run = run
        self._clock = clock
        self._wall_s = wall_s
        self._confirm_within_s = confirm_within_s
        self._connections = connections
        self._answered = answered
        self._ready = ready
        self._say = Sparing(log, clock)
        self._waiting: dict[str, _Waiting] = {}
        self._timer: Any = None
        self._looking = False
        self._stopped = False
        self.busy_connections = 0

    @property
    def waiting(self) -> int:
        """Documents that are out and not yet confirmed."""
        return len(self._waiting)

    def free(self) -> bool:
        """Whether `send` may be called now."""
        return self.busy_connections < self._connections and len(self._waiting) < MOST_WAITING

    def want(self, waiting: int) -> None:
        """Nothing has to be dialled."""

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Makes the document ready, or finds what an earlier attempt made of it; `answered` is told how it ended."""
        self.busy_connections += 1
        name = self._name_of(token)
        done = maybeDeferred(
            self._run, lay, self.folder, name, lambda: self._compose(token, payload), self._wall_s()
        )
        done.addCallbacks(self._laid, self._not_laid, callbackArgs=(name, token), errbackArgs=(token,))

    def _laid(self, found: Found, name: str, token: Any) -> None:
        self.busy_connections -= 1
        if self._confirm_within_s is None or found.state == SENT:
            self._answered(token, "AA", None, None)
        else:
            self._waiting[name] = _Waiting(token, found.since_s)
            self._wake()
        self._ready()

    def _not_laid(self, failure: Failure, token: Any) -> None:
        self.busy_connections -= 1
        error = failure.value
        if isinstance(error, Unsendable):
            self._answered(token, "AR", error.what, None)
        else:
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            self._answered(token, "AE", f"cannot write the document: {why}", None)
        self._ready()

    # -- confirmations ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._waiting and self._timer is None and not self._looking and not self._stopped:
            self._timer = self._clock.callLater(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looking = True
        late: frozenset[str] = frozenset()
        if self._confirm_within_s is not None:
            before = self._wall_s() - self._confirm_within_s
            late = frozenset(name for name, each in self._waiting.items() if each.since_s <= before)
        looked = maybeDeferred(self._run, look, self.folder, tuple(self._waiting), late)
        looked.addCallbacks(self._looked, self._not_looked)

    def _looked(self, ended: Mapping[str, Ended]) -> None:
        self._looking = False
        for name, end in ended.items():
            waiting = self._waiting.pop(name, None)
            if waiting is not None and not self._stopped:
                self._answered(waiting.token, end.code, end.why, end.said.encode() or None)
        self._wake()
        if ended:
            self._ready()

    def _not_looked(self, failure: Failure) -> None:
        self._looking = False
        self._say.warn(
            "{name}: the outbox cannot be looked through: {why}",
            name=self.name,
            why=type(failure.value).__name__,
        )
        self._wake()

    def retire(self) -> None:
        """What waits is still waited for; nothing else leaves."""

    def stop(self) -> None:
        """Looks no more; what waits is found again after the next start."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


class Found(NamedTuple):
    """In which state a document is, and since when it has been ready (seconds since the epoch)."""

    state: str
    since_s: float


class Ended(NamedTuple):
    """How a document's way through the outbox ended: a code of table 0008, or None where that is not known, and why.

    `said` is the gateway's own words: kept with the attempt, and in no log, since nobody knows what is in them.
    """

    code: str | None
    why: str | None
    said: str = ""


def lay(folder: Path, name: str, compose: Callable[[], Outgoing], now_s: float) -> Found:
    """Finds the document of this name in whichever state it is, else makes it ready, wholly or not at all. Raises OSError,
    Unsendable.

    One that is known to have failed is made ready again, and is as new from then on.
    """
    for state in _ONWARD:
        path = folder / f"{name}.{state}"
        if path.is_dir():
            since_s = _since(path, now_s)
            if state == SENT:
                _put_away(folder, path, name)
            return Found(state, since_s)
    if (folder / DONE / name).is_dir():
        return Found(SENT, now_s)
    ready = folder / f"{name}.{READY}"
    refused = folder / f"{name}.{REFUSED}"
    if refused.is_dir():
        (refused / "reason").unlink(missing_ok=True)
        os.utime(refused / "document.json", (now_s, now_s))
        os.rename(refused, ready)
        sync_folder(folder)
        return Found(READY, now_s)
    outgoing = compose()
    make_folder(folder)
    aside = folder / f".{name}.part"
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir()
    write_durably(aside / "document.pdf", outgoing.pdf)
    written = json.dumps(outgoing.about, ensure_ascii=False, indent=1).encode("utf-8", "replace")
    write_durably(aside / "document.json", written + b"\n")
    os.utime(aside / "document.json", (now_s, now_s))
    sync_folder(aside)
    os.rename(aside, ready)
    sync_folder(folder)
    return Found(READY, now_s)


def look(folder: Path, names: Iterable[str], late: frozenset[str]) -> dict[str, Ended]:
    """Those of these documents whose way has ended. Raises OSError.

    `late` are those that nobody has confirmed in time: one that is still ready is taken back, so that it is known not to have
    left, and of one that was claimed nobody knows.
    """
    there = set(os.listdir(folder))
    ended: dict[str, Ended] = {}
    for name in names:
        if f"{name}.{SENT}" in there:
            _put_away(folder, folder / f"{name}.{SENT}", name)
            ended[name] = Ended("AA", None)
        elif f"{name}.{FAILED}" in there:
            reason = _reason(folder / f"{name}.{FAILED}" / "reason")
            os.rename(folder / f"{name}.{FAILED}", folder / f"{name}.{REFUSED}")
            ended[name] = Ended("AE", "the gateway failed", reason)
        elif f"{name}.{READY}" in there:
            if name in late and _taken_back(folder, name):
                ended[name] = Ended("AE", "no gateway has claimed it in time")
        elif f"{name}.{CLAIMED}" in there:
            if name in late:
                ended[name] = Ended(None, "the gateway claimed it and has not confirmed it in time")
        elif (folder / DONE / name).is_dir():
            ended[name] = Ended("AA", None)
        elif not _anywhere(folder, name):  # it may have been renamed while the folder was read
            ended[name] = Ended(None, "its folder is gone, so that nobody knows whether it was sent")
    return ended


def _taken_back(folder: Path, name: str) -> bool:
    try:
        os.rename(folder / f"{name}.{READY}", folder / f"{name}.{REFUSED}")
    except FileNotFoundError:  # claimed in this moment
        return False
    return True


def _anywhere(folder: Path, name: str) -> bool:
    return any((folder / f"{name}.{state}").exists() for state in _ONWARD)


def _put_away(folder: Path, path: Path, name: str) -> None:
    done = folder / DONE
    done.mkdir(exist_ok=True)
    os.rename(path, done / name)
    sync_folder(done)
    sync_folder(folder)


def _since(path: Path, now_s: float) -> float:
    """When it was made ready: a rename of its folder does not touch the file."""
    try:
        return (path / "document.json").stat().st_mtime
    except OSError:
        return now_s


def _reason(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            line = file.read(500).decode("utf-8", "replace").split("\n", 1)[0]
    except OSError:
        return ""
    plain = "".join(char if char.isprintable() and not char.isdigit() else "#" for char in line)
    return plain[:MOST_REASON].strip()

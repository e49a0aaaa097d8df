"""A source that is a folder: the messages of its files are given on one after the other, each when the one before it is kept.

So the messages of a file stay in order, and nothing of it is lost or taken twice when the process ends in the middle. What is refused
is no reason to stop: the rest of the file goes on, and the file is set aside with the reasons in the end. It knows no channel and no
store. Nothing that stands in a file, nor its name, is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hl7bridge.connectors.inbox import FAILED, Claimed, Inbox
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.batchfile import Found
from hl7bridge.words import counted

log = Logger(namespace="hl7bridge.file.source")

#: Seconds after which a message that the store could not keep is given on again.
AGAIN_S = 5.0
#: Seconds between two looks for old files.
REMOVE_EVERY_S = 600.0

#: Called with how a message ended (AA, AE or AR; "" for: not kept, to be given again; None for a fault of the program), and its number
#: in the store.
Ended = Callable[[str | None, int], None]
#: Takes a message; the time at which its file was taken, in microseconds since 1970; and whether it may have been kept since then.
Take = Callable[[bytes, int, bool, Ended], None]
Run = Callable[..., "Deferred[Any]"]


class FileSource:
    """One source's folder, looked at every `every_s` seconds; files that were taken stay for `keep_s`, or for ever.

    `run(function, *arguments)` runs a blocking call elsewhere; `wall_us` is the time of day.
    """

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        every_s: float,
        keep_s: float | None,
        take: Take,
        run: Run,
        clock: IReactorTime,
        wall_us: Callable[[], int],
    ) -> None:
        self.name = name
        self.set_aside = 0
        self._inbox = inbox
        self._every_s = every_s
        self._keep_s = keep_s
        self._take = take
        self._run = run
        self._clock = clock
        self._wall_us = wall_us
        self._say = Sparing(log, clock)
        self._removed_s: float | None = None
        self._claimed: Claimed | None = None
        self._found: list[tuple[int, Found]] = []
        self._call: Any = None
        self._stopped = False
        self._gone: Deferred[None] = Deferred()

    @property
    def waiting(self) -> int:
        """Files that could be taken, at the last look."""
        return self._inbox.waiting

    @property
    def reading(self) -> bool:
        """Whether a file is being read."""
        return self._claimed is not None

    def start(self) -> None:
        """Begins at once; does nothing when it was stopped before."""
        if not self._stopped:
            self._later(0.0, self._look)

    def stop(self) -> Deferred[None]:
        """Takes no more files, and nothing more of the one that is being read: whoever watches the folder next goes on with it. Gives
        when it has let go of the folder.
        """
        before, self._stopped = self._stopped, True
        if not before and (self._call is None or self._call.active()):
            if self._call is not None:
                self._call.cancel()
            self._leave()
        return self._gone

    def _leave(self) -> None:
        """Nothing is on its way any more: notes how far a file was read, and lets go of the folder."""
        claimed, self._claimed = self._claimed, None
        noted: Deferred[Any] = (
            maybeDeferred(self._run, claimed.note) if claimed is not None else succeed(None)
        )
        # Without the note the file is read again from the one before; what was kept is recognised.
        noted.addErrback(lambda failure: None)
        noted.addBoth(lambda _: self._inbox.close())
        noted.addBoth(self._gone.callback)

    def _later(self, seconds: float, then: Callable[[], None]) -> None:
        self._call = self._clock.callLater(seconds, then)

    def _do(self, then: Callable[[Any], None], function: Callable[..., Any], *arguments: Any) -> None:
        """A blocking call, then what follows, unless the source was stopped meanwhile."""
        done = maybeDeferred(self._run, function, *arguments)
        done.addCallback(lambda result: self._leave() if self._stopped else then(result))
        done.addErrback(self._failed)

    # -- a file ------------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        now_s = self._clock.seconds()
        before_s: float | None = None
        if self._keep_s is not None and (
            self._removed_s is None or now_s - self._removed_s >= REMOVE_EVERY_S
        ):
            self._removed_s = now_s
            before_s = self._wall_us() / 1e6 - self._keep_s
        self._do(self._looked, _next, self._inbox, now_s, self._wall_us(), before_s)

    def _looked(self, claimed: Claimed | None) -> None:
        self._claimed = claimed
        if claimed is None:
            self._later(self._every_s, self._look)
        else:
            self._read()

    def _read(self) -> None:
        assert self._claimed is not None
        self._do(self._give, _read_on, self._claimed)

    def _give(self, found: list[tuple[int, Found]]) -> None:
        self._found = found
        if found:
            self._give_next()
        else:
            assert self._claimed is not None
            self._do(self._finished, self._claimed.finish)

    def _give_next(self) -> None:
        """Gives on the next message; what is too large for one is passed over."""
        claimed = self._claimed
        assert claimed is not None
        while self._found:
            number, message = self._found[0]
            if isinstance(message, bytes):
                self._take(message, claimed.claimed_us, claimed.again, self._once(number))
                return
            size = 0 if message is None else message.size_bytes
            claimed.refuse(
                f"message {number}: its {size:,} bytes are more than the source takes (max_message_bytes)"
            )
            self._next(number)
        self._read()

    def _once(self, number: int) -> Ended:
        """What hears of a message's end; only the first time counts."""
        told = False

        def ended(code: str | None, stored: int) -> None:
            nonlocal told
            if not told:
                told = True
                self._ended(number, code, stored)

        return ended

    def _ended(self, number: int, code: str | None, stored: int) -> None:
        if code != "":
            self._note_end(number, code, stored)
        if self._stopped:
            self._leave()
        elif code == "":
            self._later(AGAIN_S, self._give_next)
        else:
            self._give_next()

    def _note_end(self, number: int, code: str | None, stored: int) -> None:
        assert self._claimed is not None
        if code is None:
            self._claimed.refuse(f"message {number}: the program failed on it; its log says where")
        elif code != "AA":
            self._claimed.refuse(f"message {number}: {code}, kept as {stored} (hl7bridge why {stored})")
        self._next(number)

    def _next(self, number: int) -> None:
        assert self._claimed is not None
        self._claimed.through = number
        del self._found[0]

    def _finished(self, whole: bool) -> None:
        claimed, self._claimed = self._claimed, None
        assert claimed is not None
        if whole:
            self._say.info(
                "{source}: a file of {messages} was taken",
                source=self.name,
                messages=counted(claimed.through, "message"),
            )
        else:
            self.set_aside += 1
            self._say.warn(
                "{source}: a file of {messages} was set aside in {folder}/, with {reasons} beside it",
                source=self.name,
                folder=FAILED,
                messages=counted(claimed.through, "message"),
                reasons=counted(len(claimed.reasons), "reason"),
            )
        self._look()

    # -- what goes wrong ---------------------------------------------------------------------------------------------------------

    def _failed(self, failure: Failure) -> None:
        """The folder or a file could not be worked on: it is looked at again."""
        claimed, self._claimed = self._claimed, None
        error = failure.value
        if self._stopped:
            self._leave()
        elif claimed is not None and not claimed.is_aside and not _passes(error):
            # It is the file's: it is set aside, so that those behind it are not held up.
            if isinstance(error, HL7BridgeError):
                claimed.refuse(error.what)  # its place is the file's name
            else:
                log.failure("{source}: a file could not be read", failure, source=self.name)
                claimed.refuse("the program failed on it; its log says where")
            claimed.is_aside = True
            self._claimed = claimed
            self._do(self._finished, claimed.finish)
        else:
            if isinstance(error, OSError | HL7BridgeError):
                if isinstance(error, OSError):
                    why = error.strerror
                else:
                    why = str(error) if claimed is None else error.what
                self._say.error("{source}: the folder cannot be worked on: {why}", source=self.name, why=why)
            else:
                log.failure("{source}: the folder could not be worked on", failure, source=self.name)
            self._later(max(self._every_s, AGAIN_S), self._look)


def _passes(error: BaseException) -> bool:
    """Whether something else than the file is at fault: it can be read later."""
    return isinstance(error, OSError) or (
        isinstance(error, HL7BridgeError) and error.code == "unreadable-now"
    )


def _next(inbox: Inbox, now_s: float, now_us: int, before_s: float | None) -> Claimed | None:
    """The next file, if there is one; old ones are removed first."""
    inbox.open()
    if before_s is not None:
        inbox.remove_old(before_s)
    return inbox.next(now_s, now_us)


def _read_on(claimed: Claimed) -> list[tuple[int, Found]]:
    """Notes how far the file has been read, then reads on; without the note, what was kept since the last one is recognised."""
    if claimed.through:
        with suppress(OSError):
            claimed.note()
    return claimed.read()

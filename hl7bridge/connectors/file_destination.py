"""A destination that is a folder: each message becomes one file.

A file appears under its name only when it is whole and on the disk (written aside, synced, renamed, the folder synced), so
whoever watches the folder never reads half a message. It knows no queue and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from hl7bridge.connectors.durable import write_whole

Run = Callable[..., "Deferred[None]"]


class FileDestination:
    """Writes up to `connections` messages at once; the same doors as an MLLP pool.

    `run(function, *arguments)` runs a blocking call elsewhere (Twisted's deferToThread) and gives a Deferred.
    `name_of(token, payload)` is the file's relative path; a file of that name is replaced by the same delivery's
    repetition, which makes a repeated write harmless.
    """

    up = True
    open_connections = 0

    def __init__(
        self,
        name: str,
        folder: Path,
        name_of: Callable[[Any, bytes], str],
        run: Run,
        *,
        connections: int = 1,
        answered: Callable[[Any, str | None, str | None, bytes | None], None],
        ready: Callable[[], None],
    ) -> None:
        self.name = name
        self.folder = folder
        self._name_of = name_of
        self._connections = connections
        self._run = run
        self._answered = answered
        self._ready = ready
        self.busy_connections = 0

    def free(self) -> bool:
        """Whether `send` may be called now."""
        return self.busy_connections < self._connections

    def want(self, waiting: int) -> None:
        """Nothing has to be dialled."""

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Writes the file elsewhere and tells `answered` how that ended."""
        self.busy_connections += 1
        done = maybeDeferred(self._start, payload, token)
        done.addCallbacks(self._written, self._not_written, callbackArgs=(token,), errbackArgs=(token,))

    def _start(self, payload: bytes, token: Any) -> Deferred[None]:
        return self._run(write_whole, self.folder / self._name_of(token, payload), payload)

    def _written(self, _: None, token: Any) -> None:
        self.busy_connections -= 1
        self._answered(token, "AA", None, None)
        self._ready()

    def _not_written(self, failure: Failure, token: Any) -> None:
        self.busy_connections -= 1
        why = failure.value.strerror if isinstance(failure.value, OSError) else type(failure.value).__name__
        self._answered(token, "AE", f"cannot write the file: {why}", None)
        self._ready()

    def retire(self) -> None:
        """A write that is under way ends by itself."""

    def stop(self) -> None:
        """A write that is under way ends by itself."""

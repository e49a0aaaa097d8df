"""How the journal's requests reach the store: at once, or through the store's own process while the reactor goes on.

Raises nothing: what the store raises is told to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from hl7bridge.store.base import Store, StoreError, StoreUnknown
from hl7bridge.store.separate import SeparateStore

log = Logger(namespace="hl7bridge.writer")

#: Told what a verb returned, or its error.
Then = Callable[[Any, "StoreError | None"], None]


class Writer(Protocol):
    """Does one verb of the store after the other. `lost` is called when the store ended unasked."""

    lost: Callable[[StoreUnknown], None]

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None: ...
    def stop(self) -> None: ...


class AtOnce:
    """Whoever calls waits."""

    def __init__(self, store: Store) -> None:
        self.lost: Callable[[StoreUnknown], None] = lambda error: None
        self._store = store

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        """Does it and tells the result before it returns."""
        result, error = attempt(lambda: getattr(self._store, verb)(*arguments))
        then(result, error)

    def stop(self) -> None:
        """Nothing to end."""


@implementer(IReadDescriptor)
class Separately:
    """Through a store that has a process of its own; results are told in a later turn of the reactor."""

    def __init__(self, store: SeparateStore, reactor: Any) -> None:
        self.lost: Callable[[StoreUnknown], None] = lambda error: None
        self._store = store
        self._reactor = reactor
        self._then: Then | None = None
        store.fetched_early = lambda: reactor.callLater(0, self.doRead)
        reactor.addReader(self)

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        """Begins it; nothing else may be called before its result was told."""
        _, error = attempt(lambda: self._store.begin(verb, *arguments))
        if error is None:
            self._then = then
        else:
            self._reactor.callLater(0, then, None, error)

    def stop(self) -> None:
        """Listens no more; before the store is closed."""
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        """What the reactor watches."""
        return self._store.fileno()

    def doRead(self) -> None:
        """A result is there, or the other process has gone."""
        result, error = attempt(self._store.fetch)
        then, self._then = self._then, None
        if then is not None:
            then(result, error)
        elif isinstance(error, StoreUnknown):
            self._reactor.removeReader(self)
            self.lost(error)

    def connectionLost(self, reason: Any) -> None:
        """The reactor's word for an end; `doRead` has told it."""

    def logPrefix(self) -> str:
        """For the reactor."""
        return "store"


def attempt(work: Callable[[], Any]) -> tuple[Any, StoreError | None]:
    """Does what writes to the disk; gives its result or the store's no. What nobody expected leaves the disk as unknown as its own
    error.
    """
    try:
        return work(), None
    except StoreError as error:
        if not isinstance(error, StoreUnknown):
            log.warn("the store refused a transaction: {error}", error=str(error))
        return None, error
    except Exception as error:
        log.failure("a transaction failed in a way that no store should")
        return None, StoreUnknown(f"unexpected {type(error).__name__} in a transaction")

"""How the journal's requests reach the store: through the store's own process, while the reactor goes on.

Raises nothing: what the store raises is told to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from hl7bridge.connectors.sparing import Sparing
from hl7bridge.store.base import StoreError, StoreUnknown
from hl7bridge.store.process.separate import SeparateStore

log = Logger(namespace="hl7bridge.writer")

#: Told what a verb returned, or its error.
Then = Callable[[Any, "StoreError | None"], None]


class Writer(Protocol):
    """Does one verb of the store after the other. The journal sets `lost`, which is called when the store ended unasked, and `say`,
    through which refusals are logged.
    """

    lost: Callable[[StoreUnknown], None]
    say: Sparing | None

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None: ...
    def stop(self) -> None: ...


class _Call:
    """A verb that was asked for, and who is told."""

    def __init__(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        self.verb = verb
        self.arguments = arguments
        self.then = then


@implementer(IReadDescriptor)
class Separately:
    """Through a store that has a process of its own; results are told in a later turn of the reactor.

    While that process settles what it has written, nothing is handed over: the reactor would wait for it to read.
    """

    def __init__(self, store: SeparateStore, reactor: Any) -> None:
        self.lost: Callable[[StoreUnknown], None] = lambda error: None
        self.say: Sparing | None = None
        self._store = store
        self._reactor = reactor
        self._begun: _Call | None = None
        self._next: _Call | None = None
        store.moved_on = lambda: reactor.callLater(0, self._moved_on)
        reactor.addReader(self)

    def call(self, verb: str, arguments: tuple[Any, ...], then: Then) -> None:
        """Begins it; nothing else may be called before its result was told."""
        self._next = _Call(verb, arguments, then)
        self._go_on()

    def stop(self) -> None:
        """Listens no more; before the store is closed."""
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        """What the reactor watches."""
        return self._store.fileno()

    def doRead(self) -> None:
        """The other process has said something, or has gone."""
        if self._begun is None and not self._store.settling:
            _, error = attempt(self._store.assert_there, self.say)
        elif self._store.settling:
            _, error = attempt(self._store.settled, self.say)
        else:
            self._tell()
            return
        if isinstance(error, StoreUnknown):
            self.lost(error)
        else:
            self._go_on()

    def _moved_on(self) -> None:
        """A request that waited has read what `doRead` would have: it is not to be waited for again."""
        if self._begun is not None and self._store.answered:
            self._tell()
        else:
            self._go_on()

    def _tell(self) -> None:
        begun, self._begun = self._begun, None
        assert begun is not None
        begun.then(*attempt(self._store.fetch, self.say))
        self._go_on()

    def _go_on(self) -> None:
        """Begins what could not begin before."""
        call = self._next
        if call is not None and self._begun is None and not self._store.settling:
            self._next = None
            _, error = attempt(lambda: self._store.begin(call.verb, *call.arguments), self.say)
            if error is None:
                self._begun = call
            else:
                self._reactor.callLater(0, call.then, None, error)

    def connectionLost(self, reason: Any) -> None:
        """The reactor gives up on the socket, which only a fault of ours can cause: nobody would hear of a commit any more."""
        self.lost(StoreUnknown("the link to the process that writes the store broke"))

    def logPrefix(self) -> str:
        """For the reactor."""
        return "store"


def attempt(work: Callable[[], Any], say: Sparing | None = None) -> tuple[Any, StoreError | None]:
    """What `work` gives, or the store's no, which is logged. What nobody expected leaves the disk as unknown as the store's own error
    of that name.
    """
    try:
        return work(), None
    except StoreError as error:
        if say is not None and not isinstance(error, StoreUnknown):
            say.warn("the store refused a transaction: {error}", error=str(error))
        return None, error
    except Exception as error:
        log.failure("a transaction failed in a way that no store should")
        return None, StoreUnknown(f"unexpected {type(error).__name__} in a transaction")

"""Dials that fail: each is told of, and why, in the words of the field and not of the library that dialled. Raises nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
    UnknownHostError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

_WORDS: Final[dict[type[Exception], str]] = {
    ConnectionRefusedError: "connection refused",
    TimeoutError: "timed out",
    DNSLookupError: "the host's name is not known",
    UnknownHostError: "the host's name is not known",
}


def unreached(failure: Failure) -> str:
    """`cannot connect: ` and why."""
    error = failure.value
    known = next((words for type_, words in _WORDS.items() if isinstance(error, type_)), None)
    number: int | None = error.osError if isinstance(error, ConnectError) else None
    if known is None and number is not None:
        known = os.strerror(number).lower()
    return f"cannot connect: {known or str(failure.getErrorMessage()).rstrip('.')}"


@implementer(IStreamClientEndpoint)
class Telling:
    """An endpoint that tells of each dial that fails; who dials through a ClientService hears of the first alone."""

    def __init__(self, endpoint: IStreamClientEndpoint, failed: Callable[[Failure], None]) -> None:
        self._endpoint = endpoint
        self._failed = failed

    def connect(self, factory: Any) -> Deferred[Any]:
        """Dials."""
        dialled: Deferred[Any] = self._endpoint.connect(factory)
        return dialled.addErrback(self._tell)

    def _tell(self, failure: Failure) -> Failure:
        self._failed(failure)
        return failure

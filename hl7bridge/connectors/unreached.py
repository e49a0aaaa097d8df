"""Why another system could not be dialled, in the words of its field and not of the library that dialled. Raises nothing."""

from __future__ import annotations

from typing import Final

from twisted.internet.error import (
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
    UnknownHostError,
)
from twisted.python.failure import Failure

_WORDS: Final[dict[type[Exception], str]] = {
    ConnectionRefusedError: "connection refused",
    TimeoutError: "timed out",
    TCPTimedOutError: "timed out",
    DNSLookupError: "the host's name is not known",
    UnknownHostError: "the host's name is not known",
    NoRouteError: "no route to the host",
}


def unreached(failure: Failure) -> str:
    """`cannot connect: ` and why."""
    error = failure.value
    known = next((words for type_, words in _WORDS.items() if isinstance(error, type_)), None)
    return f"cannot connect: {known or str(failure.getErrorMessage()).rstrip('.')}"

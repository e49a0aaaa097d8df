"""Why a hospital cannot be dialled, as an operator reads it."""

from __future__ import annotations

import pytest
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.python.failure import Failure

from hl7bridge.connectors.unreached import unreached


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError("111: Connection refused"), "connection refused"),
        (TimeoutError(), "timed out"),
        (TCPTimedOutError("110: Operation timed out"), "timed out"),
        (DNSLookupError("no results for hostname lookup: ehr.example"), "the host's name is not known"),
        (NoRouteError("113: No route to host"), "no route to the host"),
        (
            ConnectError("101: Network is unreachable"),
            "An error occurred while connecting: 101: Network is unreachable",
        ),
    ],
)
def test_the_reason_is_said_in_the_words_of_the_field(error: Exception, words: str) -> None:
    assert unreached(Failure(error)) == f"cannot connect: {words}"

"""Why a hospital cannot be dialled, as an operator reads it."""

from __future__ import annotations

import errno
import os

import pytest
from twisted.internet.error import DNSLookupError, TimeoutError, getConnectError
from twisted.python.failure import Failure

from hl7bridge.connectors.unreached import unreached


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ECONNREFUSED, "connection refused"),
        (errno.EHOSTUNREACH, "no route to host"),
        (errno.ENETUNREACH, "network is unreachable"),
        (errno.ETIMEDOUT, "connection timed out"),
    ],
)
def test_what_the_system_says_is_said_once(number: int, words: str) -> None:
    error = getConnectError((number, os.strerror(number)))
    assert unreached(Failure(error)) == f"cannot connect: {words}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "timed out"),
        (DNSLookupError("no results for hostname lookup: ehr.example"), "the host's name is not known"),
    ],
)
def test_so_is_what_happens_before_it_is_asked(error: Exception, words: str) -> None:
    assert unreached(Failure(error)) == f"cannot connect: {words}"

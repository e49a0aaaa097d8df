"""One channel around a few lines of YAML, for tests of the language."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster, Roster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.channel.rules.trace import Trace
from hl7bridge.hl7.message import Message

RECEIVED = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
OUT = b"destination: out\nsend: {mllp: {host: 127.0.0.1, port: 6000}}\nprocessing: any\n"


def secrets(name: str) -> str:
    """The secrets that tests know."""
    return {"env.SITE": "SITE1", "env.PORT": "6201", "file./run/secrets/token": "hush"}[name]


def channel_text(body: str) -> bytes:
    """A channel called `c` with a source and a destination, and `body` between them."""
    return (
        b"channel: c\nsource: {mllp: {port: 2575}, zone: America/New_York}\n"
        + textwrap.dedent(body).encode()
        + b"\nsend_to: [out]\n"
    )


def folder(body: str, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """A folder with that channel, a destination and further files."""
    return {"c.yaml": channel_text(body), "destinations/out.yaml": OUT, **(files or {})}


Decide = Callable[..., Decision]
Mapped = Callable[..., bytes]


@pytest.fixture
def decided() -> Decide:
    """Loads a folder of files and decides one message."""

    def run(
        files: Mapping[str, bytes],
        message: bytes,
        *,
        source: str = "c",
        roster: Roster | None = None,
        received: datetime = RECEIVED,
        trace: Trace | None = None,
    ) -> Decision:
        return decide(
            load(files, secrets),
            source,
            Message(message),
            received=received,
            sequence=7,
            roster=roster or MemoryRoster(),
            trace=trace,
        )

    return run


@pytest.fixture
def mapped(decided: Decide) -> Mapped:
    """What a message becomes through the steps of a map; segments are shown line by line."""

    def run(steps: str, message: str, files: Mapping[str, bytes] | None = None) -> str:
        body = "map:\n" + textwrap.indent(textwrap.dedent(steps).strip("\n"), "  ")
        decision = decided(folder(body, files), message.replace("\n", "\r").encode())
        assert decision.status == "RECEIVED", decision.outcomes
        return decision.outgoing[0].payload.decode().replace("\r", "\n")

    return run


@pytest.fixture
def failed(decided: Decide) -> Callable[..., str]:
    """The reason for which a message is an error under the steps of a map."""

    def run(steps: str, message: str, files: Mapping[str, bytes] | None = None) -> str:
        body = "map:\n" + textwrap.indent(textwrap.dedent(steps).strip("\n"), "  ")
        decision = decided(folder(body, files), message.replace("\n", "\r").encode())
        assert decision.status == "ERROR"
        assert decision.outgoing == ()
        return decision.outcomes[0].reason or ""

    return run


@pytest.fixture
def passes(decided: Decide) -> Callable[..., bool]:
    """Whether a filter lets a message through."""

    def run(conditions: str, message: str, files: Mapping[str, bytes] | None = None, **more: object) -> bool:
        body = "filter:\n" + textwrap.indent(textwrap.dedent(conditions).strip("\n"), "  ")
        decision = decided(folder(body, files), message.replace("\n", "\r").encode(), **more)
        assert decision.status in ("RECEIVED", "FILTERED"), decision.outcomes
        return decision.status == "RECEIVED"

    return run


@pytest.fixture
def mistakes() -> Callable[..., list[str]]:
    """All mistakes of a folder, one line each."""

    def run(files: Mapping[str, bytes] | str, more: Mapping[str, bytes] | None = None) -> list[str]:
        named = folder(files, more) if isinstance(files, str) else files
        return [str(each) for each in check(named, secrets)]

    return run


@pytest.fixture
def loaded() -> Callable[..., Configuration]:
    """The configuration of a folder."""
    return lambda files: load(files, secrets)


@pytest.fixture
def around() -> Callable[..., dict[str, bytes]]:
    """The folder around a channel's lines."""
    return folder

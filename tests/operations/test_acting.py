"""What an operator hears of an engine that ends, or hangs, while it is asked to act: a sentence, and no traceback."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hl7bridge.cli.main import main
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import NotRunning, Operations
from hl7bridge.places import socket_path

Manner = Callable[[socket.socket], None]


def reads_nothing(connection: socket.socket) -> None:
    connection.close()


def half_a_line(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b'{"progress": {"repl')
    connection.close()


def no_result(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b'{"progress": {"replayed": 1}}\n')
    connection.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[Manner], Path]]:
    """An engine that does this with whoever asks, and its data folder."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    kept: list[socket.socket] = []

    def listens(manner: Manner) -> Path:
        path, folder = socket_path(tmp_path)
        listener.bind(path)
        if folder is not None:
            os.close(folder)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            kept.append(connection)
            manner(connection)

        threading.Thread(target=serve, daemon=True).start()
        return tmp_path

    yield listens
    for each in (listener, *kept):
        each.close()


@pytest.mark.parametrize(("manner", "size"), [(reads_nothing, 4_000_000), (half_a_line, 1), (no_result, 1)])
def test_an_engine_that_ends_meanwhile_hung_up(
    engine: Callable[[Manner], Path], manner: Manner, size: int
) -> None:
    with pytest.raises(HL7BridgeError) as told:
        Operations(engine(manner)).done("hold", destination="x" * size)
    assert told.value.code == "hung-up"


def test_a_command_whose_engine_ends_has_not_succeeded(engine: Callable[[Manner], Path]) -> None:
    data = engine(reads_nothing)
    result = CliRunner().invoke(main, ["queue", "hold", "x" * 4_000_000, "--data", str(data)])
    assert (result.exit_code, "hung up" in result.output) == (2, True)


def test_an_engine_that_hangs_does_not_answer(engine: Callable[[Manner], Path]) -> None:
    data = engine(lambda connection: None)
    with pytest.raises(HL7BridgeError) as told:
        Operations(data).done("hold", patience_s=0.05, destination="rush")
    assert told.value.code == "no-answer"
    assert "may have been done all the same" in str(told.value)


def test_no_engine_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        Operations(tmp_path).done("status")

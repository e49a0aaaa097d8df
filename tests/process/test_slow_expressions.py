"""A site's expression that never ends costs its own message, and the others a moment."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from hl7bridge.hl7 import ack, mllp
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import free_port

pytestmark = pytest.mark.process
Start = Callable[..., EngineProcess]
FILTER = "filter: {PID-5: {matches: '^(a+)+$'}}"
REPLACE = "map: [{PID-5.1: {from: PID-5.1, replace: ['(a|aa)+$', '']}}]"
HOOK = "map: [{python: 'slow:spin'}]"
SPIN = "def spin(message):\n    while message.get('PID-5').endswith('!'):\n        pass\n"


def order(number: int, name: str) -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|C{number}|P|2.5.1\r"
        f"PID|1||7^^^RETAIL^PI||{name}\r"
    ).encode()


def answered(connection: socket.socket, message: bytes) -> str | None:
    connection.sendall(mllp.frame(message))
    framer = mllp.Framer()
    while True:
        for event in framer.feed(connection.recv(65536)):
            if isinstance(event, mllp.Frame):
                return ack.read(event.payload, b"").code


@pytest.mark.parametrize("slow", [FILTER, REPLACE, HOOK], ids=["matches", "replace", "hook"])
def test_an_endless_expression_stops_its_own_message(engine: Start, slow: str) -> None:
    port = free_port()
    running = engine(
        {
            "slow.py": SPIN,
            "pharmacy.yaml": f"channel: pharmacy\nsource: {{mllp: {{port: {port}, host: 127.0.0.1}}}}\n{slow}\n"
            "send_to: [hospital]\n",
            "destinations/hospital.yaml": "destination: hospital\n"
            f"send: {{mllp: {{host: 127.0.0.1, port: {free_port()}}}}}\n",
        }
    )
    with (
        socket.create_connection(("127.0.0.1", port), 30) as feed,
        socket.create_connection(("127.0.0.1", port), 30) as other,
    ):
        began = time.monotonic()
        feed.sendall(mllp.frame(order(1, "a" * 60 + "!")))
        assert answered(other, order(2, "aaa")) == "AA"
        assert time.monotonic() - began < 10
    with socket.create_connection(("127.0.0.1", port), 30) as feed:
        assert answered(feed, order(3, "a" * 60 + "!")) == "AE"
        assert answered(feed, order(4, "aaa")) == "AA"
    assert "took longer than 1 s" in running.log.read_text()
    command = [
        sys.executable,
        "-m",
        "hl7bridge",
        "messages",
        "--data",
        str(running.data),
        "--status",
        "error",
        "--json",
    ]
    rows = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert {json.loads(row)["control_id"] for row in rows} == {"C1", "C3"}
    assert running.stop() == 0

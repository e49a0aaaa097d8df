"""A document by e-mail over real sockets: STARTTLS with a certificate that is checked, and a password."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.messages.summarymessage import Envelope, Patient, summary_message
from hl7bridge.documents.page import Letterhead
from hl7bridge.documents.visit import summary_pages
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port
from tests.affiliation.visiting import NUMBERS, PERSON, summed
from tests.process.test_tls import Authority

pytestmark = pytest.mark.process
AT = datetime(2026, 11, 19, 16, 0, tzinfo=UTC)


class Relay(threading.Thread):
    """A mail server that takes one mail over STARTTLS after a login; `heard` is what came in the clear, `taken` the mail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "relay.pem", folder / "relay.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.in_the_clear = b""
        self.commands: list[bytes] = []
        self.taken = b""
        self.start()

    def run(self) -> None:
        try:
            self._serve()
        except OSError:  # the other side did not like the certificate
            return

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(20)
        connection.sendall(b"220 here\r\n")
        self.in_the_clear += connection.recv(1000)
        connection.sendall(b"250-here\r\n250 STARTTLS\r\n")
        self.in_the_clear += connection.recv(1000)
        connection.sendall(b"220 go on\r\n")
        with self.context.wrap_socket(connection, server_side=True) as secure, secure.makefile("rwb") as file:
            for line in file:
                self.commands.append(line.strip())
                verb = line.split(b" ")[0].strip().upper()
                answers = {
                    b"EHLO": b"250-here\r\n250 AUTH PLAIN",
                    b"AUTH": b"235 welcome",
                    b"DATA": b"354 go on",
                }
                file.write(answers.get(verb, b"250 fine") + b"\r\n")
                file.flush()
                if verb == b"DATA":
                    while not self.taken.endswith(b"\r\n.\r\n"):
                        self.taken += file.readline()
                    file.write(b"250 taken\r\n")
                    file.flush()
                if verb == b"QUIT":
                    return


@pytest.mark.parametrize("host", ["127.0.0.1", "other.example.org"])
def test_a_document_leaves_over_starttls_and_only_to_the_server_it_was_meant_for(
    tmp_path: Path, engine: Callable[..., EngineProcess], host: str
) -> None:
    Authority(tmp_path, "authority").issue("relay", [host])
    relay = Relay(tmp_path)
    port = free_port()
    engine(
        {
            "c.yaml": f"channel: c\nsource: {{mllp: {{port: {port}}}}}\nsend_to: [fax]\n",
            "destinations/fax.yaml": (
                f"destination: fax\nsend:\n  smtp: {{host: 127.0.0.1, port: {relay.port}, ca: {tmp_path}/authority.pem,"
                " user: me, password: hush, from: a@example.org, to: '${ZDR-3}@fax.example.org'}\n"
            ),
        }
    )
    summary = summed()
    patient = Patient(NUMBERS, PERSON)
    pdf = summary_pages(summary, patient, Letterhead("Clinic"), "D1", made=AT)
    message = summary_message(
        summary.visit, patient, pdf, Envelope("S1", AT, ""), "D1", recipient=Recipient("A", fax="15555550142")
    )
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    assert b"MSA|AA|S1" in peer.ask(message)
    relay.join(20)
    assert relay.in_the_clear.split() == [b"EHLO", b"hl7bridge", b"STARTTLS"]
    if host != "127.0.0.1":
        assert relay.commands == []
        return
    assert b"RCPT TO:<15555550142@fax.example.org>" in relay.commands
    assert b"application/pdf" in relay.taken

"""TLS and mutual TLS with real certificates on real sockets, in and out."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryQuery
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer, free_port

pytestmark = pytest.mark.process
Start = Callable[..., EngineProcess]
ORDER = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|T1|P|2.5.1\rPID|1||7^^^RETAIL^PI\rORC|NW|1\r"
)


class Authority:
    """Signs certificates for a test."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(f"{name}.pem", self._sign(self._subject, self._key.public_key(), [], authority=True))

    def issue(self, name: str, hosts: list[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [
            x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(f"{name}.pem", self._sign(subject, key.public_key(), names, authority=False))
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def _sign(
        self, subject: x509.Name, public: object, names: list[x509.GeneralName], *, authority: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class TlsHospital(threading.Thread):
    """Answers AA to what comes over TLS until it is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
        self.context.load_cert_chain(folder / "hospital.pem", folder / "hospital.key")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = threading.Event()

    def run(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                peer = Peer(self.context.wrap_socket(plain, server_side=True))
                while True:
                    control_id = peer.read().split(b"|")[9]
                    self.got.set()
                    peer.write(b"MSH|^~\\&|H|H|||20261121||ACK|1|P|2.5.1\rMSA|AA|" + control_id + b"\r")
            except (OSError, ConnectionError):
                continue


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    authority = Authority(folder, "ca")
    Authority(folder, "stranger").issue("intruder", ["intruder"])
    authority.issue("engine", ["127.0.0.1", "localhost"])
    authority.issue("feed", ["feed"])
    authority.issue("hospital", ["ehr.example.org"])
    return folder


def channel(port: int, client_ca: str = "") -> str:
    return (
        f"channel: p\nsource: {{mllp: {{port: {port}, host: 127.0.0.1, "
        f"tls: {{certificate: engine.pem, key: engine.key{client_ca}}}}}}}\nsend_to: [hospital]\n"
    )


def destination(port: int, tls: str) -> str:
    return f"destination: hospital\nsend: {{mllp: {{host: 127.0.0.1, port: {port}, tls: {tls}}}}}\nretry: {{first: 100ms}}\n"


def test_mutual_tls_in_and_out(engine: Start, keys: Path) -> None:
    hospital = TlsHospital(keys)
    hospital.start()
    port = free_port()
    ours = "{ca: ca.pem, name: ehr.example.org, certificate: engine.pem, key: engine.key}"
    engine(
        {
            "p.yaml": channel(port, ", client_ca: ca.pem"),
            "destinations/hospital.yaml": destination(hospital.port, ours),
        }
    )
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    context.load_cert_chain(keys / "feed.pem", keys / "feed.key")
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    ) as connection:
        assert b"MSA|AA|T1" in Peer(connection).ask(ORDER)
    assert hospital.got.wait(20)
    hospital.listener.close()


def test_a_sender_without_a_trusted_certificate_is_refused(engine: Start, keys: Path) -> None:
    port = free_port()
    engine(
        {"p.yaml": channel(port, ", client_ca: ca.pem"), "destinations/hospital.yaml": destination(1, "true")}
    )
    for own in (None, "intruder"):
        context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
        if own:
            context.load_cert_chain(keys / f"{own}.pem", keys / f"{own}.key")

        def attempt(context: ssl.SSLContext = context) -> bytes:
            plain = socket.create_connection(("127.0.0.1", port))
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                return Peer(connection).ask(ORDER)

        with pytest.raises((ssl.SSLError, ConnectionError)):
            attempt()


@pytest.mark.parametrize(
    "tls",
    ["{ca: ca.pem, certificate: engine.pem, key: engine.key}", "{ca: stranger.pem, name: ehr.example.org}"],
)
def test_a_hospital_with_a_wrong_name_or_signer_gets_nothing(engine: Start, keys: Path, tls: str) -> None:
    hospital = TlsHospital(keys)
    hospital.start()
    port = free_port()
    running = engine({"p.yaml": channel(port), "destinations/hospital.yaml": destination(hospital.port, tls)})
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    ) as connection:
        assert b"MSA|AA|T1" in Peer(connection).ask(ORDER)
    assert not hospital.got.wait(2)
    with Operations(running.data) as operations:
        assert [row.status.name for row in operations.deliveries(DeliveryQuery())] in (
            ["QUEUED"],
            ["SENDING"],
        )
    assert "cannot connect" in running.log.read_text()
    hospital.listener.close()

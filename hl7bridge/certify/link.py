"""One MLLP connection, step by step, as a person with a stopwatch would use it.

Raises LinkError, in words for both sides.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import mllp
from hl7bridge.hl7.ack import Answer, read

_CHUNK = 65_536


class LinkError(HL7BridgeError):
    """A connection that could not be made, or broke. Codes: `refused`, `tls`, `timeout`, `closed`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a hospital listens, and how its TLS is checked. `context` None: no TLS. `name`: whom the certificate must name."""

    host: str
    port: int
    timeout_s: float = 30.0
    context: ssl.SSLContext | None = None
    name: str | None = None


class Shown(NamedTuple):
    """What the other side's TLS showed: version, cipher, subject, issuer, and the day its certificate ends (as OpenSSL writes it)."""

    version: str
    cipher: str
    subject: str
    issuer: str
    until: str


class Said(NamedTuple):
    """An answer, its bytes, and how long it took."""

    answer: Answer
    raw: bytes
    took_s: float


class Link:
    """A connection; use it in a `with`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._framer = mllp.Framer()
        self._frames: list[bytes] = []
        self.junk_bytes = 0
        try:
            plain = socket.create_connection((endpoint.host, endpoint.port), endpoint.timeout_s)
        except (OSError, UnicodeError) as error:
            raise LinkError(f"cannot connect: {_why(error)}", code="refused") from None
        self._socket: socket.socket = plain
        if endpoint.context is not None:
            try:
                self._socket = endpoint.context.wrap_socket(
                    plain, server_hostname=endpoint.name or endpoint.host
                )
            except (OSError, ssl.CertificateError) as error:
                plain.close()
                raise LinkError(f"TLS: {_why(error)}", code="tls") from None

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shown(self) -> Shown | None:
        """What TLS showed; None without it."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        found = self._socket.getpeercert() or {}
        cipher = self._socket.cipher()
        return Shown(
            self._socket.version() or "?",
            "?" if cipher is None else cipher[0],
            _names(found.get("subject", ())),
            _names(found.get("issuer", ())),
            str(found.get("notAfter", "?")),
        )

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkError(f"the connection broke while sending: {_why(error)}", code="closed") from None

    def read(self, timeout_s: float | None = None) -> bytes:
        """The next whole frame."""
        until = perf_counter() + (self._endpoint.timeout_s if timeout_s is None else timeout_s)
        while not self._frames:
            left = until - perf_counter()
            if left <= 0:
                raise LinkError("no answer in time", code="timeout")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise LinkError("no answer in time", code="timeout") from None
            except OSError as error:
                raise LinkError(f"the connection broke: {_why(error)}", code="closed") from None
            if not data:
                raise LinkError("closed by the other side", code="closed")
            for event in self._framer.feed(data):
                if isinstance(event, mllp.Frame):
                    self._frames.append(event.payload)
                elif isinstance(event, mllp.Junk):
                    self.junk_bytes += event.size_bytes
        return self._frames.pop(0)

    def ask(self, payload: bytes, control_id: bytes) -> Said:
        """Sends a message and waits for its answer."""
        begun = perf_counter()
        self.write(mllp.frame(payload))
        raw = self.read()
        return Said(read(raw, control_id), raw, perf_counter() - begun)

    def close(self) -> None:
        """Ends it; a second time it does nothing."""
        self._socket.close()


def _names(pairs: object) -> str:
    found = [f"{key}={value}" for group in pairs for key, value in group] if isinstance(pairs, tuple) else []
    return ", ".join(found) or "?"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (
        getattr(error, "strerror", None)
        or getattr(error, "reason", None)
        or str(error)
        or type(error).__name__
    )

"""Certificates from PEM files, for listeners and for hospitals. Raises `TlsError`, which names the file and never its content."""

from __future__ import annotations

import re
from pathlib import Path

from OpenSSL import crypto
from twisted.internet import ssl
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator

from hl7bridge.errors import HL7BridgeError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class TlsError(HL7BridgeError):
    """A certificate or key that cannot be used. Code: `tls-file`."""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot be read: {error.strerror}", code="tls-file", place=str(path)) from None


def _certificates(path: Path) -> list[crypto.X509]:
    found = _CERTIFICATE.findall(_read(path))
    try:
        certificates = [crypto.load_certificate(crypto.FILETYPE_PEM, pem) for pem in found]
    except crypto.Error:
        certificates = []
    if not certificates:
        raise TlsError("holds no PEM certificate", code="tls-file", place=str(path))
    return certificates


def _key(path: Path) -> crypto.PKey:
    try:
        return crypto.load_privatekey(crypto.FILETYPE_PEM, _read(path), passphrase=b"")
    except (crypto.Error, ValueError):
        raise TlsError(
            "holds no PEM private key that can be read without a passphrase", code="tls-file", place=str(path)
        ) from None


def server(certificate: Path, key: Path, client_ca: Path | None) -> ssl.CertificateOptions:
    """How a listener shows itself; with `client_ca` only senders with a certificate that it signed may connect."""
    own, *chain = _certificates(certificate)
    trust = None if client_ca is None else ssl.trustRootFromCertificates(_trusted(client_ca))
    return ssl.CertificateOptions(
        privateKey=_key(key),
        certificate=own,
        extraCertChain=chain,
        trustRoot=trust,
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
    )


def client(
    host: str, ca: Path | None, certificate: Path | None, key: Path | None
) -> IOpenSSLClientConnectionCreator:
    """How a hospital is checked: its certificate must be signed by `ca` (or the system's authorities) and name `host`."""
    shown = None
    if certificate is not None and key is not None:
        own = ssl.Certificate(_certificates(certificate)[0])
        shown = ssl.PrivateCertificate.fromCertificateAndKeyPair(own, ssl.KeyPair(_key(key)))
    trust = ssl.platformTrust() if ca is None else ssl.trustRootFromCertificates(_trusted(ca))
    return ssl.optionsForClientTLS(host, trustRoot=trust, clientCertificate=shown)


def _trusted(path: Path) -> list[ssl.Certificate]:
    return [ssl.Certificate(each) for each in _certificates(path)]

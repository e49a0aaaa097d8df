"""What leaves as a document: what the outbox and the mail connector are given. Knows no message. Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hl7bridge.errors import HL7BridgeError


class Unsendable(HL7BridgeError):
    """A message that no document can be made of, ever. Codes: `no-document`, `no-recipient`."""


class Outgoing(NamedTuple):
    """A document that leaves through a folder: the PDF, and what document.json says of it."""

    pdf: bytes
    about: Mapping[str, object]


class Mail(NamedTuple):
    """An e-mail: its envelope and its text, with LF at the end of each line."""

    sender: str
    to: str
    text: bytes

"""The document inside a message: the PDF of an OBX whose value is encapsulated data (OBX-2 = ED, HL7 v2.5.1 chapter 2.A, 2.A.24).

Refuses to know what the document says. Raises NoDocument.
"""

from __future__ import annotations

import binascii

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message


class NoDocument(HL7BridgeError):
    """A message without exactly one PDF that can be read. Code: `no-document`."""


def embedded_pdf(message: Message) -> bytes:
    """The PDF of the one OBX that has one, in base64 (ED.4, table 0299). Raises NoDocument."""
    found: list[bytes] = []
    for segment in message.segments:
        if segment.name == b"OBX" and segment.field(2) == b"ED":
            parts = segment.field(5).split(message.delimiters.component)
            if len(parts) > 4 and parts[3].lower() == b"base64" and b"pdf" in (parts[1] + parts[2]).lower():
                found.append(parts[4])
    if len(found) != 1:
        raise NoDocument(
            f"there are {len(found)} PDF documents in it, not one", code="no-document", place="OBX-5"
        )
    try:
        data = binascii.a2b_base64(found[0], strict_mode=True)
    except binascii.Error:
        raise NoDocument("its document is no base64", code="no-document", place="OBX-5.5") from None
    if not data.startswith(b"%PDF-"):
        raise NoDocument("its document is no PDF", code="no-document", place="OBX-5.5")
    return data

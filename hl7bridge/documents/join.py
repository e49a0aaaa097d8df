"""Several PDFs as one, and how many pages one has. Raises BadDocument for what is no PDF that can be read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from io import BytesIO

from hl7bridge.errors import HL7BridgeError

# pypdf tells the log what it finds wrong, and quotes the file.
logging.getLogger("pypdf").addHandler(logging.NullHandler())
logging.getLogger("pypdf").propagate = False


class BadDocument(HL7BridgeError):
    """Bytes that are no PDF, or one that is locked. Code: `bad-document`."""


def page_count(pdf: bytes) -> int:
    """How many pages a PDF has. Raises BadDocument."""
    from pypdf import PdfReader

    try:
        return len(PdfReader(BytesIO(pdf)).pages)
    except Exception as error:  # pypdf raises whatever a broken file leads it to
        raise _bad(error) from None


def joined(pdfs: Sequence[bytes]) -> bytes:
    """The pages of all, one PDF after the other; the same bytes for the same PDFs. Raises BadDocument."""
    from pypdf import PdfReader, PdfWriter

    try:
        writer = PdfWriter()
        for pdf in pdfs:
            writer.append(PdfReader(BytesIO(pdf)), import_outline=False)
        out = BytesIO()
        writer.write(out)
    except Exception as error:
        raise _bad(error) from None
    return out.getvalue()


def _bad(error: Exception) -> BadDocument:
    return BadDocument(
        f"the document is no PDF that can be read ({type(error).__name__})", code="bad-document"
    )

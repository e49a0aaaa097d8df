"""From a message with a document to what leaves by fax or mail: the PDF, its cover sheet, and what goes on the envelope.

Raises Unsendable for a message without a document or without anybody to send it to.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from hl7bridge.affiliation.messages.recipient import Recipient, recipient_of
from hl7bridge.channel.keys.outbox import ADDRESS, filled
from hl7bridge.channel.settings import SmtpTarget
from hl7bridge.connectors.outgoing import Mail, Outgoing, Unsendable
from hl7bridge.delivery.queue import Entry
from hl7bridge.engine.delivering.pool import control_id_of
from hl7bridge.hl7.embedded import NoDocument, embedded_pdf
from hl7bridge.hl7.message import Message


class Cover(NamedTuple):
    """Who stands on the cover sheet as its sender."""

    sender: str
    lines: tuple[str, ...]


class Finished(NamedTuple):
    """A document ready to leave: to whom, how many pages, the PDF with its cover sheet."""

    recipient: Recipient
    pages: int
    pdf: bytes


def finished(cover: Cover | None, entry: Entry, payload: bytes) -> Finished:
    """The document of a delivery, with a cover sheet before it if one is wanted. Raises Unsendable."""
    from hl7bridge.documents.cover import cover_sheet
    from hl7bridge.documents.join import BadDocument, joined, page_count
    from hl7bridge.documents.page import Letterhead

    message = Message(payload)
    recipient = recipient_of(message)
    if recipient is None or recipient.kind is None:
        raise Unsendable("the message names neither a fax number nor an address (ZDR)", code="no-recipient")
    try:
        pdf = embedded_pdf(message)
        pages = page_count(pdf)
        if cover is not None:
            sheet = cover_sheet(
                recipient,
                Letterhead(cover.sender, cover.lines),
                reference=str(entry.id),
                pages=pages,
                made=_received(entry),
                again=entry.possible_duplicate,
            )
            pdf, pages = joined([sheet, pdf]), pages + 1
    except (NoDocument, BadDocument) as error:
        raise Unsendable(error.what, code="no-document") from None
    return Finished(recipient, pages, pdf)


def outgoing(cover: Cover | None, entry: Entry, payload: bytes) -> Outgoing:
    """The document of a delivery with what a gateway needs to know of it, and nothing clinical. Raises Unsendable."""
    made = finished(cover, entry, payload)
    recipient = made.recipient
    return Outgoing(
        made.pdf,
        {
            "id": str(entry.id),
            "created": _received(entry).isoformat(timespec="seconds"),
            "kind": recipient.kind,
            "recipient": recipient.name,
            "npi": recipient.npi,
            "fax": recipient.fax,
            "address": list(recipient.address),
            "pages": made.pages,
            "sha256": hashlib.sha256(made.pdf).hexdigest(),
            "control_id": control_id_of(payload).decode("ascii", "replace"),
            "possible_duplicate": entry.possible_duplicate,
        },
    )


def mail(target: SmtpTarget, cover: Cover | None, entry: Entry, payload: bytes) -> Mail:
    """The document of a delivery as an e-mail to a gateway. The subject is the site's and tells of nobody. Raises Unsendable.

    The same delivery has the same Message-ID whenever it is tried, so that a gateway may know a repetition.
    """
    made = finished(cover, entry, payload)
    message = Message(payload)
    address = filled(target.to, message)
    if not address or not ADDRESS.fullmatch(address):
        raise Unsendable("no e-mail address can be made of the message", code="no-recipient")
    name = f"document-{entry.id}.pdf"
    body = (
        "A confidential document is attached. If it is not meant for you, destroy it and tell the sender.\n"
    )
    letter = EmailMessage(policy=SMTP.clone(linesep="\n"))
    letter["From"] = target.sender
    letter["To"] = address
    letter["Subject"] = target.subject.replace("${id}", str(entry.id))
    letter["Date"] = _received(entry)
    letter["Message-ID"] = f"<{entry.id}.hl7bridge@{target.sender.rpartition('@')[2]}>"
    letter.set_content(body)
    letter.add_attachment(made.pdf, maintype="application", subtype="pdf", filename=name)
    letter.set_boundary(f"part-{hashlib.sha256(made.pdf).hexdigest()[:32]}")
    return Mail(target.sender, address, letter.as_bytes())


def _received(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.received_us / 1e6, UTC)

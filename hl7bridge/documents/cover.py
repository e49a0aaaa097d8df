"""The cover sheet before a document that goes by fax or in the mail: to whom, from whom, how many pages; nothing of a patient.

The address stands where the window of a No. 10 envelope is when the sheet is folded in three. Raises nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reportlab.platypus import Spacer

from hl7bridge.affiliation.messages.recipient import FAX, Recipient
from hl7bridge.documents.page import (
    BODY,
    LABEL,
    STRONG,
    WIDTH,
    Foot,
    Letterhead,
    boxed,
    drawn,
    grid,
    head,
    moment,
    text,
)

NOTICE = (
    "The pages after this one hold confidential health information, protected by federal and state law (45 CFR Part 164). They are "
    "meant only for the recipient named above. If that is not you, you may not read, copy or pass them on: please tell the sender at "
    "once and destroy every page."
)
_PLAIN = "Confidential. The recipient's name and the sender's stand above."


def cover_sheet(
    recipient: Recipient,
    sender: Letterhead,
    *,
    reference: str,
    pages: int,
    made: datetime,
    again: bool = False,
) -> bytes:
    """The PDF of a cover sheet for a document of `pages` pages. `again`: it may have been sent before."""

    def story() -> list[Any]:
        by_fax = recipient.kind == FAX
        rows = [
            ("To", recipient.name),
            *((("Fax", recipient.fax),) if by_fax else ()),
            ("From", sender.name),
            ("Date", moment(made)),
            ("Pages", f"{pages + 1}, this one included"),
            ("Reference", reference),
        ]
        window = [text(recipient.name, STRONG), *(text(line) for line in recipient.address)]
        parts = [
            head(sender, "FAX" if by_fax else "BY MAIL", []),
            Spacer(1, 40),
            grid([["", window]], [20, WIDTH - 20], heads=0),
            Spacer(1, 54),
            grid(
                [[text(label, LABEL), text(value, STRONG)] for label, value in rows],
                [WIDTH * 0.15, WIDTH * 0.85],
                heads=0,
            ),
            Spacer(1, 24),
        ]
        if again:
            said = (
                "This document may have reached you before under the same reference. It is the same document."
            )
            parts += [text(said, STRONG), Spacer(1, 12)]
        return [*parts, boxed([[text(NOTICE, BODY, 2000)]], [WIDTH])]

    return drawn(story, Foot("", f"reference {reference}", _PLAIN), title="Cover sheet", made=made)

"""A recipient that no connection reaches: a physician's fax number or address, and the ZDR segment that carries it.

    ZDR|FAX|Dr. Ada Okonkwo|+15555550142|12 Elm St^^Springfield^IL^62701|1234567893

ZDR-1 is FAX or MAIL, ZDR-2 the name, ZDR-3 the fax number, ZDR-4 the address (XAD), ZDR-5 the NPI. The segment is the chain's own and
never leaves it: what sends the document reads it. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hl7bridge.affiliation.messages.written import Written, segment, written
from hl7bridge.hl7.escape import unescape
from hl7bridge.hl7.message import Message

#: The columns of a site's providers.csv.
COLUMNS: Final = ("npi", "name", "fax", "street", "city", "state", "zip")
FAX, MAIL = "FAX", "MAIL"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is written to, as a site's table says it. A part that is not known is ""."""

    name: str
    npi: str = ""
    fax: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""

    @property
    def kind(self) -> str | None:
        """FAX where there is a number, MAIL where there is a whole address, None where nothing reaches this recipient."""
        if self.fax:
            return FAX
        return MAIL if self.street and self.city else None

    @property
    def address(self) -> tuple[str, ...]:
        """The lines of the address."""
        place = " ".join(
            part for part in (f"{self.city}," if self.city else "", self.state, self.zip) if part
        )
        return tuple(line for line in (self.street, place) if line)

    def segment(self) -> bytes:
        """The ZDR segment."""
        address: Written = (self.street, "", self.city, self.state, self.zip)
        return segment("ZDR", (self.kind or "", self.name, self.fax, written(address), self.npi))


def recipient_of_row(row: Mapping[str, str]) -> Recipient:
    """The recipient of a row of providers.csv."""
    return Recipient(**{name: row.get(name, "").strip() for name in COLUMNS})


def recipient_of(message: Message) -> Recipient | None:
    """The recipient that a message's ZDR names, or None."""
    found = message.first(b"ZDR")
    if found is None:
        return None
    delimiters, charset = message.delimiters, message.charset

    def text(value: bytes) -> str:
        return charset.decode(unescape(value, delimiters)).strip()

    address = [text(part) for part in found.field(4).split(delimiters.component)] + [""] * 5
    return Recipient(
        name=" ".join(filter(None, (text(part) for part in found.field(2).split(delimiters.component)))),
        npi=text(found.field(5)),
        fax=text(found.field(3)),
        street=address[0],
        city=address[2],
        state=address[3],
        zip=address[4],
    )

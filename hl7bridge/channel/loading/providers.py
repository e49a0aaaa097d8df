"""The site's providers without a connection: `tables/providers.csv`, to whom documents go by fax or in the mail.

    npi,name,fax,street,city,state,zip
    1234567893,Dr. Ada Okonkwo,+1 555 555 0142,12 Elm St,Springfield,IL,62701

A row needs an NPI whose check digit is right, a name, and a fax number or an address. Who is not there cannot be written to. Raises
nothing; mistakes are named.
"""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.affiliation.messages.recipient import COLUMNS, Recipient, recipient_of_row
from hl7bridge.channel.feed.npi import is_npi
from hl7bridge.channel.rules.table import Table
from hl7bridge.channel.written.mistake import Mistakes, Place, rightly_named
from hl7bridge.channel.written.yaml import shown

PROVIDERS: Final = "providers"
_FILE: Final = f"tables/{PROVIDERS}.csv"
_FAX: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")


def read_providers(table: Table | None, mistakes: Mistakes) -> dict[str, Recipient]:
    """Recipients by NPI; a folder without the table knows nobody."""
    if table is None:
        return {}
    missing = [column for column in COLUMNS if column not in table.columns]
    for column in missing:
        hint = rightly_named(column, table.columns, COLUMNS)
        mistakes.add(Place(_FILE, 1, 1), f"there is no column {column}", hint)
    if not missing and table.columns[0] != "npi":
        mistakes.add(
            Place(_FILE, 1, 1), "the first column is not npi", "rows are found by their first column"
        )
        missing = ["npi"]
    if missing:
        return {}
    found: dict[str, Recipient] = {}
    for npi, cells in table.rows.items():
        recipient = recipient_of_row(dict(zip(table.columns, cells, strict=True)))
        fault = _fault(recipient)
        if fault is None:
            found[npi] = recipient
        else:
            mistakes.add(Place(_FILE, table.lines[npi], 1), *fault)
    return found


def _fault(recipient: Recipient) -> tuple[str, str] | None:
    if not is_npi(recipient.npi):
        return f"{shown(recipient.npi)} is no NPI", "ten digits, of which the last checks the others"
    if not recipient.name:
        return "a provider has no name", "a cover sheet names its recipient"
    if recipient.fax and not _FAX.fullmatch(recipient.fax):
        return f"{shown(recipient.fax)} is no fax number", "write it like +1 555 555 0142"
    if recipient.kind is None:
        return "a provider has neither a fax number nor an address", "give fax, or street and city"
    return None

"""What feeds sent that they had never sent before, as the engine noted it. Raises HL7BridgeError for a folder without a store."""

from __future__ import annotations

from typing import Final

from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path
from hl7bridge.operations.reading import Reading
from hl7bridge.store.base import BODY_BITS, SeenRow, StoreFault, keyed_hash
from hl7bridge.store.rows.seen import CODE

#: News beyond which a span of time is too long to list.
MOST: Final = 100_000


class Feeds(Reading):
    """The part of `Operations` that tells of feeds."""

    def news(self, since_us: int, until_us: int) -> list[SeenRow]:
        """What was seen for the first time in a span of time, oldest first; at most `MOST`."""
        return self.reader.news(since_us, until_us, MOST)

    def code_seen(self, row: SeenRow) -> str | None:
        """The code that a row tells of, out of its message; None where retention took that."""
        try:
            message = Message(self.reader.body(row.message_id << BODY_BITS))
        except (StoreFault, Unreadable):
            return None
        place = row.place if "." in row.place else f"{row.place}.1"
        for value in Path.parse(place).get_all(message):
            subcomponent = message.delimiters.subcomponent
            code = value.split(subcomponent, 1)[0] if subcomponent else value
            if keyed_hash(self.reader.key, CODE, code) == row.value:
                return message.charset.decode(code)
        return None

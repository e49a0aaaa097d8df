"""`withhold:` of a destination: messages without the orders that it must not get.

A destination that withholds gets what the channel and its own map make of a copy of the message in which the orders of its categories
never were; so no map sees them, and none can recode them past the list. Where the match is about the whole message, or no order is
left, nothing leaves. What leaves is looked at once more. A document (OBX-2 = ED or RP) cannot be looked into: it does not leave for a
destination that withholds, unless that says `documents: whole` or the message comes from the programme, which composes its summaries
without what is withheld.

A reason names the category and never a code. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.channel.privacy.sensitive import Found, Sensitive, holds_document
from hl7bridge.channel.privacy.share import Share
from hl7bridge.channel.rules.scope import rank_of
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.hl7.escape import escape
from hl7bridge.hl7.message import Message, Segment

DOCUMENT: Final = "withheld: a document cannot be looked into"
#: Segments whose first field counts them (a set ID). RXD-1 is the fill's number and stays.
_COUNTED: Final = (b"OBR", b"OBX", b"FT1", b"SPM", b"TQ1", b"DG1", b"PR1", b"NTE")
#: Placer and filler order number, and the prescription's number.
_ORDER_NUMBERS: Final = {b"ORC": (2, 3), b"OBR": (2, 3), b"RXE": (15,), b"RXD": (7,)}
_PATIENT: Final = 1


def reason_of_category(categories: frozenset[str]) -> str:
    """The refusal of a delivery; of several categories the first by name."""
    return f"withheld: {min(categories)}"


class Privacy(NamedTuple):
    """What one destination does not get. `share` None: every field leaves."""

    sensitive: Sensitive
    categories: frozenset[str]
    share: Share | None
    documents_whole: bool
    notices: Mapping[str, str]

    def refusal(self, leaving: Message, source: str | None, *, clean: bool = False) -> str | None:
        """Why a message that is ready must not leave, or None. PID-7 of it says nothing: a map may have masked it.

        `clean`: nothing was found in the message as it came, so only what maps have changed is looked at.
        """
        if not self.documents_whole and source != PROGRAMME and holds_document(leaving):
            return DOCUMENT
        for _, categories in self.sensitive.hits(leaving, changed=clean):
            if mine := categories & self.categories:
                return reason_of_category(mine)
        return None

    def refusal_of_came(self, leaving: Message, came: Message, on: date | None) -> str | None:
        """Why what was made of a message earlier must not leave now, or None: the patient or the visit is of a withheld category, or
        an order of one is still there by its number, though a map may have recoded what it is for.
        """
        found = self.sensitive.found(came, on)
        if found is None:
            return None
        if mine := found.whole & self.categories:
            return reason_of_category(mine)
        withheld = [order for order in found.orders if order.categories & self.categories]
        if not withheld:
            return None
        segments = came.segments
        inside = [segment for order in withheld for segment in segments[order.first : order.behind]]
        known = {id(segment) for segment in inside}
        others = _numbers([segment for segment in segments if id(segment) not in known])
        if (_numbers(inside) - others) & _numbers(leaving.segments):
            categories = frozenset[str]().union(*(order.categories for order in withheld))
            return reason_of_category(categories & self.categories)
        return None

    def noticed(self, message: Message, withheld: frozenset[str]) -> Message:
        """The message with the notices that the site has written for categories of which something was withheld, as NTE behind PID
        and PD1; the very one where there is none.
        """
        texts = dict.fromkeys(self.notices[name] for name in sorted(withheld) if name in self.notices)
        if not texts:
            return message
        made = message.copy()
        segments = made.segments
        at = next((index for index, segment in enumerate(segments) if segment.name == b"PID"), 0)
        number = 1
        while at + 1 < len(segments) and segments[at + 1].name in (b"PD1", b"NTE"):
            at += 1
            number += segments[at].name == b"NTE"
        for text in texts:
            note = Segment.make(b"NTE", made.delimiters, made.charset)
            note.set_field(1, b"%d" % number)
            note.set_field(3, escape(made.charset.encode(text), made.delimiters))
            made.insert(at, note)
            at, number = at + 1, number + 1
        return made


def _numbers(segments: Sequence[Segment]) -> set[bytes]:
    """The order and prescription numbers in these segments."""
    found: set[bytes] = set()
    for segment in segments:
        for number in _ORDER_NUMBERS.get(segment.name, ()):
            if value := segment.field(number):
                found.add(value)
    return found


def without(message: Message, found: Found, categories: frozenset[str]) -> Message | None:
    """The message without the orders of these categories, its set IDs counting on; None where no order is left."""
    gone = [order for order in found.orders if order.categories & categories]
    if len(gone) == found.of:
        return None
    made = message.copy()
    before = made.segments
    dropped = {index for order in gone for index in range(order.first, order.behind)}
    _renumber(before, dropped)
    left = [segment for index, segment in enumerate(before) if index not in dropped]
    end = before[0].end
    if end and left and not left[-1].end:
        left[-1].end_with(end)
    made.segments[:] = left
    # Read anew, so that it is in no way the whole message: its `raw` is what is left.
    return Message(made.emit(), message.fallback)


def _renumber(segments: Sequence[Segment], dropped: set[int]) -> None:
    """Set IDs that counted through a patient's orders count through what is left; those that began anew in each stay."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    patient = 0
    for index, segment in enumerate(segments):
        if rank_of(segment.name) == _PATIENT:
            patient += 1
        elif segment.name in _COUNTED:
            groups.setdefault((patient, segment.name), []).append(index)
    for indexes in groups.values():
        if len(indexes) < 2 or dropped.isdisjoint(indexes):
            continue
        written = [segments[index].field(1) for index in indexes]
        if not all(value.isdigit() and int(value) == at for at, value in enumerate(written, 1)):
            continue
        left = [index for index in indexes if index not in dropped]
        for number, index in enumerate(left, 1):
            segment = segments[index]
            if int(segment.field(1)) != number:
                segment.set_field(1, b"%d" % number)

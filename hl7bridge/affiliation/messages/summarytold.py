"""What is kept of a visit summary that was sent: enough to replace it or to take it back.

Refuses to know stores. Raises ValueError for bytes in no known format.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from typing import Final

from hl7bridge.affiliation.facts.data import packed, unpacked
from hl7bridge.affiliation.facts.facts import PersonFact, VisitKey
from hl7bridge.affiliation.messages.recipient import Recipient

#: The first byte of what is kept of a summary.
MARK: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class SummaryTold:
    """A summary as it was sent. `first` is OBR-3 of an ORU, `before` the document that it replaced, and when that was sent."""

    number: str
    first: str
    sent: datetime
    key: VisitKey
    day: date
    person: PersonFact
    as_oru: bool
    reader: Recipient | None
    before: tuple[str, datetime] | None = None


def packed_summary(sent: SummaryTold) -> bytes:
    """A summary's bytes."""
    values = [
        sent.number,
        sent.first,
        sent.sent.isoformat(),
        *sent.key,
        sent.day.isoformat(),
        packed(sent.person).decode("utf-8", "surrogatepass"),
        int(sent.as_oru),
        None if sent.reader is None else astuple(sent.reader),
        None if sent.before is None else [sent.before[0], sent.before[1].isoformat()],
    ]
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return MARK + text.encode("utf-8", "surrogatepass")


def unpacked_summary(data: bytes) -> SummaryTold:
    """Raises ValueError for bytes in no known format."""
    if data[:1] != MARK:
        raise ValueError("this is no summary")
    v = json.loads(data[1:].decode("utf-8", "surrogatepass"))
    person = unpacked(v[6].encode("utf-8", "surrogatepass"))
    if not isinstance(person, PersonFact):
        raise ValueError("a summary is kept without its patient")
    reader = None if v[8] is None else Recipient(*v[8])
    before = v[9] if len(v) > 9 else None  # a store may hold some that end before it
    return SummaryTold(
        v[0],
        v[1],
        datetime.fromisoformat(v[2]).astimezone(UTC),
        VisitKey(v[3], v[4]),
        date.fromisoformat(v[5]),
        person,
        bool(v[7]),
        reader,
        None if before is None else (before[0], datetime.fromisoformat(before[1]).astimezone(UTC)),
    )

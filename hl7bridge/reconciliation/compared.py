"""What needs a look: messages that have not ended well, the two books held against each other, and the hospital's list.

Pieces are counted, and not sendings: two pharmacies may number their messages alike, and a replay repeats a number. Raises what
a store raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from hl7bridge.channel.deciding.plan import sequence_of
from hl7bridge.reconciliation.day import Day
from hl7bridge.reconciliation.ledger import Ledger
from hl7bridge.reconciliation.walk import Walk
from hl7bridge.store.base import DAY_US, DeliveryStatus, MessageQuery, MessageRow, StoreReader

#: Control IDs of their list that are looked for on other days, and how far.
MOST_STRANGE: Final = 1_000
_DAYS_BEFORE: Final = 31


class Kind(StrEnum):
    """Why something needs a look, in the order in which it is told. `ELSEWHERE` needs none: it is of another day."""

    BOOKS = "the books differ"
    FAILED = "failed"
    QUEUED = "still queued"
    WITHHELD = "withheld"
    LACKED = "they lack"
    UNSENT = "we did not send"
    UNACCEPTED = "they have, and we know of no acceptance"
    TWICE = "they have twice"
    ELSEWHERE = "of another day"


class Finding(NamedTuple):
    """`control_id` as it was received, `sent` as it left or as they have it; None where there is no message or delivery of ours."""

    kind: Kind
    control_id: str
    sent: str
    message: int | None
    delivery: int | None
    at_us: int | None
    why: str


_ENDED: Final = """
SELECT m.control_id, (SELECT min(t.sent) FROM try t WHERE t.original = m.id), m.id,
    (SELECT max(t.delivery) FROM try t WHERE t.original = m.id), m.received_us, m.reason, m.pieces, m.delivered
FROM message m WHERE m.end = :end ORDER BY m.id
"""
_TRAIL_ONLY: Final = """
SELECT a.message, a.delivery, a.at_us FROM accepted a LEFT JOIN try t USING (delivery)
WHERE t.delivery IS NULL OR t.status <> 2 ORDER BY a.delivery
"""
_STORE_ONLY: Final = """
SELECT t.original, t.delivery, t.at_us, t.sent FROM try t LEFT JOIN accepted a USING (delivery)
WHERE a.delivery IS NULL AND t.status = 2 AND t.at_us >= :since AND t.at_us < :until ORDER BY t.delivery
"""
_LACKED: Final = """
SELECT coalesce(m.control_id, ''), o.sent, o.original, o.delivery, o.at_us, o.pieces, coalesce(h.count, 0)
FROM (
    SELECT sent, count(DISTINCT original || '.' || piece) AS pieces, min(original) AS original, max(delivery) AS delivery,
        max(at_us) AS at_us
    FROM try WHERE status = 2 AND at_us >= :since AND at_us < :until GROUP BY sent
) o
LEFT JOIN (SELECT id, count(*) AS count FROM theirs GROUP BY id) h ON h.id = o.sent
LEFT JOIN message m ON m.id = o.original
WHERE coalesce(h.count, 0) < o.pieces ORDER BY o.delivery
"""
_THEIRS: Final = """
SELECT h.id, h.count, h.line, count(t.delivery), count(DISTINCT t.original || '.' || t.piece), sum(t.status = 2),
    min(t.original), max(t.delivery), max(t.at_us), sum(t.attempts), max(t.doubtful), max(t.replay), max(t.status)
FROM (SELECT id, count(*) AS count, min(line) AS line FROM theirs GROUP BY id) h LEFT JOIN try t ON t.sent = h.id
GROUP BY h.id HAVING count(t.delivery) = 0 OR sum(t.status = 2) = 0
    OR h.count > count(DISTINCT t.original || '.' || t.piece) ORDER BY h.line
"""


class Compared:
    """The findings of a ledger."""

    def __init__(self, reader: StoreReader, day: Day, ledger: Ledger, walk: Walk) -> None:
        self._reader = reader
        self._day = day
        self._ledger = ledger
        self._walk = walk

    def ends(self, kind: Kind) -> Iterator[Finding]:
        """Messages that have ended so."""
        for control_id, sent, id_, delivery, at_us, reason, pieces, delivered in self._ledger.ask(
            _ENDED, end=str(kind)
        ):
            some = f"{delivered} of {pieces} delivered; " if delivered else ""
            yield Finding(kind, control_id, sent or "", id_, delivery, at_us, some + reason)

    def books(self) -> Iterator[Finding]:
        """Where the audit trail and the deliveries do not say the same of what was accepted on the day."""
        for message, delivery, at_us in self._ledger.ask(_TRAIL_ONLY):
            why = "accepted by the audit trail; the store has no such delivery, or it is not sent"
            yield Finding(Kind.BOOKS, "", "", message, delivery, at_us, why)
        for message, delivery, at_us, sent in self._ledger.ask(
            _STORE_ONLY, since=self._day.since_us, until=self._day.until_us
        ):
            yield Finding(
                Kind.BOOKS,
                "",
                sent,
                message,
                delivery,
                at_us,
                "sent by the store; the audit trail has no such disclosure",
            )

    def list(self) -> Iterator[Finding]:
        """What their list says otherwise."""
        days = {"since": self._day.since_us, "until": self._day.until_us}
        for control_id, sent, original, delivery, at_us, pieces, count in self._ledger.ask(_LACKED, **days):
            why = (
                f"they have {count} of {pieces} messages with this control ID"
                if count
                else "accepted, and not in their list"
            )
            yield Finding(Kind.LACKED, control_id, sent, original, delivery, at_us, why)
        strange = 0
        for row in self._ledger.ask(_THEIRS):
            id_, count, line, tries = row[:4]
            if not tries:
                strange += 1
                yield self._strange(id_, count, line, look=strange <= MOST_STRANGE)
            else:
                yield from self._known(row)

    def _known(self, row: tuple[Any, ...]) -> Iterator[Finding]:
        (
            id_,
            count,
            line,
            tries,
            pieces,
            accepted,
            original,
            delivery,
            at_us,
            attempts,
            doubtful,
            replay,
            status,
        ) = row
        found = self._ledger.one(
            "SELECT coalesce(min(control_id), '') FROM message WHERE id = :id", id=original
        )
        place = (found[0], id_, original, delivery, at_us)
        if not accepted:
            state = DeliveryStatus(status).name
            why = f"line {line}; the delivery is {state} after {attempts} attempts"
            yield Finding(Kind.UNACCEPTED, *place, why)
        if count > pieces:
            yield Finding(
                Kind.TWICE,
                *place,
                f"{count} times from line {line}; {_sent(tries, attempts, doubtful, replay)}",
            )

    def _strange(self, id_: str, count: int, line: int, *, look: bool) -> Finding:
        row = self._elsewhere(id_) if look else None
        times = f"{count} times from line {line}" if count > 1 else f"line {line}"
        if row is not None:
            place = (row.control_id, id_, row.id, None, row.received_us)
            return Finding(Kind.ELSEWHERE, *place, f"{times}; received on another day")
        why = times if look else f"{times}; other days were not looked through for so many"
        return Finding(Kind.UNSENT, "", id_, None, None, None, why)

    def _elsewhere(self, id_: str) -> MessageRow | None:
        """A message of another day that left for the destination under this control ID."""
        for row in self._candidates(id_):
            if any(each.sent == id_ for copy in self._walk.copies(row) for each in copy.tries):
                return row
        return None

    def _candidates(self, id_: str) -> Iterator[MessageRow]:
        number = sequence_of(id_)
        detail = None if number is None or number >= 1 << 62 else self._reader.message(number)
        if detail is not None:
            yield detail.row
        since_us, until_us = self._day.since_us - _DAYS_BEFORE * DAY_US, self._day.until_us + DAY_US
        before, dash, part = id_.rpartition("-")
        for name in (id_, before) if dash and part.isdecimal() else (id_,):
            yield from self._reader.messages(
                MessageQuery(control_id=name, since_us=since_us, until_us=until_us), None, 10
            )


def _sent(tries: int, attempts: int, doubtful: int, replay: int | None) -> str:
    """Whether the second one may be ours."""
    if replay is not None and tries > 1:
        return f"we sent it {tries} times (replay {replay})"
    if doubtful or attempts > tries:
        return f"possible duplicate: {attempts} attempts, of which one had no answer"
    return "we sent it once"

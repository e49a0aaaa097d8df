"""The messages of a day, and what became of each for a destination: from the store into a ledger.

What a destination accepted on the day is read from the audit trail too. That finds what was received on an earlier day, and is a
second book: what it says and what the deliveries say must be the same. Raises what a store raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hl7bridge.engine.delivering.pool import control_id_of
from hl7bridge.reconciliation.day import Day
from hl7bridge.reconciliation.ends import Copy, Try, pieces_of, whole
from hl7bridge.reconciliation.ledger import SENT, Ledger
from hl7bridge.reconciliation.routes import Routes
from hl7bridge.store.base import (
    BODY_BITS,
    AuditRecord,
    DeliveryQuery,
    DeliveryRow,
    MessageQuery,
    MessageRow,
    MessageStatus,
    StoreReader,
)
from hl7bridge.store.rows import audit

PAGE: Final = 500
#: Replays of one message that are looked through, and deliveries of one message.
MOST: Final = 1_000
#: The ends of messages whose sender heard that they were not taken, and sends them again. Stores number their messages alike, so only
#: what is of the same patient is the same message; of what names no patient that cannot be told.
_SENT_AGAIN: Final = """
DELETE FROM message WHERE end = 'failed' AND answer NOT IN ('AA', 'CA', '') AND EXISTS (
    SELECT 1 FROM message later WHERE later.control_id = message.control_id AND later.source = message.source
    AND later.type = message.type AND later.patient = message.patient AND later.patient <> '' AND later.id > message.id
)
"""
_NOT_SENT: Final = """
SELECT a.delivery FROM accepted a LEFT JOIN try t USING (delivery) WHERE t.delivery IS NULL OR t.status <> 2
"""
Progress = Callable[[int], None]
"""Called with how many messages were looked at."""


@dataclass(slots=True)
class Counts:
    """What was counted on the way.

    `received`: messages for the destination, `again` those among them of which the sender heard that they failed, and which it sent
    again. `repeated`: those that a sender repeated word for word because it lost our answer. `replays`: copies that operators made.
    `rejected`: what no channel took, of any source. `carried`: deliveries that were accepted on the day, of messages of another.
    """

    received: int = 0
    repeated: int = 0
    replays: int = 0
    rejected: int = 0
    carried: int = 0
    again: int = 0
    looked: int = 0


class Walk:
    """For one destination and day."""

    def __init__(self, reader: StoreReader, destination: str, day: Day, ledger: Ledger) -> None:
        self._reader = reader
        self._destination = destination
        self._day = day
        self._ledger = ledger
        self.routes = Routes(reader, destination)
        self.counts = Counts()

    def messages(self, progress: Progress) -> None:
        """First, the messages of the day."""
        for row in self._rows():
            self.counts.looked += 1
            self._message(row)
            if self.counts.looked % PAGE == 0:
                progress(self.counts.looked)

    def accepted(self, records: Iterable[AuditRecord]) -> None:
        """Then what was accepted on it by the audit trail, also of messages of other days.

        A delivery and its record are kept in one transaction: what the engine sends meanwhile is in the trail, and looked at again.
        """
        for record in records:
            if record.kind == audit.SENT and record.destination == self._destination and record.delivery:
                self._ledger.accepted(record.delivery, record.message or 0, record.at_us)
        for (delivery,) in list(self._ledger.ask(_NOT_SENT)):
            self._carry(delivery)
        self._ledger.indexed()
        self.counts.again = self._ledger.change(_SENT_AGAIN)

    def sent(self, row: DeliveryRow, control_id: str) -> str:
        """The control ID of what was sent. What is sent as it came has that of the message, and need not be read."""
        if row.payload_ref == row.message_id << BODY_BITS and control_id.isascii() and len(control_id) < 200:
            return control_id
        return control_id_of(self._reader.body(row.payload_ref)).decode("utf-8", "replace").strip()

    def copies(self, row: MessageRow) -> Iterator[Copy]:
        """A message and its replays, and theirs, the oldest first."""
        yield self._copy(row)
        for replay in self._reader.messages(MessageQuery(original=row.id), None, MOST, newest_first=False):
            if replay.is_replay:
                yield from self.copies(replay)

    def _rows(self) -> Iterator[MessageRow]:
        query, after = MessageQuery(since_us=self._day.since_us, until_us=self._day.until_us), None
        while page := self._reader.messages(query, after, PAGE, newest_first=False):
            yield from page
            after = page[-1].id

    def _copy(self, row: MessageRow) -> Copy:
        query = DeliveryQuery(message_id=row.id, destination=self._destination)
        rows = self._reader.deliveries(query, None, MOST)
        return Copy(row, [Try(each, self.sent(each, row.control_id)) for each in rows])

    def _message(self, row: MessageRow) -> None:
        counts = self.counts
        if row.original is not None:
            if row.status is MessageStatus.DUPLICATE:
                counts.repeated += self._was_for_it(row.original)
            else:
                counts.replays += bool(self._copy(row).tries)
            return
        if row.status is MessageStatus.REJECTED and not row.outcomes:
            counts.rejected += 1
            return
        looked = self.routes.looked(row)
        if not looked and row.version not in self.routes.unknown:
            return
        copies = list(self.copies(row))
        pieces = pieces_of(copies, {each for copy in copies for each in self.routes.of(copy.row.version)})
        worst = whole(pieces)
        # Counted apart from the ends: where one were missing, the sums would differ.
        counts.received += looked or worst is not None
        if worst is not None:
            self._ledger.message(row, worst, pieces)

    def _was_for_it(self, original: int) -> bool:
        if self._ledger.one("SELECT count(*) FROM message WHERE id = :id", id=original)[0]:
            return True
        detail = self._reader.message(original)
        return detail is not None and self.routes.looked(detail.row)

    def _carry(self, delivery: int) -> None:
        """What was accepted on the day and received on another, or is a replay of that."""
        row = self._reader.delivery(delivery)
        detail = None if row is None else self._reader.message(row.message_id)
        if row is None or detail is None or int(row.status) != SENT:
            return  # gone, or no longer sent: the two books differ
        if self._ledger.change(
            "UPDATE try SET status = 2, at_us = :at WHERE delivery = :id", at=row.at_us, id=delivery
        ):
            return
        self.counts.carried += 1
        original = self._original(detail.row)
        made = [piece for piece in pieces_of(list(self.copies(original)), ()) if piece.tries]
        for number, piece in enumerate(made):
            for each in piece.tries:
                if each.row.id == delivery:
                    self._ledger.carried(original.id, number, each)

    def _original(self, row: MessageRow) -> MessageRow:
        """What was replayed, perhaps more than once; the oldest of it that is still kept."""
        while row.original is not None and (earlier := self._reader.message(row.original)) is not None:
            row = earlier.row
        return row

"""Checks an audit trail: that no row of the chain was changed, left out or put in, that heads kept elsewhere still stand in it, that
every delivery which counts as sent has its record, and that the index by patient finds every row.

What it proves: who changes a row must change every row behind it. Whoever can write to the disk can do that too, and make a whole new
chain; only a head that was kept where he cannot reach it shows it. What was cut by retention is not checked: the chain is followed
from the anchor, and a row of it must say that the rows before were taken away.

Works on any store, beside a running engine too. Raises the errors of a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hl7bridge.store.base import COUNTER_BITS, DeliveryQuery, DeliveryStatus, StoreReader
from hl7bridge.store.rows.audit import (
    BEGIN,
    CUT,
    SENT,
    AuditHead,
    AuditRecord,
    AuditRow,
    cut_of,
    link,
    records_of,
)
from hl7bridge.words import counted

#: Rows read at a time.
PAGE: Final = 500
_COUNTER: Final = (1 << COUNTER_BITS) - 1


@dataclass(slots=True)
class Verdict:
    """What a check found. `faults` are sentences, the first bad row first; none means that all is well.

    `first` and `last` are the ends of the chain, `sent` counts the deliveries that were looked for in it.
    """

    first: int
    last: AuditHead
    rows: int = 0
    records: int = 0
    sent: int = 0
    faults: list[str] = field(default_factory=list)


class _Marks:
    """A set of identifiers in one bit each: those of a node lie close together."""

    def __init__(self) -> None:
        self._bits: dict[int, tuple[int, bytearray]] = {}
        self.count = 0

    def add(self, number: int) -> None:
        """Adds one; the lowest of a node comes first."""
        node, counter = number >> COUNTER_BITS, number & _COUNTER
        low, bits = self._bits.setdefault(node, (counter, bytearray()))
        place = counter - low
        if len(bits) <= place >> 3:
            bits.extend(bytes((place >> 3) - len(bits) + 1 + 4096))
        if not bits[place >> 3] & 1 << (place & 7):
            bits[place >> 3] |= 1 << (place & 7)
            self.count += 1

    def discard(self, number: int) -> None:
        """Takes one away, if it is there."""
        low, bits = self._bits.get(number >> COUNTER_BITS, (0, bytearray()))
        place = (number & _COUNTER) - low
        if 0 <= place >> 3 < len(bits) and bits[place >> 3] & 1 << (place & 7):
            bits[place >> 3] ^= 1 << (place & 7)
            self.count -= 1

    def __iter__(self) -> Iterator[int]:
        for node, (low, bits) in self._bits.items():
            for place, byte in enumerate(bits):
                if byte:
                    yield from [
                        node << COUNTER_BITS | low + (place << 3 | bit) for bit in range(8) if byte & 1 << bit
                    ]


def check(reader: StoreReader, heads: Iterable[AuditHead] = ()) -> Verdict:
    """Checks the whole trail. Of `heads` sequence and hash count."""
    sent = _sent(reader)  # before the chain: what is sent meanwhile has its record too
    anchor, page = _begin(reader)
    verdict = Verdict(anchor.sequence + 1, anchor, sent=sent.count)
    wanted = {head.sequence: head for head in heads if head.sequence > anchor.sequence}
    excused = anchor.sequence == 0
    before_begin: int | None = None
    while page:
        for row in page:
            records = _follow(row, verdict, wanted)
            if records is None:
                return verdict
            for record in records:
                if record.kind == SENT and record.delivery is not None:
                    sent.discard(record.delivery)
                elif record.kind == BEGIN:
                    before_begin = record.delivery
                elif record.kind == CUT:
                    excused = excused or record.detail == cut_of(anchor)
            verdict.records += len(records)
        page = reader.audit_rows(page[-1].sequence, PAGE)
    if not excused:
        verdict.faults.append(
            f"the rows up to {anchor.sequence} are gone, and no row of the trail says that retention took them"
        )
    for head in wanted.values():
        if head.sequence > verdict.last.sequence:
            verdict.faults.append(
                f"row {head.sequence}, which was kept as a head, is gone: the trail ends at row {verdict.last.sequence}"
            )
    _without_record(reader, sent, anchor, before_begin, verdict)
    unfound = reader.audit_unfound()
    if unfound is not None:
        verdict.faults.append(f"row {unfound}: the index by patient does not agree with it")
    return verdict


def _begin(reader: StoreReader) -> tuple[AuditHead, list[AuditRow]]:
    """The anchor and the first page behind it; retention may move on between the two questions."""
    for _ in range(5):
        anchor = reader.audit_anchor()
        page = reader.audit_rows(0, PAGE)
        if not page or page[0].sequence == anchor.sequence + 1:
            break
    return anchor, page


def _follow(row: AuditRow, verdict: Verdict, wanted: dict[int, AuditHead]) -> list[AuditRecord] | None:
    """The row's records if it follows the one before; None where the chain breaks."""
    last = verdict.last
    if row.sequence != last.sequence + 1:
        gone = f"rows {last.sequence + 1} to {row.sequence - 1} are"
        if row.sequence == last.sequence + 2:
            gone = f"row {last.sequence + 1} is"
        verdict.faults.append(f"row {last.sequence + 1}: {gone} missing")
        return None
    if link(last.hash, row.sequence, row.at_us, row.data) != row.hash:
        verdict.faults.append(
            f"row {row.sequence}: its hash is not that of its content and of the row before"
        )
        return None
    head = wanted.get(row.sequence)
    if head is not None and head.hash != row.hash:
        verdict.faults.append(
            f"row {row.sequence}: it is not the one that was kept as a head: the trail was written anew up to here"
        )
        return None
    try:
        records = records_of(row)
    except ValueError as error:
        verdict.faults.append(f"row {row.sequence}: {error}")
        return None
    verdict.last = AuditHead(row.sequence, row.at_us, row.hash)
    verdict.rows += 1
    return records


def _sent(reader: StoreReader) -> _Marks:
    """The deliveries that count as sent."""
    found = _Marks()
    after: int | None = None
    query = DeliveryQuery(status=DeliveryStatus.SENT)
    while page := reader.deliveries(query, after, PAGE):
        for row in page:
            found.add(row.id)
        after = page[-1].id
    return found


def _without_record(
    reader: StoreReader, left: _Marks, anchor: AuditHead, before_begin: int | None, verdict: Verdict
) -> None:
    """Deliveries without a record must have been sent before the trail began, or before what is left of it."""
    missing: list[int] = []
    for delivery_id in left if left.count else ():
        if before_begin is not None and delivery_id & _COUNTER <= before_begin:
            continue
        row = reader.delivery(delivery_id)
        if row is None or row.status != DeliveryStatus.SENT or row.at_us <= anchor.at_us:
            continue  # retention took it away meanwhile, it was sent again, or its record was cut
        missing.append(delivery_id)
    if missing:
        named = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        was, has = ("was", "has") if len(missing) == 1 else ("were", "have")
        count = counted(len(missing), "delivery", "deliveries")
        verdict.faults.append(f"{count} {was} sent and {has} no record: {named}")

"""A whole reconciliation: reads a day into a ledger, and says what it comes to. Raises HL7BridgeError."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from hl7bridge.errors import HL7BridgeError
from hl7bridge.reconciliation.compared import Compared, Finding, Kind
from hl7bridge.reconciliation.day import Day
from hl7bridge.reconciliation.ends import End
from hl7bridge.reconciliation.ledger import Ledger
from hl7bridge.reconciliation.theirs import read_theirs
from hl7bridge.reconciliation.walk import Counts, Progress, Walk
from hl7bridge.store.base import StoreReader
from hl7bridge.store.rows.audit import BEGIN, AuditRecord, records_of

_SUMS: Final = """
SELECT end, reason, count(*), sum(pieces) FROM message GROUP BY end, reason ORDER BY 3 DESC, reason
"""
_EVERY: Final = """
SELECT m.control_id, t.sent AS sent_control_id, m.id AS message, m.received_us, m.source, m.type, m.end, m.reason, t.delivery,
    t.channel, t.status, t.attempts, t.at_us, t.replay, (SELECT count(*) FROM theirs h WHERE h.id = t.sent) AS in_their_list
FROM message m LEFT JOIN try t ON t.original = m.id ORDER BY m.id, t.delivery
"""


class Sum(NamedTuple):
    """So many messages ended so, for this reason; they were made into so many deliveries' messages."""

    end: End
    reason: str
    messages: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What a day comes to. `accepted` and `trail`: deliveries accepted on the day by the store and by the audit trail, None where it
    does not reach the day; `theirs`: control IDs of their list; `unknown`: versions whose channels cannot be read any more.
    """

    counts: Counts
    ends: tuple[Sum, ...]
    accepted: int
    trail: int | None
    theirs: int | None
    unknown: tuple[str, ...]

    @property
    def to_account(self) -> int:
        """Messages that must have an end."""
        return self.counts.received - self.counts.again

    @property
    def accounted(self) -> int:
        """Those that have one."""
        return sum(each.messages for each in self.ends)

    @property
    def agree(self) -> bool:
        """Whether every message has one end, and both books say the same."""
        return self.to_account == self.accounted and self.trail in (None, self.accepted)


class Reconciliation:
    """Of a destination and a day. Close it, or use it in a `with`."""

    def __init__(self, reader: StoreReader, destination: str, day: Day) -> None:
        self.destination = destination
        self.day = day
        self._reader = reader
        self._ledger = Ledger()
        self._walk = Walk(reader, destination, day, self._ledger)
        self._theirs: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.__exit__()

    def read(
        self,
        trail: Iterable[AuditRecord],
        theirs: tuple[Path, str | None] | None = None,
        progress: Progress = lambda looked: None,
    ) -> None:
        """Reads all of it. `trail`: the audit trail's records of the day, which are read last; `theirs`: a file and its column."""
        if theirs is not None:
            self._theirs = self._ledger.theirs(read_theirs(*theirs))
        self._walk.messages(progress)
        try:
            self._walk.accepted(trail)
        except ValueError as error:
            raise HL7BridgeError(
                str(error), code="bad-trail", hint="`hl7bridge audit verify` says which row it is"
            ) from None

    def sums(self) -> Sums:
        """What it comes to."""
        rows = self._ledger.ask(_SUMS)
        ends = [Sum(End(end), reason, messages, pieces) for end, reason, messages, pieces in rows]
        order = list(End)
        ends.sort(key=lambda each: order.index(each.end))
        store = "SELECT count(*) FROM try WHERE status = 2 AND at_us >= :since AND at_us < :until"
        return Sums(
            self._walk.counts,
            tuple(ends),
            self._ledger.one(store, since=self.day.since_us, until=self.day.until_us)[0],
            self._ledger.one("SELECT count(*) FROM accepted")[0] if self._reaches() else None,
            self._theirs,
            tuple(sorted(self._walk.routes.unknown)),
        )

    def findings(self) -> Iterator[Finding]:
        """What needs a look, and at last what is of another day."""
        compared = Compared(self._reader, self.day, self._ledger, self._walk)
        if self._reaches():
            yield from compared.books()
        for kind in (Kind.FAILED, Kind.QUEUED, Kind.WITHHELD):
            yield from compared.ends(kind)
        if self._theirs is not None:
            yield from compared.list()

    def _reaches(self) -> bool:
        """Whether the audit trail tells of the whole day: retention may have cut it, and an older program has kept none."""
        if self._reader.audit_anchor().at_us > self.day.since_us and self._reader.audit_anchor().sequence:
            return False
        first = [record for row in self._reader.audit_rows(0, 1) for record in records_of(row)][:1]
        return not any(
            each.kind == BEGIN and each.delivery and each.at_us > self.day.since_us for each in first
        )

    def every(self) -> Iterator[dict[str, Any]]:
        """Each message with each of its deliveries, for a spreadsheet."""
        yield from self._ledger.named(_EVERY)

"""The audit trail as an operator sees it: told of what is shown, listed, checked, and asked for what was disclosed of a patient.

Raises Unrecorded where a view cannot be told, HL7BridgeError.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hl7bridge.affiliation.who.people import Patient
from hl7bridge.channel.written.contract import Contract, contracts_of
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations.acting import Acting, NotRunning, operator
from hl7bridge.operations.reading import PAGE, Reading
from hl7bridge.places import STORE
from hl7bridge.store.audit_check import Verdict, check
from hl7bridge.store.base import (
    AuditHead,
    AuditRecord,
    Batch,
    View,
    records_of,
)

#: Seconds without a word after which an engine counts as stuck for somebody who waits to look at something.
VIEW_S = 10.0
#: How far the times of the audit trail's rows may be out of order, in microseconds.
SLACK_US = 86_400_000_000


class Unrecorded(HL7BridgeError):
    """A view that the audit trail cannot be told of now. Code: `unrecorded`."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A disclosure or a refusal of a patient's data, with whom it concerns: the affiliate's full name (else the destination's), and
    the first day of the agreement's scope by the configuration that decided it, YYYY-MM-DD or None where there is no agreement.
    """

    record: AuditRecord
    full_name: str
    agreement_from: str | None


class Trail(Reading, Acting):
    """The part of `Operations` that is about the audit trail."""

    def view(
        self,
        command: str,
        *,
        message: int | None = None,
        patients: Sequence[int] = (),
        unrecorded: bool = False,
    ) -> bool:
        """Tells the audit trail that this operator is about to look at patients' data; durable when it returns.

        The running engine does it; where none runs, this process does, as the store's one writer for that moment. Where neither is
        possible (the disk is full, the engine hangs, the folder belongs to somebody else) it raises Unrecorded, and nothing shall be
        shown. With `unrecorded` it says False instead of raising: who is paged at night must be able to look at what is broken, says
        so by the option, and answers for it. Raises HL7BridgeError for a folder without a store.
        """
        self.must_be_there()
        asked = {"command": command, "message": message, "patients": list(patients)}
        try:
            try:
                for _ in self.act("view", patience_s=VIEW_S, **asked):
                    pass
            except NotRunning:
                row = View(time.time_ns() // 1000, operator(), command, message, tuple(patients))
                self._keep(row)
        except (HL7BridgeError, OSError) as error:
            if unrecorded:
                return False
            why = error.what if isinstance(error, HL7BridgeError) else "the engine does not answer"
            raise Unrecorded(
                f"the audit trail cannot be told of this view, so nothing is shown: {why}",
                code="unrecorded",
                hint="--unrecorded shows it all the same",
            ) from None
        return True

    def _keep(self, row: View) -> None:
        """Keeps a view without an engine. One that starts meanwhile waits until the store is free."""
        from hl7bridge.store.sqlite.store import SqliteStore  # what only this needs, and takes its time

        store = SqliteStore(self.data / STORE)
        try:
            store.commit(Batch(views=[row]))
        finally:
            store.close()

    def trail(self, since_us: int | None = None, until_us: int | None = None) -> Iterator[AuditRecord]:
        """The records of the audit trail from a time (inclusive) to another (exclusive), oldest first. Raises ValueError at a row that
        cannot be read.
        """
        for record in self._trail(since_us, until_us):
            if (since_us is None or record.at_us >= since_us) and (
                until_us is None or record.at_us < until_us
            ):
                yield record

    def _trail(self, since_us: int | None, until_us: int | None) -> Iterator[AuditRecord]:
        """The same with some more at both ends."""
        after = 0 if since_us is None else self._before(since_us)
        while page := self.reader.audit_rows(after, PAGE):
            for row in page:
                yield from records_of(row)
            after = page[-1].sequence
            if until_us is not None and page[-1].at_us > until_us + SLACK_US:
                return

    def _before(self, since_us: int) -> int:
        """A row before all that are from this time on; clocks that were set back by less than a day are allowed for."""
        low, high = self.reader.audit_anchor().sequence, self.reader.audit_head().sequence
        while low < high:
            middle = (low + high) // 2
            page = self.reader.audit_rows(middle, 1)
            if page and page[0].at_us < since_us - SLACK_US:
                low = middle + 1
            else:
                high = middle
        return low

    def head(self) -> AuditHead:
        """The newest row of the audit trail."""
        return self.reader.audit_head()

    def verify(self, heads: Iterable[AuditHead] = ()) -> Verdict:
        """Checks the audit trail; see `store.audit_check`."""
        return check(self.reader, heads)

    def known_as(self, patient: str) -> Patient:
        """All identifiers of a patient, named as in `patient_key`, those joined by merges among them."""
        return self.known(self.patient_key(patient)).patient

    def disclosures(
        self, patients: Sequence[int], since_us: int | None = None, until_us: int | None = None
    ) -> list[Disclosed]:
        """What was disclosed of these patients from a time to another, and what was refused, in the order of time."""
        after, keys = 0 if since_us is None else self._before(since_us), set(patients)
        found: list[AuditRecord] = []
        while page := self.reader.audit_of(patients, after, PAGE):
            found += [
                record
                for row in page
                for record in records_of(row)
                if record.delivery is not None
                and not keys.isdisjoint(record.patients)
                and (since_us is None or record.at_us >= since_us)
                and (until_us is None or record.at_us < until_us)
            ]
            after = page[-1].sequence
        found.sort(key=lambda record: (record.at_us, record.sequence))
        contracts: dict[str | None, dict[str, Contract]] = {}
        return [self._disclosed(record, contracts) for record in found]

    def _disclosed(self, record: AuditRecord, contracts: dict[str | None, dict[str, Contract]]) -> Disclosed:
        version, name = record.version, record.destination or ""
        if version not in contracts:
            kept = None if version is None else self.reader.configuration(version)
            contracts[version] = {} if kept is None else contracts_of(kept.files)
        contract = contracts[version].get(name, Contract(name))
        return Disclosed(record, contract.full_name, contract.first_days.get(record.scope or ""))

"""The audit trail of a store in memory: its rows in a list, found by looking through all of them."""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.store.memory.state import State
from hl7bridge.store.rows.audit import AuditHead, AuditRow, records_of
from hl7bridge.store.rows.messages import Removed


class AuditTrail:
    """The verbs of a store that concern the trail."""

    _state: State

    def audit_head(self) -> AuditHead:
        """The newest row."""
        return self._state.head

    def audit_anchor(self) -> AuditHead:
        """The last row that retention took away."""
        return self._state.anchor

    def audit_rows(self, after: int = 0, limit: int = 100) -> list[AuditRow]:
        """A page of the trail."""
        return [row for row in self._state.audit if row.sequence > after][:limit]

    def audit_of(self, patients: Sequence[int], after: int = 0, limit: int = 100) -> list[AuditRow]:
        """A page of the rows that tell of these patients."""
        found = [
            row
            for row in self._state.audit
            if row.sequence > after
            and any(not set(patients).isdisjoint(record.patients) for record in records_of(row))
        ]
        return found[:limit]

    def audit_unfound(self) -> int | None:
        """None: there is no index that could be wrong."""
        return None

    def expire_audit(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One step of retention."""
        state = self._state
        gone = 0
        while gone < min(limit, len(state.audit) - 1) and state.audit[gone].at_us < min(before_us, at_us):
            gone += 1
        if gone:
            last = state.audit[gone - 1]
            state.anchor = AuditHead(last.sequence, last.at_us, last.hash)
            del state.audit[:gone]
            gathered = state.gathering()
            gathered.cut(state.anchor, at_us)
            state.chain(gathered)
        return Removed(gone, 0, gone > 0)

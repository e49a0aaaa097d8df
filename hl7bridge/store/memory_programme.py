"""What a store in memory knows for the programme: facts, identifiers of one patient, who is due, what was told."""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.store.memory_state import State
from hl7bridge.store.programme_rows import DueLook, FactRow, NoticeRow


class ProgrammeReads:
    """The verbs of a reader that only the programme asks."""

    _state: State

    def facts(self, patients: Sequence[int]) -> list[FactRow]:
        """What messages said of these patients."""
        wanted = set(patients)
        return [row for place, row in sorted(self._state.facts.items()) if place[0] in wanted]

    def aliases(self, patient: int) -> list[tuple[int, bool]]:
        """The identifiers of the same patient."""
        found = sorted(self._state.aliases.items())
        return [(other, merged) for (key, other), merged in found if key == patient]

    def looks(self, until_us: int, limit: int = 100) -> list[DueLook]:
        """Those to be looked at."""
        looks = self._state.looks
        due = sorted(
            (due_us, patient, news) for patient, (due_us, news) in looks.items() if due_us <= until_us
        )
        return [DueLook(patient, due_us, news) for due_us, patient, news in due[:limit]]

    def notices(self, patients: Sequence[int]) -> list[NoticeRow]:
        """What was told of these patients."""
        wanted = set(patients)
        return [row for place, row in sorted(self._state.notices.items()) if place[0] in wanted]

    def notices_to(self, recipient: str, after_message: int = 0, limit: int = 100) -> list[NoticeRow]:
        """What a recipient was told."""
        rows = [row for row in self._state.notices.values() if row.recipient == recipient]
        rows.sort(key=lambda row: (row.message_id, row.patient, row.subject))
        return [row for row in rows if row.message_id > after_message][:limit]

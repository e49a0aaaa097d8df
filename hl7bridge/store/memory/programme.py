"""What a store in memory knows for the programme: facts, identifiers of one patient, who is due, what was told."""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.store.checks import AT_ONCE
from hl7bridge.store.memory.state import State
from hl7bridge.store.rows.messages import COUNTER_BITS, DAY_US, Removed
from hl7bridge.store.rows.programme import DueLook, FactRow, HeldPatient, Joined, NoticeRow, VerdictRow

_COUNTER = (1 << COUNTER_BITS) - 1


class ProgrammeRows:
    """The verbs of a store that only the programme asks for."""

    _state: State

    def facts(self, patients: Sequence[int]) -> list[FactRow]:
        """What messages said of these patients."""
        wanted = set(patients)
        return [row for place, row in sorted(self._state.facts.items()) if place[0] in wanted]

    def aliases(self, patient: int) -> list[tuple[int, bool]]:
        """The identifiers of the same patient."""
        found = sorted(self._state.aliases.items())
        return [(other, joined.merged) for (key, other), joined in found if key == patient]

    def joined(self, patient: int, other: int) -> Joined | None:
        """What joined two identifiers."""
        return self._state.aliases.get((patient, other))

    def verdicts(self, patient: int) -> list[VerdictRow]:
        """What a person settled."""
        return [row for place, row in sorted(self._state.verdicts.items()) if place[0] == patient]

    def held_patients(self, patients: Sequence[int] | None = None, limit: int = 100) -> list[HeldPatient]:
        """Those who are held for a person."""
        held = self._state.held_patients
        if patients is not None:
            return [held[key] for key in sorted(set(patients)) if key in held][:limit]
        return sorted(held.values(), key=lambda row: (row.since_us, row.patient))[:limit]

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

    def expire_facts(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One step of the retention of facts."""
        state = self._state
        today = at_us // DAY_US
        if today >= max(state.marks, default=today):
            state.marks.setdefault(today, state.counters.message)
        days = [day for day in state.marks if day < before_us // DAY_US]
        if not days:
            return Removed(0, 0, False)
        mark = state.marks[max(days)]
        spoken_of = self._same(
            {row.patient for row in state.facts.values() if row.message_id & _COUNTER > mark}
        )
        facts = [
            at
            for at, row in sorted(state.facts.items())
            if row.message_id & _COUNTER <= mark and row.patient not in spoken_of
        ][:limit]
        notices = [at for at, told in sorted(state.notices.items()) if told.message_id & _COUNTER <= mark][
            : limit - len(facts)
        ]
        for fact in facts:
            del state.facts[fact]
        for notice in notices:
            del state.notices[notice]
        if facts or notices:
            for patient in state.held_patients:
                due_us, news = state.looks.get(patient, (AT_ONCE, -1))
                state.looks[patient] = min(due_us, AT_ONCE), news + 1
        gone = len(facts) + len(notices)
        return Removed(gone, 0, gone == limit)

    def _same(self, patients: set[int]) -> set[int]:
        """These, and all that are joined to them."""
        found, open_ = set(patients), list(patients)
        while open_:
            near = {other for other, _ in self.aliases(open_.pop())} - found
            found |= near
            open_ += near
        return found

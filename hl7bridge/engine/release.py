"""Looking again, at sending, whether a delivery may still leave: what was true when it was decided may have changed.

An affiliate's status, its agreement, the patient's place on its roster, opt-out and what it withholds count as they stand at sending.
What is withheld is looked for in the payload and in the message as it came, of which a map may have recoded or masked a part. Gives a
reason in words that name no patient and no code, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from hl7bridge.affiliation.agreement import Agreement, covered, entitled_by
from hl7bridge.channel.configuration import Configuration
from hl7bridge.channel.withhold import DOCUMENT
from hl7bridge.engine.about import About
from hl7bridge.engine.identity import StoredRoster, day
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import BODY_BITS, StoreReader


class Releasing:
    """`configuration` is the one in force; the service sets it on every reload."""

    def __init__(
        self,
        configuration: Configuration,
        roster: StoredRoster,
        wall_us: Callable[[], int],
        store: StoreReader,
    ) -> None:
        self.configuration = configuration
        self.generation = 1
        self._roster = roster
        self._wall_us = wall_us
        self._store = store

    def look_again(self, destination: str, about: About, payload: bytes) -> str | None:
        """The reason why this delivery must not leave, or None."""
        settings = self.configuration.destinations.get(destination)
        if settings is None:
            return "the destination is no longer configured"
        if settings.status == "shadow":
            return f"{destination} is in shadow: decided and kept, not sent"
        if settings.processing is not None:
            try:
                processing = Message(payload).processing_id.decode("ascii", "replace")
            except HL7BridgeError:
                return "its header cannot be read"
            if processing not in settings.processing:
                return f"{destination} is sent MSH-11 = {' or '.join(settings.processing)} only"
        today = datetime.fromtimestamp(self._wall_us() / 1e6, UTC).date()
        reason = self._withheld(destination, about, payload, today)
        if reason is not None:
            return reason
        return self.not_entitled(destination, about.scope, about.event_date, about.patient_keys)

    def not_entitled(
        self, destination: str, scope: str | None, event_date: int | None, patient_keys: tuple[int, ...]
    ) -> str | None:
        """Why the destination may not be told of a patient's event now, or None; one that is no affiliate may."""
        settings = self.configuration.destinations.get(destination)
        affiliate = None if settings is None else settings.affiliate
        if affiliate is None or scope is None:
            return None
        today = datetime.fromtimestamp(self._wall_us() / 1e6, UTC).date()
        agreement = Agreement(destination, affiliate.agreement)
        now = covered(agreement, scope, today)
        if not now.entitled:
            return now.reason
        rows = [row for row in self._roster.by_keys(patient_keys) if row.affiliate == destination]
        answer = entitled_by(agreement, scope, rows, day(event_date) or today)
        return None if answer.entitled else answer.reason

    def _withheld(self, destination: str, about: About, payload: bytes, today: date) -> str | None:
        privacy = self.configuration.privacies.get(destination)
        if privacy is None or not privacy.categories:
            return None
        raw = self._store.body(about.message_id << BODY_BITS)
        try:
            leaving, came = Message(payload), Message(raw)
        except Unreadable:
            return "withheld: it cannot be read"
        reason = privacy.refusal(leaving, None)
        if reason == DOCUMENT:  # what its source may lift; seldom, so the store is asked now
            detail = self._store.message(about.message_id)
            reason = privacy.refusal(leaving, None if detail is None else detail.row.source)
        return reason or privacy.refusal_of_came(leaving, came, day(about.event_date) or today)

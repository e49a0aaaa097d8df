"""Looking again, at sending, whether a delivery may still leave: what was true when it was decided may have changed.

An affiliate's status, its agreement, the patient's place on its roster and opt-out count as they stand at sending. Gives a reason
in words that name no patient, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from hl7bridge.affiliation.agreement import Agreement, covered, entitled_by
from hl7bridge.channel.configuration import Configuration
from hl7bridge.engine.about import About
from hl7bridge.engine.identity import StoredRoster, day
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.message import Message


class Releasing:
    """`configuration` is the one in force; the service sets it on every reload."""

    def __init__(
        self, configuration: Configuration, roster: StoredRoster, wall_us: Callable[[], int]
    ) -> None:
        self.configuration = configuration
        self.generation = 1
        self._roster = roster
        self._wall_us = wall_us

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
        affiliate = settings.affiliate
        if affiliate is None or about.scope is None:
            return None
        agreement = Agreement(destination, affiliate.agreement)
        today = datetime.fromtimestamp(self._wall_us() / 1e6, UTC).date()
        now = covered(agreement, about.scope, today)
        if not now.entitled:
            return now.reason
        rows = [row for row in self._roster.by_keys(about.patient_keys) if row.affiliate == destination]
        answer = entitled_by(agreement, about.scope, rows, day(about.event_date) or today)
        return None if answer.entitled else answer.reason

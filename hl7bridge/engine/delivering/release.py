"""Looking again, at sending, whether a delivery may still leave: what was true when it was decided may have changed.

An affiliate's status, its agreement, the patient's place on its roster, opt-out and what it withholds count as they stand at sending.
What is withheld is looked for in the payload and in the message as it came, of which a map may have recoded or masked a part. Gives a
reason in words that name no patient and no code, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from hl7bridge.affiliation.who.agreement import NOT_ON_ROSTER, OPTED_OUT, Agreement, covered, entitled_by
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.loading.folder import is_yaml
from hl7bridge.channel.privacy.withhold import DOCUMENT
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.engine.keeping.about import About
from hl7bridge.engine.keeping.identity import StoredRoster, day
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import BODY_BITS, MessageRow, StoreReader

COMPOSED_BEFORE = "withheld: it was composed before the rules of what is withheld changed"
#: Tables that say what is withheld, and what products are made of.
_TABLES = frozenset({"withheld.csv", "medicines.csv", "ingredients.csv"})


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
            return self._provider_withheld(destination, about)
        raw = self._store.body(about.message_id << BODY_BITS)
        try:
            leaving, came = Message(payload), Message(raw)
        except Unreadable:
            return "withheld: it cannot be read"
        reason = privacy.refusal(leaving, None)
        if reason == DOCUMENT:  # what its source may lift; seldom, so the store is asked now
            detail = self._store.message(about.message_id)
            reason = privacy.refusal(leaving, None if detail is None else detail.row.source)
            if reason is None and detail is not None:
                reason = self._composed_before(detail.row)
        return reason or privacy.refusal_of_came(leaving, came, day(about.event_date) or today)

    def _provider_withheld(self, destination: str, about: About) -> str | None:
        """The same for the outboxes of those who have no affiliation, where `providers:` withholds."""
        settings, wish = self.configuration.destinations[destination], self.configuration.engine.providers
        if wish is None or not wish.withhold or (settings.documents is None and settings.smtp is None):
            return None
        detail = self._store.message(about.message_id)
        if detail is None or detail.row.source != PROGRAMME:
            return None
        return self._composed_before(detail.row)

    def _composed_before(self, row: MessageRow) -> str | None:
        """Why a document that the programme composed must not leave now, or None: nobody can look into it, so it leaves only while
        what is withheld, and how that is recognised, stands as it stood then. A copy that a replay made holds what was composed for
        its original.
        """
        while row.original is not None:
            detail = self._store.message(row.original)
            if detail is None:
                return COMPOSED_BEFORE
            row = detail.row
        version = row.version
        if version == self.configuration.version:
            return None
        kept = self._store.configuration(version)
        if kept is not None and _withholding(kept.files) == _withholding(self.configuration.files):
            return None
        return COMPOSED_BEFORE


def consent_of(reason: str | None) -> bool:
    """Whether a delivery that did not leave for this reason may be made anew later: its patient's place on the roster, the agreement,
    or the rules of what is withheld stood in its way, and nobody's decision about this delivery.
    """
    return reason in (OPTED_OUT, NOT_ON_ROSTER, COMPOSED_BEFORE) or (reason or "").startswith(
        "the agreement "
    )


def _withholding(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that bear on what is withheld."""
    return {
        path: data
        for path, data in files.items()
        if path.rpartition("/")[2] in _TABLES or (is_yaml(path) and b"withhold" in data)
    }

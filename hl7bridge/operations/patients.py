"""What an operator may ask of patients: a chart, who is held for a person, what was disclosed under a merge, an affiliate's report.

Refuses to know sockets and pages. Raises HL7BridgeError.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hl7bridge import shipped
from hl7bridge.affiliation.alerts.chart import Chart, chart_of
from hl7bridge.affiliation.facts.facts import PersonFact
from hl7bridge.affiliation.report.lines import Period
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.affiliation.tables.medicines import Medicines
from hl7bridge.affiliation.who.people import Patient
from hl7bridge.channel.loading.interactions import interactions_of
from hl7bridge.channel.loading.medicines import medicines_of
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations.reading import Reading
from hl7bridge.store.base import (
    DeliveryStatus,
    MessageQuery,
    MessageRow,
)

if TYPE_CHECKING:
    from hl7bridge.reporting.make import Report

#: Patients held for a person that are looked through.
MOST_HELD = 10_000
_LEFT = (DeliveryStatus.SENT, DeliveryStatus.SENDING)


class Who(NamedTuple):
    """What a message newly said of who a patient is."""

    message_id: int
    numbers: list[str]
    name: str
    born: date | None
    sex: str


class Unsettled(NamedTuple):
    """A patient who is held for a person: since when, why, and who the messages say it is."""

    since_us: int
    held: str
    said: list[Who]


class Disclosure(NamedTuple):
    """A delivery that has reached an affiliate, or may have. `under_old`: the message bore the number that was merged away."""

    at_us: int
    destination: str
    status: DeliveryStatus
    message_id: int
    type: str
    under_old: bool


class Patients(Reading):
    """The part of `Operations` that is about patients."""

    def chart(self, patient: str, on: date) -> tuple[Patient, Chart]:
        """What is known of a patient, named as in `patient_key`, under all identifiers; by the tables of the newest configuration.
        Raises HL7BridgeError, also for a patient of whom no message told.
        """
        known = self.known(self.patient_key(patient))
        if not known.said:
            raise HL7BridgeError(
                "nothing is known of this patient",
                code="unknown-patient",
                hint="only channels with `programme:` tell; `hl7bridge messages --patient` lists what came",
            )
        medicines, listed = self._tables()
        return known.patient, chart_of(known.said.facts(), known.patient.held, medicines, on, listed)

    def unsettled(self, limit: int | None = None) -> Iterator[Unsettled]:
        """Those who are held for a person, at most `limit`, the longest held first; who was settled since a look is left out."""
        return islice(self._unsettled(), limit)

    def _unsettled(self) -> Iterator[Unsettled]:
        seen: set[int] = set()
        for row in self.reader.held_patients(limit=MOST_HELD):
            known = self.known(row.patient)
            if known.patient.held is None or seen.intersection(known.patient.keys):
                continue
            seen.update(known.patient.keys)
            said = [
                Who(
                    each.message_id,
                    [f"{number.number}^{number.authority}" for number in each.fact.numbers],
                    f"{each.fact.family}, {each.fact.given}",
                    each.fact.birth,
                    each.fact.sex,
                )
                for each in sorted(known.said.of(PersonFact), key=lambda each: each.message_id)
            ]
            yield Unsettled(row.since_us, known.patient.held, said)

    def disclosed(self, old: int, surviving: int) -> list[Disclosure]:
        """What affiliates were sent under either number since a merge joined the two, in the order of messages; also what may have
        reached one without its answer. Empty where no merge has joined them.
        """
        joined = self.reader.joined(old, surviving)
        if joined is None or not joined.merged:
            return []
        found: dict[int, MessageRow] = {}
        for key in (old, surviving):
            query = MessageQuery(patient_key=key)
            rows = self.messages(query, after_id=joined.message_id - 1, newest_first=False)
            found.update((row.id, row) for row in rows)
        return [
            Disclosure(each.at_us, each.destination, each.status, row.id, row.type, old in row.patient_keys)
            for _, row in sorted(found.items())
            for each in self.message(row.id).deliveries
            if each.scope is not None and (each.status in _LEFT or each.possible_duplicate)
        ]

    def report(
        self, affiliate: str, begin: date, through: date, to: Path, *, csv: bool = True, pdf: bool = True
    ) -> Report:
        """Makes the periodic report of an affiliate in the folder `to`, by the newest configuration. Both days are inclusive.

        It is a disclosure: what it returns is what the audit trail has to say of it. Raises HL7BridgeError (see reporting.make).
        """
        from hl7bridge.channel.loading.folder import any_secret, load  # most commands need no channel
        from hl7bridge.reporting.make import report  # loads what draws pages

        files = self._files()
        return report(
            self.reader,
            load(files, any_secret, kept=True),
            interactions_of(files, shipped.interactions()),
            affiliate,
            Period(begin, through),
            to,
            csv=csv,
            pdf=pdf,
            made=datetime.now(UTC),
        )

    def _tables(self) -> tuple[Medicines, Interactions]:
        files = self._files()
        return medicines_of(files), interactions_of(files, shipped.interactions())

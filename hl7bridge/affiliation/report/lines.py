"""A periodic report for one affiliate, patient by patient: the alerts of a period, and adherence as it stood at its end.

For an affiliate that wants a list rather than a stream, or beside one. A report tells what held on the events' own days, so that it
can be made again: alerts whose day is in the period and that were in force at its end, by the facts dated until then; and, marked
as *taken back*, those of the period that the affiliate was told by a message and that were over by its end. Adherence (PQA) is that
of the calendar year so far, from the first fill to the period's end, or to death or the end of enrolment where that comes first.

A line needs what an alert needs that is sent: the patient is on the affiliate's roster and has not opted out, and the agreement covers
pharmacy, on the line's day. Of a patient who is held for a person there is no line, and after death no alert. What rests on a
withheld medicine, or names one, is left out as a whole, and every figure of a report is counted from its lines: so no total tells
what a line does not.

Refuses to know stores, files and clocks. Raises ValueError for notices in no known format.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.affiliation.alerts.adherence import Adherence, adherence
from hl7bridge.affiliation.alerts.alerts import Alert, Kind, Thresholds, assess_case
from hl7bridge.affiliation.alerts.case import Case
from hl7bridge.affiliation.alerts.withdrawal import why_withdrawn
from hl7bridge.affiliation.facts.facts import Medicine, PersonFact
from hl7bridge.affiliation.history.history import Dose, history
from hl7bridge.affiliation.messages.alertmessage import AlertTold
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.affiliation.tables.medicines import Medicines
from hl7bridge.affiliation.who.agreement import (
    PHARMACY,
    Agreement,
    enrolled_through,
    entitled_by,
    provider_on,
)
from hl7bridge.affiliation.who.known import Known
from hl7bridge.affiliation.who.roster import RosterRow

NOT_KNOWN_TAKEN: Final = "it is not known whether a fill was taken home"

#: (medicines, birth date, day) -> whether a line about them would give away what is withheld from the affiliate.
Hides = Callable[[Iterable[Medicine], date | None, date], bool]


class Period(NamedTuple):
    """From `begin` through `through`, both inclusive."""

    begin: date
    through: date


class Standing(StrEnum):
    """How an alert of the period stood at its end."""

    IN_FORCE = "in force"
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one affiliate.

    `since`: the first day whose alerts it is told, None for no such bound. `authority` and `identifier_type`: its own patient
    numbers; `others`: authorities whose numbers it must not see. `leaves`: which of number, name and birth its allow-list lets leave.
    """

    agreement: Agreement
    thresholds: Thresholds
    hides: Hides
    since: date | None = None
    authority: str | None = None
    identifier_type: str | None = None
    others: frozenset[str] = frozenset()
    leaves: frozenset[str] = frozenset(("number", "name", "birth"))


class Named(NamedTuple):
    """Whom a line is about, as far as the affiliate may know it."""

    number: str
    authority: str
    family: str
    given: str
    birth: date | None


class Line(NamedTuple):
    """An alert of the period. `reference` is the alert's OBR-3.1 where it was told by a message, "" where it was not."""

    patient: Named
    npi: str | None
    alert: Alert
    standing: Standing
    reason: str
    reference: str


class Measured(NamedTuple):
    """A patient's adherence to the medicines of a class."""

    patient: Named
    npi: str | None
    figure: Adherence


@dataclass(frozen=True, slots=True)
class PatientReport:
    """What a report says of one patient. `listed`: on the roster on some day of the period, and the agreement covered it.

    `held`: nothing is concluded of the patient. `unmapped`: fills of the period, taken home or perhaps, whose medicine the site's
    table does not hold, so that it is neither measured nor screened.
    """

    listed: bool
    held: bool = False
    lines: tuple[Line, ...] = ()
    figures: tuple[Measured, ...] = ()
    unmapped: int = 0


def report_of(
    known: Known,
    rows: Collection[RosterRow],
    told: Iterable[AlertTold],
    medicines: Medicines,
    interactions: Interactions,
    terms: Terms,
    period: Period,
) -> PatientReport:
    """What is reported of one patient, whose rows on the affiliate's roster are `rows`; `told`: its alerts that ever left as messages.

    Neither the order of facts, of rows nor of what was told makes a difference.
    """
    rows = sorted(rows, key=repr)
    if not _listed(terms, rows, period):
        return PatientReport(False)
    if known.patient.held is not None:
        return PatientReport(True, held=True)
    if not known.said:
        return PatientReport(True)
    each = _Patient(known, rows, medicines, terms, period)
    return PatientReport(
        True,
        False,
        tuple(each.lines(told, interactions)),
        tuple(each.figures()) if Kind.ADHERENCE in terms.thresholds.kinds else (),
        each.unmapped(),
    )


def _listed(terms: Terms, rows: Iterable[RosterRow], period: Period) -> bool:
    """Whether there is a day of the period on which the patient may be reported of: one on which something begins will tell."""
    begins = {period.begin, terms.agreement.scopes.get(PHARMACY, date.max)}
    for row in rows:
        if row.valid_from is not None:
            begins.add(row.valid_from)
        if row.valid_through is not None and row.valid_through < period.through:
            begins.add(row.valid_through + timedelta(1))
    return any(
        entitled_by(terms.agreement, PHARMACY, rows, day).entitled
        for day in begins
        if period.begin <= day <= period.through
    )


class _Patient:
    """One patient, at the period's end."""

    def __init__(
        self, known: Known, rows: list[RosterRow], medicines: Medicines, terms: Terms, period: Period
    ) -> None:
        self._facts = known.said.facts()
        self._rows = rows
        self._medicines = medicines
        self._terms = terms
        self._period = period
        self._enrolled_through = enrolled_through(rows)
        self._case = Case(history(self._facts, period.through), medicines, terms.thresholds)
        self._birth = known.person().birth
        self._named = named(known.person(terms.others), terms)

    def _may(self, about: Iterable[Medicine], day: date) -> bool:
        """Whether a line of that day about these medicines may be in the report."""
        return entitled_by(
            self._terms.agreement, PHARMACY, self._rows, day
        ).entitled and not self._terms.hides(about, self._birth, day)

    def lines(self, told: Iterable[AlertTold], interactions: Interactions) -> Iterator[Line]:
        """The alerts."""
        thresholds, period = self._terms.thresholds, self._period
        assessed = assess_case(self._case, self._facts, period.through, self._enrolled_through, interactions)
        if assessed.dead:
            return
        sent: dict[str, AlertTold] = {}
        for each in sorted(told, key=lambda each: each.id, reverse=True):
            sent[each.alert.subject] = each
        in_force = {alert.subject for alert in assessed.alerts}
        for alert in assessed.alerts:
            reference = sent[alert.subject].id if alert.subject in sent else ""
            yield from self._line(alert, Standing.IN_FORCE, alert.reason, reference)
        for subject, each in sorted(sent.items()):
            if subject not in in_force and each.alert.kind in thresholds.kinds:
                why = why_withdrawn(each.alert, self._case.known)
                yield from self._line(each.alert, Standing.TAKEN_BACK, f"{each.alert.reason} {why}", each.id)

    def _line(self, alert: Alert, standing: Standing, reason: str, reference: str) -> Iterator[Line]:
        since = max(self._period.begin, self._terms.since or date.min)
        if not since <= alert.day <= self._period.through:
            return
        of = () if alert.prescription is None else (alert.prescription,)
        fills = set(alert.fills)
        if standing is Standing.TAKEN_BACK:  # why it was may rest on any fill of the prescription
            fills.update(fill.key for fill in self._case.known.fills if fill.key.prescription in of)
        # What was told long ago may rest on more than was known then.
        behind = {*alert.medicines, *self._case.concerned(fills, of)}
        if self._may(behind, alert.day):
            yield Line(self._named, provider_on(self._rows, alert.day), alert, standing, reason, reference)

    def figures(self) -> Iterator[Measured]:
        """Adherence to each class of which something was dispensed in the year."""
        life = self._case.known.life
        last = min(
            self._period.through, self._enrolled_through or date.max, (life.dead and life.died) or date.max
        )
        if last < self._period.begin:
            return
        begin = date(self._period.through.year, 1, 1)
        measures = self._terms.thresholds.measures
        doses: dict[str, list[Dose]] = {}
        for dose in self._case.doses:
            if begin.toordinal() <= dose.day <= last.toordinal():
                for class_ in self._case.classes(dose.ingredients):
                    doses.setdefault(class_, []).append(dose)
        for class_ in sorted(doses):
            if self._terms.thresholds.measured is not None and class_ not in self._terms.thresholds.measured:
                continue
            # Not only the fills that count: one that is in doubt, or excludes, is behind the reason.
            resting = [*doses[class_], *doses.get(measures.excluded_by.get(class_, ""), ())]
            if not self._may(self._case.concerned(dose.fill.key for dose in resting), last):
                continue
            figure = adherence(
                self._case.known, self._medicines, class_, begin, last, measures, self._enrolled_through
            )
            if figure.first is None:
                figure = replace(figure, reason=NOT_KNOWN_TAKEN)
            yield Measured(self._named, provider_on(self._rows, last), figure)

    def unmapped(self) -> int:
        """Fills of medicines that the site's table does not hold."""
        begin, through = (day.toordinal() for day in self._period)
        return sum(
            not dose.ingredients
            and begin <= dose.day <= through
            and self._may(self._case.concerned((dose.fill.key,)), date.fromordinal(dose.day))
            for dose in self._case.doses
        )


def named(person: PersonFact, terms: Terms) -> Named:
    """A patient by the affiliate's own number, else by the first that it may see, and by no more than its allow-list lets leave."""
    numbers = [each for each in person.numbers if "number" in terms.leaves]
    own = [each for each in numbers if terms.authority and each.authority == terms.authority]
    of_type = [each for each in own if each.kind == terms.identifier_type]
    first = next(iter(of_type or own or numbers), None)
    name = "name" in terms.leaves
    return Named(
        "" if first is None else first.number,
        "" if first is None else first.authority,
        person.family if name else "",
        person.given if name else "",
        person.birth if "birth" in terms.leaves else None,
    )

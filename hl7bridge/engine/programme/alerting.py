"""Alerts, for affiliates: which hold by each one's thresholds, and which of them it may be told.

Nothing is told of a patient who has died, nor taken back, and what still waits does not leave; nothing that happened before
`alerts_from`; nothing that the affiliate is not entitled to on its day; and no alert that names or rests on a medicine that is
withheld from it. What became true over a year ago is history: it is not told any more, nor taken back. Refuses to know stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

from hl7bridge import shipped
from hl7bridge.affiliation.alerts.alerts import Alert, Assessment, assess
from hl7bridge.affiliation.alerts.case import Thresholds
from hl7bridge.affiliation.alerts.notices import Act, State, Step, Told, steps
from hl7bridge.affiliation.alerts.withdrawal import WRONG_PATIENT, why_withdrawn
from hl7bridge.affiliation.facts.facts import FillFact, OrderFact
from hl7bridge.affiliation.history.history import EVENTS, history
from hl7bridge.affiliation.messages.alertmessage import (
    MARK,
    AlertTold,
    alert_message,
    packed_alert,
    unpacked_alert,
)
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.affiliation.who.agreement import (
    PHARMACY,
    Agreement,
    enrolled_through,
    entitled_by,
    provider_on,
)
from hl7bridge.affiliation.who.known import Known
from hl7bridge.affiliation.who.roster import RosterRow
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.loading.interactions import interactions_of
from hl7bridge.channel.settings import Affiliate
from hl7bridge.engine.programme.telling import Looked, Plan, Telling, Words

#: A patient on nobody's roster is looked at again after so long: who is enrolled meanwhile is told what falls due after that.
ENROLLED_WITHIN = timedelta(days=28)
#: An alert that became true longer ago is neither told nor taken back, since nobody acts on it, unless it was of the wrong patient.
TOLD_FOR = timedelta(days=366)


class Alerting:
    """The speaker of alerts. `subject` gives the key of a subject's words."""

    slow = False

    def __init__(self, subject: Callable[[str], int]) -> None:
        self._subject = subject
        self._listed: tuple[str, Interactions] | None = None

    def plan(self, looked: Looked, configuration: Configuration) -> Plan:
        """The steps for every affiliate that is told alerts."""
        cases = _Assessments(looked, configuration, self._interactions(configuration))
        found: list[Telling] = []
        for name, affiliate in looked.affiliates(configuration):
            if affiliate.alerts_from is not None:
                assessed = cases.of(affiliate, looked.rows.get(name, ()))
                found += self._for_one(looked, name, affiliate, assessed, configuration)
        if cases.made:
            return Plan(found, cases.next_day)
        asks = looked.known.said.tells(OrderFact, FillFact)
        return Plan((), looked.today + ENROLLED_WITHIN if asks else None)

    def _interactions(self, configuration: Configuration) -> Interactions:
        """The list of the configuration in force, read once."""
        if self._listed is None or self._listed[0] != configuration.version:
            found = interactions_of(configuration.files, shipped.interactions())
            self._listed = configuration.version, found
        return self._listed[1]

    def _for_one(
        self,
        looked: Looked,
        name: str,
        affiliate: Affiliate,
        assessed: Assessment,
        configuration: Configuration,
    ) -> Iterator[Telling]:
        told = looked.told_by(MARK, name)

        def wrong(each: Told) -> bool:
            return _of_another(looked, each)

        if assessed.dead or not looked.person(configuration.authorities_but(name)).numbers:
            for each in told:
                misfiled = wrong(each)
                if each.state is State.TOLD and (misfiled or assessed.dead):
                    step = Step(Act.WITHDRAW, each.subject, each)
                    yield Telling(name, step, self, looked, wrong=misfiled, quietly=not misfiled)
            return
        alerts = {self._subject(alert.subject): alert for alert in assessed.alerts}
        agreement, rows = Agreement(name, affiliate.agreement), looked.rows.get(name, ())
        tellable = {
            key
            for key, alert in alerts.items()
            if affiliate.alerts_from is not None
            and alert.day >= max(affiliate.alerts_from, looked.today - TOLD_FOR)
            and not _withheld(name, looked.known, alert, configuration)
            and entitled_by(agreement, PHARMACY, rows, alert.day).entitled
        }
        kinds = affiliate.thresholds.kinds

        def judged(each: Told) -> bool:
            alert = unpacked_alert(each.data).alert
            return alert.kind in kinds and alert.day >= looked.today - TOLD_FOR

        for step in steps(alerts, lambda subject: 0, tellable, told, judged, wrong):
            alert = alerts.get(step.subject)
            npi = None if alert is None else provider_on(rows, alert.day)
            misfiled = step.act is Act.WITHDRAW and step.told is not None and wrong(step.told)
            yield Telling(name, step, self, looked, (alert, npi), misfiled)

    def say(self, telling: Telling, number: int, configuration: Configuration, at: datetime) -> Words:
        """The alert as ORU^R01, under every number of the patient but those of other affiliates."""
        alert, npi = telling.about
        before, known = telling.step.told, telling.looked.known
        patient = known.key_of(alert.fills) if before is None else before.patient
        name = self._subject(f"{patient}\x00{telling.recipient}\x00{alert.subject}")
        id_ = f"{name & (1 << 64) - 1:016x}" + (f"-{number}" if number > 1 else "")
        person = telling.looked.person(configuration.authorities_but(telling.recipient))
        words = AlertTold(id_, person, npi, alert)
        return Words(alert_message(words, telling.recipient, id_ + "F", at), packed_alert(words), 0, patient)

    def unsay(self, telling: Telling, configuration: Configuration, at: datetime) -> bytes:
        """What takes an alert back, for the same numbers of the patient as it was told."""
        told = telling.step.told
        assert told is not None
        words = unpacked_alert(told.data)
        if telling.wrong:
            return alert_message(words, told.recipient, words.id + "W", at, WRONG_PATIENT, wrong_patient=True)
        why = why_withdrawn(words.alert, history(telling.looked.known.said.facts(*EVENTS), date.max))
        return alert_message(words, told.recipient, words.id + "C", at, why)

    def continues(self, told: Told) -> bool:
        """An alert replaces none."""
        return False


def _of_another(looked: Looked, told: Told) -> bool:
    """Whether an alert was told of the wrong patient: under a number, or for a fill, that a verdict says is another's."""
    if not looked.known.patient.apart:
        return False
    words = unpacked_alert(told.data)
    if any(map(looked.is_another, words.person.numbers)):
        return True
    mine = {each.fact.fill for each in looked.known.said.of(FillFact)}
    return not mine.issuperset(words.alert.fills)


def _withheld(name: str, known: Known, alert: Alert, configuration: Configuration) -> bool:
    """Whether an alert would give away what is withheld from an affiliate: it is told as a whole, or not at all."""
    privacy = configuration.privacies.get(name)
    if privacy is None or not privacy.categories:
        return False
    found = configuration.withheld.categories_about(alert.medicines, known.person().birth, alert.day)
    return not privacy.categories.isdisjoint(found)


class _Assessments:
    """Assessments of one patient, each made once; affiliates often have the same thresholds."""

    def __init__(self, looked: Looked, configuration: Configuration, listed: Interactions) -> None:
        self._facts = looked.known.said.facts(*EVENTS)
        self._medicines = configuration.medicines
        self._listed = listed
        self._today = looked.today
        self.made: list[tuple[Thresholds, date | None, Assessment]] = []

    def of(self, affiliate: Affiliate, rows: Sequence[RosterRow]) -> Assessment:
        """By an affiliate's thresholds; adherence is measured no longer than the patient is on its roster."""
        through = enrolled_through(rows)
        for thresholds, until, assessed in self.made:
            if thresholds == affiliate.thresholds and until == through:
                return assessed
        assessed = assess(
            self._facts, self._medicines, affiliate.thresholds, self._today, through, self._listed
        )
        self.made.append((affiliate.thresholds, through, assessed))
        return assessed

    @property
    def next_day(self) -> date | None:
        """The first day on which any of them may change by itself."""
        return min((made.next_day for _, _, made in self.made if made.next_day is not None), default=None)

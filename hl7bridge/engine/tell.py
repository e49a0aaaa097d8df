"""What the programme tells of one patient, worked out of the facts and of what was told before, as ordinary messages.

For each affiliate: the alerts that hold by its thresholds, compared with those it was told. What is new enters as a message
through the source `programme`, in one transaction with the note that it was told; what holds no more is taken back the same way.
An alert that never left is cancelled instead, so that nobody reads of something that is over. What was told of a patient who
turned out to be the wrong one, since a person parted numbers, is taken back as such and told anew of the right one. Nothing is
told of a patient who has died or who is held for a person, nothing that happened before `alerts_from`, and nothing that the
affiliate is not entitled to on its day.

Raises the kinds of StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

from hl7bridge import shipped
from hl7bridge.affiliation.agreement import Agreement, entitled_by
from hl7bridge.affiliation.alertmessage import AlertTold, alert_message, packed_alert, unpacked_alert
from hl7bridge.affiliation.alerts import Alert, Assessment, assess
from hl7bridge.affiliation.case import Thresholds
from hl7bridge.affiliation.facts import FillFact, PatientNumber
from hl7bridge.affiliation.history import history
from hl7bridge.affiliation.interactionlist import Interactions
from hl7bridge.affiliation.known import Known, known_of
from hl7bridge.affiliation.notices import Act, State, Step, Told, steps
from hl7bridge.affiliation.roster import RosterRow
from hl7bridge.affiliation.withdrawal import WRONG_PATIENT, why_withdrawn
from hl7bridge.channel.interactiontable import interactions_of
from hl7bridge.channel.settings import PROGRAMME, Affiliate
from hl7bridge.engine.identity import of_message
from hl7bridge.engine.in_time import decide
from hl7bridge.engine.journal import Kept
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import (
    Batch,
    DeliveryChange,
    DeliveryRow,
    DeliveryStatus,
    MessageStatus,
    NewMessage,
    NoticeRow,
    StoreError,
)

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

#: The scope under which alerts are told: they rest on what the pharmacies know.
SCOPE = "pharmacy"
WITHDRAWN = "taken back before it left: what it says no longer holds"
#: What a delivery is that no hospital has accepted, unless it may be one without our knowing.
_NOT_TAKEN = (DeliveryStatus.QUEUED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)
#: Called when a step is durable, or with the error that kept it from being so.
WhenDone = Callable[[StoreError | None], None]


class Findings(NamedTuple):
    """What is to be told of a patient, and the day on which to look again, None for never."""

    known: Known
    telling: tuple[Telling, ...]
    next_day: date | None


@dataclass(frozen=True, slots=True)
class Telling:
    """One step for one affiliate. `alert` is what holds, None where something is taken back."""

    recipient: str
    step: Step
    alert: Alert | None
    npi: str | None = None


class Teller:
    """For one engine. `told` and `withdrawn` count since the start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listed: tuple[str, Interactions] | None = None
        self.told = 0
        self.withdrawn = 0

    # -- what is to be told ----------------------------------------------------------------------------------------------

    def findings(self, key: int, today: date) -> Findings:
        """What follows from all that is known of the patient of a key."""
        store = self._engine.store
        known = known_of(key, store.aliases, store.facts, store.verdicts)
        if known.patient.held is not None:
            return Findings(known, (), None)
        rows: dict[str, list[RosterRow]] = {}
        for row in self._engine.roster.by_keys(known.patient.keys):
            rows.setdefault(row.affiliate, []).append(row)
        told: dict[str, list[Told]] = {}
        for notice in store.notices(known.patient.keys):
            each = Told(*notice[:4], State(notice.state), *notice[5:])
            told.setdefault(notice.recipient, []).append(each)
        cases = _Assessments(known, self._engine, today, self._interactions())
        found: list[Telling] = []
        for name, affiliate in self._affiliates():
            mine = rows.get(name, [])
            if mine or name in told:
                found += self._for_one(known, name, mine, told.get(name, []), cases.of(affiliate, mine))
            else:
                cases.of(affiliate, mine)  # who is enrolled later is told what falls due after that
        withdrawn = (each.step.told for each in found if each.step.act is Act.WITHDRAW)
        if any(each is not None and self._of_another(known, each) for each in withdrawn):
            # What holds of it is told of the right patient as soon as that is durable.
            return Findings(known, tuple(found), today)
        return Findings(known, tuple(found), cases.next_day)

    def _interactions(self) -> Interactions:
        """The list of the configuration in force, read once."""
        configuration = self._engine.configuration
        if self._listed is None or self._listed[0] != configuration.version:
            found = interactions_of(configuration.files, shipped.interactions())
            self._listed = configuration.version, found
        return self._listed[1]

    def _affiliates(self) -> Iterator[tuple[str, Affiliate]]:
        """Those that are told alerts."""
        for name, settings in self._engine.configuration.destinations.items():
            if settings.affiliate is not None and settings.affiliate.alerts_from is not None:
                yield name, settings.affiliate

    def _for_one(
        self, known: Known, name: str, rows: list[RosterRow], told: list[Told], assessed: Assessment
    ) -> Iterator[Telling]:
        affiliate = self._engine.configuration.destinations[name].affiliate
        if affiliate is None:
            return

        def wrong(each: Told) -> bool:
            return self._of_another(known, each)

        if assessed.dead:
            misfiled = [each for each in told if each.state is State.TOLD and wrong(each)]
            yield from (Telling(name, Step(Act.WITHDRAW, each.subject, each), None) for each in misfiled)
            return
        subject = self._engine.hashes.subject
        alerts = {subject(alert.subject): alert for alert in assessed.alerts}
        agreement = Agreement(name, affiliate.agreement)
        tellable = {
            key
            for key, alert in alerts.items()
            if affiliate.alerts_from is not None
            and alert.day >= affiliate.alerts_from
            and not self._withheld(name, known, alert)
            and entitled_by(agreement, SCOPE, rows, alert.day).entitled
        }
        kinds = affiliate.thresholds.kinds

        def judged(each: Told) -> bool:
            return unpacked_alert(each.data).alert.kind in kinds

        for step in steps(dict.fromkeys(alerts, 0), tellable, told, judged, wrong):
            alert = None if step.act is Act.WITHDRAW else alerts.get(step.subject)
            yield Telling(name, step, alert, None if alert is None else _provider(rows, alert.day))

    def _is_another(self, known: Known) -> Callable[[PatientNumber], bool]:
        """Whether a number is one that a person's verdict keeps from being this patient's."""
        apart, hashes = set(known.patient.apart), self._engine.hashes
        return lambda number: (
            bool(apart) and hashes.patient(number.authority.encode(), number.number.encode()) in apart
        )

    def _of_another(self, known: Known, told: Told) -> bool:
        """Whether an alert was told of the wrong patient: under a number, or for a fill, that a verdict says is another's."""
        if not known.patient.apart:
            return False
        words = unpacked_alert(told.data)
        mine = {fact.fill for fact in known.facts if isinstance(fact, FillFact)}
        return any(map(self._is_another(known), words.person.numbers)) or not mine.issuperset(
            words.alert.fills
        )

    def _withheld(self, name: str, known: Known, alert: Alert) -> bool:
        """Whether an alert would give away what is withheld from an affiliate: it is told as a whole, or not at all."""
        configuration = self._engine.configuration
        privacy = configuration.privacies.get(name)
        if privacy is None or not privacy.categories:
            return False
        withheld, categories = configuration.withheld, privacy.categories
        birth = known.person().birth
        born = "" if birth is None else birth.strftime("%Y%m%d")
        of_age = withheld.categories_of_age(born, alert.day) if withheld.ages else frozenset()
        of_medicines = (withheld.categories_of(medicine) for medicine in alert.medicines)
        return not categories.isdisjoint(of_age.union(*of_medicines))

    # -- telling it ------------------------------------------------------------------------------------------------------

    def tell(self, known: Known, telling: Telling, done: WhenDone) -> None:
        """Makes one step; `done` is told when it is durable, perhaps at once."""
        if telling.alert is not None:
            self._tell(known, telling, telling.alert, done)
            return
        told = telling.step.told
        assert told is not None
        waiting = self._unsent(told)
        if waiting is None:
            self._withdraw(known, told, done)
        else:
            self._cancel(known, told, waiting, done)

    def _tell(self, known: Known, telling: Telling, alert: Alert, done: WhenDone) -> None:
        before = telling.step.told
        number = 1 if before is None else before.number + 1
        patient = known.key_of(alert.fills) if before is None else before.patient
        name = self._engine.hashes.subject(f"{patient}\x00{telling.recipient}\x00{alert.subject}")
        id_ = f"{name & (1 << 64) - 1:016x}" + (f"-{number}" if number > 1 else "")
        hidden = {
            settings.affiliate.authority
            for other, settings in self._engine.configuration.destinations.items()
            if settings.affiliate is not None and settings.affiliate.authority and other != telling.recipient
        }
        words = AlertTold(
            id_, known.person({each for each in hidden if each}, self._is_another(known)), telling.npi, alert
        )
        notice = Told(
            patient, telling.recipient, telling.step.subject, number, State.TOLD, 0, 0, packed_alert(words)
        )
        self.told += 1
        self.enter(alert_message(words, telling.recipient, id_ + "F", self._now()), notice, done)

    def _withdraw(self, known: Known, told: Told, done: WhenDone) -> None:
        words = unpacked_alert(told.data)
        wrong = self._of_another(known, told)
        why = WRONG_PATIENT if wrong else why_withdrawn(words.alert, history(known.facts, date.max))
        id_ = words.id + ("W" if wrong else "C")
        self.withdrawn += 1
        self.enter(
            alert_message(words, told.recipient, id_, self._now(), why, wrong_patient=wrong),
            told._replace(state=State.WITHDRAWN),
            done,
        )

    def enter(self, raw: bytes, notice: Told | None, done: WhenDone) -> None:
        """A message's way into the engine, as any other's from its frame on; nobody waits for an answer. What it tells is `notice`."""
        engine = self._engine
        number = engine.numbers.message()
        message = Message(raw)
        now_us = engine.wall_us()
        sender, fingerprint = of_message(engine.hashes, PROGRAMME, message)
        decision = decide(
            engine.configuration,
            PROGRAMME,
            message,
            received=datetime.fromtimestamp(now_us / 1e6, UTC),
            sequence=number,
            roster=engine.roster,
        )
        new = NewMessage(
            number,
            now_us,
            PROGRAMME,
            "",
            message.control_id.decode("ascii", "replace"),
            sender,
            fingerprint,
            MessageStatus.RECEIVED,
            "",
            engine.configuration.version,
            raw,
            notices=() if notice is None else (_row(notice._replace(message_id=number)),),
        )

        def kept(end: Kept) -> None:
            done(end if isinstance(end, StoreError) else None)

        engine.acceptor.accept(new, decision, kept)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._engine.wall_us() / 1e6, UTC)

    # -- what never left -------------------------------------------------------------------------------------------------

    def _unsent(self, told: Told) -> list[DeliveryRow] | None:
        """The deliveries of an alert if no hospital has taken it; None if one may know it."""
        detail = self._engine.store.message(told.message_id)
        if detail is None:
            return None
        for row in detail.deliveries:
            if row.possible_duplicate or row.status not in _NOT_TAKEN:
                return None
            delivery = self._engine.deliveries.get(row.destination)
            if delivery is not None and not delivery.queue.cancellable(row.id):
                return None
        return detail.deliveries

    def _cancel(self, known: Known, told: Told, before: list[DeliveryRow], done: WhenDone) -> None:
        engine = self._engine
        cancelled: list[DeliveryRow] = []

        def work() -> None:
            rows = self._unsent(told)
            if rows is None:
                return
            cancelled.extend(row for row in rows if row.status is not DeliveryStatus.CANCELLED)
            now_us = engine.wall_us()
            changes = [
                DeliveryChange(row.id, DeliveryStatus.CANCELLED, row.attempts, now_us, None, WITHDRAWN)
                for row in cancelled
            ]
            notice = _row(told._replace(state=State.WITHDRAWN))
            engine.store.commit(Batch(changes=changes, notices=[notice]))

        def kept(_: object, error: StoreError | None) -> None:
            if error is not None or (before and not cancelled and self._unsent(told) is None):
                # It left meanwhile: then it is taken back like any other.
                done(error) if error is not None else self._withdraw(known, told, done)
                return
            for row in cancelled:
                delivery = engine.deliveries.get(row.destination)
                if delivery is not None:
                    delivery.queue.cancelled(row.id)
                    delivery.touch()
            self.withdrawn += 1
            engine.journal.wake()
            done(None)

        engine.journal.act(work, kept)


def _row(told: Told) -> NoticeRow:
    return NoticeRow(*told[:4], int(told.state), *told[5:])


class _Assessments:
    """Assessments of one patient, each made once; affiliates often have the same thresholds."""

    def __init__(self, known: Known, engine: Engine, today: date, listed: Interactions) -> None:
        self._facts = known.facts
        self._medicines = engine.configuration.medicines
        self._listed = listed
        self._today = today
        self._made: list[tuple[Thresholds, date | None, Assessment]] = []

    def of(self, affiliate: Affiliate, rows: list[RosterRow]) -> Assessment:
        """By an affiliate's thresholds; adherence is measured no longer than the patient is on its roster."""
        ends = [row.valid_through for row in rows]
        through = None if None in ends else max((end for end in ends if end is not None), default=None)
        for thresholds, until, assessed in self._made:
            if thresholds == affiliate.thresholds and until == through:
                return assessed
        assessed = assess(
            self._facts, self._medicines, affiliate.thresholds, self._today, through, self._listed
        )
        self._made.append((affiliate.thresholds, through, assessed))
        return assessed

    @property
    def next_day(self) -> date | None:
        """The first day on which any of them may change by itself."""
        return min((made.next_day for _, _, made in self._made if made.next_day is not None), default=None)


def _provider(rows: list[RosterRow], on: date) -> str | None:
    """The primary care provider on the roster of a day."""
    for row in rows:
        begun = row.valid_from is None or row.valid_from <= on
        if row.npi and begun and (row.valid_through is None or on <= row.valid_through):
            return row.npi
    return None

"""Visit summaries: to the affiliates of a patient as documents, and by fax or in the mail to a physician whom none of them reaches.

An affiliate that asks for them (`summaries:`) is told of each visit that has ended, is not withheld, and falls under its agreement for
the clinics on that day; medicines are in it where the agreement covers the pharmacies too. Where no affiliate is told of a visit, and
the visit names a primary care provider whom tables/providers.csv says how to reach, that one is (`programme: providers`). What comes
late makes a new version that replaces the one before; a visit that is withdrawn withdraws it.

Knows documents, messages and the configuration; refuses to know stores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from hl7bridge.affiliation.alerts.notices import Act, Told, steps
from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Medicine,
    ObservationFact,
    PersonFact,
    VisitFact,
    VisitKey,
    When,
)
from hl7bridge.affiliation.history.history import EVENTS
from hl7bridge.affiliation.history.visits import Visit, Withheld, is_withheld, next_end, visits
from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.messages.summary import Record, Summary, subject_of_visit, summary
from hl7bridge.affiliation.messages.summarymessage import (
    Envelope,
    Patient,
    document_number,
    result_message,
    result_withdrawal_message,
    summary_message,
    withdrawal_message,
)
from hl7bridge.affiliation.messages.summarytold import MARK, SummaryTold, packed_summary, unpacked_summary
from hl7bridge.affiliation.who.agreement import CLINIC, PHARMACY, Agreement, entitled_by, provider_on
from hl7bridge.affiliation.who.known import Known
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import ORU, Affiliate, SummaryWish
from hl7bridge.engine.programme.telling import Looked, Plan, Telling, Words

if TYPE_CHECKING:
    from hl7bridge.documents.page import Letterhead

#: What becomes known of a visit that is older than this is not told any more: its summary stays as it is.
CORRECTED_FOR: Final = timedelta(days=90)


@dataclass
class _Look:
    """One patient's visits that have ended, for all who may be told of them. `reached`: those of which an affiliate is told."""

    looked: Looked
    configuration: Configuration
    ended: Sequence[Visit]
    reached: set[VisitKey] = field(default_factory=set)

    @cached_property
    def record(self) -> Record:
        """All that is known of the patient, unpacked: most looks find nothing that is to be told, and never ask for it."""
        return Record(self.looked.known.said.facts(*EVENTS, ObservationFact, PersonFact))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A summary that somebody is to have; it is put together when it is asked for, which for most readers is never.

    `medicines`: whether it names any. `withheld`: what it leaves out.
    """

    look: _Look
    visit: Visit
    medicines: bool
    withheld: Withheld | None
    copy_to: Clinician | None
    as_oru: bool
    reader: Recipient | None

    def summary(self) -> Summary:
        return summary(self.visit, self.look.record, medicines=self.medicines, withheld=self.withheld)


class Summarising:
    """The speaker of visit summaries. `subject` gives the key of a subject's words."""

    slow = True

    def __init__(self, subject: Callable[[str], int]) -> None:
        self._subject = subject

    def plan(self, looked: Looked, configuration: Configuration) -> Plan:
        """The steps for every affiliate, and for providers whom none reaches."""
        facts = looked.known.said.facts(VisitFact)
        ended = visits(facts, looked.today, looked.today - CORRECTED_FOR)
        look = _Look(looked, configuration, ended)
        found: list[Telling] = []
        for name, affiliate in looked.affiliates(configuration):
            if affiliate.summaries is not None:
                found += self._for_affiliate(look, name, affiliate, affiliate.summaries)
        found += self._for_providers(look)
        return Plan(found, next_end(facts, looked.today))

    def _for_affiliate(
        self, look: _Look, name: str, affiliate: Affiliate, wish: SummaryWish
    ) -> Iterator[Telling]:
        looked, configuration = look.looked, look.configuration
        agreement, rows = Agreement(name, affiliate.agreement), looked.rows.get(name, ())
        privacy = configuration.privacies.get(name)
        categories = frozenset() if privacy is None else privacy.categories
        withheld = _withheld(configuration, categories)
        wanted: dict[int, _Wanted] = {}
        tellable: set[int] = set()
        for visit in look.ended:
            on = visit.ended.day
            subject = self._subject(subject_of_visit(visit.key))
            wanted[subject] = _Wanted(
                look,
                visit,
                entitled_by(agreement, PHARMACY, rows, on).entitled,
                withheld,
                _clinician(visit, provider_on(rows, on)),
                wish.form == ORU,
                None,
            )
            if on >= wish.begin and entitled_by(agreement, CLINIC, rows, on).entitled:
                if not _hidden(visit, looked.known, categories, configuration):
                    tellable.add(subject)
                look.reached.add(visit.key)
        yield from self._steps(look, name, wanted, tellable)

    def _for_providers(self, look: _Look) -> Iterator[Telling]:
        """By fax or mail. One who was told before goes on being told, so that no correction is lost."""
        looked, configuration = look.looked, look.configuration
        providers = configuration.engine.providers
        known = {name.partition("/")[2] for name in looked.told if name.startswith("provider/")}
        if providers is None and not known:
            return
        withheld = _withheld(configuration, frozenset() if providers is None else providers.withhold)
        by_npi: dict[str, dict[int, _Wanted]] = {}
        everyone: dict[int, _Wanted] = {}
        tellable: set[int] = set()
        for visit in look.ended:
            physician = visit.primary_care
            reader = None if physician is None else configuration.providers.get(physician.npi)
            subject = self._subject(subject_of_visit(visit.key))
            everyone[subject] = _Wanted(look, visit, True, withheld, physician, False, reader)
            if reader is None or reader.kind is None:
                continue
            by_npi.setdefault(reader.npi, {})[subject] = everyone[subject]
            has = {each.subject for each in looked.told_by(MARK, f"provider/{reader.npi}")}
            if providers is None or visit.ended.day < providers.begin:
                continue
            if visit.key in look.reached and subject not in has:
                continue  # whoever has it gets its corrections, even if an affiliate is told now
            if not _hidden(visit, looked.known, providers.withhold, configuration):
                tellable.add(subject)
        for npi in sorted(known | by_npi.keys()):
            # A visit that now names another physician, or one whom nothing reaches, is not withdrawn from who has its summary.
            mine = by_npi.get(npi, {})
            yield from self._steps(look, f"provider/{npi}", everyone | mine, tellable & mine.keys())

    def _steps(
        self, look: _Look, name: str, wanted: Mapping[int, _Wanted], tellable: Collection[int]
    ) -> Iterator[Telling]:
        looked = look.looked
        if tellable and not looked.person(look.configuration.authorities_but(name)).numbers:
            tellable = ()  # nobody could file it
        told = looked.told_by(MARK, name)
        settled = looked.today - CORRECTED_FOR

        def judged(each: Told) -> bool:
            return unpacked_summary(each.data).day >= settled

        def wrong(each: Told) -> bool:
            return _of_another(looked, each)

        def content(subject: int) -> int:
            return _digest(wanted[subject].summary())

        for step in steps(wanted, content, tellable, told, judged, wrong):
            misfiled = step.act is Act.WITHDRAW and step.told is not None and wrong(step.told)
            yield Telling(name, step, self, looked, wanted.get(step.subject), misfiled)

    # -- messages ----------------------------------------------------------------------------------------------------------

    def say(self, telling: Telling, number: int, configuration: Configuration, at: datetime) -> Words:
        """A summary that is new (T02), or replaces the one before (T10)."""
        from hl7bridge.documents.visit import Replaced, summary_pages

        wanted: _Wanted = telling.about
        before = telling.step.told if telling.step.act is Act.REPLACE else None
        last = None if before is None else unpacked_summary(before.data)
        there = None if last is None else _there(last, telling.lost)
        made, known = wanted.summary(), telling.looked.known
        person = telling.looked.person(configuration.authorities_but(telling.recipient))
        patient = Patient(person.numbers, person)
        document = document_number(telling.recipient, made.subject, made.digest, number)
        pdf = summary_pages(
            made,
            patient,
            _letterhead(configuration),
            document,
            made=at,
            replaces=None if there is None else Replaced(*there),
        )
        envelope = Envelope(
            document[:18] + ("F" if there is None else "R"),
            at,
            _addressed(telling.recipient, wanted.reader),
        )
        if wanted.as_oru:
            first = document if last is None or there is None else last.first
            raw = result_message(
                made.visit, patient, pdf, envelope, first, corrects=there is not None, copy_to=wanted.copy_to
            )
        else:
            first = document
            raw = summary_message(
                made.visit,
                patient,
                pdf,
                envelope,
                document,
                replaces=None if there is None else there[0],
                copy_to=wanted.copy_to,
                recipient=wanted.reader,
            )
        sent = SummaryTold(
            document, first, at, made.visit.key, made.day, person, wanted.as_oru, wanted.reader, there
        )
        told = telling.step.told
        patient_key = _key_of(known, made.visit.key) if told is None else told.patient
        return Words(raw, packed_summary(sent), _digest(made), patient_key)

    def unsay(self, telling: Telling, configuration: Configuration, at: datetime) -> bytes:
        """What takes a summary back: T11, an ORU that says so, or for a person a page."""
        told = telling.step.told
        assert told is not None
        sent = unpacked_summary(told.data)
        patient = Patient(sent.person.numbers, sent.person)
        envelope = Envelope(sent.number[:18] + "C", at, _addressed(told.recipient, sent.reader))
        there = _there(sent, telling.lost)
        if there is not None:
            sent = replace(sent, number=there[0], sent=there[1])
        if sent.as_oru:
            return result_withdrawal_message(sent.key, patient, envelope, sent.first, on=sent.day)
        if sent.reader is None:
            return withdrawal_message(sent.key, patient, envelope, sent.number, on=sent.day)
        return self._withdrawal_page(sent, patient, envelope, told, configuration)

    def continues(self, told: Told) -> bool:
        """Whether it replaced an earlier version. Raises ValueError."""
        return unpacked_summary(told.data).before is not None

    def _withdrawal_page(
        self,
        sent: SummaryTold,
        patient: Patient,
        envelope: Envelope,
        told: Told,
        configuration: Configuration,
    ) -> bytes:
        """A fax machine takes no T11: the one who has the page gets another that says so."""
        from hl7bridge.documents.visit import Replaced, withdrawal_pages

        number = document_number(told.recipient, sent.number, "withdrawn", told.number)
        pdf = withdrawal_pages(
            sent.key,
            patient,
            _letterhead(configuration),
            number,
            made=envelope.at,
            withdrawn=Replaced(sent.number, sent.sent),
        )
        visit = Visit(sent.key, When(sent.day, ""), None, "", "", None, None, (), ())
        return summary_message(
            visit, patient, pdf, envelope, number, replaces=sent.number, recipient=sent.reader
        )


def _letterhead(configuration: Configuration) -> Letterhead:
    from hl7bridge.documents.page import Letterhead

    name, *lines = configuration.engine.letterhead or ("Clinic",)
    return Letterhead(name, tuple(lines))


def _of_another(looked: Looked, told: Told) -> bool:
    """Whether a summary was told of the wrong patient: under a number, or of a visit, that a verdict says is another's."""
    if not looked.known.patient.apart:
        return False
    sent = unpacked_summary(told.data)
    if any(map(looked.is_another, sent.person.numbers)):
        return True
    mine = {each.fact.visit for each in looked.known.said.of(VisitFact)}
    return sent.key not in mine


def _there(sent: SummaryTold, lost: bool) -> tuple[str, datetime] | None:
    """The document that a recipient has, and when it was sent: the last, or where that is `lost`, the one before it, if any."""
    return sent.before if lost else (sent.number, sent.sent)


def _addressed(recipient: str, reader: Recipient | None) -> str:
    """MSH-6: the affiliate's name, or FAX or MAIL, so that a route can tell them apart."""
    return recipient if reader is None else reader.kind or ""


def _digest(made: Summary) -> int:
    return int.from_bytes(bytes.fromhex(made.digest)[:8], "big", signed=True)


def _clinician(visit: Visit, npi: str | None) -> Clinician | None:
    """The provider on the roster, by name where the visit names the same one."""
    if npi is None:
        return visit.primary_care
    named = visit.primary_care
    return named if named is not None and named.npi == npi else Clinician(npi, "")


def _withheld(configuration: Configuration, categories: frozenset[str]) -> Withheld | None:
    if not categories:
        return None

    def holds(codes: Sequence[Coded | Medicine]) -> bool:
        pairs = ((each.system, each.code) for each in codes)
        return configuration.withheld.touches(pairs, categories) is not None

    return holds


def _hidden(visit: Visit, known: Known, categories: frozenset[str], configuration: Configuration) -> bool:
    """Whether nothing of a visit may be told: by where it took place, how it is protected, or the patient's age."""
    holds = _withheld(configuration, categories)
    if holds is None:
        return False
    if is_withheld(visit, holds):
        return True
    found = configuration.withheld.categories_about((), known.person().birth, visit.ended.day)
    return not categories.isdisjoint(found)


def _key_of(known: Known, key: VisitKey) -> int:
    """Where the visit's facts are kept: the summary stays with them if numbers are parted again."""
    for each in known.said.of(VisitFact):
        if each.fact.visit == key:
            return each.key
    return known.patient.keys[0]

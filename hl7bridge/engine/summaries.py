"""Visit summaries: to the affiliates of a patient as documents, and by fax or in the mail to a physician whom none of them reaches.

An affiliate that asks for them (`summaries:`) is told of each visit that has ended, is not withheld, and falls under its agreement for
the clinics on that day; medicines are in it where the agreement covers the pharmacies too. Where no affiliate is told of a visit, and
the visit names a primary care provider whom tables/providers.csv says how to reach, that one is (`programme: providers`). What comes
late makes a new version that replaces the one before; a visit that is withdrawn withdraws it.

Knows documents, messages and the configuration; refuses to know stores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hl7bridge.affiliation.agreement import Agreement, entitled_by, provider_on
from hl7bridge.affiliation.factdata import packed, unpacked
from hl7bridge.affiliation.facts import Clinician, Coded, Medicine, PersonFact, VisitFact, VisitKey, When
from hl7bridge.affiliation.known import Known
from hl7bridge.affiliation.notices import Act, Told, steps
from hl7bridge.affiliation.recipient import Recipient
from hl7bridge.affiliation.summary import Summary, summary
from hl7bridge.affiliation.summarymessage import (
    Envelope,
    Patient,
    document_number,
    result_message,
    result_withdrawal_message,
    summary_message,
    withdrawal_message,
)
from hl7bridge.affiliation.visits import Visit, is_withheld, next_end, visits
from hl7bridge.channel.configuration import Configuration
from hl7bridge.channel.settings import ORU, Affiliate, SummaryWish
from hl7bridge.engine.telling import Looked, Plan, Telling, Words

if TYPE_CHECKING:
    from hl7bridge.documents.page import Letterhead

#: The first byte of what is kept of a summary.
MARK: Final = b"\x01"
#: What becomes known of a visit that is older than this is not told any more: its summary stays as it is.
CORRECTED_FOR: Final = timedelta(days=90)
CLINIC: Final = "clinic"
PHARMACY: Final = "pharmacy"


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is kept of a summary that was sent: enough to replace it or to take it back. `first` is OBR-3 of an ORU. `before` is the
    document that it took the place of, and when that was sent.
    """

    number: str
    first: str
    sent: datetime
    key: VisitKey
    day: date
    person: PersonFact
    as_oru: bool
    reader: Recipient | None
    before: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A summary that somebody is to have."""

    summary: Summary
    copy_to: Clinician | None
    as_oru: bool
    reader: Recipient | None


class Summarising:
    """The speaker of visit summaries. `subject` gives the key of a subject's words."""

    slow = True

    def __init__(self, subject: Callable[[str], int]) -> None:
        self._subject = subject

    def plan(self, looked: Looked, configuration: Configuration) -> Plan:
        """The steps for every affiliate, and for providers whom none reaches."""
        facts = looked.known.facts
        if not any(isinstance(fact, VisitFact) for fact in facts):
            return Plan()
        settled = looked.today - CORRECTED_FOR
        ended = [visit for visit in visits(facts, looked.today) if visit.ended.day >= settled]
        found: list[Telling] = []
        reached: set[VisitKey] = set()
        for name, affiliate in looked.affiliates(configuration):
            if affiliate.summaries is not None:
                found += self._for_affiliate(
                    looked, name, affiliate, affiliate.summaries, ended, reached, configuration
                )
        found += self._for_providers(looked, ended, reached, configuration)
        return Plan(found, next_end(facts, looked.today))

    def _for_affiliate(
        self,
        looked: Looked,
        name: str,
        affiliate: Affiliate,
        wish: SummaryWish,
        ended: Sequence[Visit],
        reached: set[VisitKey],
        configuration: Configuration,
    ) -> Iterator[Telling]:
        agreement, rows = Agreement(name, affiliate.agreement), looked.rows.get(name, ())
        privacy = configuration.privacies.get(name)
        categories = frozenset() if privacy is None else privacy.categories
        wanted: dict[int, _Wanted] = {}
        tellable: set[int] = set()
        for visit in ended:
            on = visit.ended.day
            made = summary(
                visit,
                looked.known.facts,
                medicines=entitled_by(agreement, PHARMACY, rows, on).entitled,
                withheld=_withheld(configuration, categories),
            )
            subject = self._subject(made.subject)
            npi = provider_on(rows, on)
            wanted[subject] = _Wanted(made, _clinician(visit, npi), wish.form == ORU, None)
            if on >= wish.begin and entitled_by(agreement, CLINIC, rows, on).entitled:
                if not _hidden(visit, looked.known, categories, configuration):
                    tellable.add(subject)
                reached.add(visit.key)
        yield from self._steps(looked, name, wanted, tellable, configuration.authorities_but(name))

    def _for_providers(
        self, looked: Looked, ended: Sequence[Visit], reached: set[VisitKey], configuration: Configuration
    ) -> Iterator[Telling]:
        """By fax or mail. One who was told before goes on being told, so that no correction is lost."""
        providers = configuration.engine.providers
        known = {name.partition("/")[2] for name in looked.told if name.startswith("provider/")}
        if providers is None and not known:
            return
        by_npi: dict[str, dict[int, _Wanted]] = {}
        everyone: dict[int, _Wanted] = {}
        tellable: set[int] = set()
        for visit in ended:
            physician = visit.primary_care
            reader = None if physician is None else configuration.providers.get(physician.npi)
            made = summary(
                visit,
                looked.known.facts,
                withheld=_withheld(configuration, frozenset() if providers is None else providers.withhold),
            )
            subject = self._subject(made.subject)
            everyone[subject] = _Wanted(made, physician, False, reader)
            if reader is None or reader.kind is None:
                continue
            by_npi.setdefault(reader.npi, {})[subject] = everyone[subject]
            has = {each.subject for each in looked.told_by(MARK, f"provider/{reader.npi}")}
            if providers is None or visit.ended.day < providers.begin:
                continue
            if visit.key in reached and subject not in has:
                continue  # whoever has it gets its corrections, even if an affiliate is told now
            if not _hidden(visit, looked.known, providers.withhold, configuration):
                tellable.add(subject)
        for npi in sorted(known | by_npi.keys()):
            # A visit that now names another physician, or one whom nothing reaches, is not withdrawn from who has its summary.
            mine = by_npi.get(npi, {})
            hidden = configuration.authorities_but("")
            yield from self._steps(looked, f"provider/{npi}", everyone | mine, tellable & mine.keys(), hidden)

    def _steps(
        self,
        looked: Looked,
        name: str,
        wanted: dict[int, _Wanted],
        tellable: set[int],
        hidden: frozenset[str],
    ) -> Iterator[Telling]:
        if not looked.person(hidden).numbers:
            tellable = set()  # nobody could file it
        holds = {subject: _digest(each.summary) for subject, each in wanted.items()}
        told = looked.told_by(MARK, name)
        settled = looked.today - CORRECTED_FOR

        def judged(each: Told) -> bool:
            return _unpacked(each.data).day >= settled

        def wrong(each: Told) -> bool:
            return _of_another(looked, each)

        for step in steps(holds, tellable, told, judged, wrong):
            misfiled = step.act is Act.WITHDRAW and step.told is not None and wrong(step.told)
            yield Telling(name, step, self, looked, wanted.get(step.subject), misfiled)

    # -- messages ----------------------------------------------------------------------------------------------------------

    def say(self, telling: Telling, number: int, configuration: Configuration, at: datetime) -> Words:
        """A summary that is new (T02), or replaces the one before (T10)."""
        from hl7bridge.documents.visit import Replaced, summary_pages

        wanted: _Wanted = telling.about
        before = telling.step.told if telling.step.act is Act.REPLACE else None
        last = None if before is None else _unpacked(before.data)
        there = None if last is None else _there(last, telling.lost)
        made, known = wanted.summary, telling.looked.known
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
        sent = _Sent(
            document, first, at, made.visit.key, made.day, person, wanted.as_oru, wanted.reader, there
        )
        told = telling.step.told
        patient_key = _key_of(known, made.visit.key) if told is None else told.patient
        return Words(raw, _packed(sent), _digest(made), patient_key)

    def unsay(self, telling: Telling, configuration: Configuration, at: datetime) -> bytes:
        """What takes a summary back: T11, an ORU that says so, or for a person a page."""
        told = telling.step.told
        assert told is not None
        sent = _unpacked(told.data)
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
        return _unpacked(told.data).before is not None

    def _withdrawal_page(
        self, sent: _Sent, patient: Patient, envelope: Envelope, told: Told, configuration: Configuration
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
    sent = _unpacked(told.data)
    mine = {fact.visit for fact in looked.known.facts if isinstance(fact, VisitFact)}
    return any(map(looked.is_another, sent.person.numbers)) or sent.key not in mine


def _there(sent: _Sent, lost: bool) -> tuple[str, datetime] | None:
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


def _withheld(
    configuration: Configuration, categories: frozenset[str]
) -> Callable[[Sequence[Coded | Medicine]], bool] | None:
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
    for each in known.said:
        if isinstance(each.fact, VisitFact) and each.fact.visit == key:
            return each.key
    return known.patient.keys[0]


def _packed(sent: _Sent) -> bytes:
    values = [
        sent.number,
        sent.first,
        sent.sent.isoformat(),
        *sent.key,
        sent.day.isoformat(),
        packed(sent.person).decode("utf-8", "surrogatepass"),
        int(sent.as_oru),
        None if sent.reader is None else astuple(sent.reader),
        None if sent.before is None else [sent.before[0], sent.before[1].isoformat()],
    ]
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return MARK + text.encode("utf-8", "surrogatepass")


def _unpacked(data: bytes) -> _Sent:
    """Raises ValueError for bytes in no known format."""
    if data[:1] != MARK:
        raise ValueError("this is no summary")
    v = json.loads(data[1:].decode("utf-8", "surrogatepass"))
    person = unpacked(v[6].encode("utf-8", "surrogatepass"))
    if not isinstance(person, PersonFact):
        raise ValueError("a summary is kept without its patient")
    reader = None if v[8] is None else Recipient(*v[8])
    before = v[9] if len(v) > 9 else None  # not kept at first
    return _Sent(
        v[0],
        v[1],
        datetime.fromisoformat(v[2]).astimezone(UTC),
        VisitKey(v[3], v[4]),
        date.fromisoformat(v[5]),
        person,
        bool(v[7]),
        reader,
        None if before is None else (before[0], datetime.fromisoformat(before[1]).astimezone(UTC)),
    )

"""The patients of one affiliate's roster, one after the other, each with what a report says of it.

Reads the store in pages and holds one patient at a time. A patient who is on the roster under several numbers comes once. Raises the
store's errors and ValueError for facts or notices in no known format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from hl7bridge.affiliation.facts.facts import Medicine, PatientNumber, PersonFact
from hl7bridge.affiliation.messages.alertmessage import MARK, unpacked_alert
from hl7bridge.affiliation.messages.pid import pid
from hl7bridge.affiliation.report.lines import PatientReport, Period, Terms, report_of
from hl7bridge.affiliation.tables.interactions import Interactions
from hl7bridge.affiliation.who.agreement import Agreement
from hl7bridge.affiliation.who.known import known_of
from hl7bridge.affiliation.who.roster import RosterRow
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import Affiliate
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import StoreReader

PAGE: Final = 500
#: The fields of PID that a report shows, by the words of `Terms.leaves`.
_PID: Final = {"number": 3, "name": 5, "birth": 7}


def terms_of(configuration: Configuration, name: str, settings: Affiliate) -> Terms:
    """What the configuration says of an affiliate."""
    privacy = configuration.privacies.get(name)
    categories = frozenset[str]() if privacy is None else privacy.categories
    withheld = configuration.withheld

    def hides(medicines: Iterable[Medicine], birth: date | None, on: date) -> bool:
        return bool(categories) and not categories.isdisjoint(withheld.categories_about(medicines, birth, on))

    return Terms(
        Agreement(name, settings.agreement),
        settings.thresholds,
        hides,
        settings.alerts_from,
        settings.authority,
        settings.identifier_type,
        configuration.authorities_but(name),
        _leaving(configuration, name),
    )


def _leaving(configuration: Configuration, name: str) -> frozenset[str]:
    """Which fields of PID the affiliate's allow-list lets leave, found by sending somebody who is nobody through it."""
    privacy = configuration.privacies.get(name)
    if privacy is None or privacy.share is None:
        return frozenset(_PID)
    nobody = PersonFact("N", "N", date(2000, 1, 1), "", (PatientNumber("1", "N", ""),))
    message = Message(b"MSH|^~\\&|||||||ORU^R01||P|2.5.1\r" + pid(nobody.numbers, nobody) + b"\r")
    segment = privacy.share.reduced(message).first(b"PID")
    return frozenset(word for word, field in _PID.items() if segment is not None and segment.field(field))


def patients(
    reader: StoreReader, configuration: Configuration, listed: Interactions, terms: Terms, period: Period
) -> Iterator[PatientReport]:
    """Each patient of the affiliate's roster, in no order that means anything."""
    for key in _keys(reader, terms.agreement.affiliate):
        known = known_of(key, reader.aliases, reader.facts, reader.verdicts)
        mine = [
            row
            for row in reader.roster_rows(known.patient.keys)
            if row.affiliate == terms.agreement.affiliate
        ]
        if any(row.key < key for row in mine):
            continue  # came under that number
        told = [
            unpacked_alert(notice.data)
            for notice in reader.notices(known.patient.keys)
            if notice.recipient == terms.agreement.affiliate and notice.data[:1] == MARK
        ]
        rows = [
            RosterRow(row.affiliate, _day(row.valid_from), _day(row.valid_through), row.npi, row.opt_out)
            for row in mine
        ]
        yield report_of(known, rows, told, configuration.medicines, listed, terms, period)


def _keys(reader: StoreReader, affiliate: str) -> Iterator[int]:
    """The keys of a roster, read page by page."""
    page = reader.roster_patients(affiliate, limit=PAGE)
    while page:
        yield from page
        last = page[-1]
        page = reader.roster_patients(affiliate, last + 1, PAGE) if len(page) == PAGE else []


def _day(number: int | None) -> date | None:
    """YYYYMMDD as a date."""
    return None if number is None else date(number // 10000, number // 100 % 100, number % 100)

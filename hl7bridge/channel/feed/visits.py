"""From ADT and ORU messages of a clinic to what the programme knows of visits and their results (see affiliation.facts.facts).

A channel says `programme: {visits: yes}`, and with `ended:` what ends a visit. A visit is known by PV1-19, so a message without it
tells of none; a result that is a document is no value and is left out. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from hl7bridge.affiliation.facts.facts import (
    Clinician,
    Coded,
    Concept,
    Fact,
    ObservationFact,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)
from hl7bridge.channel.feed.npi import says_npi
from hl7bridge.channel.feed.programme import ProgrammePlan
from hl7bridge.channel.privacy.sensitive import MARKS, is_document
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.hl7.charset import Charset
from hl7bridge.hl7.delimiters import Delimiters
from hl7bridge.hl7.message import Message, Segment
from hl7bridge.hl7.types import parse_ts

#: Characters of a result's value that are kept.
MOST_VALUE: Final = 2000
#: Results of one message that are kept; a panel has tens, and what sends thousands of them sends waveforms.
MOST_RESULTS: Final = 500
_UNDOES: Final = {"ADT^A11": VisitEvent.WITHDRAWN, "ADT^A13": VisitEvent.REOPENED}
_BEGINS: Final = frozenset({"ADT^A01", "ADT^A04"})
#: Statuses that carry no result: O order detail, N not asked.
_NO_RESULT: Final = frozenset({"O", "N"})
_CODED: Final = frozenset({b"CE", b"CWE", b"CNE", b"CF"})
_LONG: Final = frozenset({b"TX", b"FT"})


class Texts(Protocol):
    """Texts of a message in its character set, as facts.py reads them."""

    message: Message
    zone: ZoneInfo | None
    delimiters: Delimiters
    charset: Charset

    def text(self, value: bytes) -> str: ...
    def parts(self, segment: Segment | None, number: int) -> list[bytes]: ...
    def first(self, segment: Segment | None, number: int) -> str: ...


def visit_facts(plan: ProgrammePlan, read: Texts, type_: str, whole: Scope) -> tuple[list[Fact], list[str]]:
    """What a message says of a visit and its results, and why it says nothing; `whole` is the scope of all of it."""
    is_result = type_ == "ORU^R01"
    visit = read.message.first(b"PV1")
    if visit is None or not (is_result or type_.startswith("ADT^")):
        return [], []
    key = _key(read, visit)
    if key is None:
        return [], [f"{plan.place}: no visit number (PV1-19)"]
    sent = _instant(read, read.message.header.field(7))
    event = read.message.first(b"EVN")
    told = _instant(read, event.field(2)) if event is not None else None
    if told is None:
        told = sent
    if told is None:
        return [], [f"{plan.place}: no time of a visit's event (EVN-2, MSH-7)"]
    if plan.ended is None:
        ends = type_ == "ADT^A03"
    else:
        ends = plan.ended(whole)
    said = VisitEvent.ENDED if ends else VisitEvent.BEGUN if type_ in _BEGINS else VisitEvent.TOLD
    said = _UNDOES.get(type_, said)
    fact = _visit(read, key, said, told, visit, event)
    if not is_result:
        return [fact], []
    # A laboratory may have sent it: its MSH-4 is not where the patient was.
    found: list[Fact] = [fact._replace(facility="")]
    results = list(islice(_results(read, key, sent or told), MOST_RESULTS + 1))
    found += results[:MOST_RESULTS]
    too_many = [f"{plan.place}: more than {MOST_RESULTS} results in one message"]
    return found, too_many if len(results) > MOST_RESULTS else []


def _key(read: Texts, visit: Segment) -> VisitKey | None:
    """PV1-19 with its authority (CX.4: the namespace, else the universal ID), else with MSH-4."""
    parts = read.parts(visit, 19)
    number = read.text(parts[0])
    if not number:
        return None
    below = read.delimiters.subcomponent
    authority = parts[3] if len(parts) > 3 else b""
    pieces = [read.text(piece) for piece in (authority.split(below) if below else [authority])]
    named = next((piece for piece in pieces[:2] if piece), "")
    return VisitKey(named or read.first(read.message.header, 4), number)


def _visit(
    read: Texts, key: VisitKey, said: VisitEvent, told: datetime, visit: Segment, event: Segment | None
) -> VisitFact:
    ended = _when(read, visit, 45)
    if ended is None and said is VisitEvent.ENDED:
        ended = _when(read, event, 6) or _when(read, event, 2) or _when(read, read.message.header, 7)
    reason = _concept(read, read.parts(read.message.first(b"PV2"), 3))
    diagnoses = (
        _concept(read, read.parts(each, 3)) or _words(read.first(each, 4))
        for each in read.message.segments
        if each.name == b"DG1"
    )
    return VisitFact(
        key,
        said,
        told,
        read.first(read.message.header, 4),
        _place(read, visit),
        _when(read, visit, 44),
        ended,
        _clinician(read, visit, 7),
        _primary_care(read),
        reason,
        tuple(each for each in dict.fromkeys(diagnoses) if each),
        _marks(read),
    )


def _marks(read: Texts) -> Concept:
    """The codes by which a whole visit may be withheld, each under the word for its field, in order and once."""
    found: set[Coded] = set()
    for segment in read.message.segments:
        for number, word in MARKS.get(segment.name, ()):
            found.update(Coded(code, word, "") for code in _pieces(read, segment.field(number)))
    return tuple(sorted(found))


def _pieces(read: Texts, value: bytes) -> Iterator[str]:
    """Everything that stands between delimiters in a field."""
    delimiters = read.delimiters
    pieces = [value]
    for delimiter in (delimiters.repetition, delimiters.component, delimiters.subcomponent):
        if delimiter:
            pieces = [part for piece in pieces for part in piece.split(delimiter)]
    return (text for text in map(read.text, pieces) if text)


def _place(read: Texts, visit: Segment) -> str:
    """PV1-3 in words: its description (PL.9), else facility, point of care and room, whichever it has."""
    parts = read.parts(visit, 3)
    below = read.delimiters.subcomponent
    texts = [read.text(part.split(below, 1)[0] if below else part) for part in parts] + [""] * 9
    if texts[8]:
        return texts[8]
    return " ".join(text for text in (texts[3], texts[0], texts[1]) if text)


def _primary_care(read: Texts) -> Clinician | None:
    """Who stands in a ROL in the role PP, else in PD1-4."""
    for segment in read.message.segments:
        if segment.name == b"ROL" and read.first(segment, 3).upper() == "PP":
            return _clinician(read, segment, 4)
    return _clinician(read, read.message.first(b"PD1"), 4)


def _clinician(read: Texts, segment: Segment | None, number: int) -> Clinician | None:
    """The first person of an XCN field, and the NPI among all of its repetitions (several numbers of one person)."""
    value = b"" if segment is None else segment.field(number)
    delimiters = read.delimiters
    npi = ""
    found: Clinician | None = None
    for repetition in value.split(delimiters.repetition) if delimiters.repetition else [value]:
        raw = repetition.split(delimiters.component) if delimiters.component else [repetition]
        raw += [b""] * (13 - len(raw))
        if not npi and says_npi(raw):
            npi = read.text(raw[0])
        family = raw[1].split(delimiters.subcomponent, 1)[0] if delimiters.subcomponent else raw[1]
        if found is None and (family or raw[0]):
            found = Clinician("", read.text(family), read.text(raw[2]), read.text(raw[6]))
    if found is None or not (npi or found.family or found.given):
        return None
    return found._replace(npi=npi)


def _concept(read: Texts, parts: list[bytes]) -> Concept:
    """CE.1-3 and CE.4-6, those of them that say something."""
    texts = [read.text(part) for part in parts[:6]] + [""] * 6
    pairs = (Coded(texts[0], texts[2], texts[1]), Coded(texts[3], texts[5], texts[4]))
    return tuple(each for each in pairs if each.code or each.text)


def _words(text: str) -> Concept:
    return (Coded("", "", text),) if text else ()


def _results(read: Texts, key: VisitKey, sent: datetime) -> Iterator[ObservationFact]:
    """One fact for each OBX that holds a value or says what became of one."""
    order: Segment | None = None
    common: Segment | None = None
    for segment in read.message.segments:
        if segment.name == b"ORC":
            common = segment
        elif segment.name == b"OBR":
            order = segment
        elif segment.name == b"OBX" and order is not None and not is_document(segment):
            code = _concept(read, read.parts(segment, 3))
            status = (read.first(segment, 11) or read.first(order, 25)).upper()
            if not code or status in _NO_RESULT:
                continue
            panel = _concept(read, read.parts(order, 4))
            value, coded = _value(read, segment)
            yield ObservationFact(
                key,
                read.first(order, 3) or read.first(order, 2) or (panel[0].code if panel else ""),
                code,
                read.first(segment, 4),
                status,
                _instant(read, order.field(22)) or sent,
                sent,
                value[:MOST_VALUE],
                len(value) > MOST_VALUE,
                coded,
                _units(read, segment),
                read.first(segment, 7),
                _joined(read, segment.field(8), ", "),
                _when(read, segment, 14) or _when(read, order, 7),
                panel,
                tuple(
                    code
                    for where, number in ((order, 31), (order, 44), (common, 16), (common, 28))
                    for code in _every_code(read, where, number)
                ),
            )


def _every_code(read: Texts, segment: Segment | None, number: int) -> Concept:
    """The codes of all repetitions of a coded field."""
    if segment is None or not segment.field(number):
        return ()
    delimiters, value = read.delimiters, segment.field(number)
    repetitions = value.split(delimiters.repetition) if delimiters.repetition else [value]
    return tuple(
        code for each in repetitions for code in _concept(read, each.split(delimiters.component or b"^"))
    )


def _units(read: Texts, segment: Segment) -> str:
    """OBX-6: its code, which is what UCUM writes; its text where it has no code."""
    found = _concept(read, read.parts(segment, 6))
    return (found[0].code or found[0].text) if found else ""


def _value(read: Texts, segment: Segment) -> tuple[str, Concept]:
    """OBX-5 in words, and its codes: of coded types the text, of SN its parts, of text the lines, else what stands there."""
    kind, value = segment.field(2), segment.field(5)
    delimiters = read.delimiters
    if kind in _LONG:
        return _joined(read, value, "\n").replace("\\.br\\", "\n"), ()
    words: list[str] = []
    codes: list[Coded] = []
    for repetition in value.split(delimiters.repetition) if delimiters.repetition else [value]:
        parts = repetition.split(delimiters.component) if delimiters.component else [repetition]
        if kind in _CODED:
            concept = _concept(read, parts)
            codes += concept
            words.append(concept[0].text or concept[0].code if concept else "")
        elif kind == b"SN":
            words.append("".join(read.text(part) for part in parts))
        else:
            words.append(" ".join(text for text in map(read.text, parts) if text))
    return ", ".join(word for word in words if word), tuple(codes)


def _joined(read: Texts, value: bytes, between: str) -> str:
    repetition = read.delimiters.repetition
    pieces = value.split(repetition) if repetition else [value]
    return between.join(text for text in map(read.text, pieces) if text)


def _instant(read: Texts, value: bytes) -> datetime | None:
    """The instant of a time stamp, in UTC; what has no offset is on the source's clock."""
    component = read.delimiters.component
    found = parse_ts(value.split(component, 1)[0] if component else value, read.zone or UTC)
    if found is None:
        return None
    try:
        return found.astimezone(UTC).replace(tzinfo=None)
    except (OverflowError, ValueError):  # the years 1 and 9999 have no neighbours
        return None


def _when(read: Texts, segment: Segment | None, number: int) -> When | None:
    """The day and, where it is written, the minute of a time stamp, as the clock showed them where it was written."""
    value = read.parts(segment, number)[0].strip()
    found = parse_ts(value, UTC) if len(value) >= 8 else None
    if found is None:
        return None
    digits = len(value.split(b"+")[0].split(b"-")[0])
    return When(found.date(), found.strftime("%H:%M") if digits >= 12 else "")

"""The audit trail's records: what a store writes of disclosures, refusals, views and acts, and how its rows are chained.

One row holds the records of one transaction, so that a message costs no row of its own. A row's hash is

    SHA-256(hash of the row before || sequence, 8 bytes || time, 8 bytes || data)

with both numbers big-endian and signed, and 32 zero bytes before the first row: anybody can check it with nothing but this line. The
data is the byte `1`, which names the format, and JSON (RFC 8259, UTF-8): `[subjects, records]`. A record begins with the place of its
subject in that list and with its time, in microseconds after the row's (or before it, below zero). By the subject's first word:

    ["sent" | "maybe" | "answered" | "refused", destination, scope, type, version, answer or reason]
        [subject, us, delivery, message, event date, attempts, marks, patient key ...]
    ["view", operator, command]     [subject, us, message, patient key ...]
    ["act", operator, verb]         [subject, us, detail]
    ["begin"]                       [subject, us, delivery]     in the first row: deliveries up to this one may have been sent before
    ["cut"]                         [subject, us, row]          retention took the rows up to "sequence:time:hash" away

No record holds a name, a number of a patient or text of a message: patients are keyed hashes, reasons are words of the configuration.
Refuses to know where rows are kept. Raises ValueError for data that is not written so.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from hl7bridge.store.rows.messages import Act, DeliveryChange, DeliveryStatus, NewMessage
from hl7bridge.store.rows.view import View

#: Before the first row.
GENESIS: Final = bytes(32)
FORMAT: Final = b"1"
#: Records of one row; a transaction with more makes several.
MOST_RECORDS: Final = 1_000
#: Of the marks of a delivery's record: it may have been received before; it is a replay.
DOUBTFUL, REPLAYED = 1, 2

#: It was accepted. It may have been received: no answer came, or the engine stopped before one did. It was received, and answered with
#: an error or a rejection. It was kept back.
SENT, MAYBE, ANSWERED, REFUSED = "sent", "maybe", "answered", "refused"
VIEW, ACT, BEGIN, CUT = "view", "act", "begin", "cut"
#: Every kind, in the order in which lists name them; the first three are disclosures.
DISCLOSURES: Final = (SENT, MAYBE, ANSWERED)
KINDS: Final = (*DISCLOSURES, REFUSED, VIEW, ACT, BEGIN, CUT)

#: Where a record's patients begin.
_FIRST_PATIENT: Final = {SENT: 7, MAYBE: 7, ANSWERED: 7, REFUSED: 7, VIEW: 3}
_NONE: Final = 1 << 30
_HALF: Final = 1 << 63
_NUMBERS = struct.Struct(">qq")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_CANCELLED, _SENT = int(DeliveryStatus.CANCELLED), int(DeliveryStatus.SENT)

#: What a delivery's record says of its message: id, type, event date, version, patient keys, marks.
About = tuple[int, str, "int | None", "str | None", tuple[int, ...], int]
#: And of the delivery itself: destination, scope, and the message.
Place = tuple[str, "str | None", About]


class AuditHead(NamedTuple):
    """A place in the chain: a row's sequence, time and hash. Sequence 0 is before the first row."""

    sequence: int
    at_us: int
    hash: bytes


class AuditRow(NamedTuple):
    """A row of the chain."""

    sequence: int
    at_us: int
    data: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record, read back; `sequence` names the row that holds it. What its kind does not have is None or empty.

    `code` is a hospital's answer, `reason` why a delivery was refused. `detail` is an act's, or a cut's row (see `cut_of`); for a
    beginning `delivery` is the last one that may have been sent before.
    """

    sequence: int
    at_us: int
    kind: str
    delivery: int | None = None
    message: int | None = None
    destination: str | None = None
    scope: str | None = None
    type: str | None = None
    event_date: int | None = None
    version: str | None = None
    attempts: int = 0
    code: str | None = None
    reason: str | None = None
    possible_duplicate: bool = False
    replayed: bool = False
    patients: tuple[int, ...] = ()
    operator: str | None = None
    verb: str | None = None
    detail: str | None = None


def link(before: bytes, sequence: int, at_us: int, data: bytes) -> bytes:
    """The hash of a row behind one whose hash is `before`.

    >>> link(GENESIS, 1, 0, b"1[[],[]]").hex()[:12]
    '400499f4fc60'
    """
    return sha256(before + _NUMBERS.pack(sequence, at_us) + data).digest()


def cut_of(last: AuditHead) -> str:
    """How a cut names the last row that it took."""
    return f"{last.sequence}:{last.at_us}:{last.hash.hex()}"


def about_of(message: NewMessage) -> About:
    """What records say of a message."""
    marks = 0 if message.operator is None else REPLAYED
    return message.id, message.type, message.event_date, message.version, message.patient_keys, marks


def kind_of(change: DeliveryChange, code_before: str | None) -> str | None:
    """What a change of a delivery is to the trail, or None. `code_before` is the answer to the attempt before.

    An attempt that ended without acceptance is told when it is the first that ended so: that a hospital which answers AE for three
    days has got the message is one disclosure, and not one for each of its answers. What is queued without an attempt (taken back,
    resent) is none.
    """
    if change.status == _SENT:
        return SENT
    if change.status == _CANCELLED:
        return REFUSED
    code = change.code
    if code is None or code == code_before:
        return None
    return MAYBE if code == "none" else ANSWERED


class Gathering:
    """Collects the records of one transaction. `begin` (a new trail's last delivery) goes before the first."""

    __slots__ = ("_at_us", "_begin", "_keys", "_records", "_subjects")

    def __init__(self, begin: int | None = None) -> None:
        self._begin = begin
        self._at_us: int | None = None
        self._subjects: dict[tuple[str | None, ...], int] = {}
        self._records: list[list[Any]] = []
        self._keys: list[tuple[int, ...]] = []

    def delivery(
        self,
        kind: str,
        at_us: int,
        delivery: int,
        place: Place,
        attempts: int,
        said: str | None,
        doubtful: bool,
    ) -> None:
        """A disclosure or a refusal; `said` is the answer's code, or the refusal's reason."""
        destination, scope, (message, type_, event_date, version, patients, marks) = place
        if doubtful:
            marks |= DOUBTFUL
        subject = (kind, destination, scope, type_, version, said)
        self._add(subject, at_us, [delivery, message, event_date, attempts, marks, *patients], patients)

    def born(self, message: NewMessage, about: About | None = None) -> None:
        """The deliveries of a message that were refused, or sent, when it was accepted."""
        for d in message.deliveries:
            if d.status >= _SENT and d.status in (_SENT, _CANCELLED):
                kind = SENT if d.status == _SENT else REFUSED
                place = (d.destination, d.scope, about or about_of(message))
                self.delivery(kind, message.received_us, d.id, place, 0, d.reason, False)

    def changed(self, change: DeliveryChange, place: Place, code_before: str | None) -> None:
        """A change of a delivery, if it is anything to the trail."""
        if change.status == _SENT:
            self.delivery(
                SENT,
                change.at_us,
                change.id,
                place,
                change.attempts,
                change.code,
                bool(change.possible_duplicate),
            )
        elif (kind := kind_of(change, code_before)) is not None:
            said = change.reason if kind is REFUSED else change.code
            self.delivery(
                kind, change.at_us, change.id, place, change.attempts, said, bool(change.possible_duplicate)
            )

    def interrupted(
        self, delivery: int, place: Place, attempts: int, code_before: str | None, at_us: int
    ) -> None:
        """A delivery that was being sent when the engine stopped: it may have been received."""
        if code_before != "none":
            self.delivery(MAYBE, at_us, delivery, place, attempts, None, True)

    def acts(self, acts: Iterable[Act]) -> None:
        """What operators did."""
        for act in acts:
            self._add((ACT, act.operator, act.verb), act.at_us, [act.detail])

    def views(self, views: Iterable[View]) -> None:
        """What operators looked at."""
        for view in views:
            self._add(
                (VIEW, view.operator, view.command),
                view.at_us,
                [view.message, *view.patients],
                view.patients,
            )

    def cut(self, last: AuditHead, at_us: int) -> None:
        """Retention takes the rows up to this one away."""
        self._add((CUT,), at_us, [cut_of(last)])

    def start(self, at_us: int) -> None:
        """The trail begins now, if it has not."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            self._add((BEGIN,), at_us, [begin])

    def _add(
        self, subject: tuple[str | None, ...], at_us: int, rest: list[Any], keys: tuple[int, ...] = ()
    ) -> None:
        if self._begin is not None:
            self.start(at_us)
        subjects = self._subjects
        place = subjects.get(subject)
        if place is None:
            place = subjects[subject] = len(subjects)
        if self._at_us is None:
            self._at_us = at_us
        self._records.append([place, at_us - self._at_us, *rest])
        self._keys.append(keys)

    def rows(self, head: AuditHead) -> list[tuple[AuditRow, set[int]]]:
        """The rows behind `head`, each with the keys of the patients that it tells of."""
        if self._at_us is None:
            return []
        subjects, at_us, records = list(self._subjects), self._at_us, self._records
        made: list[tuple[AuditRow, set[int]]] = []
        for start in range(0, len(records), MOST_RECORDS):
            some = records if len(records) <= MOST_RECORDS else records[start : start + MOST_RECORDS]
            data = FORMAT + _encode([subjects, some]).encode()
            sequence = head.sequence + 1
            head = AuditHead(sequence, at_us, link(head.hash, sequence, at_us, data))
            keys = set().union(*self._keys[start : start + MOST_RECORDS])
            made.append((AuditRow(sequence, at_us, data, head.hash), keys))
        return made


def records_of(row: AuditRow) -> list[AuditRecord]:
    """The records of a row, in the order in which they were written. Raises ValueError for data in no known form."""
    if row.data[:1] != FORMAT:
        raise ValueError("a row of the audit trail has a format that this program does not know")
    try:
        subjects, records = json.loads(row.data[1:])
        return [_record(row, subjects[record[0]], record) for record in records]
    except (TypeError, LookupError, ValueError, RecursionError):
        raise ValueError("a row of the audit trail cannot be read") from None


def patients_of(row: AuditRow) -> set[int]:
    """The keys of a row's patients; none for a row that cannot be read, of which a check of the chain tells."""
    if row.data[:1] != FORMAT:
        return set()
    try:
        subjects, records = json.loads(row.data[1:])
        starts = [_FIRST_PATIENT.get(subject[0], _NONE) for subject in subjects]
        found: set[int] = set()
        for record in records:
            found.update(record[starts[record[0]] :])
    except (TypeError, LookupError, ValueError, RecursionError):
        return set()
    return {key for key in found if isinstance(key, int) and -_HALF <= key < _HALF}


def _record(row: AuditRow, subject: Sequence[Any], record: Sequence[Any]) -> AuditRecord:
    kind, *words = subject
    begin = row.sequence, row.at_us + record[1], kind
    if kind == VIEW:
        operator, command = words
        patients = tuple(record[3:])
        return AuditRecord(*begin, message=record[2], patients=patients, operator=operator, verb=command)
    if kind == ACT:
        operator, verb = words
        return AuditRecord(*begin, operator=operator, verb=verb, detail=record[2])
    if kind == BEGIN:
        return AuditRecord(*begin, delivery=record[2])
    if kind == CUT:
        return AuditRecord(*begin, detail=record[2])
    if kind not in KINDS:
        raise ValueError("a record of an unknown kind")
    destination, scope, type_, version, said = words
    delivery, message, date, attempts, marks = record[2:7]
    return AuditRecord(
        *begin,
        delivery=delivery,
        message=message,
        destination=destination,
        scope=scope,
        type=type_,
        event_date=date,
        version=version,
        attempts=attempts,
        code=None if kind == REFUSED else said,
        reason=said if kind == REFUSED else None,
        possible_duplicate=bool(marks & DOUBTFUL),
        replayed=bool(marks & REPLAYED),
        patients=tuple(record[7:]),
    )

"""An alert as the message that tells it, and the one that takes it back: ORU^R01 of HL7 v2.5.1 (chapter 7, 7.3.1).

OBR-3 names the alert, the same when it is taken back: then OBR-25 and OBX-11 are C instead of F (tables 0123 and 0085), with the
same OBX-3 and OBX-4, for the same patient number; where it was told of the wrong patient, OBX-11 is W (OBR-25 stays C: table 0123
has no W). OBX-8 is A, so that an inbox shows it among what is abnormal. ORC-12 and OBR-16 are the primary care provider on the
recipient's roster, by NPI. MSH-6 names the recipient as the configuration does: a route to affiliates sends it to no other.

`AlertTold` is what is kept of an alert that was told, so that taking it back repeats what was said. Refuses to know stores and
clocks. Raises ValueError for bytes in no known format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.affiliation.alerts.case import Alert, Kind
from hl7bridge.affiliation.facts.data import packed, unpacked
from hl7bridge.affiliation.facts.facts import FillKey, Medicine, PersonFact, PrescriptionKey
from hl7bridge.affiliation.messages.pid import pid
from hl7bridge.affiliation.messages.written import day, header, message, segment, stamp, written

#: The system of our own codes (table 0396: 99zzz is a local one).
SYSTEM: Final = "99HL7BRIDGE"
_TITLES: Final = {
    Kind.NOT_PICKED_UP: "Medication not picked up",
    Kind.PRIMARY: "New prescription not filled",
    Kind.REFILL_LATE: "Refill late",
    Kind.ADHERENCE: "Adherence low",
    Kind.INTERACTION: "Interacting medicines",
    Kind.INTERVENTION: "Pharmacist intervention",
}
#: The first byte of what is kept of an alert.
MARK: Final = b"\x00"
#: NPI's place among the object identifiers.
_NPI: Final = ("", "2.16.840.1.113883.4.6", "ISO")


@dataclass(frozen=True, slots=True)
class AlertTold:
    """An alert as it is told one recipient: under which name (OBR-3), of whom, and for whose attention (an NPI, or None)."""

    id: str
    person: PersonFact
    npi: str | None
    alert: Alert


def title(kind: Kind) -> str:
    """A kind of alert in words."""
    return _TITLES[kind]


def alert_message(
    told: AlertTold,
    recipient: str,
    control_id: str,
    at: datetime,
    withdrawn: str | None = None,
    *,
    wrong_patient: bool = False,
) -> bytes:
    """The message, in UTF-8. `at` is aware; `withdrawn` says why it is taken back, None tells it; `wrong_patient`: it was never about
    the patient of whom it was told.
    """
    alert = told.alert
    whole = "F" if withdrawn is None else "C"
    status = "W" if wrong_patient else whole
    moment, on = stamp(at), day(alert.day)
    provider = b"" if told.npi is None else written((told.npi, *[""] * 7, _NPI, "", "", "", "NPI"))
    name = written((told.id, "HL7BRIDGE"))
    what = _code(alert.kind.value, title(alert.kind))
    done = "CM" if withdrawn is None else "CA"
    segments = [
        header(
            {
                3: "HL7BRIDGE",
                4: "HUB",
                6: recipient,
                7: moment,
                9: written(("ORU", "R01", "ORU_R01")),
                10: control_id,
                11: "P",
                12: "2.5.1",
                18: "UNICODE UTF-8",
            }
        ),
        pid(told.person.numbers, told.person),
        segment("ORC", {1: "RE", 3: name, 5: done, 9: moment, 12: provider}),
        segment("OBR", {1: "1", 3: name, 4: what, 7: on, 16: provider, 22: moment, 25: whole}),
    ]
    for number, each in enumerate(_observations(alert, withdrawn), 1):
        fields: dict[int, str | bytes] = {1: str(number), 2: each.type, 3: each.code, 4: str(each.sub)}
        fields |= {5: each.value, 6: each.units, 8: each.flag, 11: status, 14: on}
        segments.append(segment("OBX", fields))
    return message(segments)


class _Observation(NamedTuple):
    """OBX-2, OBX-3, OBX-4, OBX-5, OBX-6 and OBX-8."""

    type: str
    code: bytes
    sub: int
    value: str | bytes
    units: str = ""
    flag: str = ""


def _observations(alert: Alert, withdrawn: str | None) -> Iterable[_Observation]:
    reason, flag = (alert.reason, "A") if withdrawn is None else (withdrawn, "")
    yield _Observation("TX", _code(alert.kind.value, title(alert.kind)), 1, reason, flag=flag)
    if alert.value is not None:
        code = _code("days-covered", "Proportion of days covered")
        yield _Observation("NM", code, 1, str(alert.value), "%", flag)
    if alert.class_:
        yield _Observation("ST", _code("class", "Class of medicines"), 1, alert.class_)
    for number, medicine in enumerate(alert.medicines, 1):
        value = written((medicine.code, medicine.text, medicine.system))
        yield _Observation("CE", _code("medicine", "Medicine"), number, value)
    if alert.prescription is not None:
        code = _code("prescription", "Prescription (store, number)")
        yield _Observation("ST", code, 1, " ".join(alert.prescription))
    for number, fill in enumerate(alert.fills, 1):
        words = [*fill.prescription, fill.number, "" if fill.part is None else fill.part.isoformat()]
        code = _code("fill", "Fill (store, prescription, number)")
        yield _Observation("ST", code, number, " ".join(filter(None, words)))


def _code(code: str, words: str) -> bytes:
    return written((code, words, SYSTEM))


# -- what is kept ------------------------------------------------------------------------------------------------------------


def packed_alert(told: AlertTold) -> bytes:
    """An alert's bytes; the first names the format."""
    alert = told.alert
    values: list[Any] = [
        told.id,
        packed(told.person).decode("utf-8", "surrogatepass"),
        told.npi,
        alert.kind.value,
        alert.subject,
        alert.day.isoformat(),
        [
            [*fill.prescription, fill.number, None if fill.part is None else fill.part.isoformat()]
            for fill in alert.fills
        ],
        alert.reason,
        None if alert.value is None else str(alert.value),
        alert.medicine,
        alert.prescription,
        alert.class_,
        alert.medicines,
    ]
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return MARK + text.encode("utf-8", "surrogatepass")


def unpacked_alert(data: bytes) -> AlertTold:
    """What `packed_alert` packed. Raises ValueError."""
    if data[:1] != MARK:
        raise ValueError(f"an alert is kept in format {data[0] if data else 'none'}, which is not known")
    v = json.loads(data[1:].decode("utf-8", "surrogatepass"))
    person = unpacked(v[1].encode("utf-8", "surrogatepass"))
    if not isinstance(person, PersonFact):
        raise ValueError("an alert is kept without its patient")
    fills = tuple(
        FillKey(PrescriptionKey(store, number), fill, None if part is None else date.fromisoformat(part))
        for store, number, fill, part in v[6]
    )
    alert = Alert(
        Kind(v[3]),
        v[4],
        date.fromisoformat(v[5]),
        fills,
        v[7],
        None if v[8] is None else Decimal(v[8]),
        None if v[9] is None else Medicine(*v[9]),
        None if v[10] is None else PrescriptionKey(*v[10]),
        v[11],
        tuple([Medicine(*each) for each in v[12]]),
    )
    return AlertTold(v[0], person, v[2], alert)

"""The messages of the story: one patient's weeks, told by a hospital, a store and a clinic. Nobody in them exists.

Each function gives one message as it is sent at a time, which has a zone. Raises nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

_HER = "4410027^^^LANTERN^PI~E7788990^^^MEDSTAR^MR||ALEXANDER^DOROTHEA^M^^^^L||19481103|F"
_HIS = "4419311^^^LANTERN^PI||OSEI^KWAME^^^^^L||19710614|M"
_GILBERT = "1982607711^GILBERT^ROBERT^^^DR^MD^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"
_PRUITT = "1650912233^PRUITT^HANNAH^^^^NP^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"
_OKONKWO = "1234567893^OKONKWO^ADA^^^^MD^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"
_METFORMIN = (
    "00093-1048-01^metformin 500 mg tablet^NDC^861007^metformin hydrochloride 500 MG Oral Tablet^RXNORM"
)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")


def _message(*lines: str) -> bytes:
    return "".join(line + "\r" for line in lines).encode()


def _head(at: datetime, sender: str, type_: str, number: str) -> str:
    return f"MSH|^~\\&|{sender}|HL7BRIDGE|HUB|{_stamp(at)}||{type_}|{number}|P|2.5.1"


def discharged(at: datetime) -> bytes:
    """MedStar's ADT^A03: she goes home."""
    return _message(
        _head(at, "EPIC|MEDSTAR", "ADT^A03^ADT_A03", "ST0001"),
        f"EVN||{_stamp(at)}||||{_stamp(at)}",
        f"PID|1||{_HER}",
        f"PV1|1|I|4E^412^1^MSH||||{_GILBERT}|||MED|||||||||300118901^^^MEDSTAR^AN{'|' * 17}01{'|' * 8}"
        f"{_stamp(at - timedelta(days=3))}|{_stamp(at)}",
    )


def prescribed_at_discharge(at: datetime) -> bytes:
    """MedStar's RDE^O11 for the time after the stay."""
    return _message(
        _head(at, "EPIC|MEDSTAR", "RDE^O11^RDE_O11", "ST0002"),
        f"PID|1||{_HER}",
        f"ORC|NW|6610441^EPIC|||||||{_stamp(at)}|||{_GILBERT}|||||||||MedStar Health||||||||O^Outpatient order^HL70482",
        "RXE||861007^metformin hydrochloride 500 MG Oral Tablet^RXNORM|1||TAB^tablet^99LAN||^Take 1 tablet by mouth twice daily"
        "|||180|TAB^tablet^99LAN|3",
        f"TQ1|1|1|BID|||90^d|{at:%Y%m%d}",
        "RXR|PO^Oral^HL70162",
    )


def filled(at: datetime, *, sold: bool = False, filled_at: datetime | None = None) -> bytes:
    """The store's RDS^O13: ready, and later sold. `filled_at` is when it was made ready."""
    ready = filled_at or at
    said = "SOLD^Sold to the patient^99LAN" if sold else "FILLED^Filled^99LAN"
    lines = [
        _head(at, "RXCENTRAL|S00412", "RDS^O13^RDS_O13", "ST0004" if sold else "ST0003"),
        f"PID|1||{_HER}",
        f"ORC|RE|6610441^EPIC|00412-7731045^RXCENTRAL||{'CM' if sold else 'IP'}||||{_stamp(at)}|||{_GILBERT}"
        f"|||||||||Lantern Pharmacy 00412||||{said}",
        f"RXE||{_METFORMIN}|1||TAB^tablet^99LAN|TAB^tablet^99LAN|^Take 1 tablet by mouth twice daily|||180|TAB^tablet^99LAN"
        "|3|||7731045|3",
        f"TQ1|1|1|BID|||90^d|{ready:%Y%m%d}",
        f"RXD|1|{_METFORMIN}|{_stamp(ready)}|180|TAB^tablet^99LAN|TAB^tablet^99LAN|7731045|3",
        "RXR|PO^Oral^HL70162",
    ]
    if sold:
        lines.append(f"FT1|1|||{_stamp(at)}||CG|7731045^Prescription 7731045 fill 1^99LAN|||1")
    return _message(*lines)


def visited(at: datetime, event: str, *, his: bool = False) -> bytes:
    """A clinic's ADT: registered (A04) or over (A03)."""
    number, who = ("ST0021" if his else "ST0011", _HIS if his else _HER)
    begun = at - timedelta(minutes=50) if event == "A03" else at
    ended = f"|{_stamp(at)}" if event == "A03" else ""
    physician = [f"PD1||||{_OKONKWO}"] if his else []
    return _message(
        _head(
            at, "CLINICEHR|C0107", f"ADT^{event}^ADT_A{'03' if event == 'A03' else '01'}", f"{number}{event}"
        ),
        f"EVN||{_stamp(at)}||||{_stamp(at)}",
        f"PID|1||{who}",
        *physician,
        f"PV1|1|O|C0107^EXAM1||||{_PRUITT}|||MED|||||||||V{number}^^^LANTERN^VN{'|' * 25}{_stamp(begun)}{ended}",
        "DG1|1||J02.9^Acute pharyngitis, unspecified^I10|||F",
    )


def resulted(at: datetime, *, his: bool = False) -> bytes:
    """The clinic's ORU^R01."""
    number, who = ("ST0021" if his else "ST0011", _HIS if his else _HER)
    return _message(
        _head(at, "CLINICEHR|C0107", "ORU^R01^ORU_R01", f"{number}R"),
        f"PID|1||{who}",
        f"PV1|1|O|C0107^EXAM1||||{_PRUITT}|||MED|||||||||V{number}^^^LANTERN^VN",
        f"ORC|RE|L{number}^CLINICEHR|L{number}-1^CLINICLAB|||||||||{_PRUITT}",
        f"OBR|1|L{number}^CLINICEHR|L{number}-1^CLINICLAB|CHEM2^Point of care chemistry^99LAN|||{_stamp(at)}|||||||||{_PRUITT}"
        f"||||||{_stamp(at)}|||F",
        f"OBX|1|NM|4548-4^Hemoglobin A1c^LN||7.4|%^percent^UCUM|4.0-5.6|H|||F|||{_stamp(at)}",
        f"OBX|2|NM|2345-7^Glucose^LN||148|mg/dL^milligram per deciliter^UCUM|70-99|H|||F|||{_stamp(at)}",
    )

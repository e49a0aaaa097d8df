"""Made-up messages for a test endpoint: MSH-11 is T in every one, the patient is ZZTEST, and no person bears the numbers.

Raises nothing.
"""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Final

from hl7bridge.hl7.ack import timestamp

#: Letters beyond ASCII by the word of MSH-18 (table 0211), and the codec that writes them.
CHARSETS: Final = {"UNICODE UTF-8": ("Ñuñez-Łódź", "utf-8"), "8859/1": ("Muñoz-Düß", "latin-1")}


class Messages:
    """Messages for one run: control IDs begin with `begin` and are never the same twice. `route` is MSH-5 and MSH-6."""

    def __init__(self, begin: str, authority: str, now: datetime, route: tuple[str, str]) -> None:
        self._numbers = count(1)
        self._begin = begin
        self._authority = authority
        self._now = timestamp(now).decode("ascii")
        self._route = route

    def control_id(self) -> str:
        """The next one: at most 20 characters (MSH-10)."""
        return f"{self._begin}{next(self._numbers):04d}"

    def order(self, control_id: str, *, patient: int = 1, name: str = "CERTIFY", charset: str = "") -> bytes:
        """RDE^O11 of a made-up patient."""
        codec = CHARSETS[charset][1] if charset else "ascii"
        segments = [
            self._header("RDE^O11^RDE_O11", control_id, charset),
            self._pid(patient, name),
            f"ORC|NW|{control_id}||||||||||1234567893^TEST^PRESCRIBER^^^^^^NPI",
            "RXE||00000-0000-00^test medicine, not to be given^NDC|1||TAB",
            f"TQ1|1|1|QD|||||{self._now}",
            "RXR|PO",
        ]
        return "".join(segment + "\r" for segment in segments).encode(codec)

    def result(self, control_id: str, text: str) -> bytes:
        """ORU^R01 with one text result."""
        segments = [
            self._header("ORU^R01^ORU_R01", control_id, ""),
            self._pid(1, "CERTIFY"),
            f"OBR|1|{control_id}||TEST^test of the link^L|||{self._now}",
            f"OBX|1|TX|TEST^test of the link^L||{text}||||||F",
        ]
        return "".join(segment + "\r" for segment in segments).encode("ascii")

    def unknown(self, control_id: str) -> bytes:
        """A type that does not exist, which must be answered AR or AE (HL7 v2.5.1 chapter 2.9.2.2)."""
        return (self._header("ZZZ^Z99", control_id, "") + "\r" + self._pid(1, "CERTIFY") + "\r").encode(
            "ascii"
        )

    def _header(self, type_: str, control_id: str, charset: str) -> str:
        to, facility = self._route
        header = f"MSH|^~\\&|HL7BRIDGE|CERTIFY|{to}|{facility}|{self._now}||{type_}|{control_id}|T|2.5.1"
        return header + (f"||||||{charset}" if charset else "")

    def _pid(self, patient: int, name: str) -> str:
        return f"PID|1||ZZ{patient:06d}^^^{self._authority}^MR||ZZTEST^{name}||19000101|U"

"""Acknowledgments: the one we write for what came, and how the one that a hospital writes is understood.

Holds `build` and `read`, and `AckError`, of which an ERR segment is made. Refuses to know when an answer is
due and what follows from one. `build` raises nothing but the documented errors of `Message`; `read` never
raises. Nothing of the message but its header goes into an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from hl7bridge.hl7.delimiters import STANDARD, Delimiters
from hl7bridge.hl7.escape import escape
from hl7bridge.hl7.message import Message

#: MSA-1, HL7 table 0008.
CODES: Final = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})

#: ERR-3, HL7 table 0357.
CONDITIONS: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "104": "Value too long",
    "198": "Non-Conformant Cardinality",
    "199": "Other HL7 Error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[([0-9]+)\])?(?:-([0-9]+)(?:\[([0-9]+)\])?(?:\.([0-9]+))?)?")
_VERSION = re.compile(rb"([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.([0-9]{1,3}))?")
# What an answer says whose message names no version, so that it is still readable by someone.
_DEFAULT_VERSION = b"2.5.1"
# Beyond this an inbound header is not worth remembering.
_HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class AckError:
    """What is wrong with a message: a code of table 0357, a sentence without message values, and where.

    `place` is written like a path (`PID-3`, `OBX[2]-5[1].2`); `severity` is of table 0516 (E, W, I, F).
    """

    code: str
    text: str = ""
    place: str | None = None
    severity: str = "E"


class Answer(NamedTuple):
    """What a hospital said. `code` is None where it is no acknowledgment at all.

    `matches` tells whether MSA-2 is the control ID that was asked about. `condition` is the first code of
    table 0357 in its ERR segments; `text_present` whether it explains itself (in MSA-3 or ERR), without
    saying how: that may hold patient data.
    """

    code: str | None
    matches: bool = False
    control_id: bytes = b""
    condition: str | None = None
    text_present: bool = False

    @property
    def garbage(self) -> bool:
        """True for bytes that are no acknowledgment."""
        return self.code is None


GARBAGE: Final = Answer(None)


def build(
    message: Message | None,
    code: str,
    *,
    now: datetime,
    control_id: bytes,
    errors: Sequence[AckError] = (),
) -> bytes:
    """The acknowledgment of `message` (None: its header could not be read) with MSA-1 `code`.

    `now` is written with its offset, if it has one. `control_id` is the acknowledgment's own. Application and
    facility change sides; delimiters, version, processing ID and character set are the sender's (HL7 v2.5.1
    chapter 2, 2.9 and 2.13). Errors become ERR segments in the form of the sender's version.
    """
    stamp = timestamp(now)
    if message is None:
        opening, middle, closing, asked = _UNREAD_HEADER
        delimiters, version = STANDARD, _DEFAULT_VERSION
    else:
        header = message.header.split()
        delimiters = message.delimiters
        picked = _picked(header if len(header) > 18 else header + [b""] * 18)
        write = _header if sum(map(len, picked)) <= _HEADER_BYTES else _written_header
        opening, middle, closing, version = write(None if delimiters is STANDARD else delimiters, picked)
        asked = header[10] if len(header) > 10 else b""
        charset = message.charset
        if not charset.delimiter_safe:
            opening, closing, asked = map(charset.to_wire, (opening, closing, asked))
    parts = [opening, stamp, middle, control_id, closing, code.encode("ascii"), delimiters.field, asked]
    if errors:
        _add_errors(parts, errors, delimiters, version)
    parts.append(b"\r")
    return b"".join(parts)


def timestamp(now: datetime) -> bytes:
    """A time to the second as HL7 writes it (YYYYMMDDHHMMSS and the offset, if the time has one)."""
    clock = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    return _stamp(now.tzinfo, now.fold, *clock)


@lru_cache(maxsize=64)
def _stamp(zone: tzinfo | None, fold: int, *clock: int) -> bytes:
    # Many answers leave within one second, and a look-up costs a third of the writing.
    year, month, day, hour, minute, second = clock
    now = datetime(year, month, day, hour, minute, second, tzinfo=zone, fold=fold)
    text = b"%04d%02d%02d%02d%02d%02d" % clock
    offset = now.utcoffset()
    if offset is None:
        return text
    minutes = round(offset.total_seconds() / 60)
    return text + b"%c%02d%02d" % (b"+" if minutes >= 0 else b"-", *divmod(abs(minutes), 60))


# MSH-3 to 6, 9, 11, 12 and 18.
_picked: Final = itemgetter(3, 4, 5, 6, 9, 11, 12, 18)
_Header = tuple[bytes, bytes, bytes, bytes]


def _written_header(delimiters: Delimiters | None, picked: tuple[bytes, ...]) -> _Header:
    """The constant parts of an answer: up to MSH-7, MSH-8 and 9, MSH-11 up to MSA-1; and the version.

    None stands for the standard delimiters: it is the quicker key to remember an answer by.
    """
    delimiters = delimiters or STANDARD
    application, facility, to_application, to_facility, type_, processing, version, charset = picked
    field, component = delimiters.field, delimiters.component
    version = version or _DEFAULT_VERSION
    opening = field.join(
        [
            b"MSH",
            delimiters.encoding_characters,
            to_application,
            to_facility,
            application,
            facility,
            b"",
        ]
    )
    kind = [b"ACK"]
    number = version_number(version)
    trigger = type_.split(component)[1:2] if component else []
    if trigger and trigger[0] and number >= (2, 3):
        kind += trigger
        if number >= (2, 3, 1):
            kind.append(b"ACK")
    closing = [b"", processing, version]
    if charset:
        closing += [b""] * 5 + [charset]
    return (
        opening,
        field * 2 + component.join(kind) + field,
        field.join(closing) + b"\rMSA" + field,
        version,
    )


_header = lru_cache(maxsize=2048)(_written_header)


def version_number(version: bytes) -> tuple[int, ...]:
    """MSH-12 as numbers to compare: 2.3.1 is (2, 3, 1). What cannot be read counts as the latest."""
    found = _VERSION.match(version)
    if found is None:
        return (9,)
    return tuple(int(part) for part in found.groups() if part is not None)


_UNREAD_HEADER: Final = (*_written_header(STANDARD, (b"", b"", b"", b"", b"", b"P", b"", b""))[:3], b"")


def _add_errors(
    parts: list[bytes], errors: Sequence[AckError], delimiters: Delimiters, version: bytes
) -> None:
    number = version_number(version)
    if number < (2, 7):
        # MSA-3 was withdrawn in 2.7; before, many senders show nothing else.
        parts += [delimiters.field, _text(errors[0].text or CONDITIONS.get(errors[0].code, ""), delimiters)]
    for error in errors:
        write = _err_since_2_5 if number >= (2, 5) else _err_before_2_5
        parts += [b"\rERR", delimiters.field, *write(error, delimiters)]


def _err_since_2_5(error: AckError, delimiters: Delimiters) -> list[bytes]:
    """ERR-2 location, ERR-3 code, ERR-4 severity, ERR-8 a sentence for the user (chapter 2, 2.14.5)."""
    field, component = delimiters.field, delimiters.component
    segment, occurrence, number, repetition, part = _located(error)
    location = [segment, occurrence or b"1", number, repetition or (b"1" if part else b""), part]
    while location and not location[-1]:
        location.pop()
    condition = [_text(error.code, delimiters), _text(CONDITIONS.get(error.code, ""), delimiters), b"HL70357"]
    parts = [
        field,
        _joined(location, component) if segment else b"",
        field,
        _joined(condition, component),
        field,
        error.severity.encode("ascii"),
    ]
    if error.text:
        parts += [field * 4, _text(error.text, delimiters)]
    return parts


def _err_before_2_5(error: AckError, delimiters: Delimiters) -> list[bytes]:
    """ERR-1: segment, its number, field, and the code with its parts a level down."""
    segment, occurrence, number, _, _ = _located(error)
    code, text = (_text(value, delimiters) for value in (error.code, CONDITIONS.get(error.code, "")))
    condition = _joined([code, text, b"HL70357"], delimiters.subcomponent)
    place = [segment, occurrence or b"1", number] if segment else [b"", b"", b""]
    return [_joined([*place, condition], delimiters.component)]


def _joined(parts: list[bytes], separator: bytes) -> bytes:
    """The parts on one level; only the first where the sender declared no delimiter for it."""
    return separator.join(parts) if separator else parts[0]


def _located(error: AckError) -> tuple[bytes, ...]:
    found = _PLACE.fullmatch(error.place or "")
    return tuple((part or "").encode("ascii") for part in found.groups()) if found else (b"",) * 5


_CONTROL = re.compile(rb"[\x00-\x1f]")


def _text(text: str, delimiters: Delimiters) -> bytes:
    raw = _CONTROL.sub(b" ", text.encode("ascii", "replace"))
    if not delimiters.escape:
        for char in (delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent):
            raw = raw.replace(char, b" ") if char else raw
    return escape(raw, delimiters)


@lru_cache(maxsize=64)
def _msa(field: bytes) -> re.Pattern[bytes]:
    mark = re.escape(field)
    value = b"([^\r\n" + mark + b"]*)"
    return re.compile(b"[\r\n]MSA%b%b(?:%b%b)?(?:%b%b)?" % (mark, value, mark, value, mark, value))


@lru_cache(maxsize=64)
def _err(field: bytes) -> re.Pattern[bytes]:
    mark = re.escape(field)
    skip = b"[^\r\n" + mark + b"]*" + mark
    return re.compile(b"[\r\n]ERR%b(?:%b%b([0-9]{1,3})(?![0-9]))?" % (mark, skip, skip))


_START = re.compile(rb"(?:\xef\xbb\xbf|\s)*MSH([^\r\n])")


def read(raw: bytes, expected_control_id: bytes) -> Answer:
    """What the answer `raw` says about the message with MSH-10 `expected_control_id`.

    Any message with an MSA segment is an answer, whatever its type: RRE, RRD, ORR and ACK are all in use.
    Blanks around the code and the control ID are overlooked.
    """
    if raw.startswith(b"MSH|"):
        # The answer that nearly every hospital gives, read without a regular expression.
        at = raw.find(b"\rMSA|A")
        if at > 0 and raw.find(b"\n") < 0:
            stop = raw.find(b"\r", at + 1)
            said = raw[at + 5 : stop if stop > 0 else len(raw)].split(b"|", 2)
            if len(said) > 1 and said[0] == b"AA" and said[1] == expected_control_id:
                return Answer("AA", True, expected_control_id)
    start = _START.match(raw)
    found = _msa(start[1]).search(raw, start.end()) if start else None
    if found is None or start is None:
        return GARBAGE
    code = found[1].strip().decode("ascii", "replace").upper()
    control_id = (found[2] or b"").strip()
    matches = control_id == expected_control_id.strip()
    if code not in CODES:
        return Answer(None, matches, control_id)
    if code[1] == "A":
        return Answer(code, matches, control_id)
    error = _err(start[1]).search(raw, found.start())
    condition = error[1].decode("ascii") if error and error[1] else None
    return Answer(code, matches, control_id, condition, bool(found[3]) or error is not None)

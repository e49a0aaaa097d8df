"""The hospital's list of control IDs: a text, a column of a CSV file, or the messages themselves (a batch file, or a log of them).

Byte order marks, quotes, blank lines and a heading are taken as they come; of an acknowledgment MSA-2 counts where it is AA or CA.
Raises HL7BridgeError, with the line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from hl7bridge.connectors.message_file import read_messages
from hl7bridge.engine.delivering.pool import control_id_of
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.mllp import START

#: Bytes that are looked at to tell what a file is, and the largest message of a file of messages.
_HEAD_BYTES: Final = 4096
_MOST_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_DELIMITERS: Final = ",;\t|"
_BLANK: Final = b"\xef\xbb\xbf \r\n\t"
#: Headings that a list of one column may begin with, without anything but letters and digits.
_HEADINGS: Final = frozenset(
    ("controlid", "messagecontrolid", "msgcontrolid", "mshcontrolid", "msh10", "msa2", "messageid", "id")
)
#: MSA-1 and MSA-2 of an acknowledgment, and the codes that say that the message was taken (table 0008).
_ACKNOWLEDGED: Final = re.compile(rb"[\r\n]MSA(.)([^\r\n]*?)\1([^\r\n]*?)(?:\1|[\r\n]|$)")
_TAKEN: Final = (b"AA", b"CA")
#: What a spreadsheet makes of a long number: the digits are gone, and every comparison would be wrong.
_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d+")


def read_theirs(path: Path, column: str | None = None) -> Iterator[tuple[int, str]]:
    """(line or number of the message, control ID) of each."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        start = head.lstrip(_BLANK)
        if START in head or start[:3] in (b"FHS", b"BHS", b"MSH"):
            yield from _messages(path)
            return
        with path.open(encoding=_encoding(head), errors="replace", newline="") as text:
            yield from _lines(path, text, column)
    except OSError as error:
        raise _wrong(f"cannot be read: {error.strerror}", str(path)) from None


def _encoding(head: bytes) -> str:
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _messages(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    for found in read_messages(str(path), _MOST_MESSAGE_BYTES):
        if found is None:
            continue
        number += 1
        if not isinstance(found, bytes):
            raise _wrong("a message is too large to be read", f"{path}: message {number}")
        acknowledged = _ACKNOWLEDGED.search(found)
        if acknowledged and acknowledged[2] not in _TAKEN:
            continue
        id_ = acknowledged[3] if acknowledged else control_id_of(found)
        yield number, id_.decode("utf-8", "replace").strip()


def _lines(path: Path, text: IO[str], column: str | None) -> Iterator[tuple[int, str]]:
    first = text.readline()
    text.seek(0)
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    place: int | None = None
    try:
        for row in reader:
            cells = [_plain(cell) for cell in row]
            if not any(cells):
                continue
            if place is None:
                place, is_heading = _place(path, cells, column)
                if is_heading:
                    continue
            id_ = cells[place] if place < len(cells) else ""
            if _ROUNDED.fullmatch(id_):
                raise _wrong(
                    f"{id_} was a number once: a spreadsheet has rounded it",
                    f"{path}:{reader.line_num}",
                    "export the list again with this column as text",
                )
            if id_:
                yield reader.line_num, id_
    except csv.Error as error:
        raise _wrong(f"this is no CSV file: {error}", f"{path}:{reader.line_num}") from None


def _place(path: Path, cells: list[str], column: str | None) -> tuple[int, bool]:
    """Which cell holds the control ID, and whether this first row is a heading."""
    if column is None:
        if len([cell for cell in cells if cell]) > 1:
            raise _wrong(
                "the list has several columns",
                str(path),
                f"name the one with the control ID by --column: {', '.join(cells)}",
            )
        place = next(place for place, cell in enumerate(cells) if cell)
        return place, _word(cells[place]) in _HEADINGS
    wanted = [_word(cell) for cell in cells]
    if _word(column) in wanted:
        return wanted.index(_word(column)), True
    if column.isdecimal() and 1 <= int(column) <= len(cells):
        place = int(column) - 1
        # Where there are times and numbers in every line, a line without a digit is a heading.
        return place, wanted[place] in _HEADINGS or not any(map(str.isdigit, "".join(cells)))
    raise _wrong(f"there is no column {column}", str(path), f"it has {', '.join(cells)}, or give a number")


def _word(text: str) -> str:
    return re.sub(r"\W|_", "", text).casefold()


def _plain(cell: str) -> str:
    """A cell without what keeps a spreadsheet from reading a number: `="0012"`, `'0012`."""
    cell = cell.strip()
    if cell.startswith('="') and cell.endswith('"'):
        cell = cell[2:-1]
    return cell.removeprefix("'").strip()


def _wrong(what: str, place: str, hint: str | None = None) -> HL7BridgeError:
    return HL7BridgeError(what, code="bad-list", place=place, hint=hint)

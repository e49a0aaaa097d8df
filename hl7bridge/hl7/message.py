"""A message as a view of the bytes that came, and its segments.

Holds `Message` and `Segment`. Nothing is split before someone asks: a message splits into segments, a segment
into fields, when first read; a segment that was not changed leaves byte for byte as it came, its line end
included. Refuses to know what fields mean, beyond the header's. Raises `Unreadable` when there is no header
to read, `BadValue` when a value would break its segment, `Unencodable` (from `emit`) when a changed segment
cannot be written in the message's character set.

Segments end at a carriage return (HL7 v2.5.1 chapter 2, 2.5.2); line feeds and both together are what files
and careless senders bring, so each is read as an end and kept. Blank lines belong to the end of the segment
before them.
"""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.hl7.charset import Charset, of
from hl7bridge.hl7.delimiters import STANDARD, BadValue, Delimiters, Unreadable, declared

HEADERS: Final = frozenset({b"MSH", b"BHS", b"FHS"})
_BEFORE_HEADER = re.compile(rb"(?:\xef\xbb\xbf|[\s\x00])*")
_HEADER_END = re.compile(rb"[\r\n]")
_LINE_ENDS = b"\r\n"


class Segment:
    """One segment. `name` is its three-byte ID, or b"" where the line does not begin with one.

    Fields are numbered as in the standard: in MSH, BHS and FHS field 1 is the separator itself. Values are
    the bytes of the wire, still escaped (in UTF-8 where the character set is not delimiter safe, see
    `charset`).
    """

    __slots__ = ("_end", "_fields", "_line", "_shared", "charset", "delimiters", "name")

    def __init__(self, line: bytes, delimiters: Delimiters, charset: Charset | None = None) -> None:
        """`line` has its line end, if there is one. Without a `charset` values are taken to be UTF-8."""
        self._line: bytes | None = line
        self._fields: list[bytes] | None = None
        self._shared = False
        self.delimiters = delimiters
        self.charset = charset
        name = line[:3]
        if line[3:4] == delimiters.field and name.isalnum():
            self.name = name
        else:
            self.name = _bare_name(line)

    @classmethod
    def parse(cls, raw: bytes, delimiters: Delimiters = STANDARD, charset: Charset | None = None) -> Segment:
        """The segment that `raw` is, with or without its line end."""
        return cls(raw, delimiters, charset)

    @classmethod
    def make(cls, name: bytes, delimiters: Delimiters = STANDARD, charset: Charset | None = None) -> Segment:
        """A new segment without fields, ended by a carriage return."""
        head = name
        if name in HEADERS:
            head = name + delimiters.field + delimiters.encoding_characters
        return cls.parse(head + b"\r", delimiters, charset)

    @property
    def end(self) -> bytes:
        """The line end as it came, blank lines included; b"" if the message stopped without one."""
        if self._line is None:
            return self._end
        return self._line[len(self._line.rstrip(_LINE_ENDS)) :]

    @property
    def count(self) -> int:
        """The number of the last field that is there."""
        return len(self._fields if self._fields is not None else self.split()) - 1

    @property
    def changed(self) -> bool:
        """True if the segment no longer leaves as it came."""
        return self._line is None

    def field(self, number: int) -> bytes:
        """Field `number` (from 1; 0 is the segment's ID) as it stands; b"" if it is not there."""
        fields = self._fields
        if fields is None:
            fields = self.split()
        return fields[number] if 0 <= number < len(fields) else b""

    def set_field(self, number: int, value: bytes) -> None:
        """Puts `value` into field `number`, making the fields before it as needed.

        Raises `BadValue` if the value holds the field separator or a line end, or the field is one of the
        header's two that declare the delimiters.
        """
        if not value.isalnum() and (self.delimiters.field in value or b"\r" in value or b"\n" in value):
            raise _breaks(self.name, number)
        if number < 3 and (number < 1 or self.name in HEADERS):
            raise BadValue(
                "this field declares the message and cannot be changed",
                code="header-delimiters",
                place=f"{self.name.decode('ascii', 'replace')}-{number}",
            )
        fields = self._fields
        if fields is None or self._shared or self._line is not None:
            fields = self.own_fields()
        if number < len(fields):
            fields[number] = value
        elif value:
            fields.extend([b""] * (number - len(fields)))
            fields.append(value)

    def split(self) -> list[bytes]:
        """All fields, at index 1 the first; to be read, not changed."""
        if self._fields is not None:
            return self._fields
        line = self._line
        assert line is not None
        body = line.rstrip(_LINE_ENDS)
        self._end = line[len(body) :]
        if self.charset is not None and not self.charset.delimiter_safe:
            body = self.charset.to_working(body)
        fields = body.split(self.delimiters.field)
        if self.name in HEADERS:
            # The separator is field 1 of a header, so that numbers are indexes in every segment.
            fields.insert(1, self.delimiters.field)
        self._fields = fields
        return fields

    def own_fields(self) -> list[bytes]:
        """All fields, to be changed by the caller: the segment counts as changed from here on."""
        fields = self._fields
        if fields is None:
            fields = self.split()
        elif self._shared:
            fields = self._fields = fields.copy()
        self._shared = False
        self._line = None
        return fields

    def emit(self) -> bytes:
        """The segment with its line end: as it came if it was not changed. Raises `Unencodable`."""
        line = self._line
        if line is not None:
            return line
        fields = self._fields
        assert fields is not None
        if self.name in HEADERS:
            body = self.delimiters.field.join([fields[0], *fields[2:]])
        else:
            body = self.delimiters.field.join(fields)
        if self.charset is not None and not self.charset.delimiter_safe:
            body = self.charset.to_wire(body)
        return body + self._end

    def end_with(self, end: bytes) -> None:
        """Gives the segment another line end; its fields stay as they are."""
        if self._line is not None:
            self._line = self._line.rstrip(_LINE_ENDS) + end
        if self._fields is not None:
            self._end = end

    def copy(self) -> Segment:
        """An independent segment; fields already split are shared until either is changed."""
        new = Segment.__new__(Segment)
        new.name = self.name
        new.delimiters = self.delimiters
        new.charset = self.charset
        new._line = self._line
        new._fields = self._fields
        new._shared = self._shared = True
        if self._fields is not None:
            new._end = self._end
        return new

    def __repr__(self) -> str:
        return f"<Segment {self.name.decode('ascii', 'replace')}>"


def _bare_name(line: bytes) -> bytes:
    """The ID of a line that has no separator behind its first three bytes."""
    bare = line.rstrip(_LINE_ENDS)
    return bare if len(bare) == 3 and bare.isalnum() else b""


def _breaks(name: bytes, number: int) -> BadValue:
    return BadValue(
        "the value holds a field separator or a line end",
        code="value-breaks-segment",
        place=f"{name.decode('ascii', 'replace')}-{number}",
        hint="escape the text before it is put into a field",
    )


class Message:
    """A message as it came (`raw`), read and changed segment by segment.

    Byte order marks, blanks and blank lines before MSH are kept in `prefix` and otherwise overlooked.
    `fallback` names the character set of a message that names none. Raises `Unreadable`.
    """

    __slots__ = ("_charset", "_segments", "delimiters", "fallback", "prefix", "raw")

    def __init__(self, raw: bytes, fallback: str = "utf-8") -> None:
        self.raw = raw
        self.fallback = fallback
        self.prefix = b""
        self._segments: list[Segment] | None = None
        self._charset: Charset | None = None
        if raw.startswith(b"MSH|^~\\&|"):
            self.delimiters = STANDARD
            return
        found = _BEFORE_HEADER.match(raw)
        begin = found.end() if found else 0
        self.prefix = raw[:begin]
        if not raw.startswith(b"MSH", begin):
            raise Unreadable(
                "there is no MSH segment at the beginning",
                code="no-header",
                place=f"byte {begin}",
                hint="a message begins like MSH|^~\\&|",
            )
        field = raw[begin + 3 : begin + 4]
        line_end = _HEADER_END.search(raw, begin)
        stop = line_end.start() if line_end else len(raw)
        # Delimiters are remembered, so what is looked at is bounded, whatever stands in MSH-2.
        second = raw[begin + 4 : min(stop, begin + 12)].split(field, 1)[0] if field else b""
        self.delimiters = declared(field, second)

    @property
    def segments(self) -> list[Segment]:
        """The segments in order, the header first. To change the list, use `insert` and `remove`."""
        return self._segments if self._segments is not None else self._split()

    @property
    def charset(self) -> Charset:
        """The character set that MSH-18 names, or the fallback."""
        if self._charset is None:
            self._split()
        assert self._charset is not None
        return self._charset

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return (self._segments if self._segments is not None else self._split())[0]

    def header_field(self, number: int) -> bytes:
        """Field `number` of MSH as it stands; b"" if it is not there."""
        header = (self._segments if self._segments is not None else self._split())[0]
        fields = header._fields if header._fields is not None else header.split()
        return fields[number] if number < len(fields) else b""

    def first(self, name: bytes) -> Segment | None:
        """The first segment with this ID."""
        for segment in self._segments if self._segments is not None else self._split():
            if segment.name == name:
                return segment
        return None

    def all(self, name: bytes) -> list[Segment]:
        """Every segment with this ID, in order."""
        return [segment for segment in self.segments if segment.name == name]

    def insert(self, after: Segment | int, segment: Segment) -> None:
        """Puts `segment` behind another one, or behind the one at an index, with the header's line end.

        Its values are to be written with the message's delimiters and in its character set.
        """
        segments = self.segments
        index = after if isinstance(after, int) else self._index(after)
        end = segments[0].end or b"\r"
        if not segments[index].end:
            segments[index].end_with(end)
        segment.end_with(end)
        if segment.charset is None:
            segment.charset = self.charset
        segments.insert(index + 1 if index >= 0 else len(segments) + 1 + index, segment)

    def remove(self, segment: Segment) -> None:
        """Takes this segment out. The header cannot be taken out: `BadValue`."""
        index = self._index(segment)
        if index == 0:
            raise BadValue("the header cannot be removed", code="header-delimiters", place="MSH")
        del self.segments[index]

    def emit(self) -> bytes:
        """The message as bytes; exactly `raw` if nothing was changed. Raises `Unencodable`."""
        segments = self._segments
        if segments is None:
            return self.raw
        body = b"".join([segment._line or segment.emit() for segment in segments])
        return self.prefix + body if self.prefix else body

    def copy(self) -> Message:
        """An independent message with the changes made so far; what is unchanged is shared."""
        new = Message.__new__(Message)
        new.raw = self.raw
        new.prefix = self.prefix
        new.fallback = self.fallback
        new.delimiters = self.delimiters
        new._charset = self._charset
        new._segments = None if self._segments is None else [segment.copy() for segment in self._segments]
        return new

    # The header, as bytes (HL7 v2.5.1 chapter 2, 2.15.9)

    @property
    def sending_application(self) -> bytes:
        """MSH-3."""
        return self.header_field(3)

    @property
    def sending_facility(self) -> bytes:
        """MSH-4."""
        return self.header_field(4)

    @property
    def receiving_application(self) -> bytes:
        """MSH-5."""
        return self.header_field(5)

    @property
    def receiving_facility(self) -> bytes:
        """MSH-6."""
        return self.header_field(6)

    @property
    def type_code(self) -> bytes:
        """MSH-9.1, the message type."""
        return self._type_part(0)

    @property
    def trigger(self) -> bytes:
        """MSH-9.2, the trigger event."""
        return self._type_part(1)

    @property
    def structure(self) -> bytes:
        """MSH-9.3, the message structure."""
        return self._type_part(2)

    @property
    def control_id(self) -> bytes:
        """MSH-10."""
        return self.header_field(10)

    @property
    def processing_id(self) -> bytes:
        """MSH-11.1: P production, T training, D debugging (table 0103)."""
        return self._first_part(11)

    @property
    def version(self) -> bytes:
        """MSH-12.1."""
        return self._first_part(12)

    @property
    def accept_ack(self) -> bytes:
        """MSH-15 (table 0155)."""
        return self.header_field(15)

    @property
    def application_ack(self) -> bytes:
        """MSH-16 (table 0155)."""
        return self.header_field(16)

    def _first_part(self, number: int) -> bytes:
        value = self.header_field(number)
        component = self.delimiters.component
        return value.split(component, 1)[0] if component and component in value else value

    def _type_part(self, index: int) -> bytes:
        value = self.header_field(9)
        component = self.delimiters.component
        parts = value.split(component, 3) if component else [value]
        return parts[index] if index < len(parts) else b""

    def _index(self, segment: Segment) -> int:
        for index, known in enumerate(self.segments):
            if known is segment:
                return index
        raise BadValue("this segment is not in this message", code="no-segment")

    def _split(self) -> list[Segment]:
        raw, delimiters = self.raw, self.delimiters
        lines = (raw[len(self.prefix) :] if self.prefix else raw).splitlines(True)
        if min(map(len, lines)) < 3:
            lines = _without_blank_lines(lines)
        header = Segment(lines[0], delimiters)
        charset = of(header.field(18), delimiters.repetition, self.fallback)
        self._charset = charset
        if charset.delimiter_safe:
            header.charset = charset
        else:
            header = Segment(lines[0], delimiters, charset)
        segments = [header]
        for line in lines[1:]:
            segments.append(Segment(line, delimiters, charset))
        self._segments = segments
        return segments


def _without_blank_lines(lines: list[bytes]) -> list[bytes]:
    """The lines with every blank one joined to the line before it, of whose end it is a part."""
    kept: list[list[bytes]] = []
    for line in lines:
        if kept and not line.strip(_LINE_ENDS):
            kept[-1].append(line)
        else:
            kept.append([line])
    return [b"".join(parts) for parts in kept]

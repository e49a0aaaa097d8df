"""The delimiters that a message declares in MSH-1 and MSH-2 (HL7 v2.5.1 chapter 2, 2.5.4).

Holds the frozen `Delimiters` and the rule by which they are read. Refuses to know segments and fields. Raises
`Unreadable` when what stands there cannot delimit anything; defines `BadValue` for
what the other modules cannot write with the delimiters there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hl7bridge.errors import HL7BridgeError


class Unreadable(HL7BridgeError):
    """Bytes that are no HL7 v2 message: no header segment, or delimiters that cannot be used.

    Codes: `no-header`, `bad-delimiters`.
    """


class BadValue(HL7BridgeError):
    """A value that would not stay where it is put, or that the message has no delimiter to write.

    Codes: `value-breaks-segment`, `value-breaks-field`, `header-delimiters`, `no-delimiter`.
    """


@dataclass(frozen=True, slots=True)
class Delimiters:
    """One byte each; b"" where the message does not use that delimiter (a short MSH-2 declares fewer).

    `truncation` is the fifth encoding character of version 2.7 and later; it is carried and otherwise not
    used.
    """

    field: bytes
    component: bytes
    repetition: bytes
    escape: bytes
    subcomponent: bytes
    truncation: bytes = b""

    @property
    def encoding_characters(self) -> bytes:
        """MSH-2 as these delimiters would be declared."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Delimiters(b"|", b"^", b"~", b"\\", b"&")

# Bytes that cannot delimit: line ends and block characters break the framing, letters and digits and the
# space are text, and from 0x80 on a byte may be part of a longer character. NUL is what a broken sender pads
# with.
_UNUSABLE = frozenset(
    bytes([byte])
    for byte in range(256)
    if byte in b"\x00\r\n\x0b\x1c " or byte >= 0x80 or bytes([byte]).isalnum()
)


@lru_cache(maxsize=256)
def declared(field: bytes, encoding_characters: bytes) -> Delimiters:
    """The delimiters that MSH-1 `field` and MSH-2 `encoding_characters` declare.

    An empty MSH-2 declares nothing, so the recommended characters are taken as far as they differ from
    `field`. A short one leaves out what it does not name. What stands beyond the fifth character (or beyond
    the fourth, as in the `^~\\&amp;` of senders that passed through XML) is ignored. Raises `Unreadable`.
    """
    if len(field) != 1 or field in _UNUSABLE:
        raise Unreadable(
            "the byte after the segment name cannot separate fields",
            code="bad-delimiters",
            place="MSH-1",
            hint="the header must begin like MSH|^~\\&|",
        )
    if not encoding_characters:
        one, two, three, four = (b"" if char == field else char for char in (b"^", b"~", b"\\", b"&"))
        found = Delimiters(field, one, two, three, four)
        return STANDARD if found == STANDARD else found
    one, two, three, four = (encoding_characters[i : i + 1] for i in range(4))
    used = [field, *(char for char in (one, two, three, four) if char)]
    if len(set(used)) != len(used) or any(char in _UNUSABLE for char in used):
        raise Unreadable(
            "the encoding characters repeat or cannot delimit",
            code="bad-delimiters",
            place="MSH-2",
            hint="the header must begin like MSH|^~\\&|",
        )
    fifth = encoding_characters[4:] if len(encoding_characters) == 5 else b""
    if fifth in _UNUSABLE or fifth in used:
        fifth = b""
    found = Delimiters(field, one, two, three, four, fifth)
    return STANDARD if found == STANDARD else found

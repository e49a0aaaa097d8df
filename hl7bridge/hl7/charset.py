"""Character sets: from MSH-18 (HL7 table 0211) to text and back, without losing a byte.

Holds `Charset` and the table of names. Refuses to know segments. Raises `Unencodable` where a text cannot be
written in the message's character set; decoding never fails: bytes that mean nothing in the character set
become lone surrogates (U+DC00 plus the byte) and are the same bytes again when encoded.

In some character sets the second byte of a character can equal a delimiter (ISO-2022-JP, Shift JIS, Big5,
GB18030). They are not `delimiter_safe`: a segment that is read or changed is split in a UTF-8 copy, so field
values of such a message are UTF-8, and it is written back in its own character set. `decode` and `encode`
speak of field values, in whichever of the two forms they are.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

from hl7bridge.errors import HL7BridgeError

_LOSSLESS = "hl7bridge-lossless"
_ISO_2022 = "iso2022_jp_1"


class Unencodable(HL7BridgeError):
    """A text with a character that the message's character set does not have. Code: `unencodable`."""


def _lossless(error: UnicodeError) -> tuple[str | bytes, int]:
    # The interpreter's own surrogateescape refuses bytes below 0x80, which a broken multi-byte sequence may
    # leave.
    if isinstance(error, UnicodeDecodeError):
        wrong = error.object[error.start : error.end]
        return "".join(chr(0xDC00 + byte) for byte in wrong), error.end
    if isinstance(error, UnicodeEncodeError):
        codes = [ord(char) - 0xDC00 for char in error.object[error.start : error.end]]
        if all(0 <= code < 0x100 for code in codes):
            return bytes(codes), error.end
    raise error


codecs.register_error(_LOSSLESS, _lossless)


def _seven_bit(char: str) -> str:
    if not "\x80" <= char <= "\xff":
        return char
    try:
        char.encode(_ISO_2022)
    except UnicodeEncodeError:
        return chr(0xDC00 + ord(char))
    return char


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set as MSH-18 names it (`name`), and the codec that reads it.

    `delimiter_safe` is False where a byte of a longer character may equal a delimiter.
    """

    name: str
    codec: str
    delimiter_safe: bool = True

    def decode(self, value: bytes) -> str:
        """The text of a field value. Never fails."""
        if self.delimiter_safe:
            return value.decode(self.codec, _LOSSLESS)
        return _from_utf8(value)

    def encode(self, text: str) -> bytes:
        """The field value that writes `text`. Raises `Unencodable`."""
        encoded = self._encoded(text)
        return encoded if self.delimiter_safe else text.encode("utf-8", "surrogatepass")

    def to_working(self, wire: bytes) -> bytes:
        """A segment as it came, in the form in which it can be split."""
        if self.delimiter_safe:
            return wire
        text = wire.decode(self.codec, _LOSSLESS)
        if self.codec == _ISO_2022 and not wire.isascii():
            # A seven-bit code: behind a broken escape its decoder lets eight-bit bytes through as characters.
            text = "".join(map(_seven_bit, text))
        return text.encode("utf-8", "surrogatepass")

    def to_wire(self, working: bytes) -> bytes:
        """The inverse of `to_working`. Raises `Unencodable` for what the character set lacks."""
        return working if self.delimiter_safe else self._encoded(_from_utf8(working))

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.codec, _LOSSLESS)
        except UnicodeEncodeError:
            raise Unencodable(
                f"a character of the text does not exist in {self.codec}",
                code="unencodable",
                place="MSH-18",
                hint="write plain letters, or set MSH-18 to UNICODE UTF-8 where the receiver reads it",
            ) from None


def _from_utf8(value: bytes) -> str:
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", _LOSSLESS)


UTF8 = Charset("UNICODE UTF-8", "utf-8")

# HL7 table 0211, and the other spellings that feeds use. Keys are upper case without blanks, hyphens,
# underscores and slashes. UTF-16 and UTF-32 may not be used in HL7 v2 (2.8 and later say so), and a message
# whose header is readable as bytes is not written in them, so the label is taken to mean UTF-8.
_NAMES = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UNICODEUTF16": "utf-8",
    "UNICODEUTF32": "utf-8",
    "UTF8": "utf-8",
    "LATIN1": "iso8859-1",
    "ISOIR14": "shift_jis",
    "ISOIR87": _ISO_2022,
    "ISOIR159": _ISO_2022,
    "JISX0202": _ISO_2022,
    "JAS2020": _ISO_2022,
    "ISO2022JP": _ISO_2022,
    "SHIFTJIS": "shift_jis",
    "WINDOWS31J": "cp932",
    "EUCJP": "euc_jp",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "BIG5": "big5",
    "GB2312": "gb2312",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
}
_UNSAFE = frozenset({_ISO_2022, "shift_jis", "cp932", "big5", "gb18030"})
_FAMILIES = (
    (re.compile(r"(?:ISO)?8859([1-9]|1[0134-6])"), "iso8859-{}"),
    (re.compile(r"(?:WINDOWS|CP)?(125[0-8])"), "cp{}"),
)


# The longest list of names that is looked at; answers are remembered, so a sender must not choose their size.
_MOST_BYTES = 128


def named(name: str) -> Charset | None:
    """The character set that one repetition of MSH-18 or a configuration names, or None."""
    key = re.sub(r"[ _/-]", "", name.upper())
    codec = _NAMES.get(key)
    if codec is None:
        for pattern, form in _FAMILIES:
            found = pattern.fullmatch(key)
            if found:
                codec = form.format(found.group(1))
                break
        else:
            return None
    return Charset(name, codec, codec not in _UNSAFE)


def of(msh_18: bytes, repetition: bytes = b"~", fallback: str = "utf-8") -> Charset:
    """The character set of a message whose MSH-18 is `msh_18`.

    The first repetition is the one the message begins in; a later one that is switched to by ISO 2022 escapes
    (as in `ISO IR6~ISO IR87`) needs a codec that follows them, so it decides. Names that are absent or
    unknown give the fallback of the source (any name that `named` knows; UTF-8 where it does not).
    """
    return _of(msh_18[:_MOST_BYTES], repetition, fallback)


@lru_cache(maxsize=256)
def _of(msh_18: bytes, repetition: bytes, fallback: str) -> Charset:
    found = [
        charset
        for part in (msh_18.split(repetition) if repetition else [msh_18])
        if (charset := named(part.decode("ascii", "replace").strip())) is not None
    ]
    for charset in found:
        if charset.codec == _ISO_2022:
            return charset
    if found:
        return found[0]
    return named(fallback) or UTF8

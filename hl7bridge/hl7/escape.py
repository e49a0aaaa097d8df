"""Escapes: text into field values and back (HL7 v2.5.1 chapter 2, 2.7), and values to other delimiters.

Holds `escape`, `unescape` and `redelimit`. Works on bytes; refuses to know character sets. `escape` and
`redelimit` raise `BadValue` (`no-delimiter`) where the message declares no escape character and the text
needs one.

Formatting (`\\.br\\`, `\\H\\` ...), character set switches (`\\C..\\`, `\\M..\\`) and local sequences
(`\\Z..\\`) are no plain text, so `unescape` keeps them as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from hl7bridge.hl7.delimiters import BadValue, Delimiters

# Bytes that break the segment or its frame whatever the delimiters.
_ALWAYS = b"\r\n\x0b\x1c"


def _letters(delimiters: Delimiters) -> dict[bytes, bytes]:
    """Delimiter to the letter of its escape sequence (chapter 2, 2.7.1; P since 2.7)."""
    pairs = (
        (delimiters.field, b"F"),
        (delimiters.component, b"S"),
        (delimiters.subcomponent, b"T"),
        (delimiters.repetition, b"R"),
        (delimiters.escape, b"E"),
        (delimiters.truncation, b"P"),
    )
    return {delimiter: letter for delimiter, letter in pairs if delimiter}


def escape(text: bytes, delimiters: Delimiters) -> bytes:
    """The value that reads as `text`: nothing in it delimits, ends a line or a frame. Raises `BadValue`."""
    pattern, write = _escaper(delimiters)
    return pattern.sub(write, text) if pattern.search(text) else text


def unescape(value: bytes, delimiters: Delimiters) -> bytes:
    """The text of a value. Sequences that stand for no text, and broken ones, are kept."""
    if not delimiters.escape or delimiters.escape not in value:
        return value
    pattern, read = _unescaper(delimiters)
    return pattern.sub(read, value)


def redelimit(value: bytes, source: Delimiters, target: Delimiters) -> bytes:
    """A raw value of a message with delimiters `source`, as a message with delimiters `target` writes it.

    Components stay components and text stays text: a byte that means nothing in the source and delimits in
    the target is escaped. Raises `BadValue` if the target has no such delimiter.
    """
    if source == target or not value:
        return value
    pattern, write = _redelimiter(source, target)
    return pattern.sub(write, value)


_Sub = tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]]


def _any_of(chars: bytes) -> bytes:
    return b"[" + b"".join(re.escape(chars[i : i + 1]) for i in range(len(chars))) + b"]"


def _missing() -> BadValue:
    return BadValue(
        "the message declares no character to write this with",
        code="no-delimiter",
        place="MSH-2",
        hint="the sender must declare all encoding characters, as in MSH|^~\\&|",
    )


@lru_cache(maxsize=64)
def _escaper(delimiters: Delimiters) -> _Sub:
    letters = _letters(delimiters)
    char = delimiters.escape
    sequences = {bytes([byte]): b"%bX%02X%b" % (char, byte, char) for byte in _ALWAYS}
    sequences |= {delimiter: char + letter + char for delimiter, letter in letters.items()}

    def write(found: re.Match[bytes]) -> bytes:
        if not char:
            raise _missing()
        return sequences[found.group()]

    return re.compile(_any_of(b"".join(sequences))), write


def _sequence(char: bytes) -> bytes:
    """A pattern of every escape sequence: group 1 a delimiter's letter, group 2 hexadecimal data."""
    mark = re.escape(char)
    other = b"[^" + re.escape(char) + b"]*"
    return b"%b(?:([FSTREP])|X((?:[0-9A-Fa-f]{2})+)|H|N|[.CMZ]%b)%b" % (mark, other, mark)


@lru_cache(maxsize=64)
def _unescaper(delimiters: Delimiters) -> _Sub:
    delimiter_of = {letter: delimiter for delimiter, letter in _letters(delimiters).items()}

    def read(found: re.Match[bytes]) -> bytes:
        letter, data = found.groups()
        if letter is not None:
            return delimiter_of.get(letter, found.group())
        return bytes.fromhex(data.decode("ascii")) if data is not None else found.group()

    return re.compile(_sequence(delimiters.escape)), read


@lru_cache(maxsize=64)
def _redelimiter(source: Delimiters, target: Delimiters) -> _Sub:
    levels = {
        source.component: target.component,
        source.repetition: target.repetition,
        source.subcomponent: target.subcomponent,
    }
    levels.pop(b"", None)
    target_letters = _letters(target)
    delimiter_of = {letter: delimiter for delimiter, letter in _letters(source).items()}
    char = target.escape

    def text(byte: bytes) -> bytes:
        letter = target_letters.get(byte)
        if letter is None:
            return byte
        if not char:
            raise _missing()
        return char + letter + char

    def write(found: re.Match[bytes]) -> bytes:
        whole = found.group()
        if whole in levels:
            if not levels[whole]:
                raise _missing()
            return levels[whole]
        letter = found.group(1) if found.re.groups else None
        if letter is not None and letter in delimiter_of:
            return text(delimiter_of[letter])
        if len(whole) == 1:
            return text(whole)
        if not char:
            raise _missing()
        return char + whole[1:-1] + char

    alternatives = [_sequence(source.escape)] if source.escape else []
    alternatives.append(_any_of(b"".join([*levels, *target_letters])))
    return re.compile(b"|".join(alternatives)), write

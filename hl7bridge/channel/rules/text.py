"""Values as text: from a field's bytes to text that functions may work on, and back.

Formatting sequences (`\\.br\\`, `\\H\\`, local `\\Z..\\`) are no text and survive every function: they travel
as one private character each. Delimiters inside a value stay where they are: a function is applied to each
part between them. May raise `Unencodable` and `BadValue` of the message room.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from hl7bridge.hl7.charset import UTF8, Charset
from hl7bridge.hl7.delimiters import STANDARD, Delimiters
from hl7bridge.hl7.escape import escape, redelimit, unescape

_PRIVATE = 0xF0000
_MOST_KEPT = 0xFFFD
TextFunction = Callable[[str], "str | None"]


@lru_cache(maxsize=64)
def _sequences(delimiters: Delimiters) -> re.Pattern[bytes]:
    """Every escape sequence; group 1 is set for one that stands for no text."""
    mark = re.escape(delimiters.escape)
    inner = b"[^" + mark + b"]*"
    return re.compile(b"%b(?:[FSTREP]|X(?:[0-9A-Fa-f]{2})+|(H|N|[.CMZ]%b))%b" % (mark, inner, mark))


@lru_cache(maxsize=64)
def _separators(delimiters: Delimiters) -> re.Pattern[bytes]:
    chars = delimiters.repetition + delimiters.component + delimiters.subcomponent
    return re.compile(b"([" + b"".join(re.escape(bytes([char])) for char in chars) + b"])")


def decoded(raw: bytes, delimiters: Delimiters, charset: Charset) -> str:
    """The text of one value, formatting sequences as they stand."""
    return charset.decode(unescape(raw, delimiters))


def encoded(text: str, delimiters: Delimiters, charset: Charset) -> bytes:
    """The value that reads as `text`."""
    return escape(text.encode("ascii") if text.isascii() else charset.encode(text), delimiters)


def apply(function: TextFunction, raw: bytes, delimiters: Delimiters, charset: Charset) -> bytes | None:
    """`raw` with a function applied to its text, part by part where it holds delimiters; None where it gave
    None.
    """
    if delimiters.escape and delimiters.escape in raw:
        return _apply_parts(function, raw, delimiters, charset)
    for separator in (delimiters.component, delimiters.repetition, delimiters.subcomponent):
        if separator and separator in raw:
            return _apply_parts(function, raw, delimiters, charset)
    made = function(raw.decode("ascii") if raw.isascii() else charset.decode(raw))
    return None if made is None else encoded(made, delimiters, charset)


def _apply_parts(
    function: TextFunction, raw: bytes, delimiters: Delimiters, charset: Charset
) -> bytes | None:
    parts = _separators(delimiters).split(raw)
    if len(parts) == 1:
        return _apply_one(function, raw, delimiters, charset)
    for at in range(0, len(parts), 2):
        if parts[at]:
            parts[at] = _apply_one(function, parts[at], delimiters, charset) or b""
    return b"".join(parts)


def _apply_one(function: TextFunction, raw: bytes, delimiters: Delimiters, charset: Charset) -> bytes | None:
    kept: list[bytes] = []
    pieces: list[str] = []
    end = 0
    if delimiters.escape:
        for match in _sequences(delimiters).finditer(raw):
            if match.group(1) is not None and len(kept) < _MOST_KEPT:
                pieces += [decoded(raw[end : match.start()], delimiters, charset), chr(_PRIVATE + len(kept))]
                kept.append(match.group())
                end = match.end()
    pieces.append(decoded(raw[end:], delimiters, charset))
    made = function("".join(pieces))
    if made is None:
        return None
    if not kept:
        return encoded(made, delimiters, charset)
    result: list[bytes] = []
    run: list[str] = []
    for char in made:
        at = ord(char) - _PRIVATE
        if 0 <= at < len(kept):
            result += [encoded("".join(run), delimiters, charset), kept[at]]
            run.clear()
        else:
            run.append(char)
    return b"".join([*result, encoded("".join(run), delimiters, charset)])


class Constant:
    """A text of the configuration as it goes into messages, worked out once for the usual ones.

    `whole` means HL7 text in the standard delimiters; otherwise it is the text of one component, which is
    escaped, its formatting sequences left alone.
    """

    __slots__ = ("_other", "ready", "text", "whole")

    def __init__(self, text: str, whole: bool) -> None:
        self.text = text
        self.whole = whole
        self._other: dict[tuple[Delimiters, str], bytes] = {}
        #: The bytes for a message in the standard delimiters, if they are the same in every character set.
        self.ready: bytes | None = self._made(STANDARD, UTF8) if text.isascii() else None

    def value(self, delimiters: Delimiters, charset: Charset) -> bytes:
        """The bytes for a message. Raises `Unencodable` or `BadValue` where it cannot say this."""
        if self.ready is not None and delimiters is STANDARD:
            return self.ready
        key = (delimiters, charset.name)
        found = self._other.get(key)
        if found is None:
            found = self._made(delimiters, charset)
            if len(self._other) < 64:
                self._other[key] = found
        return found

    def _made(self, delimiters: Delimiters, charset: Charset) -> bytes:
        raw = self.text.encode("ascii") if self.text.isascii() else charset.encode(self.text)
        if self.whole:
            return redelimit(raw, STANDARD, delimiters)
        result: list[bytes] = []
        end = 0
        for match in _sequences(STANDARD).finditer(raw):
            if match.group(1) is not None:
                result += [
                    escape(raw[end : match.start()], delimiters),
                    redelimit(match.group(), STANDARD, delimiters),
                ]
                end = match.end()
        return b"".join([*result, escape(raw[end:], delimiters)])

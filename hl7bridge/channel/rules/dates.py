"""Formats of dates in mappings: `YYYYMMDD`, `YYYY-MM-DD HH:MM`, `MM/DD/YYYY`.

A value that is less exact than the format gives what it has where only its end is missing (1948 as YYYYMMDD
is 1948), and nothing where a part in the middle is. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

_VALUE = re.compile(
    rb"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?"
)
_TOKENS: Final = (("YYYY", 0), ("YY", -1), ("MM", 1), ("DD", 2), ("HH", 3), ("mm", 4), ("SS", 5), ("ZZZZ", 7))


def date_function(form: str) -> Callable[[bytes], str | None] | str:
    """A function from an HL7 timestamp to its text in a format, None for what is no date; or what is wrong
    with `form`.
    """
    parts: list[int | str] = []
    rest = form
    while rest:
        for token, index in _TOKENS:
            if rest.startswith(token):
                # The standard writes YYYYMMDDHHMM: behind an hour MM are minutes.
                parts.append(4 if token == "MM" and 3 in parts else index)
                rest = rest[len(token) :]
                break
        else:
            if rest[0].isalpha() and rest[0] != "T":
                return "a format is made of YYYY, MM, DD, HH, MM, SS and ZZZZ, such as YYYYMMDDHHMMSS"
            parts.append(rest[0])
            rest = rest[1:]
    if not any(isinstance(part, int) for part in parts):
        return "a format is made of YYYY, MM, DD, HH, MM, SS and ZZZZ, such as YYYYMMDDHHMMSS"

    def convert(raw: bytes) -> str | None:
        return _written(raw, parts)

    return convert


def _written(raw: bytes, parts: list[int | str]) -> str | None:
    match = _VALUE.match(raw)
    if match is None or not _is_date(match):
        return None
    result = ""
    separators = ""
    short = False
    for part in parts:
        if isinstance(part, str):
            separators += part
            continue
        text = (match.group(1)[2:] if part == -1 else match.group(part + 1)) or b""
        if not text:
            short = short or part != 7
            continue
        if short:
            return None
        result += separators + text.decode("ascii")
        separators = ""
    return result + ("" if short else separators) or None


def _is_date(match: re.Match[bytes]) -> bool:
    tail = match.string[match.end() : match.end() + 1]
    if tail.isalnum():
        return False
    year, month, day, hour, minute, second = (
        int(match.group(n) or (1 if n in (2, 3) else 0)) for n in range(1, 7)
    )
    try:
        datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return False
    return True

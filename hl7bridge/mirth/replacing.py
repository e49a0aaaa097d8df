"""The replacements of a step: regular expressions of Java, in the part of their language that means the same to us.

Raises `NotRead` with why.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Final

from hl7bridge.mirth.script import NotRead

#: What may stand behind a backslash and means the same in both.
_SAME: Final = frozenset(".+*?^$()[]{}|/-\\'\"dDwWsStrnf") | frozenset("123456789")
_MOST_LETTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Replacement:
    """A regular expression and what replaces every match of it, as our `replace` has them."""

    pattern: str
    by: str

    def apply(self, text: str) -> str:
        """What it makes of a text."""
        return re.sub(self.pattern, self.by, text)


def replacement(pattern: str, by: str) -> Replacement:
    """Ours for Java's `replaceAll`. Raises `NotRead`."""
    if len(pattern) > _MOST_LETTERS:
        raise NotRead("its regular expression is too long")
    flags = "a"
    if pattern.startswith("(?i)"):
        flags, pattern = "ai", pattern[4:]
    _check(pattern)
    # Java's \d, \w and \s mean ASCII.
    made = f"(?{flags}){pattern}" if flags == "ai" or re.search(r"\\[dDwWsS]", pattern) else pattern
    put = _by(by)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(made)
            re.sub(made, put, "")
    except (re.error, IndexError, Warning, OverflowError, RecursionError):
        raise NotRead("its regular expression is not read") from None
    if compiled.search("") is not None and put:
        raise NotRead("its regular expression matches an empty text, and puts something there")
    if re.search(r"[|^~&\r\n]|\\\\|\$\{", put):
        raise NotRead("what it puts in holds a delimiter")
    return Replacement(made, put)


def _check(pattern: str) -> None:
    at, in_class = 0, False
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            if pattern[at + 1 : at + 2] not in _SAME:
                raise NotRead("its regular expression is one of Java that is not carried over")
            at += 1
        elif letter == "[":
            if in_class or pattern[at + 1 : at + 2] == "]" or pattern[at + 1 : at + 3] == "^]":
                raise NotRead("its regular expression is one of Java that is not carried over")
            in_class = True
        elif letter == "]":
            in_class = False
        elif (in_class and pattern.startswith("&&", at)) or (
            not in_class and pattern.startswith("(?", at) and pattern[at + 2 : at + 3] not in (":", "=", "!")
        ):
            raise NotRead("its regular expression is one of Java that is not carried over")
        at += 1


def _by(by: str) -> str:
    """A replacement of Java's (`$1` is a group, a backslash takes the next letter as it is) as one of ours."""
    made, at = "", 0
    while at < len(by):
        letter, following = by[at], by[at + 1 : at + 2]
        if letter == "\\" and following:
            made += "\\\\" if following == "\\" else following
            at += 1
        elif letter == "$":
            if not following.isdigit() or following == "0" or not following.isascii():
                raise NotRead("what it puts in is not carried over")
            made += f"\\g<{following}>"
            at += 1
        elif letter == "\\":
            raise NotRead("what it puts in is not carried over")
        else:
            made += letter
        at += 1
    return made

"""YAML as an engineer would write it, with comments, which PyYAML cannot write. Raises nothing.

A `Block` is a set of keys, a `Listing` a list; both may hold comments. Plain lists and dicts stand on one line, texts are quoted
where they must be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_./^%-]*(?: [A-Za-z0-9_./^%-]+)*")
#: Words that mean something to the reader of channels when they stand bare.
_WORDS: Final = frozenset(["null", "keep", "error", "present", "absent", "run", "it", "received"])
#: What YAML does not allow in a comment, or takes for the end of a line.
_UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


class Word(str):
    """A text that stands for what it means in our language, so that it is never quoted for being a word."""


@dataclass(slots=True)
class Comment:
    """Lines that are not read."""

    text: str


@dataclass(slots=True)
class Block:
    """Keys with their values, in order, and comments between them."""

    entries: list[tuple[str, Any] | Comment] = field(default_factory=list)

    def put(self, key: str, value: Any) -> None:
        """Adds a key."""
        self.entries.append((key, value))

    def say(self, text: str) -> None:
        """Adds a comment."""
        self.entries.append(Comment(text))

    @property
    def empty(self) -> bool:
        """Whether it has no key."""
        return all(isinstance(each, Comment) for each in self.entries)


@dataclass(slots=True)
class Listing:
    """Items in order, and comments between them."""

    entries: list[Any] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it has no item."""
        return all(isinstance(each, Comment) for each in self.entries)


def yaml_of(block: Block) -> str:
    """The text of a file."""
    return "\n".join(_block(block, "")) + "\n"


def _block(block: Block, indent: str) -> list[str]:
    found: list[str] = []
    for entry in block.entries:
        if isinstance(entry, Comment):
            found += _comment(entry.text, indent)
            continue
        key, value = entry
        name = _scalar(key)
        if isinstance(value, Block | Listing):
            # A key without anything under it would be a mistake: then only the comments are left.
            deeper = indent if value.empty else indent + "  "
            inner = _block(value, deeper) if isinstance(value, Block) else _listing(value, deeper)
            found += inner if value.empty else [f"{indent}{name}:", *inner]
        else:
            found.append(f"{indent}{name}: {flow(value)}")
    return found


def _listing(listing: Listing, indent: str) -> list[str]:
    found: list[str] = []
    for entry in listing.entries:
        if isinstance(entry, Comment):
            found += _comment(entry.text, indent)
        elif isinstance(entry, Block):
            lines = _block(entry, indent + "  ")
            at = next(at for at, line in enumerate(lines) if not line.lstrip().startswith("#"))
            found += [indent + line[len(indent) + 2 :] for line in lines[:at]]
            found += [f"{indent}- {lines[at].lstrip()}", *lines[at + 1 :]]
        else:
            found.append(f"{indent}- {_bare(entry)}")
    return found


def _bare(value: Any) -> str:
    """A dict of one simple key needs no braces in a list."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(key, inner)] = value.items()
        return f"{_scalar(key)}: {flow(inner)}"
    return flow(value)


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {_UNFIT.sub('?', line)}".rstrip() for line in text.expandtabs(4).splitlines() or [""]]


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return _scalar(str(value) if not isinstance(value, str) else value)


def _scalar(text: str) -> str:
    if isinstance(text, Word):
        return str(text)
    if _PLAIN.fullmatch(text) and text not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return re.sub("[^ -~]", _escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    return f"\\U{ord(match[0]):08X}"

"""Differences that are expected: a text file that lies in git beside the channels, a difference a line.

A line is what the difference is of, a tab, and what it is; lines are sorted, so that two people's additions merge. Raises
HL7BridgeError.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hl7bridge.changes.difference import Signature
from hl7bridge.errors import HL7BridgeError

FILE: Final = "compare.accepted"
_HEAD: Final = "# What a change is expected to do; `hl7bridge compare --accept` writes this file.\n"

Accepted = frozenset[tuple[str, str]]


def read_accepted(path: Path) -> Accepted:
    """What a file accepts; nothing where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise HL7BridgeError(
            "the file of accepted differences cannot be read", code="unreadable-file", place=str(path)
        ) from error
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        of, tab, what = line.partition("\t")
        if not tab:
            raise HL7BridgeError(
                "this line is no difference",
                code="bad-accepted",
                place=f"{path}:{number}",
                hint="what it is of, a tab, and what it is, as --accept writes it",
            )
        found.add((of, what))
    return frozenset(found)


def write_accepted(path: Path, signatures: Iterable[Signature]) -> int:
    """Accepts these from now on, and nothing else; how many they are."""
    lines = sorted({f"{each.of}\t{each.what}\n" for each in signatures})
    write(path, _HEAD + "".join(lines))
    return len(lines)


def write(path: Path, text: str) -> None:
    """A file that a person asked for. Raises HL7BridgeError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HL7BridgeError(
            f"this file cannot be written: {error.strerror}", code="unwritable-file", place=str(path)
        ) from None

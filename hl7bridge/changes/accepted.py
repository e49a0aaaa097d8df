"""Differences that are expected: a text file that lies in git beside the channels, a difference a line.

A line is what the difference is of, a tab, and what it is; lines are sorted, so that two people's additions merge. They hold against
one old configuration, which the first line names: once the change is made, what differs from it is looked at anew. Raises
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

_OLD: Final = "# from "

Accepted = frozenset[tuple[str, str]]


def read_accepted(path: Path, old: str) -> Accepted:
    """What a file accepts of a change from the old configuration of this version; nothing where there is none, or it is of another."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise HL7BridgeError(
            "the file of accepted differences cannot be read", code="unreadable-file", place=str(path)
        ) from error
    if _OLD + old not in text.splitlines():
        return frozenset()
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


def write_accepted(path: Path, old: str, signatures: Iterable[Signature]) -> int:
    """Accepts these of a change from the old configuration, and nothing else; how many they are. Raises OSError."""
    lines = sorted({f"{each.of}\t{each.what}\n" for each in signatures})
    path.write_text(f"{_HEAD}{_OLD}{old}\n" + "".join(lines), encoding="utf-8")
    return len(lines)

"""Differences that are expected: a JSON file that lies in git beside the channels, and whether what is found now is what was accepted.

An acceptance holds for what was seen, not for whatever comes under its name. Of each difference the file keeps how many messages of
how many had it, what some of them became, and the values of all where these are few; of values only marks. It holds against one old
configuration: once the change is made, what differs from it is looked at anew. Raises HL7BridgeError.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from hl7bridge.changes.difference import Signature
from hl7bridge.changes.marks import Accepted, Expected, Name, store_mark
from hl7bridge.changes.tally import Found, Tally
from hl7bridge.errors import HL7BridgeError

FILE: Final = "compare.accepted"
#: The source and the channel that were compared; None is all of them.
Only = tuple[str | None, str | None]
_ABOUT: Final = "What a change is expected to do; `hl7bridge compare --accept` writes this file."
#: With so many messages for each value, those of messages to come are taken to be among them.
_SETTLED: Final = 4
#: A share may become twice what it was, and two messages more: what is rare comes by chance.
_TIMES: Final = 2
_MORE: Final = 2


def why_not(accepted: Accepted, signature: Signature, found: Found, tally: Tally) -> str | None:
    """Why a difference is not what was accepted, "" where it is; None where nobody has accepted it."""
    expected = accepted.differences.get((signature.of, signature.what))
    if expected is None:
        return None
    why = []
    allowed = _TIMES * tally.total(signature.of) * expected.messages / max(expected.concerned, 1) + _MORE
    if found.count > allowed or _others(expected, signature, found, tally):
        why.append(f"accepted for {expected.messages:,} of {expected.concerned:,}")
    if found.otherwise or found.strange:
        why.append("to other values than were accepted" if signature.path else "otherwise than was accepted")
    # Where nothing was accepted for a message that is still here, only values that are few can be held against it.
    if not why and not found.same and (expected.values is None or found.within):
        why.append("accepted for other messages than these")
    return "; ".join(why)


def _others(expected: Expected, signature: Signature, found: Found, tally: Tally) -> bool:
    """Whether more of the messages of then differ than did then, but for those that it concerns only since a roster changed."""
    grown = max(0, tally.total(signature.of, within=True) - expected.concerned)
    return found.within - found.same - found.otherwise > expected.messages - len(expected.seen) + grown


def read_accepted(path: Path, old: str, key: bytes, only: Only = (None, None)) -> Accepted:
    """What a file accepts of a change from the old configuration of this version, in the store of this key; nothing where there is
    none, or it is of another change.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Accepted()
    except (OSError, UnicodeDecodeError) as error:
        raise HL7BridgeError(
            "the file of accepted differences cannot be read", code="unreadable-file", place=str(path)
        ) from error
    if text.startswith("#"):
        # So it was written when it kept names alone, under which anything could come.
        return Accepted(
            remark=f"{path} does not say what was seen when it was accepted: accept anew, with --accept"
        )
    try:
        whole = json.loads(text)
        if whole["from"] != old:
            return Accepted()
        if whole["store"] != store_mark(key):
            return Accepted(
                remark=f"{path} was accepted on another data folder: accept anew on this one, with --accept"
            )
        if tuple(whole["only"]) != only:
            return Accepted(
                remark=f"{path} was accepted for other messages (--source, --channel): accept anew, with --accept"
            )
        first, last = map(int, whole["messages"])
        return Accepted(first, last, dict(map(_read, whole["accepted"])))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HL7BridgeError(
            "this file is not as --accept writes it",
            code="bad-accepted",
            place=f"{path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else str(path),
            hint="mend it, or remove it and accept anew",
        ) from None


def _read(each: dict[str, Any]) -> tuple[Name, Expected]:
    values = None if each["values"] is None else frozenset(map(str, each["values"].split()))
    seen = {int(number): mark for number, _, mark in (pair.partition(":") for pair in each["seen"].split())}
    return (str(each["of"]), str(each["what"])), Expected(
        int(each["messages"]), int(each["concerned"]), values, seen
    )


def write_accepted(path: Path, old: str, key: bytes, tally: Tally, only: Only = (None, None)) -> int:
    """Accepts what was found of a change from the old configuration, and nothing else; how many differences. Raises OSError."""
    found = sorted(tally.found.items(), key=lambda each: (each[0].of, each[0].what))
    whole = {
        "about": _ABOUT,
        "from": old,
        "store": store_mark(key),
        "only": only,
        "messages": [tally.first, tally.last],
        "accepted": [_plain(signature, each, tally.total(signature.of)) for signature, each in found],
    }
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(found)


def _plain(signature: Signature, found: Found, concerned: int) -> dict[str, Any]:
    few = found.values is not None and len(found.values) * _SETTLED <= found.count
    return {
        "of": signature.of,
        "what": signature.what,
        "messages": found.count,
        "concerned": concerned,
        "values": " ".join(sorted(found.values or ())) if few else None,
        "seen": " ".join(f"{number}:{mark}" for number, mark in sorted(found.some().items())),
    }

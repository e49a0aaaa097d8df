"""`allow:` of a destination: which fields leave for it.

Affiliates are not given PID-19, PID-20, IN1, IN2, IN3, GT1 and NTE unless their file says otherwise:

    allow: [NTE, PID-19]             # these too
    allow: {only: [PID-3, PID-5, PID-7, ORC, RXD]}   # nothing else but MSH
    allow: everything

Other destinations get everything unless they say `allow`; `allow: []` gives them what affiliates get. It acts on what came, between
the channel's map and the destination's own: what a destination's map writes leaves, and so does a segment that the channel's map has
added, except under `only`. An insured's or a guarantor's segment may be allowed by field (`IN1-4`). Raises nothing; mistakes are
named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hl7bridge.channel.written.beyond import doubt
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Reading, Schema, Wrong, scalar
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.hl7.message import Message, Segment
from hl7bridge.hl7.path import Path

#: What does not leave for an affiliate by itself: numbers of cards, insurance, guarantor, free text.
KEPT_BACK: Final = ("PID-19", "PID-20", "IN1", "IN2", "IN3", "GT1", "NTE")
_NAME = re.compile(r"([A-Z][A-Z0-9]{2})(?:[-.]([1-9][0-9]{0,2}))?")
_Entry = tuple[bytes, int | None]


def _entry(text: str) -> _Entry:
    name, _, number = text.partition("-")
    return name.encode(), int(number) if number else None


_USUAL: Final = tuple(_entry(text) for text in KEPT_BACK)


class Share:
    """What leaves. `usual` False: nothing but MSH and `entries`; True: everything but what is kept back and not among `entries`."""

    __slots__ = ("_emptied", "_gone", "_kept", "_watched", "_whole", "usual")

    def __init__(self, entries: Iterable[_Entry] = (), *, usual: bool = True) -> None:
        self.usual = usual
        self._whole = {b"MSH"}
        self._kept: dict[bytes, frozenset[int]] = {}
        for name, number in entries:
            if number is None:
                self._whole.add(name)
            else:
                self._kept[name] = self._kept.get(name, frozenset()) | {number}
        emptied: dict[bytes, set[int]] = {}
        gone: set[bytes] = set()
        for name, number in _USUAL if usual else ():
            if number is None and name not in self._whole:
                gone.add(name)
            elif number is not None and number not in self._kept.get(name, ()):
                emptied.setdefault(name, set()).add(number)
        if usual:  # PID-19 allowed is not: of PID only this
            self._kept = {name: kept for name, kept in self._kept.items() if name in gone}
        self._gone = frozenset(gone)
        self._watched = frozenset(gone) | frozenset(emptied)
        self._emptied = {name: tuple(sorted(numbers)) for name, numbers in emptied.items()}

    def reduced(self, message: Message, came: Sequence[Segment] | None = None) -> Message:
        """The message without what does not leave: the very one if that is nothing. `came`: only these segments are looked at."""
        segments = message.segments
        if self.usual and not self._concerns(segments):
            return message
        changes = [self._change(segment) for segment in segments]
        if came is not None and self.usual:
            known = {id(segment) for segment in came}
            changes = [
                change if id(segment) in known else ()
                for change, segment in zip(changes, segments, strict=True)
            ]
        if not any(change is None or change for change in changes):
            return message
        made = message.copy()
        left: list[Segment] = []
        behind_gone = False
        for segment, change in zip(made.segments, changes, strict=True):
            # A line without a name continues the one above it: a note with a line end in it.
            behind_gone = change is None or (behind_gone and not segment.name)
            if behind_gone:
                continue
            for number in change or ():
                segment.set_field(number, b"")
            left.append(segment)
        made.segments[:] = left
        return made

    def _concerns(self, segments: Sequence[Segment]) -> bool:
        """Whether there is anything at all that is usually kept back: mostly there is not, and this is all that it costs."""
        watched = self._watched
        for segment in [each for each in segments if each.name in watched]:
            numbers = self._emptied.get(segment.name)
            if numbers is None:
                return True
            fields = segment.split()
            count = len(fields)
            for number in numbers:
                if number < count and fields[number]:
                    return True
        return False

    def _change(self, segment: Segment) -> tuple[int, ...] | None:
        """The fields to empty; None if the segment goes."""
        name = segment.name
        if self.usual:
            if name in self._gone:
                kept = self._kept.get(name)
                return None if kept is None else _others(segment, kept)
            numbers = self._emptied.get(name)
            return () if numbers is None else tuple([each for each in numbers if segment.field(each)])
        if name in self._whole:
            return ()
        kept = self._kept.get(name)
        return None if kept is None else _others(segment, kept)


def _others(segment: Segment, kept: frozenset[int]) -> tuple[int, ...]:
    return tuple(
        [number for number in range(1, segment.count + 1) if number not in kept and segment.field(number)]
    )


@dataclass(frozen=True)
class Allow:
    """`allow:`: a list, `{only: [...]}`, or `everything`. Reads to a Share, or None for everything."""

    def read(self, node: Node, reading: Reading) -> Share | Wrong | None:
        if isinstance(node, Scalar) and node.text == "everything":
            return None
        if isinstance(node, Pairs):
            for key, _ in node.pairs:
                if key.text != "only":
                    return reading.wrong(
                        key, f"{shown(key.text)} is not a key of allow", meant(key.text, ["only"])
                    )
            only = node.get("only")
            entries = None if only is None else self._entries(only, reading, usual=False)
            if entries is None:
                return reading.wrong(node, "allow says nothing here", "allow: {only: [PID-3, PID-5]}")
            return WRONG if isinstance(entries, Wrong) else Share(entries, usual=False)
        entries = self._entries(node, reading, usual=True)
        return WRONG if isinstance(entries, Wrong) else Share(entries)

    def _entries(self, node: Node, reading: Reading, *, usual: bool) -> list[_Entry] | Wrong:
        found: list[_Entry] = []
        right = True
        for item in node.items if isinstance(node, Items) else [node]:
            entry = self._one(item, reading, usual=usual)
            if isinstance(entry, Wrong):
                right = False
            else:
                found.append(entry)
        return found if right else WRONG

    def _one(self, node: Node, reading: Reading, *, usual: bool) -> _Entry | Wrong:
        text = scalar(node, reading, "a segment or a field such as PID-19")
        if isinstance(text, Wrong):
            return WRONG
        match = _NAME.fullmatch(text)
        if match is None:
            hint = "a whole segment or a whole field: NTE, PID-19"
            if usual and re.fullmatch(r"[a-z]{3,}", text):
                hint = meant(text, ["everything"], hint)
            return reading.wrong(node, f"{noun(node)} is neither a segment nor a field", hint)
        name, number = match.group(1), match.group(2)
        if name not in SEGMENTS and not name.startswith("Z"):
            hint = meant(name, SEGMENTS, "site segments begin with Z")
            return reading.wrong(node, f"HL7 has no segment {name}", hint)
        doubt(Path.parse(text), node, reading)
        entry = name.encode(), int(number) if number else None
        if usual and entry not in _USUAL and (entry[0], None) not in _USUAL:
            what = f"{text} is not kept back, so there is nothing to allow"
            return reading.wrong(
                node, what, f"kept back are {', '.join(KEPT_BACK)}; only: [...] keeps back all else"
            )
        return entry

    def schema(self) -> Schema:
        name = {
            "type": "string",
            "pattern": r"^[A-Z][A-Z0-9]{2}([-.][1-9][0-9]*)?$",
            "allOf": [{"$ref": "#/$defs/known path"}],
        }
        names = {"anyOf": [name, {"type": "array", "items": name}]}
        only: Schema = {
            "type": "object",
            "properties": {"only": {**names, "description": "nothing else leaves but MSH"}},
            "required": ["only"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"enum": ["everything"]}, *names["anyOf"], only]}

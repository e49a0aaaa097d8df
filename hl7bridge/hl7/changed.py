"""Where two messages differ: segments that came or went, and fields by their paths.

A path names no occurrence: a second OBX that changed as the first did is the same difference. Segments are matched in their order; of
a run of one kind that grew, the last are the new ones. Raises Unreadable for what has no header.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

from hl7bridge.hl7.message import HEADERS, Message, Segment


class Changed(NamedTuple):
    """A place that differs (`RXE-2.1`, or `NTE` for a whole segment), what happened to it, and what stood there, escaped as in the
    message; "" on the side where there was nothing.
    """

    path: str
    what: str
    before: str
    after: str


SET, EMPTIED, CHANGED, ADDED, REMOVED = "set", "emptied", "changed", "added", "removed"


def changed(before: bytes, after: bytes) -> Iterator[Changed]:
    """Every place in which two messages differ. Raises Unreadable where one has no header."""
    old, new = Message(before), Message(after)
    for one, other in _matched(old.segments, new.segments):
        if one is None:
            assert other is not None
            yield Changed(_name(other), ADDED, "", _whole(other))
        elif other is None:
            yield Changed(_name(one), REMOVED, _whole(one), "")
        elif one.split() != other.split():
            # Where only empty fields at the end came or went, the segment is what differs.
            yield from list(_of_segment(one, other)) or [
                Changed(_name(one), CHANGED, _whole(one), _whole(other))
            ]


def _matched(
    old: Sequence[Segment], new: Sequence[Segment]
) -> Iterator[tuple[Segment | None, Segment | None]]:
    """Where the names part, whichever side has to pass over fewer segments to meet the other again does so."""
    places = _places(old), _places(new)
    i = j = 0
    while i < len(old) and j < len(new):
        if old[i].name == new[j].name:
            yield old[i], new[j]
            i, j = i + 1, j + 1
            continue
        ours = _ahead(places[0], new[j].name, i)
        theirs = _ahead(places[1], old[i].name, j)
        if ours is None or (theirs is not None and theirs <= ours):
            count = 1 if theirs is None else theirs
            yield from ((None, each) for each in new[j : j + count])
            j += count
        if theirs is None or (ours is not None and ours < theirs):
            count = 1 if ours is None else ours
            yield from ((each, None) for each in old[i : i + count])
            i += count
    yield from ((each, None) for each in old[i:])
    yield from ((None, each) for each in new[j:])


def _places(segments: Sequence[Segment]) -> dict[bytes, list[int]]:
    """Where the segments of each name are."""
    found: dict[bytes, list[int]] = {}
    for at, segment in enumerate(segments):
        found.setdefault(segment.name, []).append(at)
    return found


def _ahead(places: dict[bytes, list[int]], name: bytes, begin: int) -> int | None:
    """How far from `begin` the next segment of a name is, None if there is none."""
    found = places.get(name, [])
    at = bisect_left(found, begin)
    return found[at] - begin if at < len(found) else None


def _of_segment(one: Segment, other: Segment) -> Iterator[Changed]:
    for number in range(1, max(one.count, other.count) + 1):
        before, after = one.field(number), other.field(number)
        if before == after:
            continue
        there = _There(f"{_name(one)}-{number}", one, other)
        declares = one.name in HEADERS and number == 2
        if before and after and not declares and one.delimiters == other.delimiters:
            yield from list(there.repetitions(before, after)) or [there.whole(before, after)]
        else:
            yield there.whole(before, after)


class _There(NamedTuple):
    """A place of two segments."""

    path: str
    one: Segment
    other: Segment

    def whole(self, before: bytes, after: bytes) -> Changed:
        """All of it is the difference."""
        what = SET if not before else EMPTIED if not after else CHANGED
        return Changed(self.path, what, _text(self.one, before), _text(self.other, after))

    def repetitions(self, before: bytes, after: bytes) -> Iterator[Changed]:
        """By repetitions, and by what they are made of."""
        marks = self.one.delimiters
        old, new = _split(before, marks.repetition), _split(after, marks.repetition)
        for one, other in _pairs(old, new):
            if not one and not other:
                continue
            if one is None:
                yield Changed(f"{self.path}[+]", ADDED, "", _text(self.other, other or b""))
            elif other is None:
                yield Changed(f"{self.path}[+]", REMOVED, _text(self.one, one), "")
            elif one != other:
                yield from self.parts(one, other, (marks.component, marks.subcomponent))

    def parts(self, before: bytes, after: bytes, separators: tuple[bytes, ...]) -> Iterator[Changed]:
        """By components, and by subcomponents within them, where either side has any."""
        separator, *deeper = separators or (b"",)
        if not separator or (separator not in before and separator not in after):
            yield self.whole(before, after)
            return
        pairs = zip_longest(before.split(separator), after.split(separator), fillvalue=b"")
        same = True
        for at, (one, other) in enumerate(pairs, 1):
            if one != other:
                same = False
                yield from self._replace(path=f"{self.path}.{at}").parts(one, other, tuple(deeper))
        if same:  # only empty parts at the end
            yield self.whole(before, after)


def _pairs(old: list[bytes], new: list[bytes]) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Repetitions beside those that they became: in their order, and where some came or went, the same beside the same."""
    if len(old) == len(new):
        yield from zip(old, new, strict=True)
        return
    for _, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield from zip_longest(old[i:j], new[k:m])


def _split(value: bytes, separator: bytes) -> list[bytes]:
    return value.split(separator) if separator else [value]


def _name(segment: Segment) -> str:
    return segment.name.decode("ascii", "backslashreplace") or "a line without a name"


def _text(segment: Segment, value: bytes) -> str:
    return (
        value.decode("utf-8", "backslashreplace")
        if segment.charset is None
        else segment.charset.decode(value)
    )


def _whole(segment: Segment) -> str:
    return _text(segment, segment.delimiters.field.join(segment.split()))

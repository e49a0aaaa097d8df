"""What a message holds of the site's withheld categories, and where: in one order with its run, or about the message as a whole.

Looked into: the coded fields below, all repetitions, the code and its alternates (components 1-3, 4-6, 10-12), PID-7 for categories of
age, and fields that the site names. An order is ORC with its run; without ORC it begins at OBR, RXO, RXE, RXD, RXA or RXG, where RXE
and RXD that follow RXO or RXE belong to the same one. What stands in no order, and PID, PD1, PV1, PV2 and ARV anywhere, is about the
whole message.

Of free text it knows nothing. What fields held of late is remembered, so that the usual message costs a few look-ups. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.affiliation.tables.withheld import ACCESS, LOCATION, PROTECTED, SERVICE, VIP, Withheld
from hl7bridge.channel.rules.scope import rank_of
from hl7bridge.hl7.delimiters import STANDARD, Delimiters
from hl7bridge.hl7.escape import unescape
from hl7bridge.hl7.message import Message, Segment

_NOTHING: Final[frozenset[str]] = frozenset()
#: Coded fields by segment (HL7 v2.5.1 chapters 3, 4, 4A, 6 and 7); the word is that of fields without a code system.
_FIELDS: Final[dict[bytes, tuple[tuple[int, str], ...]]] = {
    b"ORC": ((16, ""), (28, "")),
    b"OBR": ((4, ""), (31, ""), (44, "")),
    b"RXO": ((1, ""), (20, "")),
    b"RXE": ((2, ""), (27, "")),
    b"RXC": ((2, ""),),
    b"RXD": ((2, ""), (21, "")),
    b"RXG": ((4, ""), (22, "")),
    b"RXA": ((5, ""), (19, "")),
    b"FT1": ((7, ""), (19, ""), (25, "")),
    b"DG1": ((3, ""),),
    b"PR1": ((3, ""),),
    b"OBX": ((3, ""),),
    b"PV1": ((3, LOCATION), (10, SERVICE), (16, VIP)),
    b"PV2": ((3, ""), (22, PROTECTED)),
    b"PD1": ((12, PROTECTED),),
    # 0717, what is restricted, and 0719, why (since 2.7 in place of PD1-12); the security classification of 2.9.
    b"ARV": ((3, ACCESS), (4, ACCESS), (7, ACCESS)),
}
#: Fields by which a whole visit may be withheld, by segment, with the word that stands for their code system.
MARKS: Final = {
    name: marks
    for name, fields in _FIELDS.items()
    if (marks := tuple([(number, word) for number, word in fields if word]))
}
#: OBX-2 of values that are codes; an OBX that does not say may hold one.
_CODED: Final = frozenset({b"CE", b"CWE", b"CNE", b"CF", b"IS", b"ID", b""})
_DOCUMENTS: Final = frozenset({b"ED", b"RP"})
_WHOLE: Final = frozenset({b"PID", b"PD1", b"PV1", b"PV2", b"ARV"})
#: Where an order without ORC begins, by the place in it that each has.
_STEPS: Final = {b"OBR": 0, b"RXO": 1, b"RXE": 2, b"RXD": 3, b"RXG": 3, b"RXA": 3}
_PATIENT, _ORDER = 1, 2
#: Values of fields that are remembered, and how long each may be: what senders make up must not fill the memory.
_REMEMBERED: Final = 32_768
_LONGEST: Final = 512

Hits = list[tuple[int, frozenset[str]]]
_Cache = dict[bytes, frozenset[str]]
_Looks = dict[bytes, tuple[tuple[int, str, _Cache], ...]]


class Order(NamedTuple):
    """One order: the indexes of its first segment and of the one behind its last, and the categories in it."""

    first: int
    behind: int
    categories: frozenset[str]


class Found(NamedTuple):
    """What a message holds. `whole` is about all of it, `orders` are those with something in them, of `of` there are."""

    whole: frozenset[str]
    orders: tuple[Order, ...]
    of: int

    @property
    def ordered(self) -> frozenset[str]:
        """The categories of all orders."""
        return _NOTHING.union(*(order.categories for order in self.orders))


class Sensitive:
    """The site's list, ready to look into messages. `fields` are those that the site names beside the usual."""

    def __init__(self, withheld: Withheld, fields: Iterable[tuple[bytes, int]] = ()) -> None:
        self.withheld = withheld
        self._fields = dict(_FIELDS)
        for name, number in fields:
            usual = self._fields.get(name, ())
            if all(number != known for known, _ in usual):
                self._fields[name] = (*usual, (number, ""))
        self._looks: dict[Delimiters, tuple[_Looks, _Cache]] = {}
        self._standard = self._remember(STANDARD)

    def _remember(self, delimiters: Delimiters) -> tuple[_Looks, _Cache]:
        coded: _Cache = {}
        words: dict[str, _Cache] = {"": coded}
        looks = {
            name: tuple((number, word, words.setdefault(word, {})) for number, word in numbers)
            for name, numbers in self._fields.items()
        }
        if len(self._looks) >= 16:  # what senders make up must not fill the memory
            self._looks.clear()
        self._looks[delimiters] = looks, coded
        return looks, coded

    def hits(self, message: Message, *, changed: bool = False) -> Hits:
        """The segments, by index, in which something is found, with the categories. `changed`: only segments that do not stand as they
        came are looked at, since the rest has been.
        """
        delimiters = message.delimiters
        if delimiters is STANDARD:
            looks, coded = self._standard
        else:
            looks, coded = self._looks.get(delimiters) or self._remember(delimiters)
        found: Hits = []
        get = looks.get
        for index, segment in enumerate(message.segments):
            places = get(segment.name)
            if places is None or (changed and segment._line is not None):
                continue
            fields = segment._fields if segment._fields is not None else segment.split()
            count = len(fields)
            for number, word, cache in places:
                if number < count and (value := fields[number]):
                    known = cache.get(value)
                    if known is None:
                        known = self._look(value, word, cache, delimiters)
                    if known:
                        found.append((index, known))
            if segment.name == b"OBX" and count > 5 and fields[5] and fields[2].strip().upper() in _CODED:
                known = coded.get(fields[5])
                if known is None:
                    known = self._look(fields[5], "", coded, delimiters)
                if known:
                    found.append((index, known))
        return found

    def found(self, message: Message, on: date | None, *, ages: bool = True) -> Found | None:
        """What is found, told apart by orders; None (the usual answer) where nothing is. `ages`: by PID-7, on the event's day."""
        hits = self.hits(message)
        grown = self.of_age(message, on) if ages and self.withheld.ages else _NOTHING
        if not hits and not grown:
            return None
        ranges = orders_of(message.segments)
        inside: dict[tuple[int, int], set[str]] = {}
        whole = set(grown)
        for index, categories in hits:
            around = next((each for each in ranges if each[0] <= index < each[1]), None)
            if around is None or message.segments[index].name in _WHOLE:
                whole |= categories
            else:
                inside.setdefault(around, set()).update(categories)
        orders = tuple(Order(*place, frozenset(categories)) for place, categories in sorted(inside.items()))
        return Found(frozenset(whole), orders, len(ranges))

    def of_age(self, message: Message, on: date | None) -> frozenset[str]:
        """The categories of age that a patient of the message is in; a birth that is not told counts for all of them."""
        found = _NOTHING
        for segment in message.segments:
            if segment.name == b"PID":
                born = segment.field(7).decode("ascii", "replace")
                found |= self.withheld.categories_of_age(born, on)
        return found

    def _look(self, value: bytes, word: str, cache: _Cache, delimiters: Delimiters) -> frozenset[str]:
        if len(cache) >= _REMEMBERED:
            cache.clear()
        found = set[str]()
        for system, code in _codes(value, word, delimiters):
            found |= self.withheld.categories_of_code(system, code)
        known = frozenset(found) if found else _NOTHING
        if len(value) <= _LONGEST:
            cache[value] = known
        return known


def _codes(value: bytes, word: str, delimiters: Delimiters) -> Iterator[tuple[str, str]]:
    """Every (system, code) of a field. Of one with a `word` each part counts as a code of that word, too."""

    def text(part: bytes) -> str:
        return unescape(part, delimiters).decode("utf-8", "replace").strip()

    for repetition in value.split(delimiters.repetition) if delimiters.repetition else [value]:
        parts = repetition.split(delimiters.component) if delimiters.component else [repetition]
        for first in (0, 3, 9):
            code, system = (parts[at] if at < len(parts) else b"" for at in (first, first + 2))
            if not code or (word and (first > 3 or not system)):
                continue
            yield text(system), text(code)
            if delimiters.subcomponent and delimiters.subcomponent in code:
                yield text(system), text(code.split(delimiters.subcomponent, 1)[0])
        if word:
            for part in parts:
                for piece in part.split(delimiters.subcomponent) if delimiters.subcomponent else [part]:
                    if piece:
                        yield word, text(piece)


def orders_of(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """The orders of a message: for each the index of its first segment and of the one behind its last."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    step = -1  # how far an order without ORC has come; -1 within one that has it
    for index, segment in enumerate(segments):
        rank = rank_of(segment.name)
        if rank is None or rank > _ORDER + 1:
            continue
        mine = _STEPS.get(segment.name)
        starts = segment.name == b"ORC" or (
            mine is not None and (begin is None or (step >= 0 and mine <= step))
        )
        if begin is not None and (starts or rank <= _PATIENT):
            found.append((begin, index))
            begin = None
        if starts:
            begin, step = index, -1 if mine is None else mine
        elif mine is not None and step >= 0:
            step = mine
    if begin is not None:
        found.append((begin, len(segments)))
    return found


def is_document(result: Segment) -> bool:
    """Whether an OBX holds a document (OBX-2 = ED or RP, or a value that says it is Base64): of that nothing can be taken out."""
    if result.field(2).strip().upper() in _DOCUMENTS:
        return True
    value = result.field(5)
    return len(value) > 64 and b"base64" in value[:256].lower()


def holds_document(message: Message) -> bool:
    """Whether an OBX of a message holds a document."""
    return any(segment.name == b"OBX" and is_document(segment) for segment in message.segments)

"""What an editor shows of a path: the name of its field and component, their data types by version, repetition, tables.

Made for the segments that feeds are made of, and those that a folder speaks of, from every version of the standard, so this loads
hl7apy; an engine never calls it. A field's name is the title of what its path matches, and what is said of the component its
description: editors show both together. Raises nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Final

from hl7bridge.channel.editors.pathpattern import any_of
from hl7bridge.channel.written.model import Schema
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.hl7.names import DEFAULT_VERSION, Element, segment_name
from hl7bridge.hl7.versions import VAGUE, History, datatypes, places, versions

_MOST_PARTS: Final = 12
#: CWE and CNE had nine components before 2.7, and 22 since.
_CODED_PARTS: Final = 9
#: Older composites (CN, PN, CK, CM_...) had been replaced in this version.
_LASTING: Final = "2.5"
_BEGIN: Final = r"^[^\[(]*"
_BRACKETS: Final = r"(\[[^\]]*\])?"


class PathNames:
    """The names of paths to the segments that feeds are made of, and to `more` that a folder speaks of."""

    def __init__(self, more: Collection[str] = ()) -> None:
        known = places().fields
        self.segments = tuple(
            sorted(each for each in SEGMENTS & known.keys() if segment_name(each) or each in more)
        )
        #: The fields that have components, by the data types that have them.
        self._groups: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
        for segment in self.segments:
            for number, history in enumerate(known[segment], 1):
                kinds = tuple(sorted(each for each in datatypes(history) if each in places().components))
                if kinds:
                    self._groups[_lasting(kinds)].append((segment, number))

    def plain(self) -> list[str]:
        """The path of every field, as an editor proposes it."""
        return [
            f"{segment}-{number}"
            for segment in self.segments
            for number in range(1, len(places().fields[segment]) + 1)
        ]

    def definitions(self) -> Schema:
        """What is shown of each field (RXE-2) and of each component of a group of data types (CE|CWE.1), by name."""
        found: Schema = {}
        for segment in self.segments:
            fields = places().fields[segment]
            begun = _since(each for history in fields for each in history)
            for number, history in enumerate(fields, 1):
                found[f"{segment}-{number}"] = _field(f"{segment}-{number}", history, begun)
        for kinds in self._groups:
            for name, at in _parts_of(kinds):
                found[name] = {"description": " ".join(_component(kinds, each) for each in at)}
        return found

    def fields(self, brackets: str = _BRACKETS) -> Iterator[tuple[str, str]]:
        """Which paths each field's definition is of, as pattern and name. Without `brackets`, of segments that have none: that
        is shorter, for values, which seldom have any.
        """
        begin = _BEGIN if brackets else ""
        for path in self.plain():
            segment, _, number = path.partition("-")
            yield rf"{begin}{segment}{brackets}[-.]{number}\b", path

    def components(self, brackets: str = _BRACKETS) -> Iterator[tuple[str, str]]:
        """The same for the components of fields."""
        begin = _BEGIN if brackets else ""
        for kinds, fields in self._groups.items():
            numbers: dict[str, set[int]] = defaultdict(set)
            for segment, number in fields:
                numbers[segment].add(number)
            within = "|".join(f"{name}{brackets}[-.]({any_of(found)})" for name, found in numbers.items())
            for name, at in _parts_of(kinds):
                yield rf"{begin}({within}){_BRACKETS}[-.]({any_of([each + 1 for each in at])})\b", name


@cache
def _parts_of(kinds: tuple[str, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The components of a group, each alone; the many that coded values have since 2.7 together."""
    count = max(len(places().components[kind]) for kind in kinds)
    apart = _CODED_PARTS if {"CWE", "CNE"} & {*kinds} else count
    name = "|".join(kinds)
    alone = [(f"{name}.{at + 1}", (at,)) for at in range(apart)]
    return (
        (*alone, (f"{name}.{apart + 1}-{count}", tuple(range(apart, count))))
        if apart < count
        else tuple(alone)
    )


def _lasting(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Those that outlived 2.3, whose own parts are meant as a rule; all where none did."""
    lasting = [
        kind
        for kind in kinds
        if any(version >= _LASTING for part in places().components[kind] for version in part)
    ]
    return tuple(lasting) or kinds


def _field(path: str, history: History, begun: str) -> Schema:
    types = by_version({version: {each.datatype} for version, each in history.items()}, begun)
    about = [_repeats(history)]
    tables = [each.table for each in history.values() if each.table]
    if tables:
        about.append(f"Table {tables[-1]}.")
    return {"title": f"{path} {_name(history)}{types and ': ' + types}", "description": " ".join(about)}


def _repeats(history: History) -> str:
    """Whether, and how often, it may be there."""
    counts = {
        version: {
            "once" if each.most == 1 else "repeats" if each.most is None else f"up to {each.most} times"
        }
        for version, each in history.items()
        if each.datatype not in VAGUE
    }
    alike = {word for words in counts.values() for word in words}
    text = next(iter(alike)) if len(alike) == 1 else by_version(counts, _since(counts))
    return f"{text[:1].upper()}{text[1:]}." if text else "Withdrawn."


def _component(kinds: tuple[str, ...], at: int) -> str:
    """A component, and where it has parts their names."""
    histories = [places().components[kind][at] for kind in kinds if at < len(places().components[kind])]
    begun = _since(version for kind in kinds for each in places().components[kind] for version in each)
    types: dict[str, set[str]] = defaultdict(set)
    for history in histories:
        for version, element in history.items():
            types[version].add(element.datatype)
    text = f"Component {at + 1}, {_name(histories[0])}: {by_version(types, begun) or 'not used'}."
    owners = [kind for kind in kinds if at < len(places().components[kind])]
    if len(owners) < len(kinds):
        text += f" In {' and '.join(owners)} only."
    return text + _parts(histories)


def _parts(histories: Iterable[History]) -> str:
    kinds = dict.fromkeys(
        kind for each in histories for kind in datatypes(each) if kind in places().components
    )
    longest = max(kinds, key=lambda kind: len(places().components[kind]), default=None)
    if longest is None:
        return ""
    parts = places().components[longest]
    names = [f"{number} {_name(part)}" for number, part in enumerate(parts[:_MOST_PARTS], 1)]
    more = [f"to {len(parts)}"] if len(parts) > _MOST_PARTS else []
    return f" Subcomponents: {', '.join([*names, *more])}."


def _name(history: History) -> str:
    """As 2.5.1 says it, else the latest version that does."""
    usual: Element | None = history.get(DEFAULT_VERSION)
    named = [each.name for each in history.values() if each.name]
    return usual.name if usual is not None and usual.name else named[-1] if named else ""


def _since(found: Iterable[str]) -> str:
    """The first of these versions."""
    given = set(found)
    return next((version for version in versions() if version in given), versions()[0])


def by_version(found: dict[str, set[str]], begun: str) -> str:
    """`CE in 2.2-2.5.1, CWE since 2.6`; no version where it has been the same from `begun` to the last."""
    said: list[str] = []
    by_word = ((" or ".join(sorted(found.get(version, set()) - VAGUE)), version) for version in versions())
    for word, group in groupby(by_word, key=lambda each: each[0]):
        those = [version for _, version in group]
        if not word:
            continue
        if those[-1] == versions()[-1]:
            said.append(word if those[0] <= begun else f"{word} since {those[0]}")
        else:
            said.append(f"{word} in {those[0]}" + (f"-{those[-1]}" if len(those) > 1 else ""))
    return ", ".join(said)

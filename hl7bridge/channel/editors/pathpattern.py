"""Paths as regular expressions, for editors: which texts are paths, and which paths go beyond the standard.

The same as `Path.parse`, `read_reference` and `beyond` say, as far as patterns can: written in what ECMAScript (with and without its
flag u) and Python have in common. A text in quotes within brackets that itself looks like the rest of a path may be taken for one.
Raises nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from hl7bridge.channel.written.beyond import MOST_FIELDS, Site
from hl7bridge.channel.written.model import Schema
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.hl7.extent import VERSIONS, Extent, extents, last_field, parts
from hl7bridge.words import counted

_NUMBER: Final = "0*[1-9][0-9]{0,3}"
_NEXT: Final = r", *[0-9]+(?:\.[0-9]+)*="
_VALUE: Final = rf"""(?:'[^']*'|"[^"]*"|(?!['"])(?:\$\{{[^{{}}]*\}}|(?!{_NEXT})[^|\]])*)"""


def _choice(deepest: int, appends: str = "") -> str:
    """Brackets: an index, every one, conditions of at most so many numbers; or the terser's (0)."""
    condition = rf"{_NUMBER}(?:\.{_NUMBER}){{0,{deepest - 1}}}={_VALUE}(?:\|{_VALUE})*"
    return rf"(?:\[(?:{_NUMBER}|\*{appends}|{condition}(?:, *{condition})*)\]|\([0-9]{{1,4}}\))?"


_SEGMENT: Final = rf"/?[A-Z][A-Z0-9]{{2}}{_choice(3)}"
_FIELD: Final = rf"{_SEGMENT}[-.]{_NUMBER}{_choice(2, '|' + chr(92) + '+')}(?:[-.]{_NUMBER}){{0,2}}"
_IT: Final = rf"it(?:[-.]{_NUMBER}){{0,2}}"
#: A path to a field, and one to whole segments.
FIELD: Final = rf"^(?:original\.)?{_FIELD}$|^{_IT}$"
SEGMENT: Final = rf"^(?:original\.)?{_SEGMENT}$"
#: What somebody wrote who meant a path, where a text may stand too; see `looks_like_path`.
LIKELY: Final = r"^(?:original\.)?(?:/?[A-Z][A-Z0-9]{2}(?:[-.\[]|\([0-9])|it(?:[-.][0-9]{1,4}){0,2}$)"

_BEFORE: Final = r"(?:original\.)?/?"
#: Brackets that may stand behind a segment or a field.
BRACKETS: Final = r"(\[[^\]]*\]|\([0-9]*\))?"
_CONDITION: Final = r"\[([^\]]*, *)?"
#: What stands between a segment and a field that is meant, and also between a segment and a field that a condition of its names.
_BETWEEN: Final = f"{BRACKETS}[-.]"
_NAMED: Final = r"(\[([^\]]*(, *|\][-.]))?|\([0-9]*\)[-.]|[-.])"
_MEANT: Final = (
    "; if your feed does have it, write site_fields in hl7bridge.yaml and make the schema of your folder"
)

#: How many subcomponents each component may have, by its number (None: open).
Shape = tuple[tuple[int, int | None], ...]


def any_of(found: Collection[int]) -> str:
    """A pattern of these numbers and no others: `[1-9]|1[0-2]`."""
    decades: dict[int, set[int]] = defaultdict(set)
    for number in found:
        decades[number // 10].add(number % 10)
    by_digits: dict[str, list[int]] = defaultdict(list)
    for decade, digits in sorted(decades.items()):
        by_digits[_digits(digits)].append(decade)
    pieces: list[str] = []
    for ending, tens in by_digits.items():
        below = {ten for ten in tens if 0 < ten < 10}
        pieces += [ending] if 0 in tens else []
        pieces += [_digits(below) + ending] if below else []
        pieces += [f"{ten}{ending}" for ten in tens if ten >= 10]
    return "|".join(pieces)


def _digits(digits: Collection[int]) -> str:
    """One of these digits: `7`, `[1-9]`, `[13-5]`."""
    ordered, runs = sorted(digits), list[list[int]]()
    for digit in ordered:
        if runs and runs[-1][-1] == digit - 1:
            runs[-1].append(digit)
        else:
            runs.append([digit])
    pieces = [f"{run[0]}-{run[-1]}" if len(run) > 2 else "".join(str(digit) for digit in run) for run in runs]
    return str(ordered[0]) if len(ordered) == 1 else f"[{''.join(pieces)}]"


def _fields_of(places: Iterable[tuple[str, int]], between: str = _BETWEEN) -> str:
    """A pattern of the beginning of any path to one of these fields; `between` a segment and the number."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for segment, number in places:
        numbers[segment].add(number)
    found = "|".join(f"{name}{between}0*({any_of(found)})" for name, found in sorted(numbers.items()))
    return f"(?:{found})(?![0-9])"


def known(site: Collection[Site] = ()) -> Schema:
    """What a text must hold that is a path, or a word of the language: nothing beyond the standard, but for what is meant."""
    segments = f"(?:{'|'.join(sorted(SEGMENTS))}|Z[A-Z0-9]{{2}})(?![A-Z0-9])"
    header = rf"(?:MSH|BHS|FHS){BRACKETS}[-.]0*[12](?![0-9])."
    rules = [
        _never(
            rf"(?!{segments})[A-Z][A-Z0-9]{{2}}(?:[-.(\[]|$)",
            "HL7 has no such segment; site segments begin with Z",
        ),
        _never(header, "this field holds the delimiters and has no parts"),
        *_numbers(site),
        *_repetitions(site),
        *_components(site),
    ]
    return {"allOf": rules}


def _never(pattern: str, why: str) -> Schema:
    return {"pattern": f"^(?!{_BEFORE}{pattern})", "errorMessage": why}


def _segments(site: Collection[Site]) -> Iterator[tuple[str, tuple[Extent, ...]]]:
    """Every segment of which the standard says something, and the site nothing."""
    for segment in sorted(SEGMENTS):
        if (segment, None, None) not in site and (found := extents(segment)):
            yield segment, found


def _numbers(site: Collection[Site]) -> Iterator[Schema]:
    """Fields that no version has."""
    alike: dict[tuple[int, tuple[int, ...]], list[str]] = defaultdict(list)
    for segment in sorted(SEGMENTS):
        last = last_field(segment)
        if last is None or (segment, None, None) in site:
            last = MOST_FIELDS
        meant = {number for name, number, _ in site if name == segment and number is not None}
        alike[last, tuple(sorted({*range(1, last + 1), *meant}))].append(segment)
    for (last, numbers), segments in sorted(alike.items()):
        none = f"(?!0*(?:{any_of(numbers)})(?![0-9]))[0-9]+"
        why = f"{VERSIONS} has no such field: the segment has {counted(last, 'field')}{_MEANT}"
        if last == MOST_FIELDS:
            why = "no segment has a hundred fields"
        yield _never(f"(?:{'|'.join(segments)})(?:{_CONDITION}{none}[.=]|{BRACKETS}[-.]{none})", why)


def _repetitions(site: Collection[Site]) -> Iterator[Schema]:
    """Repetitions of what never repeats, or never so often."""
    alike: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for segment, found in _segments(site):
        for number, field in enumerate(found, 1):
            if field.most is not None and (segment, number, None) not in site:
                alike[field.most].append((segment, number))
    for most, places in sorted(alike.items()):
        index = rf"\[0*(?!(?:{any_of(range(1, most + 1))})\])[1-9][0-9]*\]"
        terser = rf"\((?!0*(?:{any_of(range(most))})\))[0-9]+\)"
        if most == 1:
            yield _never(
                rf"{_fields_of(places)}(?:\[[*+]\]|{index}|{terser})",
                f"this field does not repeat in {VERSIONS}{_MEANT}",
            )
        else:
            yield _never(
                f"{_fields_of(places)}(?:{index}|{terser})",
                f"this field is there {most} times at most in {VERSIONS}{_MEANT}",
            )


def _components(site: Collection[Site]) -> Iterator[Schema]:
    """Components that no data type of the field has, and subcomponents of what has none."""
    alike: dict[Shape, list[tuple[str, int]]] = defaultdict(list)
    for segment, found in _segments(site):
        for number, field in enumerate(found, 1):
            shape = _shape(segment, number, field, site)
            if shape is not None:
                alike[shape].append((segment, number))
    for shape, places in sorted(alike.items(), key=lambda item: len(item[0])):
        inside = _inside(shape)
        conditions = rf"{_CONDITION}(?!(?:{inside})=)[0-9][0-9.]*="
        deeper = rf"{BRACKETS}[-.](?!(?:{inside})(?:=|$))"
        whole = "is a single value" if len(shape) == 1 else f"has {len(shape)} components at most"
        why = f"{VERSIONS} has no such component or subcomponent: the field {whole}{_MEANT}"
        yield _never(f"{_fields_of(places, _NAMED)}(?:{conditions}|{deeper})", why)


def _shape(segment: str, number: int, field: Extent, site: Collection[Site]) -> Shape | None:
    found = parts(field.datatypes)
    meant = {component for name, each, component in site if (name, each) == (segment, number)}
    if found is None or None in meant:
        return None
    shape: dict[int, int | None] = dict(enumerate(found, 1))
    shape |= {component: None for component in meant if component is not None}
    return tuple(sorted(shape.items()))


def _inside(shape: Shape) -> str:
    """A pattern of the components and subcomponents of a shape."""
    by_count: dict[int | None, list[int]] = defaultdict(list)
    for number, count in shape:
        by_count[count].append(number)
    return "|".join(
        f"0*(?:{any_of(numbers)})(?:[-.]{'[0-9]+' if count is None else f'0*(?:{any_of(range(1, count + 1))})'})?"
        for count, numbers in by_count.items()
    )

"""Paths that go beyond the standard: a field or component that no version of HL7 has, a repetition of what never repeats.

Real feeds do go beyond it: hospitals append fields of their own behind PID-40, put components into plain values, repeat PID-2. So this
is no mistake and stops nothing: `check` and editors say it, and `site_fields` in hl7bridge.yaml says that it is meant. What no version
says is never doubted (see hl7.extent). Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import REFERENCE, WRONG, Reading, Schema, Wrong, scalar
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun
from hl7bridge.hl7.access import Append, Choice, Each, Index, Where
from hl7bridge.hl7.extent import VERSIONS, extent, last_field, parts
from hl7bridge.hl7.path import Path, PathError
from hl7bridge.words import counted

#: A segment, field or component: (segment, field or None, component or None).
Site = tuple[str, int | None, int | None]
#: Sites write fields of their own behind a segment's last, but none writes a hundred.
MOST_FIELDS: Final = 99
_SITE: Final = r"([A-Z][A-Z0-9]{2})(?:[-.]0*([1-9][0-9]?)(?:[-.]0*([1-9][0-9]{0,3}))?)?"


class SiteField:
    """An entry of `site_fields`: `PID-41`, `OBR-20.2`, or a whole segment."""

    def read(self, node: Node, reading: Reading) -> Site | Wrong:
        text = scalar(node, reading, "a field such as PID-41")
        if isinstance(text, Wrong):
            return WRONG
        match = re.fullmatch(_SITE, text)
        if match is None:
            hint = "a segment, a field or a component, without brackets: PID-41, OBR-20.2"
            if re.fullmatch(_SITE, text.upper()):
                hint = f"segment names are capitals: {text.upper()}"
            return reading.wrong(node, f"{noun(node)} is not a field", hint)
        name, field, component = match.groups()
        if name.startswith("Z"):
            return reading.wrong(
                node, f"{name} is the site's own", "whatever it holds is free, so leave it out"
            )
        if name not in SEGMENTS:
            hint = meant(name, SEGMENTS, "site segments begin with Z and need no entry")
            return reading.wrong(node, f"HL7 has no segment {name}", hint)
        return name, int(field) if field else None, int(component) if component else None

    def schema(self) -> Schema:
        return {
            "type": "string",
            "pattern": f"^(?={'|'.join(sorted(SEGMENTS))}){_SITE}$",
            "errorMessage": "this is no segment, field or component of HL7; they look like PID, PID-41, OBR-20.2",
            "examples": ["PID-41", "OBR-20.2"],
        }


def declared(node: Node, reading: Reading) -> frozenset[Site]:
    """What `site_fields` of hl7bridge.yaml says; mistakes in it are named."""
    given = node.get("site_fields") if isinstance(node, Pairs) else None
    entries = given.items if isinstance(given, Items) else [] if given is None else [given]
    found = [SiteField().read(entry, reading) for entry in entries]
    return frozenset([each for each in found if not isinstance(each, Wrong)])


def doubt(path: Path, node: Node, reading: Reading) -> None:
    """Names in what a path that stands at `node` goes beyond the standard."""
    if not reading.kept and (found := beyond(path, reading.site_fields)) is not None:
        hint = f"if your feed does have it, write site_fields: [{found.where}] in hl7bridge.yaml"
        reading.doubt(node, found.what, hint)


def doubt_template(node: Scalar, reading: Reading) -> None:
    """The same for each `${path}` of a text that is filled when it is needed; a segment that HL7 lacks is a mistake."""
    for name in REFERENCE.findall(node.text):
        try:
            path = Path.parse(name)
        except PathError:  # one of the template's own words
            continue
        segment = path.segment.decode("ascii")
        if segment not in SEGMENTS and not segment.startswith("Z") and not reading.kept:
            hint = meant(segment, SEGMENTS, "site segments begin with Z")
            reading.wrong(node, f"HL7 has no segment {segment}", hint)
        doubt(path, node, reading)


class Beyond(NamedTuple):
    """In what a path goes beyond the standard, and where: what `site_fields` would name."""

    what: str
    where: str


def beyond(path: Path, site: Collection[Site] = ()) -> Beyond | None:
    """In what a path goes beyond every version of the standard, and not on purpose (`site`); None if in nothing."""
    segment = path.segment.decode("ascii")
    if segment not in SEGMENTS or (segment, None, None) in site:
        return None
    for place in places(path):
        if (found := _place(segment, place, site)) is not None:
            return found
    if path.field is None or (segment, path.field, None) in site:
        return None
    return _repetition(segment, path.field, path.repetition)


def places(path: Path) -> Iterator[tuple[int, ...]]:
    """The numbers that a path names, its conditions' too: of a field, and as deep as they go."""
    if isinstance(path.occurrence, Where):
        yield from (each.position for each in path.occurrence.conditions)
    if path.field is not None:
        yield (path.field, *(each for each in (path.component, path.subcomponent) if each is not None))
        if isinstance(path.repetition, Where):
            yield from ((path.field, *each.position) for each in path.repetition.conditions)


def _place(segment: str, place: tuple[int, ...], site: Collection[Site]) -> Beyond | None:
    number, *deeper = place
    name, last = f"{segment}-{number}", last_field(segment)
    if last is not None and number > last:
        if any(each[:2] == (segment, number) for each in site):
            return None
        return Beyond(f"{segment} has {counted(last, 'field')} in {VERSIONS}, {name} is none", name)
    found = extent(segment, number)
    known = None if found is None else parts(found.datatypes)
    if known is None or not deeper or not {None, deeper[0]}.isdisjoint(_components(segment, number, site)):
        return None
    part = f"{name}.{deeper[0]}"
    if deeper[0] > len(known):
        return Beyond(_too_deep(name, len(known), "component", part), part)
    inner = known[deeper[0] - 1]
    if inner is None or len(deeper) < 2 or deeper[1] <= inner:
        return None
    return Beyond(_too_deep(part, inner, "subcomponent", f"{part}.{deeper[1]}"), part)


def _components(segment: str, field: int, site: Collection[Site]) -> set[int | None]:
    """The components of a field that are meant, None for all."""
    return {component for name, number, component in site if (name, number) == (segment, field)}


def _too_deep(whole: str, count: int, word: str, part: str) -> str:
    if count == 1:
        return f"{whole} is a single value in {VERSIONS}, {part} is none of it"
    return f"{whole} has {counted(count, word)} at most in {VERSIONS}, {part} is none"


def _repetition(segment: str, field: int, chosen: Choice) -> Beyond | None:
    found = extent(segment, field)
    if found is None or found.most is None:
        return None
    name = f"{segment}-{field}"
    if found.most == 1:
        several = isinstance(chosen, Each | Append) or (isinstance(chosen, Index) and chosen.number > 1)
        return Beyond(f"{name} does not repeat in {VERSIONS}", name) if several else None
    if isinstance(chosen, Index) and chosen.number > found.most:
        return Beyond(f"{name} is there {found.most} times at most in {VERSIONS}", name)
    return None

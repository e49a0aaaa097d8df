"""Every version of the standard at once: what a field or a component was in each, and how far the standard ever went.

Holds `Places`, the union of the versions that hl7apy carries (2.1 to 2.8.2), and makes from it the table that `extent` reads, so that
nobody who only asks how far the standard goes needs hl7apy. Loads all its versions, which takes seconds; an engine never does. Raises
nothing.

`python -m hl7bridge.hl7.versions > hl7bridge/hl7/extenttable.py` writes the table anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from textwrap import wrap
from typing import Final

from hl7bridge.hl7.names import DEFAULT_VERSION, WITHDRAWN, Element, standard

#: Data types that say nothing of what stands in a field: withdrawn, not yet named, or a composite that its version leaves open.
VAGUE: Final = frozenset(["", "CM", "WD", "wd"])
VARIES: Final = "varies"

#: What stood in one place, by version.
History = Mapping[str, Element]


@cache
def versions() -> tuple[str, ...]:
    """The versions that hl7apy carries, the oldest first."""
    import hl7apy

    return tuple(
        sorted(hl7apy.SUPPORTED_LIBRARIES, key=lambda version: [int(part) for part in version.split(".")])
    )


class Places:
    """Fields by segment and number, and components by data type, each with its history."""

    def __init__(self) -> None:
        self.fields: dict[str, list[dict[str, Element]]] = {}
        self.components: dict[str, list[dict[str, Element]]] = {}
        for version in versions():
            tables = standard(version)
            for segment in tables.segments:
                for element in self._noted(
                    self.fields.setdefault(segment, []), version, tables.fields(segment)
                ):
                    self._type(version, element)
        self.fields = {segment: places for segment, places in self.fields.items() if places}

    def _type(self, version: str, element: Element) -> None:
        if element.parts:
            known = self.components.setdefault(element.datatype, [])
            for part in self._noted(known, version, element.parts):
                self._type(version, part)

    def _noted(
        self, places: list[dict[str, Element]], version: str, elements: tuple[Element, ...]
    ) -> Iterator[Element]:
        """The elements of one version, each put where it belongs."""
        for at, element in enumerate(elements):
            if at == len(places):
                places.append({})
            if (
                element is not WITHDRAWN and element.most != 0
            ):  # what is there no times has been withdrawn too
                places[at][version] = element
                yield element


@cache
def places() -> Places:
    """The union of all versions, made once."""
    return Places()


def datatypes(history: History) -> tuple[str, ...]:
    """The data types that a place ever had, that of 2.5.1 first; `varies` where no version says."""
    found = {each.datatype: None for each in history.values() if each.datatype not in VAGUE}
    usual = history.get(DEFAULT_VERSION)
    if usual is not None and usual.datatype in found:
        return (usual.datatype, *(each for each in found if each != usual.datatype))
    return tuple(found) or (VARIES,)


def most(history: History) -> int | None:
    """How often a place may be there in the version that allows most; None without bound."""
    counts = [each.most for each in history.values()]
    return None if None in counts else max([1, *(each for each in counts if each is not None)])


def table() -> tuple[str, str]:
    """The two texts of `extenttable`: segments with their fields, and data types with their components."""
    known = places()
    segments = [" ".join([name, *map(_field, fields)]) for name, fields in sorted(known.fields.items())]
    types = [
        " ".join([name, *("/".join(datatypes(each)) for each in parts)])
        for name, parts in sorted(known.components.items())
    ]
    return "\n".join(segments), "\n".join(types)


def _field(history: History) -> str:
    """`CE/CWE*`: its data types, and how often it may repeat; with a `/` before them it is none of 2.5.1's."""
    usual, bound = history.get(DEFAULT_VERSION), most(history)
    before = "" if usual is not None and usual.datatype not in VAGUE else "/"
    return (
        before + "/".join(datatypes(history)) + ("*" if bound is None else f":{bound}" if bound > 1 else "")
    )


_HEAD: Final = '''"""How far the standard goes: the data types of each segment's fields, and those of each data type's components.

Made from the tables of hl7apy (MIT licence), the union of versions 2.1 to 2.8.2; `python -m hl7bridge.hl7.versions` prints it.
`CE/CWE*` had two data types, the first in 2.5.1, and repeats; `:3` three times at most; `/XTN` is not in 2.5.1. Only facts.
"""

from __future__ import annotations

from typing import Final
'''


def module() -> str:
    """The text of `extenttable`. A line that begins with a blank continues the one above it."""
    parts = [_HEAD]
    for name, text in zip(("SEGMENTS", "DATATYPES"), table(), strict=True):
        lines = [
            line
            for entry in text.splitlines()
            for line in wrap(
                entry, 130, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
            )
        ]
        parts += [f'{name}: Final = """', *lines, '"""']
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(module(), end="")

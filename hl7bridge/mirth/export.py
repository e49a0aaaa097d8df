"""An export as a tree of elements, read without trusting it: no document type, no entities of its own, and bounds on size and depth.

Raises `ExportError` with the line and column of what is wrong.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from hl7bridge.errors import HL7BridgeError

#: Exports of whole servers are some megabytes.
MOST_BYTES: Final = 100_000_000
_MOST_ELEMENTS: Final = 2_000_000
_MOST_DEPTH: Final = 200


class ExportError(HL7BridgeError):
    """A file that is no export, or none that can be read. `place` is line:column."""


@dataclass(slots=True)
class Element:
    """One element of the export: its name, attributes, text, children, and the line in which it begins."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def child(self, *names: str) -> Element | None:
        """The first child of that name, and in it the first of the next."""
        found: Element | None = self
        for name in names:
            if found is None:
                return None
            found = next((each for each in found.children if each.name == name), None)
        return found

    def text(self, *names: str, default: str = "") -> str:
        """The text of a child, decoded where the export says that it is base64."""
        found = self.child(*names)
        return default if found is None else found.content

    @property
    def content(self) -> str:
        """Its own text."""
        text = "".join(self.texts)
        if self.attributes.get("encoding") == "base64":
            try:
                return base64.b64decode(text, validate=False).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return text
        return text

    def flag(self, *names: str, default: bool = False) -> bool:
        """Whether a child says true."""
        text = self.text(*names).strip().lower()
        return default if not text else text == "true"

    def every(self, name: str) -> Iterator[Element]:
        """All elements of that name below this one, in order."""
        return (each for each in self._below() if each.name == name)

    def having(self, attribute: str) -> Iterator[Element]:
        """All elements with that attribute below this one, in order."""
        return (each for each in self._below() if attribute in each.attributes)

    def _below(self) -> Iterator[Element]:
        waiting = list(reversed(self.children))
        while waiting:
            found = waiting.pop()
            yield found
            waiting += reversed(found.children)


def read_export(data: bytes) -> Element:
    """The root of an export. Raises `ExportError`."""
    if len(data) > MOST_BYTES:
        raise ExportError(
            f"the file is larger than {MOST_BYTES // 1_000_000} MB",
            code="large-export",
            hint="export the channels one by one",
        )
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as fault:
        raise ExportError(
            f"this is not XML: {expat.errors.messages[fault.code]}",
            code="no-xml",
            place=f"{fault.lineno}:{fault.offset + 1}",
            hint="give the file that Mirth's Export Channel wrote",
        ) from None
    except ValueError as fault:  # an encoding that the parser does not have
        raise ExportError(
            f"this cannot be read: {fault}", code="no-xml", hint="save the file as UTF-8"
        ) from None
    assert reader.root is not None
    return reader.root


class _Reader:
    """Builds the tree from the parser's events."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) >= _MOST_DEPTH:
            raise self._error("more elements than any export has", "large-export")
        made = Element(name, self.parser.CurrentLineNumber, attributes)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _doctype(self, *_: object) -> None:
        # Entities are declared there: they could name other files, or multiply to gigabytes.
        raise self._error("the file declares a document type, which no export does", "document-type")

    def _error(self, what: str, code: str) -> ExportError:
        place = f"{self.parser.CurrentLineNumber}:{self.parser.CurrentColumnNumber + 1}"
        return ExportError(what, code=code, place=place, hint="give the file as Mirth wrote it")

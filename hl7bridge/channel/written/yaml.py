"""YAML as an engineer wrote it: every scalar the text that stands there, every node with its file, line and
column.

The reader works on parser events, not on PyYAML's constructors: so `NO`, `010` and `12:30` stay text, a key
that stands twice is seen, and neither deep nesting nor aliases that multiply can hurt. It knows nothing of
channels. It raises nothing: what is wrong goes into the `Mistakes` it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml as pyyaml

from hl7bridge.channel.written.mistake import Mistakes, Place

_LOADER: type = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)
_MOST_DEPTH = 60
_MOST_NODES = 200_000
_FIELD = re.compile(r"/?(?:original\.)?[A-Z][A-Z0-9]{2}[-.(\[]")
_ANOTHER_PATH_WITH_BRACKET = re.compile(r"\b[A-Z][A-Z0-9]{2}(?:-\d+)?(?:\.\d+)*\[")


@dataclass(slots=True, eq=False)
class Scalar:
    """Text as it stands; `plain` means unquoted, so that a bare `null` can be told from the word 'null'."""

    text: str
    place: Place
    plain: bool = True
    size: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in ("null", "~")


@dataclass(slots=True, eq=False)
class Items:
    """A YAML sequence."""

    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True, eq=False)
class Pairs:
    """A YAML mapping in the order in which it was written; each key once."""

    place: Place
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)
    size: int = 1

    def get(self, key: str) -> Node | None:
        for name, value in self.pairs:
            if name.text == key:
                return value
        return None

    def key(self, key: str) -> Scalar | None:
        for name, _ in self.pairs:
            if name.text == key:
                return name
        return None


Node: TypeAlias = Scalar | Items | Pairs


def noun(node: Node) -> str:
    """What a node is, in the words of somebody who edits YAML."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Pairs):
        return "a set of keys"
    return f"the text {shown(node.text)}" if node.text else "nothing"


def shown(text: str) -> str:
    """A text quoted for a message, shortened to what fits a line."""
    line = text if len(text) <= 60 else text[:57] + "..."
    return "'" + line.replace("\n", "\\n").replace("\r", "\\r") + "'"


def read(path: str, data: bytes, mistakes: Mistakes) -> Node | None:
    """The one document of a file, or None when it is empty or unreadable (then a mistake says so)."""
    text = _decoded(path, data, mistakes)
    if text is None:
        return None
    if not text.strip():
        mistakes.add(Place(path, 1, 1), "the file is empty", "remove it, or write what it is to say")
        return None
    before = len(mistakes)
    reader = _Reader(path, mistakes)
    try:
        for event in pyyaml.parse(text, Loader=_LOADER):
            if not reader.take(event):
                break
    except pyyaml.YAMLError as fault:
        _report(path, text, fault, mistakes)
        return None
    if reader.root is None and len(mistakes) == before:
        mistakes.add(
            Place(path, 1, 1), "the file holds only comments", "remove it, or write what it is to say"
        )
    return None if reader.broken else reader.root


def _decoded(path: str, data: bytes, mistakes: Mistakes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        column = fault.start - (data.rfind(b"\n", 0, fault.start) + 1) + 1
        mistakes.add(Place(path, line, column), "this byte is not UTF-8", "save the file as UTF-8")
        return None
    return text.removeprefix("\ufeff")


class _Reader:
    """Builds nodes from events with a stack of its own, so that depth is bounded by us and not by the
    interpreter.
    """

    def __init__(self, path: str, mistakes: Mistakes) -> None:
        self.path = path
        self.mistakes = mistakes
        self.root: Node | None = None
        self.broken = False
        self._open: list[Items | Pairs] = []
        self._keys: list[Scalar | None] = []  # the key that waits for its value, for each open mapping
        self._names: list[str | None] = []  # the anchor of each open collection
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: Any) -> bool:
        """One event in; False when reading further makes no sense."""
        if isinstance(event, pyyaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            node = Scalar(event.value, self._place(event), plain)
            self._odd_tag(event)
            if event.anchor:
                self._anchors[event.anchor] = node
            self._put(node)
        elif isinstance(event, pyyaml.SequenceStartEvent | pyyaml.MappingStartEvent):
            return self._enter(event)
        elif isinstance(event, pyyaml.SequenceEndEvent | pyyaml.MappingEndEvent):
            self._leave()
        elif isinstance(event, pyyaml.AliasEvent):
            return self._alias(event)
        elif isinstance(event, pyyaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self.mistakes.add(
                    self._place(event), "a second document starts here", "one file holds one thing"
                )
                return False
        return True

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self.path, mark.line + 1, mark.column + 1)

    def _odd_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            self.mistakes.add(
                self._place(event), f"the tag {event.tag} is not read", "text is text here: remove the tag"
            )

    def _enter(self, event: Any) -> bool:
        place = self._place(event)
        if len(self._open) >= _MOST_DEPTH:
            self.mistakes.add(place, f"nested more than {_MOST_DEPTH} deep", "no channel needs this")
            self.broken = True
            return False
        self._odd_tag(event)
        sequence = isinstance(event, pyyaml.SequenceStartEvent)
        self._open.append(Items(place) if sequence else Pairs(place))
        self._keys.append(None)
        self._names.append(event.anchor)
        return True

    def _leave(self) -> None:
        node = self._open.pop()
        self._keys.pop()
        name = self._names.pop()
        if name:
            self._anchors[name] = node  # known only from here on: so an alias can never close a circle
        self._put(node)

    def _alias(self, event: Any) -> bool:
        node = self._anchors.get(event.anchor)
        place = self._place(event)
        if node is None:
            inside = event.anchor in self._names
            what = f"*{event.anchor} stands inside itself" if inside else f"nothing is named &{event.anchor}"
            self.mistakes.add(place, what, "quote the text if an asterisk was meant")
            self._put(Scalar("", place))
            return True
        self._put(node)
        if any(open_.size > _MOST_NODES for open_ in self._open):
            self.mistakes.add(place, "aliases multiply to more than anyone could read", "write it out")
            self.broken = True
            return False
        return True

    def _put(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        if isinstance(parent, Items):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = self._as_key(node)
            return
        self._keys[-1] = None
        if key.text == "<<" and key.plain:
            self.mistakes.add(key.place, "the merge key << is not read", "write the keys out")
        elif not key.text and key.size == 0:
            pass  # not a usable key: named when it was met
        elif (first := parent.key(key.text)) is not None:
            todo = (
                "a field that is named twice needs two list items"
                if _FIELD.match(key.text)
                else "take one away"
            )
            self.mistakes.add(
                key.place,
                f"{shown(key.text)} stands a second time",
                f"it is given in line {first.place.line}; {todo}",
            )
        else:
            parent.pairs.append((key, node))

    def _as_key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        self.mistakes.add(
            node.place,
            f"{noun(node)} cannot be a key",
            "quote it if it is a text such as '${env.NAME}' or '[...]'",
        )
        return Scalar("", node.place, size=0)


_HINTS: tuple[tuple[str, str], ...] = (
    (r"'\\t'|\btab\b", "indent with spaces, not with tabs"),
    (
        r"unknown escape character|escape sequence",
        "write regular expressions and HL7 escapes in 'single quotes'",
    ),
    (r"cannot start any token", "quote a text that begins with @, `, % or the like"),
    (r"mapping values are not allowed", "quote a text that holds ': ', and check the indentation"),
    (r"undefined alias|alias", "quote a text that begins with *"),
    (r"quoted scalar|unexpected end of stream", "a quotation mark is not closed"),
    (r"simple key|could not find expected ':'", "a key needs ': ' after it; check the indentation"),
    (r"special characters|control characters|not allowed", "remove the control character"),
)


def _report(path: str, text: str, fault: pyyaml.YAMLError, mistakes: Mistakes) -> None:
    """A syntax error in our words: where it is, and what usually is the cause."""
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    else:
        position = getattr(fault, "position", 0) or 0
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
    problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or "it cannot be read"
    context = getattr(fault, "context", None)
    lines = text.split("\n")
    nearby = lines[line - 1] if line <= len(lines) else ""
    what = f"this is not YAML: {problem}" + (f" {context}" if context else "")
    mistakes.add(Place(path, line, column), what, _hint(problem, nearby))


def _hint(problem: str, nearby: str) -> str:
    if nearby[: len(nearby) - len(nearby.lstrip())].count("\t"):
        return "indent with spaces, not with tabs"
    if "${" in nearby and re.search(r"expected|did not find", problem):
        return "inside {} and [] a text with ${...} is quoted: '${env.NAME}'"
    if re.search(r"expected|did not find", problem) and _ANOTHER_PATH_WITH_BRACKET.search(nearby):
        return "inside {} and [] a path with [ is quoted: 'PID-3[4=X].1'"
    for pattern, hint in _HINTS:
        if re.search(pattern, problem):
            return hint
    return "check the indentation, brackets and quotation marks here"

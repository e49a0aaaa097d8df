"""The kinds of value that stand in a channel's folder, as tables: the loader, `check` and the JSON Schema all
come from them.

A kind reads a node into a value and describes itself as JSON Schema. `WRONG` is what it returns after it has
named a mistake, so that reading goes on and finds the next one. Knows YAML nodes and secrets, but no message.
Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hl7bridge.channel.written.mistake import Mistakes, Place, meant
from hl7bridge.channel.written.yaml import Node, Scalar, noun

Schema = dict[str, Any]


class Wrong:
    """The value of what could not be read."""

    def __repr__(self) -> str:
        return "WRONG"

    def __bool__(self) -> bool:
        return False


WRONG: Final = Wrong()
REFERENCE = re.compile(r"\$\{([^{}]*)\}")


class Reading:
    """What a kind needs beside the node: where mistakes go, and how `${env.X}` becomes text.

    `kept`: what is read was in force once, so that nobody can mend it, and what only looks like a slip is no mistake.
    `warnings` takes what may well be meant (see `beyond`), but for `site_fields`, where the site has said so.
    """

    def __init__(self, mistakes: Mistakes, secrets: Callable[[str], str], *, kept: bool = False) -> None:
        self.mistakes = mistakes
        self.warnings = Mistakes()
        self.site_fields: frozenset[tuple[str, int | None, int | None]] = frozenset()
        self.kept = kept
        self.secret_names: set[str] = set()
        self._secrets = secrets

    def wrong(self, node: Node, what: str, hint: str | None = None) -> Wrong:
        self.mistakes.add(node.place, what, hint)
        return WRONG

    def doubt(self, node: Node, what: str, hint: str | None = None) -> None:
        """Names what is unusual and stops nothing."""
        self.warnings.add(node.place, what, hint)

    def secret(self, name: str, place: Place) -> str | Wrong:
        """The text of `env.NAME` or `file./path`. Its value is never shown, not in a mistake either."""
        self.secret_names.add(name)
        try:
            return self._secrets(name).rstrip("\r\n")
        except (LookupError, OSError, ValueError) as fault:
            kind, _, rest = name.partition(".")
            what = f"the environment has no {rest}" if kind == "env" else f"the file {rest} cannot be read"
            hint = "set it before the engine starts" if kind == "env" else type(fault).__name__
            self.mistakes.add(place, what, hint)
            return WRONG

    def text(self, node: Scalar) -> str | Wrong:
        """A scalar of the settings with its secrets put in."""
        if "${" not in node.text:
            return node.text
        parts: list[str] = []
        end = 0
        for match in REFERENCE.finditer(node.text):
            name = match.group(1)
            if not is_secret(name):
                return self.wrong(
                    node, f"${{{name}}} means nothing here", "settings know ${env.NAME} and ${file./path}"
                )
            value = self.secret(name, node.place)
            if isinstance(value, Wrong):
                return WRONG
            parts += [node.text[end : match.start()], value]
            end = match.end()
        return "".join([*parts, node.text[end:]])


def is_secret(name: str) -> bool:
    """Whether `name`, from between `${` and `}`, names a secret."""
    return (name.startswith("env.") and len(name) > 4) or (name.startswith("file.") and len(name) > 5)


class Kind(Protocol):
    """What may stand in one place."""

    def read(self, node: Node, reading: Reading) -> Any: ...
    def schema(self) -> Schema: ...


def scalar(node: Node, reading: Reading, wanted: str) -> str | Wrong:
    """The text of a node that must be one, secrets put in; `wanted` says in a mistake what belongs here."""
    if not isinstance(node, Scalar):
        return reading.wrong(node, f"{noun(node)} stands where {wanted} belongs")
    if not node.text and node.plain:
        return reading.wrong(node, f"nothing stands where {wanted} belongs")
    return reading.text(node)


@dataclass(frozen=True)
class Text:
    """Any text."""

    wanted: str = "a text"
    pattern: str | None = None

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, self.wanted)
        if isinstance(text, Wrong):
            return WRONG
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            return reading.wrong(node, f"{noun(node)} is not {self.wanted}")
        return text

    def schema(self) -> Schema:
        found: Schema = {"type": ["string", "number", "boolean"], "description": self.wanted}
        if self.pattern is not None:
            found = {"type": ["string", "number"], "pattern": f"^(?:{self.pattern})$|\\$\\{{"}
        return found


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int
    wanted: str = "a whole number"

    def read(self, node: Node, reading: Reading) -> int | Wrong:
        text = scalar(node, reading, self.wanted)
        if isinstance(text, Wrong):
            return WRONG
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            return reading.wrong(node, f"{noun(node)} is not {self.wanted}")
        if not self.least <= int(text) <= self.most:
            return reading.wrong(
                node, f"{noun(node)} is out of range", f"{self.wanted} is {self.least} to {self.most}"
            )
        return int(text)

    def schema(self) -> Schema:
        return {
            "anyOf": [
                {"type": "integer", "minimum": self.least, "maximum": self.most},
                {"type": "string", "pattern": "\\$\\{"},
            ]
        }


@dataclass(frozen=True)
class Decimal:
    """A number within bounds, with a point if need be."""

    least: float
    most: float

    def read(self, node: Node, reading: Reading) -> float | Wrong:
        text = scalar(node, reading, "a number")
        if isinstance(text, Wrong):
            return WRONG
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
            return reading.wrong(node, f"{noun(node)} is not a number")
        if not self.least <= float(text) <= self.most:
            return reading.wrong(node, f"{noun(node)} is out of range", f"{self.least:g} to {self.most:g}")
        return float(text)

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


#: A year is one of 366 days: what the law wants kept for six years is kept as long, whichever six they are.
_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31_622_400.0,
}


_SPAN: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(ms|s|m|h|d|w|y)")


def _seconds(span: re.Match[str]) -> float:
    return float(span[1]) * _UNITS[span[2]]


@dataclass(frozen=True)
class Duration:
    """A span of time in seconds, written with its unit: `200ms`, `5s`, `10m`, `24h`, `3d`, `6y`; `off` where that
    is allowed. `least`: the shortest, as it is written.
    """

    off: bool = False
    least: str = ""

    def read(self, node: Node, reading: Reading) -> float | Wrong | None:
        text = scalar(node, reading, "a time like 30s")
        if isinstance(text, Wrong):
            return WRONG
        if self.off and text == "off":
            return None
        match = _SPAN.fullmatch(text)
        if match is None:
            hint = "write a number and its unit: 200ms, 5s, 10m, 24h, 3d" + (", or off" if self.off else "")
            return reading.wrong(node, f"{noun(node)} is not a length of time", hint)
        seconds = _seconds(match)
        if self.least and (shortest := _SPAN.fullmatch(self.least)) and seconds < _seconds(shortest):
            return reading.wrong(
                node, f"{noun(node)} is less than {self.least}", f"write {self.least} or more"
            )
        return seconds

    def schema(self) -> Schema:
        pattern = r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d|w|y)$"
        return {"type": ["string", "boolean"], "pattern": pattern + ("|^off$" if self.off else "")}


_SIZES: Final = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}


@dataclass(frozen=True)
class Size:
    """A number of bytes: `64 MB`, `10GB`, `500000`."""

    least: int = 0

    def read(self, node: Node, reading: Reading) -> int | Wrong:
        text = scalar(node, reading, "a size like 64 MB")
        if isinstance(text, Wrong):
            return WRONG
        match = re.fullmatch(r"([0-9]{1,12}) ?([KMGT]?B|)", text, re.IGNORECASE)
        if match is None:
            return reading.wrong(node, f"{noun(node)} is not a size", "write it like 500 KB, 64 MB or 10 GB")
        size = int(match.group(1)) * _SIZES[match.group(2).upper()]
        if size < self.least:
            return reading.wrong(node, f"{noun(node)} is too small", f"at least {self.least} bytes")
        return size

    def schema(self) -> Schema:
        return {"type": ["string", "integer"], "pattern": "^[0-9]+ ?([KMGTkmgt]?[Bb])?$"}


@dataclass(frozen=True)
class Percent:
    """A share between 0 and 1, written `10%`."""

    def read(self, node: Node, reading: Reading) -> float | Wrong:
        text = scalar(node, reading, "a share like 10%")
        if isinstance(text, Wrong):
            return WRONG
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%", text)
        if match is None or float(match.group(1)) > 100:
            return reading.wrong(node, f"{noun(node)} is not a share", "write it like 10%")
        return float(match.group(1)) / 100

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[0-9.]+ ?%$"}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, "one of " + ", ".join(self.words))
        if isinstance(text, Wrong):
            return WRONG
        if text not in self.words:
            return reading.wrong(
                node, f"{noun(node)} is none of {', '.join(self.words)}", _near(text, self.words)
            )
        return text

    def schema(self) -> Schema:
        booleans: list[object] = [word == "true" for word in self.words if word in ("true", "false")]
        return {"enum": [*self.words, *booleans]}


def _near(text: str, words: Iterable[str]) -> str | None:
    hint = meant(text, words, otherwise="")
    return hint or None


@dataclass(frozen=True)
class Truth:
    """`true` or `false`; `on`, `off`, `yes` and `no` are read too."""

    def read(self, node: Node, reading: Reading) -> bool | Wrong:
        text = scalar(node, reading, "true or false")
        if isinstance(text, Wrong):
            return WRONG
        if text.lower() in ("true", "yes", "on"):
            return True
        if text.lower() in ("false", "no", "off"):
            return False
        return reading.wrong(node, f"{noun(node)} is neither true nor false")

    def schema(self) -> Schema:
        # YAML 1.2, by which editors read, takes only true and false for more than texts.
        return {"enum": [True, False, "yes", "no", "on", "off"]}

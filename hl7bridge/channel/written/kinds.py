"""Kinds of value that know something of the world: networks, days, time zones, character sets, paths of
files.

Raises nothing; mistakes go where `Reading` takes them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, available_timezones

from hl7bridge.channel.written.beyond import doubt_template
from hl7bridge.channel.written.filename import template_fault
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Reading, Schema, Text, Whole, Wrong, scalar
from hl7bridge.channel.written.yaml import Node, Scalar, noun
from hl7bridge.hl7 import charset


@dataclass(frozen=True)
class Cidr:
    """An address or a network: `10.1.0.0/16`, `192.0.2.7`."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, "a network like 10.1.0.0/16")
        if isinstance(text, Wrong):
            return WRONG
        try:
            return str(ipaddress.ip_network(text, strict=False))
        except ValueError:
            return reading.wrong(
                node, f"{noun(node)} is not a network", "write it like 10.1.0.0/16 or 192.0.2.7"
            )

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[0-9a-fA-F:.]+(/[0-9]+)?$|\$\{"}


@dataclass(frozen=True)
class Day:
    """A date, `2026-12-01`."""

    def read(self, node: Node, reading: Reading) -> date | Wrong:
        text = scalar(node, reading, "a date like 2026-12-01")
        if isinstance(text, Wrong):
            return WRONG
        found = day(text)
        return (
            found
            if found is not None
            else reading.wrong(node, f"{noun(node)} is not a date", "write it 2026-12-01")
        )

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def day(text: str) -> date | None:
    """The date that `2026-12-01` writes, or None."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Zone:
    """A time zone of the IANA database."""

    def read(self, node: Node, reading: Reading) -> ZoneInfo | Wrong:
        text = scalar(node, reading, "a time zone")
        if isinstance(text, Wrong):
            return WRONG
        try:
            return ZoneInfo(text)
        except (LookupError, ValueError, OSError):
            what = f"{noun(node)} is not a time zone"
            return reading.wrong(
                node, what, meant(text, available_timezones(), "write it like America/New_York")
            )

    def schema(self) -> Schema:
        return {"type": "string", "examples": ["America/New_York", "America/Chicago", "America/Phoenix"]}


@dataclass(frozen=True)
class Encoding:
    """The name of a character set, HL7's or the usual one."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, "a character set")
        if isinstance(text, Wrong):
            return WRONG
        if charset.named(text) is None:
            known = [
                "utf-8",
                "ascii",
                "8859/1",
                "8859/15",
                "iso-2022-jp",
                "windows-1252",
                "shift-jis",
                "big5",
                "gb18030",
            ]
            return reading.wrong(node, f"{noun(node)} is not a character set", meant(text, known))
        return text

    def schema(self) -> Schema:
        return {"type": ["string", "number"], "examples": ["UTF-8", "8859/1", "ISO IR87"]}


@dataclass(frozen=True)
class Path:
    """The path of a file or folder."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, "a path")
        if isinstance(text, Wrong):
            return WRONG
        if not text or "\0" in text or "\n" in text:
            return reading.wrong(node, f"{noun(node)} is not a path")
        return text

    def schema(self) -> Schema:
        return {"type": "string"}


@dataclass(frozen=True)
class FileName:
    """The template of a file's name: `${date}/${id}-${MSH-10}.hl7`. It is filled when a file is written."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        if not isinstance(node, Scalar):
            return reading.wrong(node, f"{noun(node)} stands where a file name belongs")
        fault = template_fault(node.text)
        if fault is not None:
            return reading.wrong(node, fault[0], fault[1])
        doubt_template(node, reading)
        return node.text

    def schema(self) -> Schema:
        return {"type": "string", "examples": ["${date}/${id}-${MSH-10}.hl7"]}


NAME = Text("a name of letters, digits, '.', '_' and '-'", r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PORT = Whole(1, 65535, "a port")
HOST = Text("a host name or address", r"[A-Za-z0-9._:%-]+")

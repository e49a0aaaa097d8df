"""Texts of the configuration that go into messages, with their `${...}` put in.

Settings and secrets are put in while loading; paths such as `${MSH-10}` for each message. Raises nothing;
mistakes are named. `MappingError` is what a step raises that cannot do what it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hl7bridge.channel.rules.reference import first_value, looks_like_path, read_reference
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import Constant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Scalar
from hl7bridge.errors import HL7BridgeError

#: A value as it goes into the target; None or b"" means that there is none.
Value = Callable[[Scope], "bytes | None"]
HL7_NULL: Final = b'""'
_REFERENCE = re.compile(r"\$\{([^{}]*)\}")


class MappingError(HL7BridgeError):
    """A step that could not do what it says. `place` is the step's; `what` holds nothing of the message."""


def read_constant(node: Scalar, whole: bool, setting: Setting) -> Constant | Value | Wrong:
    """A text with its `${...}` put in: settings now, paths such as `${MSH-10}` for each message."""
    if "${" not in node.text:
        return _checked(node.text.rstrip("\n"), whole, node, setting)
    pieces: list[str | Value] = []
    end = 0
    wrong = False
    for match in _REFERENCE.finditer(node.text):
        pieces.append(node.text[end : match.start()])
        end = match.end()
        name = match.group(1)
        if looks_like_path(name):
            reference = read_reference(Scalar(name, node.place), setting)
            if isinstance(reference, Wrong):
                wrong = True
            else:
                setting.reads_place(reference, node)
                pieces.append(first_value(reference))
            continue
        value = setting.variable(name, node)
        if isinstance(value, Wrong):
            wrong = True
        else:
            pieces.append(value)
    if wrong:
        return WRONG
    pieces.append(node.text[end:])
    if all(isinstance(piece, str) for piece in pieces):
        return _checked("".join(piece for piece in pieces if isinstance(piece, str)), whole, node, setting)
    parts: list[Constant | Value] = []
    for piece in pieces:
        part = _checked(piece, whole, node, setting) if isinstance(piece, str) else piece
        if isinstance(part, Wrong):
            return WRONG
        parts.append(part)
    return _joined(parts)


def _checked(text: str, whole: bool, node: Scalar, setting: Setting) -> Constant | Wrong:
    if "\r" in text or "\n" in text:
        return setting.wrong(node, "a field cannot hold a line end", r"write \.br\ where a line breaks")
    if whole and "|" in text:
        return setting.wrong(node, "a field cannot hold a '|'", r"write \F\ in HL7 text, or name a component")
    return Constant(text, whole)


def constant_value(constant: Constant) -> Value:
    """The constant as a value of any message."""
    return lambda scope: constant.value(scope.delimiters, scope.message.charset)


def _joined(pieces: list[Constant | Value]) -> Value:
    values = [constant_value(piece) if isinstance(piece, Constant) else piece for piece in pieces]
    return lambda scope: b"".join([value(scope) or b"" for value in values])

"""An outbound template: the new message that Mirth fills, as `new` with the segments that the template holds.

Raises `NotRead` with why.
"""

from __future__ import annotations

import re
from typing import Any

from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.mirth.lines import Comment
from hl7bridge.mirth.script import NotRead
from hl7bridge.mirth.values import Quoted, checked

#: The fields of MSH behind the delimiters, up to HL7 2.8.
_LAST_OF_MSH = 25


def new_message(template: str) -> list[Any]:
    """The steps that make the template's message of the one that came. Raises `NotRead`."""
    segments = [line for line in re.split(r"\r\n|\r|\n", template.strip("\r\n\t ")) if line.strip()]
    if not segments or not segments[0].startswith("MSH|^~\\&"):
        raise NotRead("the outbound template is no HL7 v2 message with the usual delimiters")
    header = ["", "", *segments[0].split("|")[2:]]
    if len(header) > _LAST_OF_MSH:
        raise NotRead("the MSH of the outbound template has more fields than HL7")
    found: list[Any] = [Comment("the outbound template: what leaves is made of it, and of nothing else")]
    type_ = header[8] if len(header) > 8 else ""
    found.append({"new": Quoted(checked(type_ if "^" in type_ else "^", whole=True))})
    values = {f"MSH-{at + 1}": text for at, text in enumerate(header) if at >= 2 and text}
    emptied = [f"MSH-{at}" for at in range(3, _LAST_OF_MSH + 1) if f"MSH-{at}" not in values]
    found.append({"remove": emptied})
    for path, text in values.items():
        if path != "MSH-9" or "^" not in text:
            found.append({path: Quoted(checked(text, whole=True))})
    found += [_segment(each) for each in segments[1:]]
    return found


def _segment(line: str) -> dict[str, Any]:
    name, *fields = line.split("|")
    if name not in SEGMENTS and not re.fullmatch("Z[A-Z0-9]{2}", name):
        raise NotRead("the outbound template holds what is no segment of HL7 v2")
    if len(fields) > 99:
        raise NotRead("a segment of the outbound template has more fields than HL7")
    step: dict[str, Any] = {"add": name}
    for at, text in enumerate(fields, 1):
        if text:
            step[f"{name}-{at}"] = Quoted(checked(text, whole=True))
    return step

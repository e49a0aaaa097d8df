"""Names of files that messages are written to, from a template such as `${date}/${id}-${MSH-10}.hl7`.

What a message supplies can never leave the folder: everything but letters, digits, '.', '_' and '-' becomes
'_'. Opens nothing. Raises nothing once `template_fault` has found nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import REFERENCE
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path, PathError

_WORDS = ("date", "time", "id", "channel", "destination", "source", "type")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_LETTERS = 80


def template_fault(template: str) -> tuple[str, str] | None:
    """What is wrong with a template and what to do, or None."""
    if template.startswith("/") or ".." in template.split("/"):
        return "a file name stays inside its folder", "give the folder as folder:"
    if not template or template.endswith("/") or "\0" in template or "\n" in template:
        return "this is not a file name", "write it like ${date}/${id}.hl7"
    for name in REFERENCE.findall(template):
        if name in _WORDS:
            continue
        try:
            Path.parse(name)
        except PathError:
            return f"${{{name}}} is not known in a file name", meant(
                name, _WORDS, "a word or a path such as MSH-10"
            )
    if "${id}" not in template:
        return "two messages could get one name", "put ${id} into it"
    return None


def file_name(
    template: str,
    message: Message,
    *,
    id: str,
    received: datetime,
    channel: str = "",
    destination: str = "",
    source: str = "",
) -> str:
    """The relative path for a message. `id` is the delivery's, `${date}` and `${time}` of `received`."""
    words = {
        "date": received.strftime("%Y-%m-%d"),
        "time": received.strftime("%H%M%S"),
        "id": id,
        "channel": channel,
        "destination": destination,
        "source": source,
        "type": b"_".join((message.type_code, message.trigger)).decode("ascii", "replace"),
    }
    parts = [part if isinstance(part, str) else safe(part(words, message)) for part in _compiled(template)]
    return "".join(parts)


def safe(text: str) -> str:
    """`text` as one part of a file name."""
    kept = _UNSAFE.sub("_", text)[:_MOST_LETTERS]
    return kept.lstrip(".") or "_"


@lru_cache(maxsize=1024)
def _compiled(template: str) -> tuple[str | Callable[[dict[str, str], Message], str], ...]:
    parts: list[str | Callable[[dict[str, str], Message], str]] = []
    end = 0
    for match in REFERENCE.finditer(template):
        parts += [template[end : match.start()], _part(match.group(1))]
        end = match.end()
    return (*parts, template[end:])


def _part(name: str) -> Callable[[dict[str, str], Message], str]:
    if name in _WORDS:
        return lambda words, message: words[name]
    path = Path.parse(name)
    return lambda words, message: message.charset.decode(path.get(message))

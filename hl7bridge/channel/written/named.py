"""What a file of a kept configuration names: sources, channels and destinations.

For saying whether a name was ever one, without loading all of it (its secrets may be gone, its Python need not run). Pure; raises
nothing: what cannot be read names nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from hl7bridge.channel.written.mistake import Mistakes
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, read


class Named(StrEnum):
    """What bears a name that operators use."""

    SOURCE = "source"
    CHANNEL = "channel"
    DESTINATION = "destination"


#: The key that begins a file, the more telling first: a channel has a source too.
_FIRST: Final = {
    "channel": Named.CHANNEL,
    "affiliate": Named.DESTINATION,
    "destination": Named.DESTINATION,
    "source": Named.SOURCE,
}


def names_in(path: str, data: bytes) -> set[tuple[Named, str]]:
    """The names that a file gives; `path` as `folder.load` takes it."""
    if not path.endswith((".yaml", ".yml")):
        return set()
    root = read(path, data, Mistakes())
    return set(_names(root)) if isinstance(root, Pairs) else set()


def _names(root: Pairs) -> Iterator[tuple[Named, str]]:
    for key, kind in _FIRST.items():
        name = root.get(key)
        if isinstance(name, Scalar):
            yield kind, name.text
            if kind is Named.CHANNEL:
                yield from _in_place(root, name.text)
            return


def _in_place(channel: Pairs, name: str) -> Iterator[tuple[Named, str]]:
    """The source of a channel's own, which is called after it, and destinations under `send_to`."""
    if isinstance(channel.get("source"), Pairs):
        yield Named.SOURCE, name
    routes: Node | None = channel.get("send_to")
    for route in routes.items if isinstance(routes, Items) else [routes]:
        destination = route.get("destination") if isinstance(route, Pairs) else None
        if isinstance(destination, Scalar):
            yield Named.DESTINATION, destination.text

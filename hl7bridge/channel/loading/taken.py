"""What sources cannot share, a port of one address and a folder whose files are claimed; and folders that lead in a circle. Raises
nothing; mistakes are named.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from hl7bridge.channel.deciding.configuration import ChannelSettings
from hl7bridge.channel.settings import DestinationSettings, MllpListener, SourceSettings
from hl7bridge.channel.written.mistake import Mistakes, Place
from hl7bridge.channel.written.yaml import shown

_EVERYWHERE = ("0.0.0.0", "::")


def check_taken(
    sources: Mapping[str, SourceSettings], places: Mapping[str, Place], mistakes: Mistakes
) -> None:
    """Names the second source of two that want the same, and who wants the engine's own; `places` is where each says what it wants."""
    ports: dict[str, MllpListener] = {}
    folders: dict[str, str] = {}
    for name, settings in sources.items():
        if (mllp := settings.mllp) is not None:
            other = next((other for other, port in ports.items() if _same_port(mllp, port)), None)
            if other is not None:
                what = f"port {mllp.port} is taken by the source {other} ({places[other]})"
                mistakes.add(places[name], what, "let one source serve both channels, or choose another port")
            ports[name] = mllp
        if settings.file is not None:
            folder = posixpath.normpath(settings.file.folder)
            if folder == posixpath.curdir:
                what = "the data folder itself cannot be watched: the store's files would be taken away"
                mistakes.add(places[name], what, "name a folder of its own, such as in")
            if folder in folders:
                other = folders[folder]
                what = f"the folder {shown(settings.file.folder)} is watched by the source {other} ({places[other]})"
                mistakes.add(places[name], what, "let one source serve both channels, or name another folder")
            folders.setdefault(folder, name)


def check_circles(
    sources: Mapping[str, SourceSettings],
    destinations: Mapping[str, DestinationSettings],
    channels: Iterable[ChannelSettings],
    places: Mapping[str, Place],
    mistakes: Mistakes,
) -> None:
    """Names sources whose messages are written into a folder by which they come in again; folders below it are not watched."""
    watched = {
        posixpath.normpath(each.file.folder): name for name, each in sources.items() if each.file is not None
    }
    leads: dict[str, set[str]] = {}
    for channel in channels:
        for name in channel.destinations:
            target = destinations[name].file if name in destinations else None
            if target is not None and "/" not in target.name:
                taken = watched.get(posixpath.normpath(target.folder))
                if taken is not None:
                    leads.setdefault(channel.source, set()).add(taken)
    for name in sorted(leads):
        if name in places and name in _reached(name, leads):
            what = f"what the source {name} takes is written into files that are taken in again, without end"
            mistakes.add(places[name], what, "let the destination write into another folder")


def _reached(begin: str, leads: Mapping[str, set[str]]) -> set[str]:
    """The sources that files lead to from one, also through others."""
    found: set[str] = set()
    ahead = [begin]
    while ahead:
        more = leads.get(ahead.pop(), set()) - found
        found |= more
        ahead += more
    return found


def _same_port(one: MllpListener, other: MllpListener) -> bool:
    return one.port == other.port and (
        one.host == other.host or one.host in _EVERYWHERE or other.host in _EVERYWHERE
    )

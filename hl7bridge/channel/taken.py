"""What sources cannot share: a port of one address, and a folder whose files are claimed. Raises nothing; mistakes are named."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from hl7bridge.channel.mistake import Mistakes, Place
from hl7bridge.channel.settings import MllpListener, SourceSettings
from hl7bridge.channel.yaml import shown

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


def _same_port(one: MllpListener, other: MllpListener) -> bool:
    return one.port == other.port and (
        one.host == other.host or one.host in _EVERYWHERE or other.host in _EVERYWHERE
    )

"""A configuration folder, read once as a snapshot of its files, and the configuration in it.

Rosters can be large and are loaded on their own, so the snapshot has their names only. Raises `FolderError`, and
`ConfigurationErrors` where there are mistakes.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.loading.folder import load
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.errors import HL7BridgeError

#: What belongs to a configuration: channels and settings, tables, Python hooks.
KEPT = {".yaml", ".yml", ".csv", ".py"}
#: A table or a hook beyond this is a mistake, not a configuration.
MOST_BYTES = 64 * 1024 * 1024


class FolderError(HL7BridgeError):
    """A configuration folder that cannot be read."""


def load_folder(folder: Path) -> Configuration:
    """The configuration of a folder. Its mistakes are named from where the program runs, so that a click on one finds the file."""
    try:
        return load(read_folder(folder), lambda reference: read_secret(folder, reference))
    except ConfigurationErrors as errors:
        raise ConfigurationErrors(
            each._replace(path=os.path.join(folder, each.path)) for each in errors.mistakes
        ) from None


def read_folder(folder: Path) -> dict[str, bytes]:
    """{path relative to the folder: content}, in order of path; a roster's content is left out."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise FolderError(
            f"the configuration folder {what}",
            code="no-folder",
            place=str(folder),
            hint="name the folder that holds the channels, such as channels/",
        )
    files: dict[str, bytes] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if belongs(relative):
                files[relative] = b"" if is_roster(relative) else _read(path)
    return files


def belongs(relative: str) -> bool:
    """Whether a file of the folder belongs to the configuration."""
    hidden = any(part.startswith((".", "__pycache__")) for part in relative.split("/"))
    return not hidden and PurePosixPath(relative).suffix.lower() in KEPT


def is_roster(relative: str) -> bool:
    """Whether a file is a list of an affiliate's patients, which is no part of what decides."""
    return relative.startswith("rosters/") and relative.endswith(".csv")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FolderError(
                "this file is too large for a configuration", code="large-file", place=str(path)
            )
        return path.read_bytes()
    except OSError as error:
        raise FolderError(
            f"cannot be read: {error.strerror}", code="unreadable-file", place=str(path)
        ) from None


def read_secret(folder: Path, reference: str) -> str:
    """The text of `${env.NAME}` or `${file.PATH}`: `reference` is `env.NAME` or `file.PATH`. Raises KeyError."""
    kind, _, name = reference.partition(".")
    if kind == "env":
        return os.environ[name]
    if kind == "file":
        try:
            return (folder / name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise KeyError(reference) from None
    raise KeyError(reference)

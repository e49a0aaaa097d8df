"""The two configurations that are held against each other: a folder, a revision of it in git, or one that the store has kept.

Raises HL7BridgeError where a name means none of these.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from hl7bridge.channel.deciding.configuration import Configuration, version_of
from hl7bridge.channel.loading.folder import any_secret, decides, load
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.engine.folder import belongs, is_roster, read_folder, read_secret
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import StoreReader

#: The word for the configuration that the engine uses, or used last.
RUNNING: Final = "running"
#: Letters of a version that are enough to name it, as `hl7bridge show` prints them.
_LEAST: Final = 6
#: Folders that are looked into for a configuration.
_MOST_FOLDERS: Final = 50


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration by its files. `called`: as a person named it. `kept`: a store has kept it, without rosters. `folder`: where
    it lies, from which secrets in files are counted. `revision`: of git, where it is named without a folder in it;
    `in_git`: it is read from there.
    """

    called: str
    files: Mapping[str, bytes]
    kept: bool
    folder: Path = Path()
    revision: str = ""
    in_git: bool = False

    @property
    def digest(self) -> str:
        """What tells it from any other that decides otherwise."""
        return version_of({path: data for path, data in self.files.items() if decides(path)})[:12]

    def load(self) -> Configuration:
        """Made ready to decide. Raises ConfigurationErrors."""
        try:
            return load(self.files, self._secret, kept=self.kept)
        except ConfigurationErrors:
            within = self._within() if self.revision else None
            if within is None:
                raise
            raise HL7BridgeError(
                f"{self.called} is all of {self.folder.resolve()}, and the configuration is a folder in it",
                code="whole-repository",
                hint=f"name that folder: {self.revision}:{within}",
            ) from None

    def _within(self) -> str | None:
        """The first folder of it that is a configuration, where the whole is none."""
        folders = {str(parent) for path in self.files for parent in PurePosixPath(path).parents} - {"."}
        for folder in sorted(folders, key=lambda each: (each.count("/"), each))[:_MOST_FOLDERS]:
            files = {
                path.removeprefix(folder + "/"): data
                for path, data in self.files.items()
                if path.startswith(folder + "/")
            }
            try:
                if load(files, any_secret).channels:
                    return folder
            except ConfigurationErrors:
                continue
        return None

    def _secret(self, reference: str) -> str:
        """As it is here and now. Most are addresses and passwords, on which no decision rests: one that is missing is no mistake."""
        try:
            return read_secret(self.folder, reference)
        except (LookupError, ValueError):
            return any_secret(reference)


def version(name: str, reader: StoreReader, beside: Path = Path()) -> Version:
    """The configuration of a name. A revision is one of the folder `beside`, or says its own: `v1.2:channels`. What git does not know
    there is asked for in the folder where the program runs.
    """
    folder = Path(name)
    if folder.is_dir():
        return Version(name, read_folder(folder), False, folder)
    kept = _kept(name, reader)
    if kept is not None:
        return kept
    places = list(dict.fromkeys(each.resolve() for each in (beside, Path())))
    for place in places:
        found = _of_git(name, place) if not name.startswith("-") else None
        if found is not None:
            return found
    raise HL7BridgeError(
        f"{name} is no folder, no revision in git ({'; '.join(map(_asked, places))}), and no version that the store has kept",
        code="unknown-version",
        hint=f"a folder, a revision like HEAD or v1.2:channels, {RUNNING}, or the version that `hl7bridge show` prints",
    )


def _asked(folder: Path) -> str:
    """Where git was asked."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return f"{folder} is in no repository"
    repository = Path(os.fsdecode(top.removesuffix(b"\n")))
    return f"asked {repository}" if repository == folder else f"asked {repository}, of {folder}"


def _kept(name: str, reader: StoreReader) -> Version | None:
    versions = [version for version, *_ in reader.versions()]
    found = versions[-1:] if name == RUNNING else [each for each in versions if each.startswith(name)]
    if name == RUNNING and not found:
        raise HL7BridgeError(
            "the store has kept no configuration",
            code="no-version",
            hint="it keeps one when an engine starts",
        )
    if len(found) != 1 or (name != RUNNING and len(name) < _LEAST):
        return None
    kept = reader.configuration(found[0])
    return (
        None
        if kept is None
        else Version(f"{name} ({found[0][:12]})" if name == RUNNING else name, kept.files, True)
    )


def _of_git(name: str, folder: Path) -> Version | None:
    revision, colon, within = name.partition(":")
    place = f"{revision}:{within}" if colon else f"{revision}:./"
    listed = _git(folder, "ls-tree", "-r", "-z", "--full-tree", "--name-only", place)
    if listed is None:
        return None
    files: dict[str, bytes] = {}
    root = place if place.endswith("/") else place + "/"
    for path in sorted(listed.decode("utf-8", "surrogateescape").split("\0")):
        if path and belongs(path):
            content = b"" if is_roster(path) else _git(folder, "cat-file", "blob", root + path)
            if content is None:
                raise HL7BridgeError(
                    f"{path} of {name} cannot be read from git", code="unreadable-version", hint="git fsck"
                )
            files[path] = content
    if not files:
        raise HL7BridgeError(
            f"{name} holds no configuration (in git, of {folder})",
            code="empty-version",
            hint=f"name its folder: {revision}:channels",
        )
    return Version(name, files, False, folder, "" if colon else revision, True)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints; None where it refuses, or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None

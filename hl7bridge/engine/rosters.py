"""Loading the affiliates' roster files into the store: staged in small steps that nobody sees, then published all together.

A file whose content is already published is not read again. Which content that was stands in `rosters.json` beside the store, and
at which of the store's roster generations: where the store is at another one (a crash before the file was written, an older store
put back), the file says nothing, and every list is read again. So it may lag behind, and claims nothing that is not published.

Raises RosterErrors (a list with mistakes) and TooManyEnded (a list that ends more patients than a slip should be able to).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from twisted.logger import Logger

from hl7bridge.affiliation import roster
from hl7bridge.channel.configuration import Configuration
from hl7bridge.connectors.file_destination import write_whole
from hl7bridge.engine.identity import day_number
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import ROSTERS
from hl7bridge.store.base import RosterEntry, RosterReport, Store, StoreError
from hl7bridge.store.hashes import Hashes

log = Logger(namespace="hl7bridge.rosters")

#: A full list that ends a larger part of its patients needs a person's word.
MOST_ENDED = 0.05
#: Below so many patients a percentage says nothing.
SMALL_LIST = 100
_CHUNK = 1024 * 1024


class TooManyEnded(HL7BridgeError):
    """A full list that ends more than 5 % of an affiliate's patients. Code: `roster-ends-many`."""


class Staged(NamedTuple):
    """Lists that wait to be published: their loads, and the digest of what was read for each affiliate."""

    loads: list[int]
    digests: dict[str, str]


class RosterLoader:
    """Loads for one store."""

    def __init__(self, store: Store, hashes: Hashes, data: Path, wall_us: Callable[[], int]) -> None:
        self._store = store
        self._hashes = hashes
        self._published = data / ROSTERS
        self._wall_us = wall_us

    def load(self, folder: Path, configuration: Configuration, *, accept_ends: bool) -> None:
        """Stages and publishes at once: at start, when nobody waits for the reactor."""
        steps = self.stage(folder, configuration, accept_ends=accept_ends)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                self.publish(end.value)
                return

    def stage(
        self, folder: Path, configuration: Configuration, *, accept_ends: bool
    ) -> Generator[None, None, Staged]:
        """Stages every list that changed, in bounded steps; nothing counts before `publish` is given the result."""
        known = self._known()
        staged = Staged([], {})
        for settings in configuration.destinations.values():
            affiliate = settings.affiliate
            if affiliate is None or affiliate.roster is None:
                continue
            path = folder / affiliate.roster
            if settings.name in known and known[settings.name] == _digest(path):
                continue
            report: RosterReport | None = None
            read = sha256()
            entries = self._entries(path, affiliate.roster, read)
            for step in self._store.stage_roster(settings.name, entries, True, self._wall_us(), 2000):
                report = step
                yield
            if report is None:
                continue
            if not accept_ends and report.before > SMALL_LIST and report.ended > MOST_ENDED * report.before:
                raise TooManyEnded(
                    f"the list ends {report.ended} of {report.before} patients",
                    code="roster-ends-many",
                    place=affiliate.roster,
                    hint="if that is meant, reload or run with --accept-roster-ends",
                )
            staged.loads.append(report.load)
            # Of what was staged, even if the file has changed since.
            staged.digests[settings.name] = read.hexdigest()
        return staged

    def publish(self, staged: Staged) -> None:
        """Makes the staged lists count, all in one transaction, and says in the log what they changed.

        Raises StoreError: then none of them counts (or, after StoreUnknown, nobody knows).
        """
        if not staged.loads:
            return
        known = self._known()
        for report in self._store.publish_rosters(staged.loads, self._wall_us()):
            _say(report)
        try:
            published = {"generation": self._store.roster_generation(), "digests": known | staged.digests}
            write_whole(self._published, json.dumps(published, indent=1, sort_keys=True).encode())
        except (OSError, StoreError) as error:  # the lists count all the same; they are read again next time
            log.warn("{path} cannot be written: {why}", path=str(self._published), why=str(error))

    def _known(self) -> dict[str, str]:
        try:
            published = json.loads(self._published.read_bytes())
            if published["generation"] == self._store.roster_generation():
                return dict(published["digests"])
        except (OSError, ValueError, LookupError, TypeError):
            pass
        return {}

    def _entries(self, path: Path, place: str, read: Any) -> Iterator[RosterEntry]:
        """The entries of a file; `read` is a digest that is updated with every byte of it."""
        for entry in roster.read_roster(_chunks(path, read), place):
            yield RosterEntry(
                self._hashes.patient(entry.authority, entry.id),
                day_number(entry.valid_from),
                day_number(entry.valid_through),
                entry.npi,
                entry.opt_out,
            )


def roster_mistakes(folder: Path, configuration: Configuration) -> list[roster.RosterMistake]:
    """Everything that is wrong with the roster files of a folder, by file and line."""
    found: list[roster.RosterMistake] = []
    for settings in configuration.affiliates.values():
        name = settings.affiliate.roster if settings.affiliate is not None else None
        if name is None:
            continue
        try:
            with open(folder / name, "rb") as file:
                for _ in roster.read_roster(iter(lambda: file.read(_CHUNK), b""), name):
                    pass
        except roster.RosterErrors as error:
            found += error.mistakes
        except OSError as error:
            found.append(roster.RosterMistake(name, 1, f"cannot be read: {error.strerror}"))
    return found


def _digest(path: Path) -> str:
    read = sha256()
    for _ in _chunks(path, read):
        pass
    return read.hexdigest()


def _chunks(path: Path, read: Any) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                read.update(chunk)
                yield chunk
    except OSError as error:
        raise HL7BridgeError(
            f"cannot be read: {error.strerror}", code="unreadable-file", place=str(path)
        ) from None


def _say(report: RosterReport) -> None:
    log.info(
        "roster of {affiliate}: {added} added, {ended} ended, {changed} changed, {unchanged} unchanged",
        affiliate=report.affiliate,
        added=report.added,
        ended=report.ended,
        changed=report.changed,
        unchanged=report.unchanged,
    )

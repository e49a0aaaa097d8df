"""Loading the affiliates' roster files into the store: each whole or not at all, in small steps, with a report.

A file whose content is already published is not read again; which content that was stands in `rosters.json` beside the store.
Raises RosterErrors (a list with mistakes) and TooManyEnded (a list that ends more patients than a slip should be able to).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from twisted.logger import Logger

from hl7bridge.affiliation import roster
from hl7bridge.channel.configuration import Configuration
from hl7bridge.connectors.file_destination import write_whole
from hl7bridge.engine.identity import day_number
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import ROSTERS
from hl7bridge.store.base import RosterEntry, RosterReport, Store
from hl7bridge.store.hashes import Hashes

log = Logger(namespace="hl7bridge.rosters")

#: A full list that ends a larger part of its patients needs a person's word.
MOST_ENDED = 0.05
#: Below so many patients a percentage says nothing.
SMALL_LIST = 100
_CHUNK = 1024 * 1024


class TooManyEnded(HL7BridgeError):
    """A full list that ends more than 5 % of an affiliate's patients. Code: `roster-ends-many`."""


class RosterLoader:
    """Loads for one store."""

    def __init__(self, store: Store, hashes: Hashes, data: Path, wall_us: Callable[[], int]) -> None:
        self._store = store
        self._hashes = hashes
        self._published = data / ROSTERS
        self._wall_us = wall_us

    def load(
        self, folder: Path, configuration: Configuration, *, accept_ends: bool
    ) -> Iterator[RosterReport | None]:
        """Stages every list that changed and publishes them all at the end; None between bounded steps, then the reports."""
        known = self._known()
        staged: list[RosterReport] = []
        for settings in configuration.destinations.values():
            affiliate = settings.affiliate
            if affiliate is None or affiliate.roster is None:
                continue
            path = folder / affiliate.roster
            digest = _digest(path)
            if known.get(settings.name) == digest:
                continue
            known[settings.name] = digest
            report: RosterReport | None = None
            entries = self._entries(path, affiliate.roster)
            for step in self._store.stage_roster(settings.name, entries, True, self._wall_us(), 2000):
                report = step
                yield None
            if report is None:
                continue
            if not accept_ends and report.before > SMALL_LIST and report.ended > MOST_ENDED * report.before:
                raise TooManyEnded(
                    f"the list ends {report.ended} of {report.before} patients",
                    code="roster-ends-many",
                    place=affiliate.roster,
                    hint="if that is meant, reload or run with --accept-roster-ends",
                )
            staged.append(report)
        for report in staged:
            yield self._store.publish_roster(report.load, self._wall_us())
        if staged:
            write_whole(self._published, json.dumps(known, indent=1, sort_keys=True).encode())

    def _known(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._published.read_bytes()))
        except (OSError, ValueError):
            return {}

    def _entries(self, path: Path, place: str) -> Iterator[RosterEntry]:
        with open(path, "rb") as file:
            chunks = iter(lambda: file.read(_CHUNK), b"")
            for entry in roster.read_roster(chunks, place):
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
    digest = sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise HL7BridgeError(
            f"cannot be read: {error.strerror}", code="unreadable-file", place=str(path)
        ) from None
    return digest.hexdigest()


def report(step: RosterReport | None) -> None:
    """Says in the log what a list changed; None says nothing."""
    if step is not None:
        log.info(
            "roster of {affiliate}: {added} added, {ended} ended, {changed} changed, {unchanged} unchanged",
            affiliate=step.affiliate,
            added=step.added,
            ended=step.ended,
            changed=step.changed,
            unchanged=step.unchanged,
        )

"""Loading the affiliates' roster files into the store: staged in small steps that nobody sees, then published all together.

An affiliate has a full list, and may have deltas beside it. The content of a file counts once: the store knows, by a digest that is
published with the rows, which full list counts and which deltas it has had. A full list with other content is loaded, and after it, in
the order of their names, those deltas that were not applied yet; where the full list is as before, those deltas alone. Whoever puts a
new full list beside deltas that are older than it takes those away, unless they were applied.

Raises RosterErrors (a list with mistakes) and TooManyEnded (a list that ends more patients than a slip should be able to).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from glob import glob
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from twisted.logger import Logger

from hl7bridge.affiliation.who import roster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import Affiliate
from hl7bridge.engine.keeping.identity import day_number
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import RosterEntry, RosterFile, RosterReport, Store
from hl7bridge.store.hashes import Hashes

log = Logger(namespace="hl7bridge.rosters")

#: A full list that ends a larger part of its patients needs a person's word.
MOST_ENDED = 0.05
#: Below so many patients a small percentage says nothing; and below so many more than half of them may end, too.
SMALL_LIST, FEW = 100, 10
_CHUNK = 1024 * 1024
#: Microseconds after which a file that is written again has another time.
SETTLED_US = 5_000_000
#: Rows of a step while the engine works, and at start.
BESIDE, AT_START = 1000, 20_000


class TooManyEnded(HL7BridgeError):
    """A full list that ends more than 5 % of an affiliate's patients, or of a small one more than half. Code: `roster-ends-many`."""


class Staged(NamedTuple):
    """Lists that wait to be published: their loads, and the files that they come from."""

    loads: list[int]
    files: list[RosterFile]


class Loading(NamedTuple):
    """How far a list is: rows read so far, the share of its bytes read, and rows compared and written so far."""

    affiliate: str
    rows: int
    share: float
    written: int


class _File:
    """One file of a list. `digest` is of what was read last, `rows` how many rows that had."""

    def __init__(self, path: Path, place: str, full: bool) -> None:
        self.path = path
        self.place = place
        self.full = full
        self.digest = ""
        self.rows = 0
        self.read_bytes = 0


class RosterLoader:
    """Loads for one store. `reports` are those of what was published last."""

    def __init__(
        self,
        store: Store,
        hashes: Hashes,
        wall_us: Callable[[], int],
        progress: Callable[[Loading], None] = lambda loading: None,
    ) -> None:
        self._store = store
        self._hashes = hashes
        self._wall_us = wall_us
        self._progress = progress
        self._digests: dict[tuple[str, int, int], str] = {}
        self.reports: list[RosterReport] = []

    def load(self, folder: Path, configuration: Configuration, *, accept_ends: bool) -> None:
        """Stages and publishes at once: at start, when nobody waits for the reactor."""
        steps = self.stage(folder, configuration, accept_ends=accept_ends, chunk=AT_START)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                self.publish(end.value)
                return

    def stage(
        self, folder: Path, configuration: Configuration, *, accept_ends: bool, chunk: int = BESIDE
    ) -> Generator[None, None, Staged]:
        """Stages every list that changed, in bounded steps; nothing counts before `publish` is given the result."""
        staged = Staged([], [])
        for settings in configuration.destinations.values():
            affiliate = settings.affiliate
            if affiliate is None or affiliate.roster is None:
                continue
            new = yield from self._new(folder, settings.name, affiliate)
            if new:
                yield from self._stage_one(settings.name, new, staged, accept_ends, chunk)
        return staged

    def _new(self, folder: Path, name: str, affiliate: Affiliate) -> Generator[None, None, list[_File]]:
        """The files whose content does not count yet, in the order in which they are applied."""
        known = self._store.roster_files(name)
        last = next((file.digest for file in reversed(known) if file.full), None)
        applied = {file.digest for file in known if not file.full}
        found: list[_File] = []
        for file in files_of(folder, affiliate):
            digest = yield from self._digest(file.path)
            if digest in ((last,) if file.full else applied):
                continue
            found.append(file)
            if not file.full:
                applied.add(digest)
        return found

    def _digest(self, path: Path) -> Generator[None, None, str]:
        """Of a file's content; one that has not been touched is not read again."""
        status = _said(path, path.stat)
        place = str(path), status.st_mtime_ns, status.st_size
        if place not in self._digests:
            read = sha256()
            for _ in _chunks(path, read.update):
                yield
            if self._wall_us() - status.st_mtime_ns // 1000 < SETTLED_US:
                return read.hexdigest()  # within the grain of its clock it may change once more
            self._digests[place] = read.hexdigest()
        return self._digests[place]

    def _stage_one(
        self, name: str, files: list[_File], staged: Staged, accept_ends: bool, chunk: int
    ) -> Generator[None, None, None]:
        full = files[0].full
        size = sum(file.path.stat().st_size for file in files) or 1
        entries = chain.from_iterable(map(self._entries, files))
        report: RosterReport | None = None
        for report in self._store.stage_roster(name, entries, full, self._wall_us(), chunk):
            share = sum(file.read_bytes for file in files) / size
            written = report.added + report.changed + report.unchanged
            self._progress(Loading(name, sum(file.rows for file in files), min(share, 1.0), written))
            yield
        if report is None:
            return
        most = MOST_ENDED if report.before > SMALL_LIST else 0.5 if report.before >= FEW else 1.0
        ends_many = report.ended > most * report.before
        if full and ends_many and not accept_ends:
            raise TooManyEnded(
                f"the list ends {report.ended} of {report.before} patients",
                code="roster-ends-many",
                place=str(files[0].path),
                hint="if that is meant, reload or run with --accept-roster-ends",
            )
        staged.loads.append(report.load)
        # Of what was staged, even if the files have changed since.
        staged.files.extend(RosterFile(name, file.digest, file.full) for file in files)

    def publish(self, staged: Staged) -> None:
        """Makes the staged lists count, all in one transaction, and says in the log what they changed.

        Raises StoreError: then none of them counts (or, after StoreUnknown, nobody knows).
        """
        self.reports = []
        if staged.loads:
            self.reports = self._store.publish_rosters(staged.loads, self._wall_us(), staged.files)
        for report in self.reports:
            _say(report)

    def _entries(self, file: _File) -> Iterator[RosterEntry]:
        """The entries of a file, as the store takes them."""
        read = sha256()

        def came(chunk: bytes) -> None:
            read.update(chunk)
            file.read_bytes += len(chunk)

        hashes: dict[str, Callable[[bytes], int]] = {}
        rows = roster.read_assignments(_chunks(file.path, came), str(file.path), delta=not file.full)
        for id_, authority, _, begin, through, npi, opt_out, ended, _ in rows:
            of = hashes.get(authority)
            if of is None:
                of = hashes[authority] = self._hashes.patients(authority.encode())
            file.rows += 1
            yield RosterEntry(
                of(id_.encode()),
                None if begin is None else _number(begin),
                None if through is None else _number(through),
                npi,
                opt_out,
                ended,
            )
        file.digest = read.hexdigest()


_number = lru_cache(100_000)(day_number)


def files_of(folder: Path, affiliate: Affiliate) -> list[_File]:
    """The files of an affiliate's list: the full one, then its deltas by name."""
    if affiliate.roster is None:
        return []
    full = _File(folder / affiliate.roster, affiliate.roster, True)
    pattern = affiliate.roster_deltas
    deltas = [] if pattern is None else sorted(map(Path, glob(str(folder / pattern))))
    return [full, *(_File(path, _place(path, folder), False) for path in deltas if path != full.path)]


def _place(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def roster_mistakes(folder: Path, configuration: Configuration) -> list[roster.RosterMistake]:
    """Everything that is wrong with the roster files of a folder, by file and line."""
    found: list[roster.RosterMistake] = []
    for settings in configuration.affiliates.values():
        for file in files_of(folder, settings.affiliate) if settings.affiliate is not None else ():
            chunks = _chunks(file.path, lambda chunk: None)
            try:
                for _ in roster.read_assignments(chunks, file.place, delta=not file.full):
                    pass
            except roster.RosterErrors as error:
                found += error.mistakes
            except HL7BridgeError as error:
                found.append(roster.RosterMistake(file.place, 1, error.what))
    return found


def _chunks(path: Path, came: Callable[[bytes], Any]) -> Iterator[bytes]:
    file = _said(path, lambda: open(path, "rb"))  # noqa: SIM115 - closed below
    with file:
        while chunk := _said(path, lambda: file.read(_CHUNK)):
            came(chunk)
            yield chunk


def _said(path: Path, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except OSError as error:
        raise HL7BridgeError(
            f"cannot be read: {error.strerror}", code="unreadable-file", place=str(path)
        ) from None


def _say(report: RosterReport) -> None:
    log.info(
        "roster of {affiliate}: {added} added, {ended} ended, {changed} changed, {unchanged} unchanged; {back} dated back",
        affiliate=report.affiliate,
        added=report.added,
        ended=report.ended,
        changed=report.changed,
        unchanged=report.unchanged,
        back=report.dated_back,
    )

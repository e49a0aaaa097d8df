"""A folder in which files arrive, on the disk: which may be taken, taking them, and where they go afterwards.

A file is taken by renaming it into `working/`, so no two engines take the same. It stays there until every message in it is kept, and
a note beside it says when it was taken and how far it was read; both are on the disk before a message leaves the file. Then it goes to
`done/`, or, where something in it was refused, to `failed/` with the reasons in a file of their own.

Everything here blocks, and is called in a thread. Names of files may be a patient's, so they are never logged. Raises OSError, and
InboxInUse where another engine watches the folder, InboxUnfit where files cannot, or must not, be moved within it.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import json
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.connectors.durable import make_folder, sync_file, sync_folder, write_whole
from hl7bridge.connectors.message_file import is_ended, read_messages
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.batch import BatchError
from hl7bridge.hl7.batchfile import Found

WORKING, DONE, FAILED = "working", "done", "failed"
#: What senders call a file that they are still writing.
UNFINISHED: Final = (".tmp", ".part", ".partial", ".filepart", ".writing", "~")
#: Messages, and bytes of them, that are read at once.
MOST_MESSAGES, MOST_BYTES = 50, 1_000_000
#: Reasons that are kept of one file, and characters of its name in that of the file of reasons.
MOST_REASONS, MOST_NAME = 1_000, 200
#: Old files that are removed at once.
MOST_REMOVED = 10_000
#: What `_write_note` leaves, also in the middle. Whatever else begins with a dot is a server's or an administrator's.
_NOTE = re.compile(r"\.(?:[0-9a-f]{32}\.json|\.[0-9a-f]{32}\.json\.part)")


class InboxInUse(HL7BridgeError):
    """Another engine watches the folder. Code: `folder-in-use`."""


class InboxUnfit(HL7BridgeError):
    """A file, a link or another file system is in the place of a folder of ours, or our own files are in it. Code: `folder-unfit`."""


class State(NamedTuple):
    """What of a file is other when somebody has written to it, or put another in its place."""

    size_bytes: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> State:
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class Seen(NamedTuple):
    """A file as it was when somebody looked, and since when it is so."""

    state: State
    since_s: float


class Inbox:
    """One watched folder. `pattern` says which files by name; one must have stayed as it is for `settled_s` seconds. It must not be
    the folder `never`, under whatever name.
    """

    def __init__(
        self,
        folder: Path,
        pattern: str,
        settled_s: float,
        limit_bytes: int,
        never: Path | None = None,
        *,
        unended_fails: bool = False,
    ) -> None:
        self.folder = folder
        self.waiting = 0
        self._pattern = pattern
        self._settled_s = settled_s
        self._unended_fails = unended_fails
        self._limit_bytes = limit_bytes
        self._never = never
        self._seen: dict[str, Seen] = {}
        # What the last look found, the oldest first: with many files a look takes long, so it is for more than one of them.
        self._ready: deque[str] = deque()
        self._lock: int | None = None

    def open(self) -> None:
        """Makes the folders and takes the lock, where they are not there any more once again."""
        if self._lock is not None and self._is_ours(self._lock):
            return
        self.close()
        make_folder(self.folder)
        if self._never is not None and os.path.samefile(self.folder, self._never):
            raise InboxUnfit(
                "the engine's own data lies here, which would be taken away",
                code="folder-unfit",
                place=str(self.folder),
                hint="let files arrive in a folder of their own",
            )
        for name in (WORKING, DONE, FAILED):
            self._make(name)
        handle = os.open(self.folder / WORKING / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InboxInUse(
                "another engine watches this folder",
                code="folder-in-use",
                place=str(self.folder),
                hint="end the other one, or give each a folder of its own",
            ) from None
        except OSError:
            os.close(handle)
            raise
        self._lock = handle

    def close(self) -> None:
        """Lets another engine have the folder; a second call does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_ours(self, lock: int) -> bool:
        """Whether the lock is on the file that others would find."""
        try:
            return os.path.samestat(os.fstat(lock), os.stat(self.folder / WORKING / ".lock"))
        except FileNotFoundError:
            return False

    def _make(self, name: str) -> None:
        """One of our own folders: files come into it by renaming, and what they say must not leave through a link."""
        path = self.folder / name
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_dev != os.stat(self.folder).st_dev:
            raise InboxUnfit(
                f"{name} is no folder on the same file system",
                code="folder-unfit",
                place=str(self.folder),
                hint="move away what stands in its place; the engine makes the folder itself",
            )

    def next(self, now_s: float, now_us: int) -> Claimed | None:
        """Takes the file that has waited longest: one that was left in the middle, else one that has settled. `now_s` is of any steady
        clock. The folder must be open. Where a file may not be moved this raises PermissionError, and goes on with the others in the
        next call.
        """
        if not self._ready:
            self._ready.extend(self._settled(now_s))
        self.waiting = len(self._ready)
        left = self._left()
        if left is not None:
            return self._go_on(left, now_us)
        while self._ready:
            name = self._ready[0]
            try:
                claimed = self._claim(name, now_us)
            except PermissionError:
                self._ready.popleft()
                raise
            self._ready.popleft()
            self.waiting = len(self._ready)
            if claimed is not None:
                return claimed
        return None

    def _left(self) -> str | None:
        """The first file in `working`; notes of files that are not there are removed."""
        names = sorted(os.listdir(self.folder / WORKING))
        files = [name for name in names if not name.startswith(".")]
        notes = {_note_name(name) for name in files}
        for name in names:
            if _NOTE.fullmatch(name) and name not in notes:
                (self.folder / WORKING / name).unlink(missing_ok=True)
        return files[0] if files else None

    def _settled(self, now_s: float) -> list[str]:
        """Those that may be taken, the oldest first."""
        before, self._seen = self._seen, {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or name.lower().endswith(UNFINISHED):
                    continue
                if not fnmatch.fnmatchcase(name, self._pattern) or (found := _file(entry)) is None:
                    continue
                state = State.of(found)
                known = before.get(name)
                self._seen[name] = known if known is not None and known.state == state else Seen(state, now_s)
        ready = [name for name, seen in self._seen.items() if now_s - seen.since_s >= self._settled_s]
        return sorted(ready, key=lambda name: (self._seen[name].state.changed_ns, name))

    def _claim(self, name: str, now_us: int) -> Claimed | None:
        """Takes a file; None where it has gone or was written to since the look that found it."""
        working = self.folder / WORKING
        note = Note(now_us, 0, ())
        try:
            if State.of(os.lstat(self.folder / name)) != self._seen[name].state:
                return None
            _write_note(working, name, note)
            os.rename(self.folder / name, working / name)
        except FileNotFoundError:
            return None
        del self._seen[name]
        with suppress(PermissionError):  # what cannot be read is set aside
            sync_file(working / name)
        sync_folder(working)
        sync_folder(self.folder)
        return self._claimed(name, note, again=False)

    def _go_on(self, name: str, now_us: int) -> Claimed:
        """A file that was left in the middle, or that somebody else put there: then it is taken now."""
        working = self.folder / WORKING
        note = _read_note(working, name)
        if note is None:
            note = Note(now_us, 0, ())
            _write_note(working, name, note)
        return self._claimed(name, note, again=True)

    def _claimed(self, name: str, note: Note, *, again: bool) -> Claimed:
        return Claimed(
            self.folder, name, self._limit_bytes, note, again=again, unended_fails=self._unended_fails
        )

    def remove_old(self, before_s: float) -> None:
        """Removes files that went to `done` before a time of day, in seconds since 1970; a bounded number of them."""
        with os.scandir(self.folder / DONE) as entries:
            # Renaming sets the time of the last change of a file's status.
            old = (each.path for each in entries if (found := _file(each)) and found.st_ctime < before_s)
            gone = list(islice(old, MOST_REMOVED))
        for path in gone:
            Path(path).unlink(missing_ok=True)


def _file(entry: os.DirEntry[str]) -> os.stat_result | None:
    """How a file stands; None for what is no file, or has gone meanwhile."""
    try:
        return entry.stat(follow_symlinks=False) if entry.is_file(follow_symlinks=False) else None
    except FileNotFoundError:
        return None


class Note(NamedTuple):
    """When a file was taken (microseconds since 1970), how many of its messages have ended, and what was refused of them."""

    claimed_us: int
    through: int
    reasons: tuple[str, ...]


class Claimed:
    """A file that is being read. `again`: messages of it may have been kept before, but not before `claimed_us`. `is_aside`: nothing
    more of it is read.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        limit_bytes: int,
        note: Note,
        *,
        again: bool,
        unended_fails: bool = False,
    ) -> None:
        self._unended_fails = unended_fails
        self._folder = folder
        self._name = name
        self.again = again
        self.is_aside = False
        self.claimed_us = note.claimed_us
        self.through = note.through
        self.reasons = list(note.reasons)
        self._errors: list[BatchError] = []
        self._state = State.of(os.lstat(self._path))
        self._there = 0
        self._reading = enumerate(self._found(limit_bytes), 1)

    @property
    def _path(self) -> Path:
        return self._folder / WORKING / self._name

    def _found(self, limit_bytes: int) -> Iterator[Found]:
        if self._path.is_symlink():
            raise HL7BridgeError("cannot be read: it is a link", code="unreadable-file")
        if self._unended_fails and not is_ended(os.fspath(self._path)):
            raise HL7BridgeError(
                "it does not end with a line end and may have been cut off: nothing more of it was taken",
                code="unreadable-file",
            )
        for each in read_messages(os.fspath(self._path), limit_bytes, self._errors):
            del self._errors[MOST_REASONS + 1 :]
            if each is not None:
                yield each

    def read(self) -> list[tuple[int, Found]]:
        """The next messages with their numbers in the file, without those that ended before; none when it has ended. Raises
        HL7BridgeError where the file cannot be read.
        """
        found: list[tuple[int, Found]] = []
        size = 0
        for number, each in self._reading:
            self._there = number
            if number <= self.through:
                continue
            found.append((number, each))
            size += len(each) if isinstance(each, bytes) else 0
            if len(found) == MOST_MESSAGES or size > MOST_BYTES:
                break
        else:
            if self._there < self.through:
                self.refuse("there are fewer messages in it than had been taken: the rest of it is missing")
        return found

    def refuse(self, reason: str) -> None:
        """Something in the file was refused."""
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(reason)
        elif len(self.reasons) == MOST_REASONS:
            self.reasons.append("... and more")

    def note(self) -> None:
        """Puts on the disk how far the file has been read."""
        _write_note(
            self._folder / WORKING, self._name, Note(self.claimed_us, self.through, tuple(self.reasons))
        )

    def finish(self) -> bool:
        """All has ended: moves the file to where it belongs; gives whether nothing in it was refused."""
        for error in self._errors:
            self.refuse(f"the batch: {error}")
        if State.of(os.lstat(self._path)) != self._state:
            self.refuse("it was still being written when it had been taken: what came late may be missing")
        if not self.through and not self.reasons:
            self.refuse("there is no message in the file")
        target = self._folder / (FAILED if self.reasons else DONE)
        name = _free_name(target, self._name)
        if self.reasons:
            write_whole(
                target / _reason_name(name), "".join(f"{reason}\n" for reason in self.reasons).encode()
            )
        os.rename(self._path, target / name)
        sync_folder(target)
        sync_folder(self._folder / WORKING)
        (self._folder / WORKING / _note_name(self._name)).unlink(missing_ok=True)
        return not self.reasons


def _note_name(name: str) -> str:
    """A name for what is noted of a file, whatever it is called and however long."""
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.json"


def _write_note(working: Path, name: str, note: Note) -> None:
    write_whole(working / _note_name(name), json.dumps(note._asdict()).encode())


def _read_note(working: Path, name: str) -> Note | None:
    """What was noted of a file; None where somebody else put the file there."""
    try:
        read = json.loads((working / _note_name(name)).read_bytes())
        return Note(int(read["claimed_us"]), int(read["through"]), tuple(map(str, read["reasons"])))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None


def _reason_name(name: str) -> str:
    """The file of the reasons beside a file; it has room for a number behind what `_numbered` leaves of a name."""
    return os.fsdecode(os.fsencode(name)[: MOST_NAME + 10]) + ".reason"


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{os.fsdecode(os.fsencode(name)[:MOST_NAME])}~{number}"


def _free_name(folder: Path, name: str) -> str:
    """The name, or with a number behind where older files have it; few looks, however many they are."""

    def taken(number: int) -> bool:
        here = _numbered(name, number)
        return any(os.path.lexists(folder / each) for each in (here, _reason_name(here)))

    free = 1
    while taken(free):
        free *= 2
    used = free // 2
    while free - used > 1:
        between = (free + used) // 2
        used, free = (between, free) if taken(between) else (used, between)
    return _numbered(name, free)

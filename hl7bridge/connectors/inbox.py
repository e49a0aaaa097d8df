"""A folder in which files arrive, on the disk: which may be taken, taking them, and where they go afterwards.

A file is taken by renaming it into `working/`, so no two engines take the same. It stays there until every message in it is kept, and
a note beside it says when it was taken and how far it was read; both are on the disk before a message leaves the file. Then it goes to
`done/`, or, where something in it was refused, to `failed/` with the reasons in a file of their own.

Everything here blocks, and is called in a thread. Names of files may be a patient's, so they are never logged. Raises OSError, and
InboxInUse where another engine watches the folder.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.connectors.durable import sync_folder, write_whole
from hl7bridge.connectors.message_file import read_messages
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
MOST_REMOVED = 500


class InboxInUse(HL7BridgeError):
    """Another engine watches the folder. Code: `folder-in-use`."""


class Seen(NamedTuple):
    """A file as it was when somebody looked, and since when it is so."""

    size: int
    changed_ns: int
    inode: int
    since_s: float


class Inbox:
    """One watched folder. `pattern` says which files by name; one must have stayed as it is for `settled_s` seconds."""

    def __init__(self, folder: Path, pattern: str, settled_s: float, limit_bytes: int) -> None:
        self.folder = folder
        self.waiting = 0
        self._pattern = pattern
        self._settled_s = settled_s
        self._limit_bytes = limit_bytes
        self._seen: dict[str, Seen] = {}
        self._lock: int | None = None

    def open(self) -> None:
        """Makes the folders and takes the lock; a second call does nothing."""
        if self._lock is not None:
            return
        for name in (WORKING, DONE, FAILED):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
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

    def next(self, now_s: float, now_us: int) -> Claimed | None:
        """Takes the file that has waited longest: one that was left in the middle, else one that has settled. `now_s` is of any steady
        clock. The folder must be open.
        """
        found = self._left()
        settled = self._settled(now_s)
        self.waiting = len(settled)
        if found is not None:
            return Claimed(self.folder, found, self._limit_bytes, now_us)
        for name in settled:
            if self._claim(name, now_us):
                self.waiting -= 1
                return Claimed(self.folder, name, self._limit_bytes, now_us)
        return None

    def _left(self) -> str | None:
        """The first file in `working`; notes of files that are not there are removed."""
        names = sorted(os.listdir(self.folder / WORKING))
        files = [name for name in names if not name.startswith(".")]
        notes = {_note_name(name) for name in files}
        for name in names:
            if name.startswith(".") and name != ".lock" and name not in notes:
                (self.folder / WORKING / name).unlink(missing_ok=True)
        return files[0] if files else None

    def _settled(self, now_s: float) -> list[str]:
        """Those that may be taken, the oldest first."""
        before, self._seen = self._seen, {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                name = entry.name
                if (
                    name.startswith(".")
                    or name.lower().endswith(UNFINISHED)
                    or not entry.is_file(follow_symlinks=False)
                ):
                    continue
                if not fnmatch.fnmatchcase(name, self._pattern):
                    continue
                found = entry.stat(follow_symlinks=False)
                seen = Seen(found.st_size, found.st_mtime_ns, found.st_ino, now_s)
                known = before.get(name)
                self._seen[name] = known if known is not None and known[:3] == seen[:3] else seen
        ready = [name for name, seen in self._seen.items() if now_s - seen.since_s >= self._settled_s]
        return sorted(ready, key=lambda name: (self._seen[name].changed_ns, name))

    def _claim(self, name: str, now_us: int) -> bool:
        """Takes a file; False where it has gone meanwhile."""
        working = self.folder / WORKING
        _write_note(working, name, Note(now_us, 0, ()))
        try:
            os.rename(self.folder / name, working / name)
        except FileNotFoundError:
            return False
        self._seen.pop(name, None)
        sync_folder(working)
        sync_folder(self.folder)
        return True

    def remove_old(self, before_s: float) -> None:
        """Removes files that went to `done` before a time of day, in seconds since 1970; a bounded number of them."""
        done = self.folder / DONE
        with os.scandir(done) as entries:
            # Renaming sets the time of the last change of a file's status.
            old = (entry.path for entry in entries if entry.stat(follow_symlinks=False).st_ctime < before_s)
            gone = list(islice(old, MOST_REMOVED))
        for path in gone:
            os.unlink(path)


class Note(NamedTuple):
    """When a file was taken (microseconds since 1970), how many of its messages have ended, and what was refused of them."""

    claimed_us: int
    through: int
    reasons: tuple[str, ...]


class Claimed:
    """A file that is being read. `claimed_us`: since when messages of it may have been kept before."""

    def __init__(self, folder: Path, name: str, limit_bytes: int, now_us: int) -> None:
        self._folder = folder
        self._name = name
        note = _read_note(folder / WORKING, name) or Note(now_us, 0, ())
        self.claimed_us = note.claimed_us
        self.through = note.through
        self.reasons = list(note.reasons)
        self._errors: list[BatchError] = []
        self._reading = enumerate(self._found(limit_bytes), 1)
        self._begun = False

    def _found(self, limit_bytes: int) -> Iterator[Found]:
        path = os.fspath(self._folder / WORKING / self._name)
        return (each for each in read_messages(path, limit_bytes, self._errors) if each is not None)

    def read(self) -> list[tuple[int, Found]]:
        """The next messages with their numbers in the file, without those that ended before; none when it has ended. Raises
        HL7BridgeError where the file cannot be read.
        """
        found: list[tuple[int, Found]] = []
        size = 0
        for number, each in self._reading:
            if number <= self.through:
                continue
            found.append((number, each))
            size += len(each) if isinstance(each, bytes) else 0
            if len(found) == MOST_MESSAGES or size > MOST_BYTES:
                break
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
        if not self.through and not self.reasons:
            self.refuse("there is no message in the file")
        target = self._folder / (FAILED if self.reasons else DONE)
        name = _free_name(target, self._name)
        if self.reasons:
            write_whole(
                target / _reason_name(name), "".join(f"{reason}\n" for reason in self.reasons).encode()
            )
        os.rename(self._folder / WORKING / self._name, target / name)
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
    """The file of the reasons beside a file."""
    return os.fsdecode(os.fsencode(name)[:MOST_NAME]) + ".reason"


def _free_name(folder: Path, name: str) -> str:
    """The name, or with a number behind where an older file has it."""
    taken = set(os.listdir(folder))
    numbered: Sequence[str] = (name,)
    for number in range(2, 1_000_000):
        if numbered[0] not in taken and _reason_name(numbered[0]) not in taken:
            break
        numbered = (os.fsdecode(os.fsencode(name)[:MOST_NAME]) + f"~{number}",)
    return numbered[0]

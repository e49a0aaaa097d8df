"""Reading a file of messages, in steps that are small enough for the reactor's thread.

Raises HL7BridgeError where the file cannot be read; also when that is found in the middle. Code: `unreadable-file`, or
`unreadable-now` where it may be read later.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.batch import BatchError
from hl7bridge.hl7.batchfile import Found, has_frames, messages_of

#: Bytes read in one step.
CHUNK_BYTES = 64 * 1024
_ENDS = frozenset((b"", b"\r", b"\n", b"\x1c"))
#: What is no fault of the file's: this process or its machine is short of something, or a server does not answer.
_PASSING = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT)
)


def open_file(path: str) -> BinaryIO:
    """The file, if it is one: opening a pipe or a device could wait for ever, and everything with it."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except OSError as error:
        raise _failed(path, error) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _unreadable(path, "it is not a file")
    return file


def read_messages(path: str, limit_bytes: int, errors: list[BatchError] | None = None) -> Iterator[Found]:
    """The messages in order; None where a step has read on and found none. What is wrong with a batch goes to `errors`."""
    with open_file(path) as file:
        framed = False
        for framed in has_frames(_chunks(file, path)):
            if framed:
                break
            yield None
        file.seek(0)
        yield from messages_of(_chunks(file, path), framed=framed, limit_bytes=limit_bytes, errors=errors)


def is_ended(path: str) -> bool:
    """Whether the last segment of a file has its end, or the last frame; so has a file of nothing."""
    with open_file(path) as file:
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return file.read(1) in _ENDS
        except OSError as error:
            raise _failed(path, error) from None


def _chunks(file: BinaryIO, path: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise _failed(path, error) from None


def _failed(path: str, error: OSError) -> HL7BridgeError:
    code = "unreadable-now" if error.errno in _PASSING else "unreadable-file"
    return _unreadable(path, error.strerror, code)


def _unreadable(path: str, why: str | None, code: str = "unreadable-file") -> HL7BridgeError:
    return HL7BridgeError(f"cannot be read: {why}", code=code, place=path)

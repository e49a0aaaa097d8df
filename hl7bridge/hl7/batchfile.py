"""The messages of a file of any size, one at a time, as its bytes come.

Holds `messages_of`. What it finds is what `batch.read_file` finds in the whole file. No more than one message, or one frame, is kept.
Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from hl7bridge.hl7.batch import BLANK, PART, BatchError, Counts, beside_frames
from hl7bridge.hl7.mllp import BEGINNING, Event, Frame, Framer, TooLarge

#: A message; one that was thrown away for its size; or None: bytes were read, and no message has ended yet.
Found: TypeAlias = "bytes | TooLarge | None"

#: Bytes of a frame's content that are searched between two looks at the world.
PIECE_BYTES = 64 * 1024
#: A line's end, three byte order marks and three letters: what of a part's beginning may come before its separator does.
_TAIL_BYTES = 13
#: A start byte, a mark of UTF-8, blanks and three letters: what of a frame's beginning may lie in the chunk before.
_LEAD_BYTES = 1 + 3 + 8 + 3


def messages_of(
    chunks: Iterable[bytes], *, framed: bool, limit_bytes: int, errors: list[BatchError] | None = None
) -> Iterator[Found]:
    """The messages in order, without blanks before the first. `framed` tells whether a frame begins in the file (see `has_frames`). A
    message or frame beyond `limit_bytes` is a TooLarge without its content. What is wrong with a batch goes to `errors`; who replays
    a file wants its messages, and does not ask.
    """
    errors = [] if errors is None else errors
    if not framed:
        yield from _unframed(chunks, limit_bytes, errors)
        return
    framer = Framer(limit_bytes)
    for chunk in chunks:
        for event in framer.feed(chunk):
            yield from _of_frame(event, limit_bytes, errors)
        yield None
    for event in framer.finish():
        yield from _of_frame(event, limit_bytes, errors)


def has_frames(chunks: Iterable[bytes]) -> Iterator[bool]:
    """For each chunk, whether a frame has begun by its end. A vertical tab in a text, which has the same byte, begins none."""
    tail, found = b"", False
    for chunk in chunks:
        found = found or BEGINNING.search(tail + chunk) is not None
        tail = (tail + chunk)[-_LEAD_BYTES:]
        yield found


def _of_frame(event: Event, limit_bytes: int, errors: list[BatchError]) -> Iterator[Found]:
    if isinstance(event, Frame):
        yield from _unframed(_pieces(event.payload), limit_bytes, errors)
    elif isinstance(event, TooLarge):
        yield event
    else:
        errors += beside_frames(event)


def _pieces(payload: bytes) -> Iterator[bytes]:
    for at in range(0, len(payload), PIECE_BYTES):
        yield payload[at : at + PIECE_BYTES]


def _unframed(chunks: Iterable[bytes], limit_bytes: int, errors: list[BatchError]) -> Iterator[Found]:
    reader = _Reader(limit_bytes, errors)
    for chunk in chunks:
        yield from reader.feed(chunk)
        yield None
    yield from reader.finish()


class _Reader:
    """Cuts where a part begins: a message lies from its MSH to the next beginning; headers and trailers are no messages."""

    def __init__(self, limit_bytes: int, errors: list[BatchError]) -> None:
        self._limit = limit_bytes
        self._counts = Counts(errors)
        self._at = 0  # where the buffer begins in the file, after its leading blanks
        self._buffer = (
            bytearray()
        )  # from the beginning of the part that is being read, but for what was dropped
        self._searched = 0
        self._dropped = 0
        self._parts = 0
        self._name = b""  # of the part that is being read; b"" before the first
        self._lead = b""  # what stood before the first part: of a file with one part it belongs to it

    def feed(self, data: bytes) -> Iterator[bytes | TooLarge]:
        """What `data` ends."""
        begun = self._parts or self._buffer or self._dropped
        self._buffer += data if begun else data.lstrip(BLANK)
        yield from self._cut(end=False)
        self._searched = max(len(self._name), len(self._buffer) - _TAIL_BYTES + 1)
        if len(self._buffer) > self._limit:
            self._dropped += len(self._buffer) - _TAIL_BYTES
            self._at += len(self._buffer) - _TAIL_BYTES
            del self._buffer[:-_TAIL_BYTES]
            self._searched = 1  # a part begins behind a line's end, not where we happened to cut

    def finish(self) -> Iterator[bytes | TooLarge]:
        """What the end of the file ends."""
        yield from self._cut(end=True)
        if self._parts > 1 or self._name in (b"FHS", b"BHS"):
            self._count(len(self._buffer))
            self._counts.end(self._at + len(self._buffer))
        alone = self._parts < 2 and (self._lead or self._name not in (b"FHS", b"BHS"))
        if self._name == b"MSH" or alone:
            self._buffer[:0] = self._lead
            if self._dropped or self._buffer.strip(BLANK):
                yield self._ended(len(self._buffer))

    def _cut(self, *, end: bool) -> Iterator[bytes | TooLarge]:
        while True:
            found = PART.search(self._buffer, self._searched)
            if found is None or (found.end() == len(self._buffer) and not end):
                return
            name, begin, header = found[1] or found[2], found.start(), found.start(found.lastindex or 0)
            del found  # it holds the buffer, which could not be shortened
            if self._parts:
                self._counts.before(self._lead)
                self._count(begin)
                if self._name == b"MSH":
                    yield self._ended(begin)
                self._lead = b""
            else:
                self._lead = bytes(self._buffer[:header])
            self._at += header
            del self._buffer[:header]
            self._parts += 1
            self._name, self._searched, self._dropped = name, len(name), 0

    def _count(self, size: int) -> None:
        """The part that begins the buffer has ended after so many bytes."""
        if self._name == b"MSH":
            self._counts.message()
        else:
            self._counts.part(self._name, bytes(self._buffer[:size]), self._at)

    def _ended(self, size: int) -> bytes | TooLarge:
        if self._dropped + size > self._limit:
            return TooLarge(self._dropped + size, b"")
        return bytes(self._buffer[:size])

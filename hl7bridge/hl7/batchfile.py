"""The messages of a file of any size, one at a time, as its bytes come.

Holds `messages_of`. What it finds is what `batch.read_file` finds in the whole file, but what is wrong with a batch is not looked
for: who replays a file wants its messages. No more than one message, or one frame, is kept. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from hl7bridge.hl7.batch import BLANK, PART
from hl7bridge.hl7.mllp import Frame, Framer, TooLarge

#: A message; one that was thrown away for its size; or None: bytes were read, and no message has ended yet.
Found: TypeAlias = "bytes | TooLarge | None"

#: Bytes of a frame's content that are searched between two looks at the world.
PIECE_BYTES = 64 * 1024
#: A line's end and three letters: what of a part's beginning may come before its separator does.
_TAIL_BYTES = 4


def messages_of(chunks: Iterable[bytes], *, framed: bool, limit_bytes: int) -> Iterator[Found]:
    """The messages in order, without blanks before the first. `framed` tells whether the file has a byte 0x0B anywhere, and so
    frames. A message or frame beyond `limit_bytes` is a TooLarge without its content.
    """
    if not framed:
        yield from _unframed(chunks, limit_bytes)
        return
    framer = Framer(limit_bytes)
    for chunk in chunks:
        for event in framer.feed(chunk):
            if isinstance(event, Frame):
                yield from _unframed(_pieces(event.payload), limit_bytes)
            elif isinstance(event, TooLarge):
                yield event
        yield None


def _pieces(payload: bytes) -> Iterator[bytes]:
    for at in range(0, len(payload), PIECE_BYTES):
        yield payload[at : at + PIECE_BYTES]


def _unframed(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[Found]:
    reader = _Reader(limit_bytes)
    for chunk in chunks:
        yield from reader.feed(chunk)
        yield None
    yield from reader.finish()


class _Reader:
    """Cuts where a part begins: a message lies from its MSH to the next beginning; headers and trailers are no messages."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
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
        self._searched = max(len(self._name), len(self._buffer) - len(b"MSH"))
        if len(self._buffer) > self._limit:
            self._dropped += len(self._buffer) - _TAIL_BYTES
            del self._buffer[:-_TAIL_BYTES]
            self._searched = 1  # a part begins behind a line's end, not where we happened to cut

    def finish(self) -> Iterator[bytes | TooLarge]:
        """What the end of the file ends."""
        yield from self._cut(end=True)
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
            name, begin = found[1] or found[2], found.start()
            del found  # it holds the buffer, which could not be shortened
            if self._parts:
                if self._name == b"MSH":
                    yield self._ended(begin)
                self._lead = b""
            else:
                self._lead = bytes(self._buffer[:begin])
            del self._buffer[:begin]
            self._parts += 1
            self._name, self._searched, self._dropped = name, len(name), 0

    def _ended(self, size: int) -> bytes | TooLarge:
        if self._dropped + size > self._limit:
            return TooLarge(self._dropped + size, b"")
        return bytes(self._buffer[:size])

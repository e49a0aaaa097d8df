"""Framing: bytes from a connection in, events out (MLLP release 1 and 2: 0x0B content 0x1C 0x0D).

Holds the `Framer`, which remembers what of a frame has come, and the few constants of the protocol. Refuses
to know sockets and the meaning of the content. `Framer.feed` never raises; `frame` raises `Unframeable`.

What real senders do wrong is told apart and reported, so that a connection can be judged by it:

- bytes between frames are dropped and counted (`Junk`);
- the carriage return after 0x1C may be missing: the frame ends at 0x1C, at once, since a sender then waits
  for its answer and sends no more;
- a frame that is broken off and begun anew (0x0B and a header segment before any 0x1C) counts from its last
  beginning, what stood before is `Broken`; it was never acknowledged. A 0x0B without a header behind it is a
  vertical tab inside a text, which word processors produce: not allowed, but no reason to lose the message,
  so it stays in it;
- content beyond the limit is dropped while it comes and reported at its end (`TooLarge`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from hl7bridge.errors import HL7BridgeError

START = b"\x0b"
END = b"\x1c"
TRAILER = b"\x1c\r"
HEAD_BYTES = 2048

commit_ack = b"\x0b\x06\x1c\r"
commit_nak = b"\x0b\x15\x1c\r"

# A frame that begins, inside a frame or in a file: a start byte and a header behind it. The bound on blanks
# keeps this linear.
BEGINNING = re.compile(rb"\x0b(?=(?:\xef\xbb\xbf)?[ \t\r\n]{0,8}(?:MSH|BHS|FHS))")


class Unframeable(HL7BridgeError):
    """Content with a byte 0x1C in it: whoever receives it would see it end there. Code: `unframeable`."""


@dataclass(slots=True)
class Frame:
    """One whole content, without its block characters."""

    payload: bytes


@dataclass(slots=True)
class Junk:
    """`size_bytes` bytes outside of any frame were dropped."""

    size_bytes: int


@dataclass(slots=True)
class Broken:
    """A frame of `size_bytes` so far was given up by its sender: begun anew, or never finished."""

    size_bytes: int


@dataclass(slots=True)
class TooLarge:
    """A frame beyond the limit has ended. `head` is its beginning (up to `HEAD_BYTES`), to answer it."""

    size_bytes: int
    head: bytes


@dataclass(slots=True)
class CommitAck:
    """MLLP release 2: the peer has stored what was sent to it."""


@dataclass(slots=True)
class CommitNak:
    """MLLP release 2: the peer could not store what was sent to it."""


Event: TypeAlias = Frame | Junk | Broken | TooLarge | CommitAck | CommitNak


def frame(payload: bytes) -> bytes:
    """The content with its block characters. Raises `Unframeable` if it contains 0x1C."""
    if END in payload:
        raise Unframeable(
            "a byte 0x1C inside the message would end its frame early",
            code="unframeable",
            place=f"byte {payload.index(END)}",
            hint="remove the byte with a mapping or at the sender",
        )
    return b"".join((START, payload, TRAILER))


class Framer:
    """Finds frames in what a connection delivers, whatever the cut of its packets.

    `max_message_bytes` bounds the content of one frame and so the memory of this object. Only new bytes are
    searched, and only an unfinished frame is kept.
    """

    __slots__ = ("_after_end", "_buffer", "_dropped", "_inside", "_limit")

    def __init__(self, max_message_bytes: int = 64 * 1024 * 1024) -> None:
        self._limit = max_message_bytes
        self._buffer = bytearray()
        self._inside = False
        self._after_end = False
        # Bytes of a frame that is too large, beyond the head kept in the buffer.
        self._dropped = 0

    @property
    def buffered(self) -> int:
        """Bytes held of a frame that is not complete."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """True between the beginning of a frame and its end."""
        return self._inside

    @property
    def discarding(self) -> bool:
        """True while the rest of a frame that is too large is being dropped."""
        return self._dropped > 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order."""
        if not self._inside and data[:1] == START and data[-2:] == TRAILER:
            # Nearly always a packet is one message, and nothing else.
            payload = data[1:-2]
            if END not in payload and START not in payload and 1 < len(payload) <= self._limit:
                self._after_end = False
                return [Frame(payload)]
        events: list[Event] = []
        at, size = 0, len(data)
        while at < size:
            if self._inside:
                end = data.find(END, at)
                if end < 0:
                    self._keep(data[at:] if at else data)
                    return events
                self._finish_frame(data[at:end], events)
                at = end + 1
                continue
            if self._after_end:
                self._after_end = False
                if data[at] == 0x0D:
                    at += 1
                    continue
            start = data.find(START, at)
            if start != at:
                events.append(Junk((size if start < 0 else start) - at))
                if start < 0:
                    return events
            self._inside = True
            at = start + 1
        return events

    def finish(self) -> list[Event]:
        """What the end of the connection leaves: `Broken` for an unfinished frame. The framer starts anew."""
        size = len(self._buffer) + self._dropped
        unfinished, self._inside, self._after_end, self._dropped = self._inside, False, False, 0
        self._buffer.clear()
        return [Broken(size)] if unfinished else []

    def _keep(self, data: bytes) -> None:
        if not self._dropped:
            self._buffer += data
            over = len(self._buffer) - self._limit
            if over <= 0:
                return
            kept = min(self._limit, HEAD_BYTES)
            self._dropped = len(self._buffer) - kept
            del self._buffer[kept:]
        else:
            self._dropped += len(data)

    def _finish_frame(self, last: bytes, events: list[Event]) -> None:
        self._inside = False
        self._after_end = True
        buffer = self._buffer
        if buffer or self._dropped:
            self._keep(last)
            payload = bytes(buffer)
            buffer.clear()
        else:
            payload = last
        size = len(payload) + self._dropped
        if size > self._limit:
            self._dropped = 0
            events.append(TooLarge(size, payload[: min(self._limit, HEAD_BYTES)]))
            return
        if START in payload:
            payload = _after_restart(payload, events)
        if payload == b"\x06":
            events.append(CommitAck())
        elif payload == b"\x15":
            events.append(CommitNak())
        else:
            events.append(Frame(payload))


def _after_restart(payload: bytes, events: list[Event]) -> bytes:
    """The content from the last beginning in it; what stood before is reported."""
    begin = -1
    for found in BEGINNING.finditer(payload):
        begin = found.start()
    if begin < 0:
        return payload
    events.append(Broken(begin))
    return payload[begin + 1 :]

"""Batches: files and frames of more than one message (FHS BHS MSH BTS FTS; HL7 v2.5.1 chapter 2, 2.10.3).

Holds `split`, `is_batch`, `read_file`, and `Counts`, which says what is wrong with a batch. Messages come out
byte for byte as they stood. Refuses to know what
messages say. Raises nothing: what is wrong with a batch is listed beside its messages, because it is no fault
of theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.mllp import BEGINNING, Broken, Event, Frame, Framer, Junk

# A line that begins a part: three letters, a separator that is neither letter nor digit, as Delimiters
# demands. Where files were put one behind the other, byte order marks stand before them; they are no part's.
PART = re.compile(
    rb"(?:^|(?<=[\r\n]))(?:\xef\xbb\xbf){0,3}(?:(MSH|FHS|BHS)(?=[!-/:-@\[-`{-~\t])|(BTS|FTS)(?=[\r\n!-/:-@\[-`{-~\t]|$))"
)
_TRAILER_BYTES = 256
BLANK = b" \t\r\n\x00\xef\xbb\xbf\x1a"


class BatchError(HL7BridgeError):
    """Something wrong with a batch as a whole, never raised.

    Codes: `batch-count`, `batch-unfinished`, `batch-stray-lines`, `batch-empty`, `batch-broken-frame`.
    """


@dataclass(slots=True)
class Batch:
    """The messages of a batch in order, and what is wrong with the batch itself."""

    messages: list[bytes] = field(default_factory=list)
    errors: list[BatchError] = field(default_factory=list)

    @property
    def counts_ok(self) -> bool:
        """False if BTS-1 or FTS-1 say another number than there is."""
        return not any(error.code == "batch-count" for error in self.errors)


def is_batch(raw: bytes) -> bool:
    """True if `raw` is not simply one message: it begins with a batch header, or has a second MSH."""
    if raw.startswith(b"MSH"):
        # Asked of every message that comes: one search from behind, and one of the end, where a trailer
        # stands.
        another = raw.rfind(b"MSH") > 0 or raw.rfind(b"BTS", -_TRAILER_BYTES) > 0
        return another and len(PART.findall(raw)) > 1
    inner = raw.lstrip(BLANK)
    if len(inner) < len(raw) and inner.startswith(b"MSH"):
        return is_batch(inner)
    return inner.startswith((b"FHS", b"BHS")) or len(PART.findall(inner)) > 1


def split(raw: bytes) -> Batch:
    """The messages in `raw`; a plain message is a batch of one, and comes out as it is."""
    if not is_batch(raw):
        return Batch([raw])
    return _split(raw.lstrip(BLANK))


def read_file(data: bytes) -> Batch:
    """The messages of a file: framed for MLLP, in batches, or one behind the other."""
    if BEGINNING.search(data) is None:
        return split(data) if data.strip(BLANK) else Batch()
    whole = Batch()
    framer = Framer(len(data))
    for event in framer.feed(data) + framer.finish():
        if isinstance(event, Frame):
            part = split(event.payload)
            whole.messages += part.messages
            whole.errors += part.errors
        else:
            whole.errors += beside_frames(event)
    return whole


def beside_frames(event: Event) -> list[BatchError]:
    """What is wrong where bytes of a file are no frame; line ends between frames are nothing."""
    if isinstance(event, Broken):
        what = f"a frame is not finished ({event.size_bytes} bytes)"
        return [BatchError(what, code="batch-broken-frame")]
    if isinstance(event, Junk) and event.size_bytes > 2:
        what = f"bytes stand between frames ({event.size_bytes} bytes)"
        return [BatchError(what, code="batch-stray-lines")]
    return []


def _split(raw: bytes) -> Batch:
    batch = Batch()
    counts = Counts(batch.errors)
    parts = list(PART.finditer(raw))
    if parts:
        counts.before(raw[: parts[0].start()])
    for at, part in enumerate(parts):
        begin = part.start(part.lastindex or 0)
        end = parts[at + 1].start() if at + 1 < len(parts) else len(raw)
        name = part[1] or part[2]
        if name == b"MSH":
            batch.messages.append(raw[begin:end])
            counts.message()
        else:
            counts.part(name, raw[begin:end], begin)
    counts.end(len(raw))
    return batch


class Counts:
    """Walks through the parts of one batch and keeps count; what is wrong goes to `errors`. Offsets are in bytes."""

    def __init__(self, errors: list[BatchError]) -> None:
        self._errors = errors
        self._in_file = self._in_batch = False
        self._batches = self._here = self._messages = 0

    def before(self, lead: bytes) -> None:
        """What stands before the first part."""
        if lead.strip(BLANK):
            self._complain("batch-stray-lines", "there are lines before the first header", 0)

    def message(self) -> None:
        """A message."""
        self._messages += 1
        self._here += 1

    def part(self, name: bytes, text: bytes, at: int) -> None:
        """A header or trailer, with what follows it up to the next part."""
        line, _, rest = re.sub(rb"[\r\n]+", b"\n", text).partition(b"\n")
        if rest.strip(BLANK):
            self._complain("batch-stray-lines", f"lines behind {name.decode()} belong to no message", at)
        if name == b"FHS":
            self._in_file, self._batches = True, 0
        elif name == b"BHS":
            if self._in_batch:
                self._complain("batch-unfinished", "a batch begins before the one before it has ended", at)
            self._in_batch, self._here = True, 0
            self._batches += 1
        elif name == b"BTS":
            self._count(line, self._here, "BTS-1", at)
            self._in_batch = False
            self._here = 0
        else:
            # A file may leave out the headers of its only batch.
            self._count(line, self._batches or min(1, self._messages), "FTS-1", at)
            self._in_file = False

    def end(self, at: int) -> None:
        """Nothing follows."""
        if self._in_batch:
            self._complain("batch-unfinished", "the batch has no BTS: it may have been cut off", at)
        if self._in_file:
            self._complain("batch-unfinished", "the file has no FTS: it may have been cut off", at)
        if not self._messages:
            self._complain("batch-empty", "there is no message in the batch", 0)

    def _count(self, line: bytes, found: int, place: str, at: int) -> None:
        said = line.split(line[3:4])[1].strip() if len(line) > 3 else b""
        if said and (not said.isdigit() or len(said) > 18 or int(said) != found):
            claim = said.decode("ascii") if said.isdigit() and len(said) <= 18 else "something else"
            self._complain("batch-count", f"{place} says {claim}, but there are {found}", at)

    def _complain(self, code: str, what: str, at: int) -> None:
        self._errors.append(BatchError(what, code=code, place=f"byte {at}"))

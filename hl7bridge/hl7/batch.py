"""Batches: files and frames of more than one message (FHS BHS MSH BTS FTS; HL7 v2.5.1 chapter 2, 2.10.3).

Holds `split`, `is_batch` and `read_file`. Messages come out byte for byte as they stood. Refuses to know what
messages say. Raises nothing: what is wrong with a batch is listed beside its messages, because it is no fault
of theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.mllp import START, Broken, Frame, Framer, Junk

# A line that begins a part: three letters, a separator that is neither letter nor digit, as Delimiters
# demands.
PART = re.compile(
    rb"(?:^|(?<=[\r\n]))(?:(MSH|FHS|BHS)(?=[!-/:-@\[-`{-~\t])|(BTS|FTS)(?=[\r\n!-/:-@\[-`{-~\t]|$))"
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
    return _Splitter(raw.lstrip(BLANK)).batch


def read_file(data: bytes) -> Batch:
    """The messages of a file: framed for MLLP, in batches, or one behind the other."""
    if START not in data:
        return split(data) if data.strip(BLANK) else Batch()
    whole = Batch()
    framer = Framer(len(data))
    for event in framer.feed(data) + framer.finish():
        if isinstance(event, Frame):
            part = split(event.payload)
            whole.messages += part.messages
            whole.errors += part.errors
        elif isinstance(event, Broken):
            whole.errors.append(_error("batch-broken-frame", "a frame is not finished", event.size_bytes))
        elif isinstance(event, Junk) and event.size_bytes > 2:
            whole.errors.append(_error("batch-stray-lines", "bytes stand between frames", event.size_bytes))
    return whole


def _error(code: str, what: str, size: int) -> BatchError:
    return BatchError(f"{what} ({size} bytes)", code=code)


class _Splitter:
    """Walks through the parts of one batch and keeps count."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.batch = Batch()
        self.in_file = self.in_batch = False
        self.batches = self.here = 0
        parts = list(PART.finditer(raw))
        if parts and raw[: parts[0].start()].strip(BLANK):
            self.complain("batch-stray-lines", "there are lines before the first header", 0)
        for at, part in enumerate(parts):
            end = parts[at + 1].start() if at + 1 < len(parts) else len(raw)
            self.part(part[1] or part[2], part.start(), end)
        if self.in_batch:
            self.complain("batch-unfinished", "the batch has no BTS: it may have been cut off", len(raw))
        if self.in_file:
            self.complain("batch-unfinished", "the file has no FTS: it may have been cut off", len(raw))
        if not self.batch.messages:
            self.complain("batch-empty", "there is no message in the batch", 0)

    def part(self, name: bytes, begin: int, end: int) -> None:
        if name == b"MSH":
            self.batch.messages.append(self.raw[begin:end])
            self.here += 1
            return
        line, _, rest = re.sub(rb"[\r\n]+", b"\n", self.raw[begin:end]).partition(b"\n")
        if rest.strip(BLANK):
            self.complain("batch-stray-lines", f"lines behind {name.decode()} belong to no message", begin)
        if name == b"FHS":
            self.in_file, self.batches = True, 0
        elif name == b"BHS":
            if self.in_batch:
                self.complain("batch-unfinished", "a batch begins before the one before it has ended", begin)
            self.in_batch, self.here = True, 0
            self.batches += 1
        elif name == b"BTS":
            self.count(line, self.here, "BTS-1", begin)
            self.in_batch = False
            self.here = 0
        else:
            # A file may leave out the headers of its only batch.
            self.count(line, self.batches or min(1, len(self.batch.messages)), "FTS-1", begin)
            self.in_file = False

    def count(self, line: bytes, found: int, place: str, begin: int) -> None:
        said = line.split(line[3:4])[1].strip() if len(line) > 3 else b""
        if said and (not said.isdigit() or len(said) > 18 or int(said) != found):
            claim = said.decode("ascii") if said.isdigit() and len(said) <= 18 else "something else"
            self.complain("batch-count", f"{place} says {claim}, but there are {found}", begin)

    def complain(self, code: str, what: str, at: int) -> None:
        self.batch.errors.append(BatchError(what, code=code, place=f"byte {at}"))

"""We play the hospital: a feed's engineers point their sender here, and see what it does when a hospital is not at its best.

In turn the answers are: AA; AE once; AR once; a slow AA; a connection that is closed before the answer; then AA again. What is looked
at is what the sender does next: whether a message without an answer comes again under the same MSH-10, whether one that was refused
holds up the others, whether messages are whole and well made. Nothing is kept of them but control IDs and counts.
"""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from time import sleep
from typing import Final

from hl7bridge.certify.report import Check, Verdict
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import ack, conformance, mllp
from hl7bridge.hl7.message import Message
from hl7bridge.words import counted

#: What is done with the message of this number, or with the next that did not come before.
PLAN: Final = {5: "AE", 10: "AR", 15: "slow", 20: "close"}
SLOW_S: Final = 12.0
_CHUNK = 65_536


class Feed:
    """What a sender did. `said(line)` is told as it happens."""

    def __init__(self, said: Callable[[str], None], *, slow_s: float = SLOW_S) -> None:
        self._said = said
        self.slow_s = slow_s
        self._lock = threading.Lock()
        self.messages = self.connections = self.broken = self.junk_bytes = 0
        self.unreadable = 0
        self.types: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.ids: Counter[bytes] = Counter()
        self.not_test = 0
        self.without_id = 0
        #: By what was done to it: the control ID of the message, and which of all it was.
        self.tried: dict[str, tuple[bytes, int]] = {}

    def received(self, payload: bytes) -> tuple[str, bytes | None]:
        """What to do with a message ("AA", "AE", "AR", "slow", "close"), and the acknowledgment."""
        with self._lock:
            self.messages += 1
            try:
                message = Message(payload)
            except HL7BridgeError:
                self.unreadable += 1
                return "AR", ack.build(None, "AR", now=datetime.now(UTC), control_id=b"0")
            self._look(message)
            manner = self._manner(message.control_id)
            code = manner if manner in ("AE", "AR") else "AA"
            return manner, ack.build(message, code, now=datetime.now(UTC), control_id=b"%d" % self.messages)

    def _manner(self, control_id: bytes) -> str:
        due = [each for at, each in PLAN.items() if at <= self.messages and each not in self.tried]
        # What is done to a repetition would not show what the sender does after it.
        if not due or self.ids[control_id] > 1:
            return "AA"
        self.tried[due[0]] = control_id, self.messages
        self._said(f"message {self.messages}: {due[0]}")
        return due[0]

    def _look(self, message: Message) -> None:
        self.ids[message.control_id] += 1
        self.without_id += not message.control_id
        self.not_test += message.processing_id != b"T"
        self.types[
            f"{message.type_code.decode('ascii', 'replace')}^{message.trigger.decode('ascii', 'replace')}"
        ] += 1
        for fault in conformance.check(message)[:5]:
            self.faults[str(fault)] += 1

    def checks(self) -> Iterator[Check]:
        """What came of it."""
        if not self.messages:
            yield Check("messages", Verdict.FAILED, "none came")
            return
        kinds = ", ".join(f"{count} {name}" for name, count in self.types.most_common())
        yield Check(
            "messages",
            Verdict.PASSED,
            f"{self.messages:,} on {counted(self.connections, 'connection')}: {kinds}",
        )
        yield _none("whole frames", self.broken, "frame", "given up by the sender")
        yield _none("nothing outside of frames", self.junk_bytes, "byte", "stood outside of frames")
        yield _none("a header that can be read", self.unreadable, "message", "had none")
        yield _none("a control ID (MSH-10)", self.without_id, "message", "had none")
        yield _none(
            "test messages only (MSH-11 = T)", self.not_test, "message", "not marked so", Verdict.NOTED
        )
        for name, manner in (
            ("AE", "AE"),
            ("AR", "AR"),
            ("a slow answer", "slow"),
            ("a close before the answer", "close"),
        ):
            yield self._after(name, manner)
        for fault, count in self.faults.most_common(10):
            yield Check("HL7 structure", Verdict.NOTED, f"{fault} ({counted(count, 'time')})")

    def _after(self, name: str, manner: str) -> Check:
        if manner not in self.tried:
            number = next(at for at, each in PLAN.items() if each == manner)
            came = f"{counted(self.messages, 'message')} came, {len(self.ids):,} of them for the first time"
            return Check(
                f"after {name}",
                Verdict.SKIPPED,
                f"{came}; it is done to the {number}th, or to the next new one",
            )
        control_id, number = self.tried[manner]
        again = self.ids[control_id] - 1
        went_on = self.messages > number + again
        seen = f"the message came {counted(again, 'time')} more; " + (
            "others went on" if went_on else "nothing else came"
        )
        if manner == "close":
            return Check(f"after {name}", Verdict.PASSED if again else Verdict.FAILED, seen)
        return Check(f"after {name}", Verdict.NOTED if went_on or again else Verdict.FAILED, seen)


def _none(name: str, count: int, one: str, seen: str, otherwise: Verdict = Verdict.FAILED) -> Check:
    return Check(
        name, otherwise if count else Verdict.PASSED, f"{counted(count, one)} {seen}" if count else "always"
    )


class Listener(socketserver.ThreadingTCPServer):
    """Serves a feed; `serve_forever` until `shutdown`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], feed: Feed) -> None:
        self.feed = feed
        super().__init__(address, _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: Listener

    def handle(self) -> None:
        feed = self.server.feed
        feed.connections += 1
        framer = mllp.Framer()
        while data := self._received():
            for event in framer.feed(data):
                if isinstance(event, mllp.Junk):
                    feed.junk_bytes += event.size_bytes
                elif isinstance(event, mllp.Broken):
                    feed.broken += 1
                elif isinstance(event, mllp.Frame) and not self._answered(event.payload):
                    return
        feed.broken += len(framer.finish())

    def _received(self) -> bytes:
        try:
            found: bytes = self.request.recv(_CHUNK)
        except OSError:
            return b""
        return found

    def _answered(self, payload: bytes) -> bool:
        feed = self.server.feed
        manner, answer = feed.received(payload)
        if manner == "close":
            return False
        if manner == "slow":
            sleep(feed.slow_s)
        try:
            self.request.sendall(mllp.frame(answer or b""))
        except OSError:
            return False
        return True

"""A scripted hospital: an MLLP receiver that answers as it is told. It knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import ack, mllp
from hl7bridge.hl7.message import Message

#: Words beside acknowledgment codes that `answer` may be.
SILENCE, GARBAGE, WRONG_ID, TWICE, CLOSE, HALF = "silence", "garbage", "wrong-id", "twice", "close", "half"
MANNERS = (SILENCE, GARBAGE, WRONG_ID, TWICE, CLOSE, HALF)


@dataclass
class Script:
    """How the hospital behaves.

    `answer` is an acknowledgment code, one of MANNERS, or a callable from the message's bytes to one of them. `drop_every` N closes
    the connection instead of answering every N-th message; `refuse_every` N answers every N-th with AR.
    """

    answer: str | Callable[[bytes], str] = "AA"
    delay_s: float = 0.0
    drop_every: int = 0
    refuse_every: int = 0


@dataclass
class Hospital(Factory):
    """Its connections and what it has received. `seen(payload, code)` is called for each message, with the code it answers."""

    clock: Any
    script: Script = field(default_factory=Script)
    seen: Callable[[bytes, str], None] = lambda payload, code: None
    noisy = False

    def __post_init__(self) -> None:
        self.count = 0
        self.connections: set[HospitalConnection] = set()

    def __hash__(self) -> int:
        return id(self)

    def buildProtocol(self, addr: object) -> HospitalConnection:
        return HospitalConnection(self)

    def choose(self, payload: bytes) -> str:
        """The answer to the next message."""
        self.count += 1
        script = self.script
        if script.drop_every and self.count % script.drop_every == 0:
            return CLOSE
        if script.refuse_every and self.count % script.refuse_every == 0:
            return "AR"
        return script.answer(payload) if callable(script.answer) else script.answer

    def answer(self, connection: HospitalConnection, payload: bytes, code: str) -> None:
        """Answers on a connection; a test may put something of its own in its place."""
        connection.answer(payload, code)

    def hang_up(self) -> None:
        """Closes every connection at once."""
        for connection in list(self.connections):
            connection.transport.abortConnection()


class HospitalConnection(Protocol):
    """One connection."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital
        self._framer = mllp.Framer()
        self.open = True

    def connectionMade(self) -> None:
        self._hospital.connections.add(self)
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)

    def connectionLost(self, reason: object = None) -> None:
        self.open = False
        self._hospital.connections.discard(self)

    def dataReceived(self, data: bytes) -> None:
        for event in self._framer.feed(data):
            if isinstance(event, mllp.Frame):
                self._message(event.payload)

    def _message(self, payload: bytes) -> None:
        code = self._hospital.choose(payload)
        self._hospital.seen(payload, code)
        if self._hospital.script.delay_s:
            self._hospital.clock.callLater(
                self._hospital.script.delay_s, self._hospital.answer, self, payload, code
            )
        else:
            self._hospital.answer(self, payload, code)

    def answer(self, payload: bytes, code: str) -> None:
        if not self.open or code == SILENCE:
            return
        if code == CLOSE:
            self.transport.abortConnection()
            return
        if code == GARBAGE:
            self.transport.write(mllp.frame(b"Internal Server Error"))
            return
        if code == HALF:
            self.transport.write(self._built(payload, "AA")[:40])
            self.transport.loseConnection()
            return
        if code == WRONG_ID:
            self.transport.write(self._built(payload, "AA", control_id=b"SOMETHING-ELSE"))
            return
        answer = self._built(payload, "AA" if code == TWICE else code)
        self.transport.write(answer * 2 if code == TWICE else answer)

    def _built(self, payload: bytes, code: str, control_id: bytes | None = None) -> bytes:
        now = datetime.now(UTC)
        try:
            message = Message(payload)
        except HL7BridgeError:
            return mllp.frame(ack.build(None, "AR", now=now, control_id=b"%d" % self._hospital.count))
        if control_id is not None:
            message.header.set_field(10, control_id)
        return mllp.frame(ack.build(message, code, now=now, control_id=b"%d" % self._hospital.count))

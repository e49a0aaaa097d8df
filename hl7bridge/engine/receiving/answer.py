"""What a sender is told, and when: original and enhanced acknowledgment mode (HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3).

In original mode one answer, AA AE or AR, follows the commit. In enhanced mode MSH-15 asks for an accept acknowledgment (CA CE CR)
and MSH-16 for an application acknowledgment (AA AE AR), each always, never, on error or on success (table 0155); both follow the
commit, each as a message of its own. No answer holds anything of the message but what its header says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.hl7 import ack
from hl7bridge.hl7.ack import AckError
from hl7bridge.hl7.message import Message

#: ERR-3 of a message that could not be kept (table 0357: application internal error).
NOT_KEPT = AckError("207", "the message could not be kept and was not processed; send it again")
#: ERR-3 of bytes that are no message (table 0357: segment sequence error).
UNREADABLE = AckError("100", "the message header could not be read")
#: ERR-3 of a message beyond the source's limit (table 0357: application internal error).
TOO_LARGE = AckError("207", "the message is larger than this receiver takes")


class Connection(Protocol):
    """What answers go to."""

    def answer(self, payload: bytes) -> None: ...
    def commit(self, positive: bool) -> None: ...
    def ended(self, code: str | None, number: int) -> None:
        """How a message ended, whatever its sender asked to be told: AA, AE or AR, "" where it was not kept, None for a fault of the
        program, which comes again with the same message; and its number in the store.
        """


class Answering:
    """The answers to one message: settled when it is decided, sent when it is durable."""

    __slots__ = (
        "_codes",
        "_commit_bytes",
        "_connection",
        "_end",
        "_errors",
        "_message",
        "_wall_us",
        "number",
    )

    def __init__(
        self,
        connection: Connection,
        message: Message | None,
        commit_bytes: bool,
        wall_us: Callable[[], int],
        number: int,
    ) -> None:
        self.number = number
        self._connection = connection
        self._message = message
        self._commit_bytes = commit_bytes
        self._wall_us = wall_us
        self._codes: tuple[str, ...] = ()
        self._end = ""
        self._errors: Sequence[AckError] = ()

    def decided(self, decision: Decision) -> str:
        """Settles the answers to a decision; gives the code under which the message is kept, '' for none.

        What failed is kept under a code that says so, even behind a CA or where nobody asked to be told: a repetition of it must
        be processed anew, and must never be answered AA.
        """
        self._errors = decision.errors
        first = self._settle(decision.answer)
        if decision.answer == "AA" or first[1:] not in ("A", ""):
            return first
        return decision.answer

    def repeated(self) -> str:
        """Settles the answer to a repetition of what was accepted: the same again."""
        self._errors = ()
        return self._settle("AA")

    def unreadable(self) -> str:
        """Settles the answer to bytes that are no message."""
        self._errors = (UNREADABLE,)
        return self._settle("AR")

    def _settle(self, code: str) -> str:
        self._end = code
        self._codes = codes(self._message, code)
        return self._codes[0] if self._codes else ""

    def send(self) -> None:
        """The message is durable: sends what was settled."""
        try:
            if self._commit_bytes:
                self._connection.commit(True)
            self._write()
        finally:  # whoever waits for the end waits for no answer
            self._connection.ended(self._end, self.number)

    def not_kept(self, *, for_good: bool = False) -> None:
        """The message is certainly not durable: AE or CE, never AR (the sender shall try again) and never AA. `for_good`: the store
        always refuses what it says, which a file must not wait for.
        """
        self._errors = (NOT_KEPT,)
        self._codes = codes(self._message, "AE")[:1]
        try:
            if self._commit_bytes:
                self._connection.commit(False)
            self._write()
        finally:
            self._connection.ended(None if for_good else "", self.number)

    def refuse(self, error: AckError) -> None:
        """AR or CR, at once: nothing was kept and sending it again is of no use."""
        self._errors = (error,)
        self._codes = codes(self._message, "AR")
        self._write()

    def _write(self) -> None:
        for place, code in enumerate(self._codes):
            now = _to_the_second(self._wall_us() // 1_000_000)
            control_id = b"%d" % self.number if not place else b"%dA" % self.number
            errors = () if code == "CA" else self._errors
            self._connection.answer(
                ack.build(self._message, code, now=now, control_id=control_id, errors=errors)
            )


@lru_cache(16)
def _to_the_second(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def codes(message: Message | None, code: str) -> tuple[str, ...]:
    """The acknowledgment codes that are sent for a result of AA, AE or AR; the accept acknowledgment first.

    A message that was kept as an error is accepted (CA) where the application acknowledgment tells of the error, and CE where
    nothing else would.
    """
    accept = message.accept_ack if message is not None else b""
    application = message.application_ack if message is not None else b""
    if not accept and not application:
        return (code,)
    success = code == "AA"
    applied = (code,) if _asked(application, success) else ()
    if applied and code == "AE":
        accepted = ("CA",) if _asked(accept, True) else ()
    else:
        accepted = ("C" + code[1],) if _asked(accept, success) else ()
    return accepted + applied


def refuse_too_large(connection: Connection, head: Message, wall_us: Callable[[], int], number: int) -> None:
    """AR or CR to a message of which only the head was kept."""
    answering = Answering(connection, head, False, wall_us, number)
    answering.refuse(TOO_LARGE)


def _asked(condition: bytes, success: bool) -> bool:
    """Table 0155: AL always, NE never, ER on error, SU on success; empty means NE beside a field that is not."""
    return condition == b"AL" or (condition == b"ER" and not success) or (condition == b"SU" and success)

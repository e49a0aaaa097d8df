"""The checks of a hospital's test endpoint, each with a connection of its own, so that one that hangs spoils no other.

The endpoint is one for tests: it must be able to be told apart from production (MSH-11 = T is all that is ever sent). Raises nothing
for what the endpoint does; that is what the checks are about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median

from hl7bridge.certify.link import Endpoint, Link, LinkError
from hl7bridge.certify.messages import CHARSETS, Messages
from hl7bridge.certify.report import Check, Verdict
from hl7bridge.hl7 import mllp
from hl7bridge.hl7.ack import Answer, read
from hl7bridge.words import counted

ACCEPTED = ("AA", "CA")
#: Messages of the check of speed, of order over two connections, and of how long a text may be (bytes).
COUNT, PARALLEL, LENGTHS = 20, 10, (64_000, 1_000_000)
#: A certificate that ends within so many days is told.
DAYS_LEFT = 30

_Step = Callable[["Hospital"], Iterator[Check]]


class Hospital:
    """One run against one endpoint."""

    def __init__(self, endpoint: Endpoint, messages: Messages) -> None:
        self.endpoint = endpoint
        self.messages = messages

    def checks(self) -> Iterator[Check]:
        """Every check, as it is done. Where nobody can be reached, the rest is not done."""
        steps: list[tuple[str, _Step]] = [
            ("connects", Hospital._connects),
            ("answers in time", Hospital._speed),
            ("refuses what it does not know", Hospital._refusal),
            ("character sets", Hospital._charsets),
            ("long texts", Hospital._long),
            ("a message in pieces, and two in one", Hospital._pieces),
            ("a disconnect in the middle of a message", Hospital._torn),
            ("the same message again", Hospital._duplicate),
            ("two connections at once", Hospital._parallel),
        ]
        reached = True
        for name, step in steps:
            if not reached:
                yield Check(name, Verdict.SKIPPED, "nobody can be reached")
                continue
            try:
                for check in step(self):
                    yield check
                    reached = reached and not (name == "connects" and check.verdict is Verdict.FAILED)
            except LinkError as error:
                yield Check(name, Verdict.FAILED, error.what)
                reached = name != "connects"

    def _connects(self) -> Iterator[Check]:
        with Link(self.endpoint) as link:
            yield Check("connects", Verdict.PASSED, f"{self.endpoint.host}:{self.endpoint.port}")
            shown = link.shown
            if shown is None:
                yield Check("TLS", Verdict.NOTED, "not configured: what is sent can be read on the way")
                return
            seen = f"{shown.version}, {shown.cipher}; {shown.subject}; issued by {shown.issuer}; until {shown.until}"
            yield Check("TLS: chain and name", Verdict.PASSED, seen)
            days = _days_left(shown.until)
            if days is not None and days < DAYS_LEFT:
                yield Check("TLS: certificate", Verdict.NOTED, f"ends in {counted(days, 'day')}")

    def _speed(self) -> Iterator[Check]:
        times: list[float] = []
        wrong: list[str] = []
        with Link(self.endpoint) as link:
            for number in range(COUNT):
                control_id = self.messages.control_id()
                said = link.ask(self.messages.order(control_id, patient=number), control_id.encode())
                times.append(said.took_s)
                wrong += _faults(said.answer)
            junk = link.junk_bytes
        yield _of("answers AA with the control ID of the message (MSA-2)", wrong, f"{COUNT} of {COUNT}")
        seen = f"median {median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms of {COUNT}"
        yield Check("answers in time", Verdict.PASSED, seen, median(times))
        if junk:
            yield Check(
                "nothing outside of frames", Verdict.NOTED, f"{counted(junk, 'byte')} stood outside of frames"
            )

    def _refusal(self) -> Iterator[Check]:
        name = "refuses what it does not know (AE or AR)"
        control_id = self.messages.control_id()
        with Link(self.endpoint) as link:
            said = link.ask(self.messages.unknown(control_id), control_id.encode())
            if said.answer.code in ("AE", "AR", "CE", "CR") and said.answer.matches:
                condition = f", condition {said.answer.condition}" if said.answer.condition else ""
                yield Check(name, Verdict.PASSED, f"{said.answer.code}{condition}", said.took_s)
            elif said.answer.code in ACCEPTED:
                seen = f"{said.answer.code} for a message type that does not exist: a refusal will never be seen here"
                yield Check(name, Verdict.NOTED, seen)
            else:
                yield Check(name, Verdict.FAILED, _fault(said.answer) or "no acknowledgment")
            control_id = self.messages.control_id()
            said = link.ask(self.messages.order(control_id), control_id.encode())
            yield _of(
                "goes on after a refusal",
                _faults(said.answer),
                "the next message was accepted",
            )

    def _charsets(self) -> Iterator[Check]:
        for charset, (name, _) in CHARSETS.items():
            control_id = self.messages.control_id()
            with Link(self.endpoint) as link:
                said = link.ask(
                    self.messages.order(control_id, name=name, charset=charset), control_id.encode()
                )
            fault = _fault(said.answer)
            seen = f"accepted; compare PID-5 there with {name!r}"
            yield Check(
                f"character set {charset}",
                Verdict.NOTED if fault else Verdict.PASSED,
                fault or seen,
                said.took_s,
            )

    def _long(self) -> Iterator[Check]:
        for length in LENGTHS:
            control_id = self.messages.control_id()
            text = ("test of the link " * (length // 17 + 1))[:length]
            name = f"a text of {length:,} bytes (OBX-5)"
            try:
                with Link(self.endpoint) as link:
                    said = link.ask(self.messages.result(control_id, text), control_id.encode())
            except LinkError as error:
                yield Check(name, Verdict.NOTED, error.what)
                continue
            fault = _fault(said.answer)
            yield Check(name, Verdict.NOTED if fault else Verdict.PASSED, fault or "accepted", said.took_s)

    def _pieces(self) -> Iterator[Check]:
        ids = [self.messages.control_id() for _ in range(3)]
        frames = [mllp.frame(self.messages.order(each)) for each in ids]
        with Link(self.endpoint) as link:
            for at in range(0, len(frames[0]), 40):
                link.write(frames[0][at : at + 40])
            yield _of(
                "a message that arrives in pieces", _faults(read(link.read(), ids[0].encode())), "accepted"
            )
            name = "two messages at once"
            link.write(frames[1] + frames[2])
            try:
                raws = [link.read() for _ in range(2)]
            except LinkError as error:
                yield Check(name, Verdict.NOTED, f"{error.what}: it reads one at a time, as MLLP allows")
                return
            answers = [read(raw, each.encode()) for raw, each in zip(raws, ids[1:], strict=True)]
            turned = [answer.control_id.decode("ascii", "replace") for answer in answers] == ids[:0:-1]
            wrong = ["the answers came in another order"] if turned else _faults(*answers)
            yield _of(name, wrong, "answered in their order")

    def _torn(self) -> Iterator[Check]:
        control_id = self.messages.control_id()
        payload = self.messages.order(control_id)
        with Link(self.endpoint) as link:
            link.write(mllp.frame(payload)[: len(payload) // 2])
        with Link(self.endpoint) as link:
            said = link.ask(payload, control_id.encode())
        yield _of(
            "after a disconnect in the middle the whole message is taken",
            _faults(said.answer),
            "accepted on a new connection",
        )

    def _duplicate(self) -> Iterator[Check]:
        control_id = self.messages.control_id()
        payload = self.messages.order(control_id)
        with Link(self.endpoint) as link:
            first, second = [link.ask(payload, control_id.encode()).answer for _ in range(2)]
        name = "the same message again (same MSH-10)"
        # A repetition may be refused; but it must be answered, or it comes again and again.
        fault = _fault(first) or (None if second.code and second.matches else _fault(second))
        seen = f"answered {first.code}, then {second.code}: look that it is there once"
        yield Check(name, Verdict.FAILED if fault else Verdict.NOTED, fault or seen)

    def _parallel(self) -> Iterator[Check]:
        wrong: list[str] = []
        try:
            first, second = Link(self.endpoint), Link(self.endpoint)
        except LinkError as error:
            yield Check("two connections at once", Verdict.NOTED, f"{error.what}: set `connections: 1`")
            return
        with first, second:
            for number in range(PARALLEL):
                ids = [self.messages.control_id() for _ in range(2)]
                for link, control_id in zip((first, second), ids, strict=True):
                    link.write(mllp.frame(self.messages.order(control_id, patient=number)))
                for link, control_id, other in ((second, ids[1], ids[0]), (first, ids[0], ids[1])):
                    answer = read(link.read(), control_id.encode())
                    crossed = answer.control_id == other.encode()
                    wrong += ["an answer came on the other connection"] if crossed else _faults(answer)
        yield _of(
            "two connections at once, each with its own answers", wrong, f"{2 * PARALLEL} of {2 * PARALLEL}"
        )


def _fault(answer: Answer) -> str | None:
    """What is wrong with an answer that should accept; None if nothing is. It quotes nothing but the code."""
    if answer.code is None:
        return "what came back is no acknowledgment"
    if not answer.matches:
        return f"{answer.code} with another control ID (MSA-2)"
    return (
        None
        if answer.code in ACCEPTED
        else f"answered {answer.code}" + (f", condition {answer.condition}" if answer.condition else "")
    )


def _faults(*answers: Answer) -> list[str]:
    return [fault for answer in answers if (fault := _fault(answer)) is not None]


def _of(name: str, wrong: list[str], seen: str) -> Check:
    if not wrong:
        return Check(name, Verdict.PASSED, seen)
    times = f" ({len(wrong)} times)" if len(wrong) > 1 else ""
    return Check(name, Verdict.FAILED, wrong[0] + times)


def _days_left(until: str) -> int | None:
    """`until` is as OpenSSL writes it: "Jun  1 12:00:00 2027 GMT"."""
    try:
        month, day, time, year, _ = until.split()
        return (parsedate_to_datetime(f"{day} {month} {year} {time} +0000") - datetime.now(UTC)).days
    except ValueError:
        return None

"""The control socket: how commands reach a running engine without a restart.

A Unix socket in the data folder, readable by its owner only. One JSON object a line each way: a request names a `verb`, an
`operator` and the verb's arguments; `{"progress": ...}` may follow any number of times, then `{"done": ...}` or
`{"error": ..., "hint": ...}`. A client that hangs up stops the replay it asked for; one that
only ends what it sends hears how far it came.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from hl7bridge.connectors.message_file import open_file
from hl7bridge.engine.operating.edited import read_edited
from hl7bridge.engine.operating.entitle import affiliates_of
from hl7bridge.engine.operating.operate import Operators
from hl7bridge.engine.operating.replay import Order, Progress, Replaying, run_steps
from hl7bridge.engine.operating.settle import Settling
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import socket_path
from hl7bridge.store.base import (
    Act,
    Batch,
    DeliveryStatus,
    MessageQuery,
    MessageStatus,
    StoreError,
    View,
)

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.control")

MOST_LINE_BYTES = 64 * 1024 * 1024
#: Replayed messages between two reports of progress.
EVERY = 50


@implementer(IHalfCloseableProtocol)
class Control(LineReceiver):
    """One command's connection."""

    delimiter = b"\n"
    MAX_LENGTH = MOST_LINE_BYTES

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._operators = Operators(engine)
        self._stop: Callable[[], None] | None = None

    def lineReceived(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            verb = VERBS[request.pop("verb")]
        except (ValueError, KeyError, TypeError, AttributeError):
            self._end(HL7BridgeError("this is no request that the engine knows", code="bad-request"))
            return
        try:
            verb(self, **request)
        except HL7BridgeError as error:
            self._end(error)
        except TypeError:
            log.failure("a request could not be read")
            self._end(HL7BridgeError("the request lacks something", code="bad-request"))

    def readConnectionLost(self) -> None:
        """Who asked has no more to say: what can be stopped is, and tells how far it came."""
        if self._stop is not None:
            self._stop()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Its end was written: nothing is left to do."""

    def connectionLost(self, reason: object = None) -> None:
        if self._stop is not None:
            self._stop()

    def _say(self, what: dict[str, Any]) -> None:
        if self.transport.connected:
            self.sendLine(json.dumps(what).encode())

    def _end(self, result: dict[str, Any] | HL7BridgeError) -> None:
        if isinstance(result, HL7BridgeError):
            self._say({"error": str(result), "code": result.code, "hint": result.hint, **_listed(result)})
        else:
            self._say({"done": result})
        self.transport.loseConnection()

    # -- the verbs --------------------------------------------------------------------------------------------------------

    def status(self, operator: str) -> None:
        self._end(self._operators.status())

    def hold(self, operator: str, destination: str) -> None:
        self._operators.hold(destination, operator, self._end)

    def release(self, operator: str, destination: str) -> None:
        self._operators.release(destination, operator, self._end)

    def cancel(self, operator: str, ids: list[int]) -> None:
        self._operators.cancel(ids, operator, self._end)

    def resend(self, operator: str, ids: list[int]) -> None:
        self._operators.resend(ids, operator, self._end)

    def settle(self, operator: str, one: int, other: int, same: bool, because: str = "") -> None:
        Settling(self._engine).settle(one, other, same, because, operator, self._end)

    def unmerge(self, operator: str, old: int, surviving: int, because: str) -> None:
        Settling(self._engine).unmerge(old, surviving, because, operator, self._end)

    def reload(self, operator: str, accept_roster_ends: bool = False) -> None:
        before = self._engine.configuration.version
        steps = self._engine.reload(accept_roster_ends=accept_roster_ends)

        def ended(error: HL7BridgeError | None) -> None:
            after = self._engine.configuration.version
            if error is not None:
                self._end(error)
                return
            rosters = [asdict(report) for report in self._engine.rosters.reports]
            result = {"version": after, "changed": after != before, "rosters": rosters}
            # It is in force whether or not the store has room for who asked.
            self._told(operator, "reload", after, lambda _: self._end(result))

        # Whole or not at all: it goes on when the one who asked hangs up.
        run_steps(steps, self._engine.clock, 0, lambda step: None, ended)

    def replay(
        self,
        operator: str,
        query: dict[str, Any],
        as_it_was: bool = False,
        to: list[str] | None = None,
        rate: float = 0.0,
        limit: int | None = None,
        after_id: int | None = None,
        message: int | None = None,
        newly_entitled: bool = False,
        affiliates: list[str] | None = None,
        dry_run: bool = False,
        edited: str | None = None,
    ) -> None:
        if edited is not None and (as_it_was or message is None):
            raise HL7BridgeError(
                "an edited copy goes through the channel, for one message", code="bad-request"
            )
        newly = affiliates_of(self._engine, affiliates) if newly_entitled else None
        order = Order(
            operator,
            as_it_was,
            self._known(to),
            rate,
            limit,
            after_id,
            message,
            query_of(query),
            newly,
            dry_run,
            None if edited is None else read_edited(edited),
        )
        detail = _described(
            newly_entitled=newly_entitled,
            affiliates=affiliates,
            dry_run=dry_run,
            as_it_was=as_it_was,
            to=to,
            message=message,
            limit=limit,
            after=after_id,
            edited=edited is not None,  # people name files after patients
            **query,
        )
        self._replay(Replaying(self._engine).from_store(order), rate, operator, detail)

    def replay_file(
        self, operator: str, source: str, path: str, to: list[str] | None = None, rate: float = 0.0
    ) -> None:
        order = Order(operator, to=self._known(to), rate=rate)
        open_file(path).close()  # what cannot be read is said at once
        detail = _described(file=True, source=source, to=to)  # people name files after patients
        self._replay(Replaying(self._engine).from_file(source, path, order), rate, operator, detail)

    def view(
        self, operator: str, command: str, message: int | None = None, patients: list[int] | None = None
    ) -> None:
        """A command is about to show patients' data: it does when this is durable."""
        row = View(self._engine.wall_us(), operator, command, message, tuple(patients or ()))
        self._engine.journal.ask(
            "commit", (Batch(views=[row]),), lambda _, error: self._end(error or {"recorded": True})
        )

    # -- inside ------------------------------------------------------------------------------------------------------------

    def _known(self, to: list[str] | None) -> tuple[str, ...] | None:
        for name in to or ():
            self._operators._delivery(name)
        return None if to is None else tuple(to)

    def _told(self, operator: str, verb: str, detail: str, then: Callable[[StoreError | None], None]) -> None:
        """Keeps what an operator does, then goes on."""
        acts = [Act(self._engine.wall_us(), operator, verb, detail)]
        self._engine.journal.ask("commit", (Batch(acts=acts),), lambda _, error: then(error))

    def _replay(self, steps: Any, rate: float, operator: str, detail: str) -> None:
        last = Progress()

        def begin(error: StoreError | None) -> None:
            if error is not None:
                self._end(error)
            elif self.transport.connected:
                self._run(steps, rate, lambda error: self._end(error or asdict(last)), each)

        def each(progress: Progress | None) -> None:
            nonlocal last
            if progress is None:
                return
            last = progress
            if (progress.replayed + progress.skipped) % EVERY == 0:
                self._say({"progress": asdict(progress)})

        self._told(operator, "replay", detail, begin)

    def _run(
        self,
        steps: Any,
        rate: float,
        ended: Callable[[HL7BridgeError | None], None],
        each: Callable[[Any], None] = lambda step: None,
    ) -> None:
        self._stop = run_steps(steps, self._engine.clock, rate, each, ended)


VERBS: dict[str, Callable[..., None]] = {
    name: getattr(Control, name)
    for name in (
        "status",
        "hold",
        "release",
        "cancel",
        "resend",
        "settle",
        "unmerge",
        "reload",
        "replay",
        "replay_file",
        "view",
    )
}


def query_of(given: dict[str, Any]) -> MessageQuery:
    """A query as it came over the socket, with statuses by name."""
    values = dict(given)
    if values.get("status"):
        values["status"] = MessageStatus[values["status"]]
    if values.get("delivery_status"):
        values["delivery_status"] = DeliveryStatus[values["delivery_status"]]
    return MessageQuery(**values)


def _described(**given: Any) -> str:
    """What was asked for, as an act's detail: patients are keys by now, and nothing else in it is theirs."""
    return " ".join(
        name if each is True else f"{name}={','.join(map(str, each)) if isinstance(each, list) else each}"
        for name, each in given.items()
        if each is not None and each is not False
    )


def _listed(error: HL7BridgeError) -> dict[str, Any]:
    mistakes = getattr(error, "mistakes", None)
    return {"mistakes": [str(each) for each in mistakes]} if mistakes else {}


class ControlFactory(Factory):
    """Serves one engine."""

    noisy = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def buildProtocol(self, addr: object) -> Control:
        return Control(self._engine)


def listen(engine: Engine, data: Path) -> Any:
    """Opens the socket, in place of one that a killed engine left. A descriptor it needs stays open as long as the engine."""
    path, _ = socket_path(data)
    if os.path.exists(path):
        os.unlink(path)  # the lock on the folder says that nobody listens there
    return engine.clock.listenUNIX(path, ControlFactory(engine), mode=0o600)

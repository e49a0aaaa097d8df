"""All connections to one hospital, and which of them sends next.

MLLP allows one unanswered message on a connection, so throughput to a slow hospital comes from several connections. They are
dialled when there is work: one first, the others once it stands. While a hospital is silent or down one connection alone tries,
with one timer, however many messages wait. A link that has been of use and is lost is dialled again at once; only when that leads to
nothing does waiting begin. ClientService does the dialling; this module knows no queue and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.application.internet import ClientService
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from hl7bridge.connectors.mllp_destination import Connected, MllpDestination
from hl7bridge.connectors.sparing import Sparing
from hl7bridge.connectors.unreached import Telling, unreached

log = Logger(namespace="hl7bridge.mllp.destination")


class Answered(Protocol):
    """Told how a send ended.

    `token` was given to send; `code` is the acknowledgment code, None when there was no valid answer; `answer` its bytes. `at_once`
    tells that a link which had been of use was lost under the message, so that it need not wait before it is tried on the next one.
    """

    def __call__(
        self, token: Any, code: str | None, why: str | None, answer: bytes | None, /, *, at_once: bool = False
    ) -> None: ...


class Slot:
    """One of the pool's connections: its ClientService while it is wanted."""

    def __init__(self) -> None:
        self.service: ClientService | None = None
        self.connection: MllpDestination | None = None
        self.parked: tuple[bytes, bytes, Any] | None = None


class MllpPool:
    """Up to `connections` connections to one endpoint.

    `answered(token, code, why, answer)` tells how a send ended; `ready()` that a connection became free; `link(up, why)`
    that the destination went down, and why, or came up. `delay_s(failures)` is the back-off between dials, in seconds.
    """

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        *,
        connections: int,
        timeout_s: float,
        delay_s: Callable[[int], float],
        answered: Answered,
        ready: Callable[[], None],
        link: Callable[[bool, str], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.timeout_s = timeout_s
        self.say = Sparing(log, clock)
        self.up = False
        self.dial_failures = 0
        self._endpoint = Telling(endpoint, self._could_not_connect)
        self._delay_s = delay_s
        self._answered = answered
        self._ready = ready
        self._link = link
        self._slots = [Slot() for _ in range(connections)]
        self._free: list[MllpDestination] = []
        self._unanswered = 0
        self._unused = 0
        self._useful = False  # a message was answered since the link came up last
        self._pause: Any = None
        self._down_because = ""
        # What is asked of every connection is due after the same time, so the first here is the first that is due: one timer
        # for the pool costs less than one for each message.
        self._awaited: dict[MllpDestination, float] = {}
        self._watch: Any = None
        self._stopped = False
        self._retired = False

    @property
    def open_connections(self) -> int:
        """How many connections stand."""
        return sum(slot.connection is not None for slot in self._slots)

    @property
    def busy_connections(self) -> int:
        """How many wait for an answer."""
        return sum(
            slot.parked is not None or (slot.connection is not None and slot.connection.busy)
            for slot in self._slots
        )

    def free(self) -> bool:
        """Whether `send` may be called now."""
        return bool(self._free) and self._pause is None and not (self._silent and self.busy_connections)

    @property
    def _silent(self) -> bool:
        return self._unanswered > 1

    def send(self, payload: bytes, control_id: bytes, token: Any) -> None:
        """Sends on a free connection; `free()` must have been true.

        Real stores use one control ID for message after message. On a connection that has just answered that ID, a second or
        late answer to the message before would be taken for the answer to this one: it goes out on another, or on a new one.
        """
        for connection in reversed(self._free):
            if connection.answered_before != control_id:
                self._free.remove(connection)
                connection.send(payload, control_id, token)
                return
        slot = self._free.pop().slot
        slot.parked = (payload, control_id, token)
        slot.connection = None
        self._hang_up(slot)
        self._dial(slot)

    def want(self, waiting: int) -> None:
        """So many messages wait to leave: dial what is missing, one connection first, the rest once it stands."""
        if self._stopped or self._retired or self._pause is not None or waiting <= len(self._free):
            return
        missing = waiting - len(self._free)
        for number, slot in enumerate(self._slots):
            if missing <= 0:
                return
            if slot.service is None:
                if number and (not self.up or self._silent):
                    return
                self._dial(slot)
            if slot.connection is None:
                missing -= 1

    def _dial(self, slot: Slot) -> None:
        slot.service = ClientService(
            self._endpoint,
            Connected(self, slot),
            retryPolicy=self._retry_policy,
            clock=self.clock,
        )
        slot.service.startService()

    def _retry_policy(self, failures: int) -> float:
        self.dial_failures = failures
        return self._delay_s(failures)

    def _could_not_connect(self, failure: Failure) -> None:
        called_off = self._stopped or self._retired or failure.check(CancelledError, ConnectingCancelledError)
        if not (called_off or self.open_connections):
            why = unreached(failure)
            if why != self._down_because:  # said once, however often it is dialled again
                self.say.warn("{name}: {why}", name=self.name, why=why)
            self.up, self._down_because = False, why
            self._link(False, why)

    # -- what a connection tells -----------------------------------------------------------------------------------------

    def connected(self, connection: MllpDestination) -> None:
        """It stands."""
        slot = connection.slot
        slot.connection = connection
        self.dial_failures = 0
        self.up, self._down_because = True, ""
        if slot.parked is not None:
            parked, slot.parked = slot.parked, None
            connection.send(*parked)
        else:
            self._free.append(connection)
        self._link(True, "")

    def ended(
        self,
        connection: MllpDestination,
        token: Any,
        code: str | None,
        why: str | None,
        answer: bytes | None,
        lost: bool,
    ) -> None:
        """What it was asked has ended; `lost`: because the connection closed."""
        self._awaited.pop(connection, None)
        if self._retired:
            self._hang_up(connection.slot)
        elif not connection.closed:
            self._free.append(connection)
        if code is not None:
            self._unanswered = self._unused = 0
            self._useful = True
        else:
            self._unanswered += 1
            # One lost answer is that message's trouble; when every connection has lost one, it is the hospital's.
            beyond = self._unanswered - len(self._slots)
            if beyond > 0:
                self._rest(beyond)
        self._answered(token, code, why, answer, at_once=lost and self._useful)

    def awaits(self, connection: MllpDestination) -> None:
        """A message has left on this connection: its answer must come in time."""
        self._awaited[connection] = self.clock.seconds() + self.timeout_s
        if self._watch is None:
            self._watch = self.clock.callLater(self.timeout_s, self._look)

    def _look(self) -> None:
        now = self.clock.seconds()
        for connection, due in list(self._awaited.items()):
            if due > now:
                break
            connection.no_answer()  # which may let the next message leave
        # Only now is it known who is due next.
        self._watch = None
        if self._awaited and not self._stopped:
            due = next(iter(self._awaited.values()))
            self._watch = self.clock.callLater(max(0.0, due - now), self._look)

    def _rest(self, failures: int) -> None:
        """Leaves the hospital alone for a while."""
        if self._pause is None and not self._stopped:
            self._pause = self.clock.callLater(self._delay_s(failures), self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._dial_parked()
        self._ready()

    def _dial_parked(self) -> None:
        """Messages that wait for a new connection of their own have been promised one."""
        for slot in self._slots:
            if slot.parked is not None and slot.service is None and self._pause is None:
                self._dial(slot)

    def lost(self, connection: MllpDestination) -> None:
        """It stood and has closed; what it was asked has ended before."""
        slot = connection.slot
        if connection in self._free:
            self._free.remove(connection)
        if slot.connection is not connection:
            return  # the slot has gone on to another one
        slot.connection = None
        if self._stopped or self._retired:
            return
        # ClientService would dial again at once; a hospital that closes an idle connection is dialled when there is work.
        self._hang_up(slot)
        # Whether the hospital is down is known only when it cannot be dialled again.
        self.up = bool(self.open_connections)
        if not self.up:
            useful, self._useful = self._useful, False
            if not (useful or connection.used):
                # It takes connections and closes them at once: dialled again at once, it would do so again.
                self._unused += 1
                self._rest(self._unused)
        self._ready()

    def not_trusted(self, connection: MllpDestination, reason: Failure | None) -> None:
        """TLS was not agreed on: nothing has left, and dialling at once again would end the same."""
        self._hang_up(connection.slot)
        if self._stopped or self._retired:
            return
        self.dial_failures += 1
        if not self.open_connections:
            why = reason.getErrorMessage() if reason is not None else "closed"
            self.say.warn("{name}: cannot connect: TLS failed: {why}", name=self.name, why=why)
            self._link(False, f"cannot connect: TLS failed: {why}")
        self._rest(self.dial_failures)

    def _hang_up(self, slot: Slot) -> None:
        service, slot.service = slot.service, None
        if service is not None:
            service.stopService()

    def retire(self) -> None:
        """Sends no more: connections close as their answers come, so that nothing ends unanswered for a change of settings."""
        self._retired = True
        for slot in self._slots:
            if slot.connection is None or not slot.connection.busy:
                self._hang_up(slot)
        self._give_up_parked()

    def _give_up_parked(self) -> None:
        for slot in self._slots:
            if slot.parked is not None:
                (_, _, token), slot.parked = slot.parked, None
                self._answered(token, None, "no connection was left for it", None)

    def stop(self) -> None:
        """Closes every connection; messages in flight end as unanswered."""
        self._stopped = True
        self._give_up_parked()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._watch is not None and self._watch.active():
            self._watch.cancel()
        self._watch = None
        for slot in self._slots:
            self._hang_up(slot)

"""The engine's life: start, reload, stop. The one module that sees everything.

At start the data folder is locked, the store opened and what was being sent is marked a possible duplicate; then listeners open.
A reload takes a new configuration wholly or not at all; connections and queues that it does not touch stay as they are. First comes
all that may fail: mistakes, keys, ports, rosters staged where nobody sees them, the version kept. The rosters are published last, in
one transaction, and in the same turn of the reactor the rest is in force.

Raises HL7BridgeError from `start` and `reload` when the configuration, a port, a certificate or the store cannot be used.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import STRICT
from hl7bridge.channel.settings import DestinationSettings
from hl7bridge.delivery.queue import DestinationQueue
from hl7bridge.delivery.retry import Backoff
from hl7bridge.engine.delivering.deliver import Delivery, Policy
from hl7bridge.engine.delivering.pool import Nowhere
from hl7bridge.engine.delivering.release import Releasing
from hl7bridge.engine.drift import Drift
from hl7bridge.engine.edges.connect import Connector, ahead_of, policy_of
from hl7bridge.engine.edges.folders import Folders
from hl7bridge.engine.edges.ports import Opening, Ports
from hl7bridge.engine.folder import load_folder
from hl7bridge.engine.keeping.identity import StoredRoster
from hl7bridge.engine.keeping.journal import Journal
from hl7bridge.engine.keeping.numbers import Numbers
from hl7bridge.engine.keeping.writer import Writer
from hl7bridge.engine.lists.rosters import Loading, RosterLoader, Staged
from hl7bridge.engine.operating.revoke import Revoking
from hl7bridge.engine.programme.programme import Programme
from hl7bridge.engine.receiving.accept import Acceptor
from hl7bridge.engine.receiving.budget import Budget
from hl7bridge.engine.receiving.receive import QUANTUM, Receiver
from hl7bridge.engine.upkeep import Upkeep
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import AssignmentRow, Batch, ConfigurationVersion, Store, StoreError, StoreUnknown
from hl7bridge.store.hashes import Hashes

log = Logger(namespace="hl7bridge.engine")

#: Seconds an orderly stop waits for answers of hospitals that are on their way.
GRACE_S = 5.0
#: Messages decided between two commits while delivery has fallen behind.
FEWEST = 2


class Engine:
    """One engine over one data folder.

    `writer` carries what is written to the store.
    `fatal(error)` is called when nobody knows any more what the disk holds: the process must end with an error.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        connector: Connector,
        *,
        wall_us: Callable[[], int],
        chance: Callable[[], float],
        fatal: Callable[[StoreUnknown], None],
        writer: Writer,
        accept_roster_ends: bool = False,
        loading: Callable[[Loading], None] = lambda loading: None,
    ) -> None:
        self.folder = folder
        self.store = store
        self.connector = connector
        self.clock = connector.reactor
        self.wall_us = wall_us
        self._chance = chance
        self._fatal = fatal
        self._settings: dict[str, DestinationSettings] = {}
        self._active: dict[Delivery, None] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.started_us = wall_us()
        self.stopping = False
        self._reloading = False

        self.hashes = Hashes(store.key)
        self.roster = StoredRoster(store, self.hashes)
        self.rosters = RosterLoader(store, self.hashes, wall_us, loading)
        self.configuration = self._read()
        self.rosters.load(folder, self.configuration, accept_ends=accept_roster_ends)
        self.releasing = Releasing(self.configuration, self.roster, wall_us, store)
        self.journal = Journal(store, writer, self.clock, self._store_lost)
        self.numbers = Numbers(store.counters())
        self.acceptor = Acceptor(
            self.journal, self.deliveries, self.numbers, self.hashes, self._generation, self._assigned
        )
        self.budget = Budget(self.configuration.engine.unacknowledged_bytes)
        self.receiver = Receiver(
            self.configuration,
            self.journal,
            self.acceptor,
            self.numbers,
            self.hashes,
            self.roster,
            clock=self.clock,
            wall_us=wall_us,
        )
        self.ports = Ports(connector, self.receiver, self.budget)
        self.folders = Folders(connector, self.receiver, wall_us)
        self.journal.gather = [self._gather]
        self.journal.after = [self._after]
        self.upkeep = Upkeep(self)
        self.programme = Programme(self)
        self.revoking = Revoking(self)
        self.drift = Drift(self)

    def _generation(self) -> int:
        return self.releasing.generation

    def _assigned(self, rows: Sequence[AssignmentRow]) -> None:
        """A message has changed rosters."""
        self.roster.forget()
        self.releasing.generation += 1
        self.revoking.begin({row.affiliate for row in rows if row.ended})

    def _read(self) -> Configuration:
        return load_folder(self.folder)

    # -- one turn ---------------------------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        """Delivery work goes before new messages."""
        most = QUANTUM
        for delivery in list(self._active):
            delivery.gather()
            answered = delivery.answered_since()
            if answered > 1 and delivery.behind:
                # The hospital answers as fast as we come to read it, and yet its queue grows: new messages wait for it, so
                # that intake never starves delivery. A hospital that is slow itself slows nobody else.
                most = min(most, max(FEWEST, answered * 3 // 4))
        self.receiver.gather(most)

    def _after(self) -> None:
        active = list(self._active)
        self._active.clear()
        for delivery in active:
            delivery.pump()

    # -- start --------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Recovers what the last run left, then opens every port. Raises HL7BridgeError."""
        for recovered in self.store.recover(self.wall_us()):
            log.warn(
                "{name}: {count} deliveries had no answer when the engine stopped; they are sent again as possible duplicates",
                name=recovered.destination,
                count=recovered.count,
            )
        self._keep_version(self.configuration)
        for settings in self.configuration.destinations.values():
            self._settle(settings)
        for name in self.store.destinations_with_work():
            if name not in self.deliveries:
                self.deliveries[name] = self._delivery(name, _NO_POLICY, strict=False, ahead=1)
            self.deliveries[name].queue.start_from_store()
            self.deliveries[name].touch()
        self.ports.take(self.configuration, self.ports.prepare(self.configuration))
        self.folders.take(self.configuration)
        self.upkeep.start()
        self.programme.start()
        self.drift.start()
        self.revoking.begin(self.configuration.affiliates)
        self.journal.wake()
        # What is in flight lives for milliseconds and dies by reference count; looking through it often finds nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)

    def _keep_version(self, configuration: Configuration) -> None:
        version = ConfigurationVersion(
            configuration.version, self.wall_us(), configuration.files, configuration.secret_names
        )
        self.store.commit(Batch(versions=[version]))

    def _settle(self, settings: DestinationSettings) -> None:
        """Makes a destination be as its settings say."""
        name = settings.name
        policy, ahead, strict = policy_of(settings), ahead_of(settings), settings.order == "strict"
        delivery = self.deliveries.get(name)
        if delivery is None:
            delivery = self.deliveries[name] = self._delivery(name, policy, strict=strict, ahead=ahead)
        if self._settings.get(name) != settings:
            delivery.settle(policy, self.connector.pool(settings, delivery), strict=strict, ahead=ahead)
            self._settings[name] = settings

    def _delivery(self, name: str, policy: Policy, *, strict: bool, ahead: int) -> Delivery:
        queue = DestinationQueue(line=self.hashes.order(*STRICT), strict=strict, ahead=ahead)
        queue.held = name in self.store.held()
        return Delivery(
            name,
            queue,
            policy,
            self.journal,
            self.clock,
            wall_us=self.wall_us,
            chance=self._chance,
            release=self.releasing.look_again,
            generation=self._generation,
            active=self._active,
        )

    # -- reload --------------------------------------------------------------------------------------------------------------------

    def reload(self, *, accept_roster_ends: bool = False) -> Iterator[None]:
        """Takes the folder's configuration as it is now, in bounded steps; raises HL7BridgeError and changes nothing otherwise."""
        if self._reloading:
            raise HL7BridgeError(
                "a reload is under way", code="reloading", hint="ask again when it has ended"
            )
        self._reloading = True
        try:
            new = self._read()
            staged = yield from self.rosters.stage(self.folder, new, accept_ends=accept_roster_ends)
            if self.stopping:
                raise HL7BridgeError(
                    "the engine is stopping", code="stopping", hint="start it: it reads the new configuration"
                )
            self._put_in_force(new, staged)
        except StoreUnknown as error:
            self._store_lost(error)  # nobody knows whether the rosters are published
            raise
        finally:
            self._reloading = False

    def _put_in_force(self, new: Configuration, staged: Staged) -> None:
        opening = self.ports.prepare(new)
        pools: dict[str, tuple[Delivery, Any]] = {}
        try:
            for name, settings in new.destinations.items():
                if self._settings.get(name) != settings:
                    delivery = self._known(settings)
                    pools[name] = delivery, self.connector.pool(settings, delivery)
            self._keep_version(new)
            self.rosters.publish(staged)
            self.roster.forget()
        except Exception:
            opening.undo()
            raise
        self.releasing.generation += 1
        self._take(new, opening, pools)
        self.revoking.begin(each.affiliate for each in self.rosters.reports if each.ended or each.changed)

    def _known(self, settings: DestinationSettings) -> Delivery:
        """The destination as it stands, or a new one that nobody sees yet."""
        return self.deliveries.get(settings.name) or self._delivery(
            settings.name,
            policy_of(settings),
            strict=settings.order == "strict",
            ahead=ahead_of(settings),
        )

    def _take(
        self,
        new: Configuration,
        opening: Opening,
        pools: dict[str, tuple[Delivery, Any]],
    ) -> None:
        self.ports.take(new, opening)
        self.folders.take(new)
        for name, (delivery, pool) in pools.items():
            settings = new.destinations[name]
            self.deliveries[name] = delivery
            delivery.settle(
                policy_of(settings), pool, strict=settings.order == "strict", ahead=ahead_of(settings)
            )
            self._settings[name] = settings
        for name in set(self._settings) - set(new.destinations):
            del self._settings[name]
            self.deliveries[name].settle(_NO_POLICY, Nowhere(), strict=False, ahead=1)
        self.configuration = self.receiver.configuration = self.releasing.configuration = new
        self.budget.limit_bytes = new.engine.unacknowledged_bytes
        log.info("configuration {version} is in force", version=new.version[:12])

    # -- stop -----------------------------------------------------------------------------------------------------------------------

    @inlineCallbacks
    def stop(self) -> Iterator[Deferred[Any]]:
        """Takes no more, lets what is on its way end, keeps every result, closes the store."""
        self.stopping = True
        self.upkeep.stop()
        self.programme.stop()
        self.revoking.stop()
        self.drift.stop()
        self.ports.close()
        self.folders.stop()
        self.receiver.refusing = "the engine is stopping"
        for delivery in self.deliveries.values():
            delivery.stop_sending()
        deadline = self.clock.seconds() + GRACE_S
        while self.clock.seconds() < deadline and not self._quiet():
            yield _pause(self.clock, 0.02)
        for delivery in self.deliveries.values():
            delivery.stop()
        while self.clock.seconds() < deadline and not self.journal.idle:
            yield _pause(self.clock, 0.01)
        self.ports.close_connections()
        yield _pause(self.clock, 0.05)  # the last answers leave
        self.journal.stop()
        try:
            self.store.checkpoint()
        except StoreUnknown as error:
            self._store_lost(error)
            return
        except StoreError as error:
            log.warn("the store could not be settled: {error}; the next start does it", error=str(error))
        self.store.close()

    def _quiet(self) -> bool:
        return self.receiver.idle and not any(each.pool.busy_connections for each in self.deliveries.values())

    def _store_lost(self, error: StoreUnknown) -> None:
        """Nothing may be answered any more: every connection closes, and the process ends."""
        self.ports.abort()
        self._fatal(error)


#: Of a destination that is no longer configured: what is on its way is kept, however it ends.
_NO_POLICY = Policy(Backoff(), math.inf, {})


def _pause(clock: Any, seconds: float) -> Deferred[None]:
    waited: Deferred[None] = Deferred()
    clock.callLater(seconds, waited.callback, None)
    return waited

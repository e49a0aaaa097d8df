"""The store in one SQLite file: the engine's, durable at every commit.

`SqliteStore` is the one writer. Each batch is one transaction of sqlite-utils' `atomic()`, its rows
written by `executemany`. Nothing is checkpointed behind our back: `checkpoint()` is called between
commits, by whoever writes when `checkpoint_due()` says so, and by `commit` itself when nobody did.

After an error that leaves an outcome unknown the store is *lost*: every later call raises the same
StoreUnknown, and nothing is synced again.

Refuses to know clocks (but for how long its own steps take), networks and HL7. Raises the kinds of
`StoreError`.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from hl7bridge.store.base import (
    Batch,
    ConfigurationVersion,
    Counters,
    DeliveryChange,
    Earlier,
    Recovered,
    Removed,
    RosterEntry,
    RosterFile,
    RosterReport,
    StoreBusy,
    StoreFault,
    StoreFull,
    StoreUnknown,
)
from hl7bridge.store.checks import WRONG, is_plain_acceptance, once, wrong_shape
from hl7bridge.store.rows.audit import Gathering
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.bodies import LONG_BYTES, PLAIN
from hl7bridge.store.sqlite.connect import WriterLock, open_writer, refused
from hl7bridge.store.sqlite.control import ControlIndex
from hl7bridge.store.sqlite.forget import Forgetting
from hl7bridge.store.sqlite.names import Names
from hl7bridge.store.sqlite.places import Places
from hl7bridge.store.sqlite.programme import hold_patients, learn, look_again, settle, tell
from hl7bridge.store.sqlite.reader import SqliteReader, said
from hl7bridge.store.sqlite.roster import RosterLoads
from hl7bridge.store.sqlite.rows import NO_CODE, MessageRows, message_rows, packed_keys, unpacked_keys
from hl7bridge.store.sqlite.search import open_counts
from hl7bridge.store.sqlite.seen import see
from hl7bridge.store.sqlite.trail import Trail
from hl7bridge.store.sqlite.upkeep import Upkeep

_COMMIT = sql.load("commit.sql")
_READ = sql.load("read.sql")
_CONTROL = sql.load("control.sql")
P = ParamSpec("P")
R = TypeVar("R")
#: Stores that were lost; nothing of them is closed before the process ends.
_LEFT: list[Any] = []


@cache
def _insert_search(count: int) -> str:
    """The statement that inserts so many keys of a message."""
    return _COMMIT["insert_search"] + ", (?, ?, ?)" * (count - 1)


class SqliteStore(SqliteReader):
    """The protocol `Store` on a file that it creates where there is none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lost: StoreUnknown | None = None
        self._lock = WriterLock(self._path)
        try:
            self._database = open_writer(self._path)
            try:
                self._begin()
            except BaseException:
                self._database.conn.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    @said
    def _begin(self) -> None:
        conn = self._database.conn
        with self._database.atomic():
            conn.execute(_COMMIT["make_key"], (secrets.token_bytes(32),))
        self._ask(conn)
        self._names = Names(conn)
        self._open = open_counts(conn)
        self._places = Places(conn, self._names, self._words, self.place)
        self._trail = Trail(conn)
        self._control = ControlIndex(conn)
        if overdue := self._control.overdue():
            with self._database.atomic():
                conn.executemany(_CONTROL["insert"], overdue)
                conn.execute(_CONTROL["set_mark"], (self._control.highest,))
            self._control.caught_up()
        self._upkeep = Upkeep(conn, self.transaction)
        self._forgetting = Forgetting(conn, self.transaction, lambda: self.counters().message)
        self._rosters = RosterLoads(
            conn, self._names, self.transaction, self._upkeep.wrote, self._path.parent
        )

    def close(self) -> None:
        """Close, after which the file is whole by itself; a second call does nothing.

        A lost store is left as it is: closing would sync again what could not be synced. The process must end.
        """
        if self._lost is not None:
            _LEFT.append(self)
            return
        self._conn.close()
        self._lock.release()

    # Writing

    def commit(self, batch: Batch) -> dict[int, Earlier]:
        """Keep all of a batch in one durable transaction, or nothing of it."""
        try:
            rows, repeated = self.transaction(self._keep, batch)
        except BaseException:
            self._control.forget()
            raise
        self._control.settle(rows.slices.values())
        self._settle_open(rows, batch.changes)
        changed = len(batch.changes) + len(batch.claims)
        self._upkeep.wrote(8 + len(batch.messages) / 2 + changed / 8 + rows.size / 7_500)
        if self._upkeep.overdue:
            with suppress(
                StoreBusy, StoreFull
            ):  # the batch is durable; what is due is tried again after the next
                self.checkpoint()
        return repeated

    @property
    def is_lost(self) -> bool:
        """Whether an outcome is unknown, so that nothing of this store may be touched any more."""
        return self._lost is not None

    def transaction(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` in one durable transaction; what fails is said in the store's words."""
        if self._lost is not None:
            raise self._lost
        try:
            with self._database.atomic():
                done = work(*args, **kwargs)
                if self._names.pending:
                    self._conn.executemany(_COMMIT["insert_name"], self._names.pending)
        except BaseException as raised:
            self._names.forget()
            self._trail.forget()
            error = self._said(raised)
            if error is raised:
                raise
            raise error from None
        self._names.settle()
        self._trail.settle()
        return done

    def _said(self, raised: BaseException) -> BaseException:
        """What to raise for what a transaction or a checkpoint raised; notes where the store is lost."""
        error = raised
        if isinstance(raised, sqlite3.Error):
            error = refused(raised, self.place)
        elif isinstance(raised, MemoryError):
            error = StoreBusy("the process has no memory for this transaction", place=self.place)
        elif isinstance(raised, WRONG):
            error = wrong_shape(raised, self.place)
        if self._conn.in_transaction and not isinstance(error, StoreUnknown):
            error = StoreUnknown("a transaction could be neither kept nor undone", place=self.place)
        if isinstance(error, StoreUnknown):
            self._lost = error
        return error

    def _settle_open(self, rows: MessageRows, changes: list[DeliveryChange]) -> None:
        """What is open changed durably."""
        counts = self._open
        for destination, more in rows.opened.items():
            counts[destination] = counts.get(destination, 0) + more
        self._places.settle(rows.places, changes)

    def _keep(self, batch: Batch) -> tuple[MessageRows, dict[int, Earlier]]:
        """The statements of a batch."""
        for version in batch.versions:
            self._keep_version(version)
        messages, repeated = once(batch.messages, self._control.find)
        rows = message_rows(messages, self._names)
        if messages:
            self._keep_messages(rows)
            entries = self._control.add(messages)
            if entries:
                self._conn.executemany(_CONTROL["insert"], entries)
            if self._control.mark is not None:
                self._conn.execute(_CONTROL["set_mark"], (self._control.mark,))
            learn(self._conn, messages)
            for m in messages:
                if m.assignments:
                    self._rosters.assign(m.assignments, m.received_us)
        if batch.claims:
            claimed = self._conn.executemany(_COMMIT["claim"], [(each,) for each in batch.claims])
            if claimed.rowcount != len(batch.claims):
                raise StoreFault("a delivery was claimed that is not queued", place=self.place)
        gathered = self._trail.gathering()
        for message, about in rows.ended:
            gathered.born(message, about)
        if batch.changes:
            self._keep_changes(batch.changes, rows, gathered)
        for hold in batch.holds:
            if hold.held:
                self._conn.execute(_COMMIT["insert_hold"], (hold.destination, hold.operator, hold.at_us))
            else:
                self._conn.execute(_COMMIT["delete_hold"], (hold.destination,))
        for act in batch.acts:
            self._conn.execute(_COMMIT["insert_act"], (act.at_us, act.operator, act.verb, act.detail))
        look_again(self._conn, batch.looks)
        if batch.notices:
            tell(self._conn, batch.notices)
        settle(self._conn, batch.verdicts)
        hold_patients(self._conn, batch.held_patients)
        see(self._conn, batch.seen, batch.watched)
        gathered.acts(batch.acts)
        gathered.views(batch.views)
        rows.size += self._trail.keep(gathered)
        return rows, repeated

    def _keep_messages(self, rows: MessageRows) -> None:
        many = self._conn.executemany
        many(_COMMIT["insert_message"], rows.messages)
        if max(len(data) for _, data in rows.bodies) <= LONG_BYTES:
            many(_COMMIT["insert_body"], rows.bodies)
        else:
            self._keep_long(rows.bodies)
        if rows.deliveries:
            many(_COMMIT["insert_delivery"], rows.deliveries)
        if rows.several_keys:
            many(_COMMIT["insert_several_keys"], rows.several_keys)
        for length, search in rows.search.items():
            many(_insert_search(length // 3), search)
        many(_COMMIT["upsert_slice"], list(rows.slices.values()))

    def _keep_long(self, bodies: list[tuple[int, bytes]]) -> None:
        """Bodies of which some are written in place, so that there are no more copies of megabytes than must be."""
        for row_id, data in bodies:
            if len(data) <= LONG_BYTES:
                self._conn.execute(_COMMIT["insert_body"], (row_id, data))
                continue
            self._conn.execute(_COMMIT["insert_long_body"], (row_id, len(PLAIN) + len(data)))
            with self._conn.blobopen("body", "data", row_id) as blob:
                blob.write(PLAIN)
                blob.write(data)

    def _keep_changes(self, changes: list[DeliveryChange], rows: MessageRows, gathered: Gathering) -> None:
        opened = rows.opened
        before = self._places.before(changes)
        # The short statement runs first, so it is for batches that change nothing twice.
        each_once = len(before) == len(changes)
        accepted: list[tuple[Any, ...]] = []
        others: list[tuple[Any, ...]] = []
        attempts: list[tuple[Any, ...]] = []
        for c in changes:
            destination, was_open, place, code_before, _ = before[c.id]
            after = int(c.status)
            gathered.changed(c, place, code_before)
            if was_open != (after < 2):
                opened[destination] = opened.get(destination, 0) + (-1 if was_open else 1)
            if not each_once:
                before[c.id] = destination, after < 2, place, c.code, c.attempts
            if each_once and is_plain_acceptance(c):
                accepted.append((c.at_us, c.code, c.id))
                continue
            reason = self._names[c.reason]
            code = NO_CODE if c.code is None else c.code
            others.append(
                (after, c.at_us, c.attempts, code, reason, bool(c.possible_duplicate), c.next_us, c.id)
            )
            if each_once or not is_plain_acceptance(c):
                attempts.append((c.id, c.at_us, after, c.attempts, c.code, reason, c.answer))
        many = self._conn.executemany
        if accepted:
            many(_COMMIT["accepted"], accepted)
        if not others:
            return
        many(_COMMIT["change"], others)
        if attempts:
            many(_COMMIT["insert_attempt"], attempts)
        moves = [(c.id, c.position) for c in changes if c.position is not None]
        if moves:
            many(_COMMIT["move"], moves)
            many(_COMMIT["raise_position"], [(position,) for _, position in moves])
        for c in changes:
            if c.keys is not None:
                self._replace_keys(c.id, c.keys)

    def _replace_keys(self, delivery_id: int, keys: tuple[int, ...]) -> None:
        """Other order keys for a delivery."""
        more: bytes | None
        (more,) = self._conn.execute(_COMMIT["more_keys"], (delivery_id,)).fetchone()
        self._conn.executemany(
            _COMMIT["delete_several_keys"], [(key, delivery_id) for key in unpacked_keys(more)]
        )
        key = keys[0] if len(keys) == 1 else None
        several = keys if key is None else ()
        self._conn.execute(_COMMIT["replace_keys"], (delivery_id, key, packed_keys(several)))
        self._conn.executemany(_COMMIT["insert_several_keys"], [(each, delivery_id) for each in several])

    def _keep_version(self, version: ConfigurationVersion) -> None:
        secret_names = "\n".join(version.secret_names)
        self._conn.execute(_COMMIT["insert_configuration"], (version.version, version.at_us, secret_names))
        for path, data in version.files.items():
            digest = sha256(data).digest()
            self._conn.execute(_COMMIT["insert_configuration_content"], (digest, data))
            self._conn.execute(_COMMIT["insert_configuration_file"], (version.version, path, digest))

    def recover(self, at_us: int) -> list[Recovered]:
        """What was being sent is queued again, marked as a possible duplicate; durable when it returns."""
        counts = self.transaction(self._recover, at_us)
        return sorted(
            (Recovered(self._words[number], count) for number, count in counts),
            key=lambda each: each.destination,
        )

    def _recover(self, at_us: int) -> list[tuple[int, int]]:
        counts: list[tuple[int, int]] = self._conn.execute(_READ["sending_by_destination"]).fetchall()
        gathered = self._trail.gathering()
        gathered.start(at_us)
        for delivery_id, was in self._places.sending():
            _, _, place, code, attempts = was
            gathered.interrupted(delivery_id, place, attempts, code, at_us)
        self._trail.keep(gathered)
        self._conn.execute(_COMMIT["recover"], (at_us,))
        return counts

    # Asking what only the writer needs

    @said
    def counters(self) -> Counters:
        """Where to go on counting."""
        return Counters(*self._conn.execute(_COMMIT["counters"]).fetchone())

    @said
    def duplicate_of(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest exact copy since then, else one of the newer messages with other bytes."""
        return self._control.find(control_id, sender, fingerprint, since_us)

    def _number_of(self, name: str) -> int | None:
        known = self._names.get(name)
        return super()._number_of(name) if known is None else known

    @said
    def open_count(self, destination: str) -> int:
        """How many deliveries of a destination are open; counted as they change, so this is immediate."""
        return self._open.get(self._number_of(destination) or 0, 0)

    @said
    def destinations_with_work(self) -> list[str]:
        """The destinations with open deliveries."""
        return sorted(self._words[number] for number, count in self._open.items() if count)

    # Rosters

    def stage_roster(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int = 200
    ) -> Iterator[RosterReport]:
        """Load a list invisibly, in bounded steps."""
        return self._rosters.stage(affiliate, rows, full, at_us, chunk)

    def publish_rosters(
        self, loads: Sequence[int], at_us: int, files: Sequence[RosterFile] = ()
    ) -> list[RosterReport]:
        """Make staged lists those that count, all together."""
        return self.transaction(self._rosters.publish, loads, at_us, files)

    # Upkeep

    def expire(
        self, before_us: int, limit: int = 1000, budget_us: int = 5_000, failed_too: bool = False
    ) -> Removed:
        """One bounded step of retention; once nothing old is left, steps that give free pages back."""
        return self._upkeep.expire(before_us, limit, budget_us, failed_too)

    def expire_audit(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the trail's retention."""
        rows = self.transaction(self._trail.cut, before_us, at_us, limit)
        more = rows > 0 or self.transaction(self._trail.forget_index)
        self._upkeep.wrote(10 + rows)
        return Removed(rows, 0, more)

    def expire_facts(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the retention of facts."""
        removed = self._forgetting.step(before_us, at_us, limit)
        self._upkeep.wrote(removed.messages / 2)
        return removed

    def checkpoint_due(self) -> bool:
        """Whether a checkpoint between two commits is now worth its few milliseconds."""
        return self._upkeep.due

    def checkpoint(self) -> None:
        """Copy what the WAL holds into the file and sync it, so that the WAL begins again."""
        if self._lost is not None:
            raise self._lost
        try:
            self._upkeep.checkpoint()
        except BaseException as raised:
            error = self._said(raised)
            if error is raised:
                raise
            raise error from None

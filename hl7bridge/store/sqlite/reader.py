"""Everything that can be asked of an SQLite store, on a read-only connection beside the engine or on the
writer's.

Refuses to write. Raises StoreUnusable where there is no store that it can read, StoreBusy while somebody
holds it exclusively, StoreFault for a body that is not there, StoreUnknown where the file is damaged.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from hl7bridge.store.base import (
    BODY_BITS,
    Act,
    Attempt,
    ConfigurationVersion,
    DeliveryQuery,
    DeliveryRow,
    DeliveryStatus,
    DueLook,
    FactRow,
    HeldPatient,
    Joined,
    MessageDetail,
    MessageQuery,
    MessageRow,
    NoticeRow,
    OpenDelivery,
    RosterFile,
    RosterMatch,
    SeenRow,
    Stats,
    StoreFault,
    VerdictRow,
    Watched,
)
from hl7bridge.store.roster_list import UNBOUNDED
from hl7bridge.store.rows.audit import AuditHead, AuditRow
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.audit import anchor_of, head_of, rows_after, rows_of, unfound
from hl7bridge.store.sqlite.bodies import sizes, unpack
from hl7bridge.store.sqlite.connect import open_reader, refused
from hl7bridge.store.sqlite.names import Words
from hl7bridge.store.sqlite.roster import counts_now, unpublished
from hl7bridge.store.sqlite.rows import delivery_row, message_row, open_delivery
from hl7bridge.store.sqlite.search import Search, open_counts
from hl7bridge.store.sqlite.seen import news_between, seen_of, watched_of

_READ = sql.load("read.sql")
_SEARCH = sql.load("search.sql")
_ROSTER = sql.load("roster.sql")
_PROGRAMME = sql.load("programme.sql")
_NUMBER = (1 << BODY_BITS) - 1

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="SqliteReader")


def said(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A verb whose errors of SQLite are said in the store's words."""

    @functools.wraps(verb)
    def saying(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(self, *args, **kwargs)
        except sqlite3.Error as error:
            raise refused(error, self.place) from None

    return cast(Callable[Concatenate[S, P], R], saying)


class SqliteReader:
    """The protocol `StoreReader` on a file. Each verb is a read transaction of its own, or several short
    ones.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._ask(open_reader(self._path))

    def _ask(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._words = Words(conn)
        self._search = Search(conn, self._words)
        self._key: bytes = conn.execute(_READ["setting"], ("key",)).fetchone()[0]

    @property
    def place(self) -> str:
        """The file, for errors."""
        return str(self._path)

    @property
    def key(self) -> bytes:
        """32 secret bytes made with the store."""
        return self._key

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._conn.close()

    @said
    def body(self, ref: int) -> bytes:
        """A body by its reference."""
        for row_id in dict.fromkeys((ref, ref & ~_NUMBER)):
            row = self._conn.execute(_READ["body"], (row_id,)).fetchone()
            try:
                found = None if row is None else unpack(row[0], ref & _NUMBER, own_row=row_id == ref)
            except ValueError as error:
                hint = "use the newer program that kept it"
                raise StoreFault(str(error), place=self.place, hint=hint) from None
            if found is not None:
                return found
        raise StoreFault("there is no such body", place=self.place, hint="retention may have removed it")

    @said
    def messages(
        self, query: MessageQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = True
    ) -> list[MessageRow]:
        """A page of messages in the order of their identifiers."""
        return self._search.messages(query, after_id, limit, newest_first)

    @said
    def message(self, message_id: int) -> MessageDetail | None:
        """One message with its deliveries, attempts and the sizes of its bodies."""
        row = self._conn.execute(_SEARCH["message"], (message_id,)).fetchone()
        if row is None:
            return None
        deliveries: list[DeliveryRow] = []
        attempts: list[Attempt] = []
        first, last = self._conn.execute(_SEARCH["delivery_range"], (message_id,)).fetchone()
        if first is not None:
            deliveries = self._search.deliveries(DeliveryQuery(message_id=message_id), None, 1 << 31, False)
            deliveries.sort(key=lambda delivery: delivery.position)
            found = self._conn.execute(_SEARCH["attempts"], (first, last, message_id)).fetchall()
            attempts = [self._attempt(each) for each in found]
        low = message_id << BODY_BITS
        heads = self._conn.execute(_SEARCH["body_sizes"], (low, low | _NUMBER)).fetchall()
        return MessageDetail(message_row(row, self._words), deliveries, attempts, sizes(heads))

    def _attempt(self, row: tuple[Any, ...]) -> Attempt:
        delivery_id, at_us, status, attempts, code, reason, answer = row
        return Attempt(
            delivery_id, at_us, DeliveryStatus(status), attempts, code, self._words[reason], answer
        )

    @said
    def deliveries(
        self, query: DeliveryQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[DeliveryRow]:
        """A page of deliveries in the order of their identifiers."""
        return self._search.deliveries(query, after_id, limit, newest_first)

    @said
    def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """One delivery."""
        values = {"low": delivery_id, "high": delivery_id}
        row = self._conn.execute(_SEARCH["deliveries"], values).fetchone()
        return None if row is None else delivery_row(row, self._words)

    @said
    def open_deliveries(
        self, destination: str, after_position: int, limit: int, key: int | None = None
    ) -> list[OpenDelivery]:
        """A page of a destination's open deliveries by position; with `key`, of those queued under it."""
        number = self._number_of(destination)
        if number is None:
            return []
        if key is None:
            found = self._conn.execute(_READ["open_deliveries"], (number, after_position, limit))
        else:
            found = self._conn.execute(_READ["queued_of_key"], (number, after_position, limit, key))
        words = self._words
        return [open_delivery(row, destination, words) for row in found.fetchall()]

    def _number_of(self, name: str) -> int | None:
        row = self._conn.execute(_READ["name_by_text"], (name,)).fetchone()
        return None if row is None else int(row[0])

    @said
    def open_count(self, destination: str) -> int:
        """How many deliveries of a destination are open."""
        number = self._number_of(destination)
        return 0 if number is None else int(self._conn.execute(_READ["open_count"], (number,)).fetchone()[0])

    @said
    def failed_count(self, destination: str) -> int:
        """How many deliveries of a destination have failed."""
        number = self._number_of(destination)
        return (
            0 if number is None else int(self._conn.execute(_READ["failed_count"], (number,)).fetchone()[0])
        )

    @said
    def destinations_with_work(self) -> list[str]:
        """The destinations with open deliveries."""
        return sorted(self._words[number] for number in open_counts(self._conn))

    @said
    def held(self) -> set[str]:
        """The destinations that an operator holds."""
        return {row[0] for row in self._conn.execute(_READ["held"]).fetchall()}

    @said
    def acts(self, after_us: int = 0, limit: int = 100) -> list[Act]:
        """What operators did, oldest first."""
        return [Act(*row) for row in self._conn.execute(_SEARCH["acts"], (after_us, limit)).fetchall()]

    @said
    def configuration(self, version: str) -> ConfigurationVersion | None:
        """The content of a version."""
        row = self._conn.execute(_SEARCH["configuration"], (version,)).fetchone()
        if row is None:
            return None
        files = dict(self._conn.execute(_SEARCH["configuration_files"], (version,)).fetchall())
        return ConfigurationVersion(version, row[0], files, tuple(row[1].split("\n")) if row[1] else ())

    @said
    def versions(self) -> list[tuple[str, int]]:
        """Every version, oldest first."""
        return self._conn.execute(_SEARCH["versions"]).fetchall()

    @said
    def stats(self, since_us: int) -> Stats:
        """Counts of what was received since a time."""
        return self._search.stats(since_us)

    @said
    def roster_rows(self, keys: Sequence[int]) -> list[RosterMatch]:
        """The published rows of these patients."""
        found: list[RosterMatch] = []
        execute, words = self._conn.execute, self._words
        left_out: frozenset[int] | None = None
        for key in dict.fromkeys(keys):
            for row in execute(_ROSTER["rows"], (key,)).fetchall():
                affiliate, valid_from, through, npi, opt_out, recorded_from, recorded_through = row
                if left_out is None:
                    left_out = unpublished(self._conn)
                if counts_now(recorded_through, recorded_from, left_out):
                    last = None if through == UNBOUNDED else through
                    found.append(
                        RosterMatch(key, words[affiliate], valid_from or None, last, npi, bool(opt_out))
                    )
        return found

    @said
    def roster_patients(self, affiliate: str, from_key: int = -(1 << 63), limit: int = 100) -> list[int]:
        """A page of an affiliate's patients."""
        number = self._number_of(affiliate)
        if number is None:
            return []
        return [
            row[0] for row in self._conn.execute(_ROSTER["patients"], (number, from_key, limit)).fetchall()
        ]

    @said
    def roster_files(self, affiliate: str) -> list[RosterFile]:
        """The files whose content was published."""
        rows = self._conn.execute(_ROSTER["files"], (affiliate,)).fetchall()
        return [RosterFile(name, digest, bool(full)) for name, digest, full in rows]

    @said
    def roster_generation(self) -> int:
        """How many rosters were published."""
        return int(self._conn.execute(_ROSTER["generation"]).fetchone()[0])

    @said
    def facts(self, patients: Sequence[int]) -> list[FactRow]:
        """What messages said of these patients."""
        execute = self._conn.execute
        found: list[FactRow] = []
        for patient in sorted(set(patients)):
            found += map(FactRow._make, execute(_PROGRAMME["facts"], (patient,)).fetchall())
        return found

    @said
    def aliases(self, patient: int) -> list[tuple[int, bool]]:
        """The identifiers that are the same patient."""
        rows = self._conn.execute(_PROGRAMME["aliases"], (patient,)).fetchall()
        return [(other, bool(merged)) for other, merged in rows]

    @said
    def joined(self, patient: int, other: int) -> Joined | None:
        """What joined two identifiers."""
        row = self._conn.execute(_PROGRAMME["joined"], (patient, other)).fetchone()
        return None if row is None else Joined(bool(row[0]), row[1])

    @said
    def verdicts(self, patient: int) -> list[VerdictRow]:
        """What a person settled."""
        rows = self._conn.execute(_PROGRAMME["verdicts"], (patient,)).fetchall()
        return [VerdictRow(one, other, bool(same), *more) for one, other, same, *more in rows]

    @said
    def held_patients(self, patients: Sequence[int] | None = None, limit: int = 100) -> list[HeldPatient]:
        """Those who are held for a person."""
        execute = self._conn.execute
        if patients is None:
            rows = execute(_PROGRAMME["held_patients"], (limit,)).fetchall()
        else:
            found = [
                execute(_PROGRAMME["held_patient"], (each,)).fetchone() for each in sorted(set(patients))
            ]
            rows = [row for row in found if row is not None][:limit]
        return [HeldPatient(*row) for row in rows]

    @said
    def looks(self, until_us: int, limit: int = 100) -> list[DueLook]:
        """Those to be looked at."""
        return [
            DueLook(*row) for row in self._conn.execute(_PROGRAMME["looks"], (until_us, limit)).fetchall()
        ]

    @said
    def notices(self, patients: Sequence[int]) -> list[NoticeRow]:
        """What was told of these patients."""
        execute = self._conn.execute
        found: list[NoticeRow] = []
        for patient in sorted(set(patients)):
            found += [NoticeRow(*row) for row in execute(_PROGRAMME["notices"], (patient,)).fetchall()]
        return found

    @said
    def notices_to(self, recipient: str, after_message: int = 0, limit: int = 100) -> list[NoticeRow]:
        """What a recipient was told."""
        rows = self._conn.execute(_PROGRAMME["notices_to"], (recipient, after_message, limit)).fetchall()
        return [NoticeRow(*row) for row in rows]

    @said
    def seen(self, source: str, type_: str) -> list[SeenRow]:
        """What a source's messages have shown."""
        return seen_of(self._conn, source, type_)

    @said
    def news(self, since_us: int, until_us: int, limit: int = 1000) -> list[SeenRow]:
        """What was news in a span of time."""
        return news_between(self._conn, since_us, until_us, limit)

    @said
    def watched(self) -> Watched | None:
        """How far messages were looked at."""
        return watched_of(self._conn)

    @said
    def audit_head(self) -> AuditHead:
        """The newest row of the audit trail."""
        return head_of(self._conn)

    @said
    def audit_anchor(self) -> AuditHead:
        """The last row that retention took away."""
        return anchor_of(self._conn)

    @said
    def audit_rows(self, after: int = 0, limit: int = 100) -> list[AuditRow]:
        """A page of the audit trail."""
        return rows_after(self._conn, after, limit)

    @said
    def audit_of(self, patients: Sequence[int], after: int = 0, limit: int = 100) -> list[AuditRow]:
        """A page of the rows that tell of these patients."""
        return rows_of(self._conn, patients, after, limit)

    @said
    def audit_unfound(self) -> int | None:
        """The first row that the index does not find."""
        return unfound(self._conn)

    def free_bytes(self) -> int:
        """Room left for this process's user on the disk that holds the store."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

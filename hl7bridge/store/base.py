"""The store's protocol: what the engine may ask of whatever keeps its messages, and how it may be refused.

A store is blocking and shaped as batches: the engine has one writer, and everything that arrived since its
last commit shares the next one. The rows are in `rows`, and can be imported from here.

Refuses to know: SQL, files, threads, clocks (every time is an argument, in integer microseconds since
1970-01-01 UTC), HL7. A store sees bodies as bytes and patients as 64-bit keyed hashes (`keyed_hash` with the
store's `key`).

Identifiers are integers `node << 40 | counter`; the engine hands them out, continuing from `counters()`. No
order relies on them: deliveries are ordered by `position`, a counter of its own.

Raises: nothing itself; stores raise `StoreError` and its kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import ClassVar, Protocol, runtime_checkable

from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.rows.audit import (
    DISCLOSURES,
    KINDS,
    REFUSED,
    AuditHead,
    AuditRecord,
    AuditRow,
    records_of,
)
from hl7bridge.store.rows.messages import (
    ACCEPTANCES,
    BODY_BITS,
    COUNTER_BITS,
    DAY_US,
    MAX_NODE,
    MAX_PAYLOADS,
    RAW_BODY,
    REPLAY,
    REUSED_CONTROL_ID,
    Act,
    Attempt,
    Batch,
    ConfigurationVersion,
    Counters,
    DeliveryChange,
    DeliveryQuery,
    DeliveryRow,
    DeliveryStatus,
    Earlier,
    Hold,
    MessageDetail,
    MessageQuery,
    MessageRow,
    MessageStatus,
    NewDelivery,
    NewMessage,
    OpenDelivery,
    Recovered,
    Removed,
    Stats,
)
from hl7bridge.store.rows.programme import (
    AssignmentRow,
    DueLook,
    FactRow,
    HeldPatient,
    Joined,
    Look,
    NoticeRow,
    VerdictRow,
)
from hl7bridge.store.rows.roster import RosterEntry, RosterFile, RosterMatch, RosterReport
from hl7bridge.store.rows.seen import SeenKind, SeenRow, Watched
from hl7bridge.store.rows.view import View

__all__ = [
    "ACCEPTANCES",
    "BODY_BITS",
    "COUNTER_BITS",
    "DAY_US",
    "DISCLOSURES",
    "KINDS",
    "MAX_NODE",
    "MAX_PAYLOADS",
    "RAW_BODY",
    "REFUSED",
    "REPLAY",
    "REUSED_CONTROL_ID",
    "STORE_LOST",
    "Act",
    "AssignmentRow",
    "Attempt",
    "AuditHead",
    "AuditRecord",
    "AuditRow",
    "Batch",
    "ConfigurationVersion",
    "Counters",
    "DeliveryChange",
    "DeliveryQuery",
    "DeliveryRow",
    "DeliveryStatus",
    "DueLook",
    "Earlier",
    "FactRow",
    "HeldPatient",
    "Hold",
    "Joined",
    "Look",
    "MessageDetail",
    "MessageQuery",
    "MessageRow",
    "MessageStatus",
    "NewDelivery",
    "NewMessage",
    "NoticeRow",
    "OpenDelivery",
    "Recovered",
    "Removed",
    "RosterEntry",
    "RosterFile",
    "RosterMatch",
    "RosterReport",
    "SeenKind",
    "SeenRow",
    "Stats",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreFault",
    "StoreFull",
    "StoreInUse",
    "StoreReader",
    "StoreUnknown",
    "StoreUnusable",
    "VerdictRow",
    "View",
    "Watched",
    "keyed_hash",
    "records_of",
]


#: The exit status of a process when nobody knows what the disk holds (EX_IOERR): a supervisor shall start the engine again.
STORE_LOST = 74


class StoreError(HL7BridgeError):
    """Anything a store says no with. Its code is that of its kind."""

    kind: ClassVar[str] = "store"

    def __init__(self, what: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, code=self.kind, place=place, hint=hint)


class StoreBusy(StoreError):
    """Someone else holds the database: nothing of this call was kept; it may be tried again."""

    kind = "store-busy"


class StoreFull(StoreError):
    """There is no room: nothing of this call was kept; it may be tried again once there is room."""

    kind = "store-full"


class StoreFault(StoreError):
    """The content of this call cannot be kept: an identifier used twice, an unknown delivery changed ...

    Nothing of the call was kept. The same content will be refused again; other content will not.
    """

    kind = "store-fault"


class StoreUnknown(StoreError):
    """An input/output error: whether the call was kept is unknown, and the store works no more.

    The only safe thing to do is to answer nobody and to end the process; the next opening
    shows what was kept.
    """

    kind = "store-unknown"


class StoreUnusable(StoreError):
    """The store cannot be opened as it is: corrupt, of another version, not durable, or in use elsewhere."""

    kind = "store-unusable"


class StoreInUse(StoreUnusable):
    """Another process writes to the store."""

    kind = "store-in-use"


class StoreReader(Protocol):
    """What can be asked, by the engine or by a command beside it. Blocking; raises StoreBusy,
    StoreUnusable.
    """

    def close(self) -> None:
        """Close for good; a second call does nothing."""

    @property
    def key(self) -> bytes:
        """32 secret bytes made with the store, for `keyed_hash`."""

    def body(self, ref: int) -> bytes:
        """The body under a reference. Raises StoreFault where there is none (retention may have removed
        it).
        """

    def messages(
        self, query: MessageQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = True
    ) -> list[MessageRow]:
        """A page of messages in the order of their identifiers, beginning after (exclusively) `after_id`."""

    def message(self, message_id: int) -> MessageDetail | None:
        """One message with its deliveries in the order of their positions, or None."""

    def deliveries(
        self, query: DeliveryQuery, after_id: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[DeliveryRow]:
        """A page of deliveries in the order of their identifiers, beginning after (exclusively)
        `after_id`.
        """

    def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """One delivery, or None."""

    def open_deliveries(
        self, destination: str, after_position: int, limit: int, key: int | None = None
    ) -> list[OpenDelivery]:
        """A page of a destination's open deliveries by position, beginning after `after_position` (not
        with it).

        With `key`, only what is QUEUED under that order key.
        """

    def open_count(self, destination: str) -> int:
        """How many deliveries of a destination are open."""

    def failed_count(self, destination: str) -> int:
        """How many deliveries of a destination have failed."""

    def destinations_with_work(self) -> list[str]:
        """The destinations with open deliveries, by name."""

    def held(self) -> set[str]:
        """The destinations that an operator holds."""

    def acts(self, after_us: int = 0, limit: int = 100) -> list[Act]:
        """What operators did, oldest first, beginning at `after_us`."""

    def configuration(self, version: str) -> ConfigurationVersion | None:
        """The content of a configuration that once decided messages."""

    def versions(self) -> list[tuple[str, int]]:
        """Every configuration version with the time it was first kept, oldest first."""

    def stats(self, since_us: int) -> Stats:
        """Counts of what was received since a time."""

    def roster_rows(self, keys: Sequence[int]) -> list[RosterMatch]:
        """The published rows of these patients, of all affiliates."""

    def roster_patients(self, affiliate: str, from_key: int = -(1 << 63), limit: int = 100) -> list[int]:
        """A page of the patients on an affiliate's published roster, each once, in ascending order from (and with) `from_key`."""

    def roster_files(self, affiliate: str) -> list[RosterFile]:
        """The files of an affiliate's list whose content was published, in that order."""

    def roster_generation(self) -> int:
        """Changes whenever a roster is published."""

    def facts(self, patients: Sequence[int]) -> list[FactRow]:
        """What messages said of these patients, in the order of patient and digest."""

    def aliases(self, patient: int) -> list[tuple[int, bool]]:
        """The identifiers that are known to be the same patient as this one, directly, and whether by a merge."""

    def joined(self, patient: int, other: int) -> Joined | None:
        """What joined two identifiers directly, or None."""

    def verdicts(self, patient: int) -> list[VerdictRow]:
        """What a person settled of an identifier (`VerdictRow.patient`) and others, in the order of those."""

    def held_patients(self, patients: Sequence[int] | None = None, limit: int = 100) -> list[HeldPatient]:
        """Those of these keys under which somebody is held for a person; or of all, the longest held first."""

    def looks(self, until_us: int, limit: int = 100) -> list[DueLook]:
        """Those to be looked at by a time, the longest due first."""

    def notices(self, patients: Sequence[int]) -> list[NoticeRow]:
        """What recipients were told of these patients."""

    def notices_to(self, recipient: str, after_message: int = 0, limit: int = 100) -> list[NoticeRow]:
        """A page of what a recipient was told last of each subject, by the message that told it, beginning after one."""

    def seen(self, source: str, type_: str) -> list[SeenRow]:
        """All that a source's messages of one type have shown; its types themselves for the type ""."""

    def news(self, since_us: int, until_us: int, limit: int = 1000) -> list[SeenRow]:
        """What was seen for the first time since a time and before another, and was news; the oldest first."""

    def watched(self) -> Watched | None:
        """How far messages were looked at for that; None where none was."""

    def audit_head(self) -> AuditHead:
        """The newest row of the audit trail; of one without rows the anchor."""

    def audit_anchor(self) -> AuditHead:
        """The last row that retention took away; sequence 0 and 32 zero bytes where it took none."""

    def audit_rows(self, after: int = 0, limit: int = 100) -> list[AuditRow]:
        """A page of the audit trail in the order of the chain, beginning after a sequence."""

    def audit_of(self, patients: Sequence[int], after: int = 0, limit: int = 100) -> list[AuditRow]:
        """The same, of the rows with a record of any of these patients."""

    def audit_unfound(self) -> int | None:
        """The first row that `audit_of` would leave out, or give wrongly, or None: what finds it is not part of the chain."""

    def free_bytes(self) -> int:
        """Room left on the disk that holds the store."""


@runtime_checkable
class Store(StoreReader, Protocol):
    """The one writer's view. Every verb that writes may raise StoreBusy, StoreFull, StoreFault or
    StoreUnknown.
    """

    def counters(self) -> Counters:
        """Where to go on counting."""

    def recover(self, at_us: int) -> list[Recovered]:
        """At start: what was SENDING becomes QUEUED and a possible duplicate, and a possible disclosure in the audit trail; durable
        when it returns.
        """

    def commit(self, batch: Batch) -> dict[int, Earlier]:
        """Keep all of a batch in one durable transaction, or nothing of it; what of it belongs into the audit trail among it.

        Returns, by identifier, the messages that were left out because they came before
        (`NewMessage.once_since_us`), with what came before.

        Raises StoreBusy, StoreFull or StoreFault: nothing was kept, for certain. StoreUnknown: nobody knows.
        """

    def duplicate_of(self, control_id: str, sender: int, fingerprint: int, since_us: int) -> Earlier | None:
        """The newest message since then that is an exact copy, else the newest with other bytes, else None.

        Messages that are themselves marked DUPLICATE are passed over: the first of the copies is found.
        """

    def stage_roster(
        self, affiliate: str, rows: Iterable[RosterEntry], full: bool, at_us: int, chunk: int = 200
    ) -> Iterator[RosterReport]:
        """Load a list invisibly, in bounded steps: each `next()` is one small transaction; the last report
        is whole.

        `full`: patients not in `rows` end. Later entries of the same patient replace earlier ones. A large `chunk` makes large
        steps, for when nobody waits.
        """

    def publish_rosters(
        self, loads: Sequence[int], at_us: int, files: Sequence[RosterFile] = ()
    ) -> list[RosterReport]:
        """Make staged lists those that count, and remember the files they came from: all of them in one small transaction, or none.
        Raises StoreFault for an unknown load.
        """

    def expire(
        self, before_us: int, limit: int = 1000, budget_us: int = 5_000, failed_too: bool = False
    ) -> Removed:
        """One bounded step of retention: at most `limit` messages received before a time, oldest first.

        Messages with an open or (unless `failed_too`) a failed delivery stay.
        """

    def expire_audit(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the audit trail's retention: rows from the lower end, up to the first that is not older than
        `before_us`, and never the newest. What was taken away is told in the trail, at `at_us`, and the rest is verified from there.
        `Removed.messages` counts rows.
        """

    def expire_facts(self, before_us: int, at_us: int, limit: int = 200) -> Removed:
        """One bounded step of the retention of what the programme knows: facts, and notices of what was told, of messages that were
        received before a time; whole days go. It looks at `limit` rows at most, and `Removed.messages` counts those that went. Which
        message came on which day it notes itself, at `at_us`: what was kept before the first step has the age of that step. Facts
        go together: none while anything younger is known under any of its patient's numbers.
        """

    def checkpoint(self) -> None:
        """Settle what was committed into its final place and give freed pages back; bounded work."""


def keyed_hash(key: bytes, *parts: bytes) -> int:
    """A 64-bit signed hash of byte strings that nobody without the key can compute or test guesses against.

    >>> keyed_hash(b"k" * 32, b"12", b"3") != keyed_hash(b"k" * 32, b"1", b"23")
    True
    """
    data = parts[0] if len(parts) == 1 else b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    digest = blake2b(data, digest_size=8, key=key, person=b"parts" if len(parts) != 1 else b"one").digest()
    return int.from_bytes(digest, "big", signed=True)

"""The rows that go into a store and come out of it, as plain dataclasses.

Every time is an integer of microseconds since 1970-01-01 UTC, every date an integer YYYYMMDD. Identifiers are
integers `node << 40 | counter`. Refuses to know how and where rows are kept. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hl7bridge.store.rows.programme import AssignmentRow, HeldPatient, Look, NoticeRow, VerdictRow
from hl7bridge.store.rows.seen import SeenRow, Watched
from hl7bridge.store.rows.view import View

COUNTER_BITS = 40
"""An identifier is `node << COUNTER_BITS | counter`."""
BODY_BITS = 16
"""A reference to a body is `message_id << BODY_BITS | n`; n = 0 is the message as it came, 1.. its
payloads.
"""
MAX_PAYLOADS = (1 << BODY_BITS) - 1
MAX_NODE = (1 << (63 - COUNTER_BITS - BODY_BITS)) - 1
RAW_BODY = -1
"""`NewDelivery.payload` of a delivery that sends the message exactly as it came."""
ACCEPTANCES = ("AA", "CA", "")
"""Answers after which a repetition of a message is not processed again."""
REUSED_CONTROL_ID = "control-id-reused"
"""The flag of a message whose sender used its control ID before, for other bytes."""
REPLAY = "replay"
"""The flag of a message that a replay made of another one."""
DAY_US = 86_400_000_000
"""A day."""


class MessageStatus(IntEnum):
    """What became of a message as a whole."""

    RECEIVED = 0
    FILTERED = 1
    ERROR = 2
    DUPLICATE = 3
    REJECTED = 4


class DeliveryStatus(IntEnum):
    """Where one delivery stands; those below `SENT` are open (work remains)."""

    QUEUED = 0
    SENDING = 1
    SENT = 2
    FAILED = 3
    CANCELLED = 4


@dataclass(slots=True)
class NewDelivery:
    """One delivery of a message that is being accepted.

    `payload` is an index into the message's `payloads`, or `RAW_BODY`. `keys` are the 64-bit signed order
    keys: none (unordered), one, or several (a merge waits for all of them). `reason` tells why it is born
    CANCELLED or FAILED; low in variety, never a patient's data.
    """

    id: int
    position: int
    destination: str
    channel: str
    payload: int
    keys: tuple[int, ...] = ()
    status: DeliveryStatus = DeliveryStatus.QUEUED
    scope: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class NewMessage:
    """A message, what was decided about it, and its deliveries: kept together or not at all.

    `sender` is a keyed hash of source, MSH-3 and MSH-4; `fingerprint` one of the raw bytes; `patient_keys`
    one for each identifier of each patient. `event_date` is YYYYMMDD. `outcomes` are (channel, status,
    reason) for each channel that looked at it; they and `flags` are low in variety and carry nothing of
    the message's text.

    `facts` are (digest, data) of what it says to the programme, kept under the first of the `patient_keys`: what is there
    already is not kept again. `aliases` are (key, other key, merged) of identifiers that are one patient. `notices` are what the
    message tells recipients of the programme's. `assignments` change the published rosters.

    With `once_since_us` the store looks whether it is a repetition, as part of keeping it: where a message
    with its control ID, sender and bytes was received since that time and answered as one of `ACCEPTANCES`, it
    is not kept, and `Store.commit` says so. Of two in one batch neither is seen by the other. Where only
    other bytes came under its control ID it is kept with the flag `REUSED_CONTROL_ID`.
    """

    id: int
    received_us: int
    source: str
    type: str
    control_id: str
    sender: int
    fingerprint: int
    status: MessageStatus
    answer: str
    version: str
    raw: bytes
    payloads: tuple[bytes, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    patient_keys: tuple[int, ...] = ()
    event_date: int | None = None
    outcomes: tuple[tuple[str, str, str | None], ...] = ()
    flags: tuple[str, ...] = ()
    original: int | None = None
    operator: str | None = None
    once_since_us: int | None = None
    facts: tuple[tuple[int, bytes], ...] = ()
    aliases: tuple[tuple[int, int, bool], ...] = ()
    notices: tuple[NoticeRow, ...] = ()
    assignments: tuple[AssignmentRow, ...] = ()


@dataclass(slots=True)
class DeliveryChange:
    """A new state of a delivery.

    `attempts` is the total so far; `code` the answer's code ('AA', 'AE' ..., 'none'); `answer` the hospital's
    answer, kept where it was not a plain acceptance. `position` moves the delivery (a resend goes last),
    `keys` replace its order keys; `next_us` is when it is due again.
    """

    id: int
    status: DeliveryStatus
    attempts: int
    at_us: int
    code: str | None = None
    reason: str | None = None
    possible_duplicate: bool = False
    answer: bytes | None = None
    position: int | None = None
    next_us: int | None = None
    keys: tuple[int, ...] | None = None


@dataclass(slots=True)
class ConfigurationVersion:
    """A configuration's whole content under its hash, so that the past can be decided again."""

    version: str
    at_us: int
    files: Mapping[str, bytes]
    secret_names: tuple[str, ...] = ()


@dataclass(slots=True)
class Hold:
    """An operator holds a destination (`held` True) or releases it."""

    destination: str
    held: bool
    operator: str
    at_us: int


@dataclass(slots=True)
class Act:
    """Something an operator did."""

    at_us: int
    operator: str
    verb: str
    detail: str


@dataclass(slots=True)
class Batch:
    """One durable transaction. Within it: versions, messages, claims, changes, holds, acts, looks, notices, verdicts and patients
    held, what was seen and how far messages were `watched` for it, in this order.

    `notices` are those that change without a message. Whoever a verdict is about is to be looked at at once. What of the batch belongs
    into the audit trail (see `rows.audit`) is chained in the same transaction: messages that were refused to somebody, changes, acts,
    views, in this order.
    """

    messages: list[NewMessage] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    changes: list[DeliveryChange] = field(default_factory=list)
    versions: list[ConfigurationVersion] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    notices: list[NoticeRow] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    verdicts: list[VerdictRow] = field(default_factory=list)
    held_patients: list[HeldPatient] = field(default_factory=list)
    seen: list[SeenRow] = field(default_factory=list)
    watched: Watched | None = None


@dataclass(slots=True, frozen=True)
class Counters:
    """The highest counter used so far of each kind (without the node); 0 in a new store."""

    message: int
    delivery: int
    position: int


@dataclass(slots=True, frozen=True)
class Recovered:
    """How many deliveries of a destination were being sent when the engine stopped."""

    destination: str
    count: int


@dataclass(slots=True, frozen=True)
class Earlier:
    """A message that came before with the same control ID from the same sender."""

    message_id: int
    same_bytes: bool
    answer: str
    status: MessageStatus
    received_us: int


@dataclass(slots=True)
class OpenDelivery:
    """What the engine needs to send a delivery. `payload_ref` is for `body()`; `size` is that body's
    bytes.
    """

    id: int
    position: int
    message_id: int
    destination: str
    channel: str
    scope: str | None
    keys: tuple[int, ...]
    status: DeliveryStatus
    attempts: int
    possible_duplicate: bool
    payload_ref: int
    size: int
    received_us: int
    first_attempt_us: int | None
    next_us: int | None
    source: str
    type: str
    control_id: str
    version: str
    event_date: int | None
    patient_keys: tuple[int, ...]


@dataclass(slots=True)
class MessageQuery:
    """Which messages; every given field must hold. `since_us` is inclusive, `until_us` exclusive.

    `delivery_status` and `destination` ask for a message with a delivery that matches both.
    """

    channel: str | None = None
    type: str | None = None
    patient_key: int | None = None
    control_id: str | None = None
    status: MessageStatus | None = None
    delivery_status: DeliveryStatus | None = None
    destination: str | None = None
    source: str | None = None
    original: int | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(slots=True)
class DeliveryQuery:
    """Which deliveries; every given field must hold. `open` True: QUEUED or SENDING."""

    destination: str | None = None
    channel: str | None = None
    status: DeliveryStatus | None = None
    open: bool | None = None
    message_id: int | None = None
    since_us: int | None = None
    until_us: int | None = None


@dataclass(slots=True)
class MessageRow:
    """A message as lists show it."""

    id: int
    received_us: int
    source: str
    type: str
    control_id: str
    status: MessageStatus
    answer: str
    version: str
    event_date: int | None
    patient_keys: tuple[int, ...]
    outcomes: tuple[tuple[str, str, str | None], ...]
    flags: tuple[str, ...]
    original: int | None
    operator: str | None
    size: int

    @property
    def is_replay(self) -> bool:
        """Whether a replay made it."""
        return REPLAY in self.flags


@dataclass(slots=True)
class DeliveryRow:
    """A delivery as lists show it. `at_us` is when it last changed."""

    id: int
    position: int
    message_id: int
    destination: str
    channel: str
    scope: str | None
    keys: tuple[int, ...]
    status: DeliveryStatus
    attempts: int
    possible_duplicate: bool
    payload_ref: int
    received_us: int
    first_attempt_us: int | None
    at_us: int
    next_us: int | None
    code: str | None
    reason: str | None


@dataclass(slots=True)
class Attempt:
    """One change of a delivery other than a first attempt that was plainly accepted."""

    delivery_id: int
    at_us: int
    status: DeliveryStatus
    attempts: int
    code: str | None
    reason: str | None
    answer: bytes | None


@dataclass(slots=True)
class MessageDetail:
    """Everything kept of one message but its bodies: `bodies` are (reference, bytes) with the raw one
    first.
    """

    row: MessageRow
    deliveries: list[DeliveryRow]
    attempts: list[Attempt]
    bodies: list[tuple[int, int]]


@dataclass(slots=True)
class Stats:
    """Counts since a time: messages by (source, status), deliveries of those messages by (destination,
    status).

    `open` counts all open deliveries of each destination, whenever they came; `oldest_open_us` is when the
    message of the first in each queue was received.
    """

    messages: dict[tuple[str, MessageStatus], int]
    deliveries: dict[tuple[str, DeliveryStatus], int]
    open: dict[str, int]
    oldest_open_us: dict[str, int]


@dataclass(slots=True, frozen=True)
class Removed:
    """What one step of retention took away; `more` is False where nothing older is left that may go."""

    messages: int
    bytes: int
    more: bool

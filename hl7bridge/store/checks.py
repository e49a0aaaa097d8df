"""What must hold of a row before any store keeps it; what SQL types and constraints cannot say by themselves.

Refuses to know where rows are kept. Raises StoreFault, naming the field and never its value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from hl7bridge.store.base import (
    ACCEPTANCES,
    BODY_BITS,
    MAX_PAYLOADS,
    RAW_BODY,
    REUSED_CONTROL_ID,
    DeliveryChange,
    DeliveryStatus,
    Earlier,
    MessageStatus,
    NewMessage,
    NoticeRow,
    SeenKind,
    SeenRow,
    StoreFault,
    VerdictRow,
)

_I64 = range(-(1 << 63), 1 << 63)
_IDS = range(1 << (63 - BODY_BITS))
ACCEPTED = frozenset(("AA", "CA"))
#: Since when a patient is due who is to be looked at before all others.
AT_ONCE = 0
#: What rows of a wrong shape raise before a store sees them.
WRONG = (TypeError, ValueError, LookupError, AttributeError, OverflowError, struct.error)


def wrong_shape(error: BaseException, place: str) -> StoreFault:
    """What to say of one of `WRONG`."""
    return StoreFault(f"a row has a value of the wrong shape ({type(error).__name__})", place=place)


def check_message(message: NewMessage) -> None:
    """Raise StoreFault unless every field of a message and its deliveries can be kept."""
    _whole("message.id", message.id, _IDS)
    for name in ("received_us", "sender", "fingerprint"):
        _whole(f"message.{name}", getattr(message, name), _I64)
    for name in ("source", "type", "control_id", "answer", "version"):
        _text(f"message.{name}", getattr(message, name))
    for name in ("event_date", "original"):
        if getattr(message, name) is not None:
            _whole(f"message.{name}", getattr(message, name), _I64)
    if message.operator is not None:
        _text("message.operator", message.operator)
    if message.status not in MessageStatus.__members__.values():
        raise StoreFault("message.status is not a status")
    for body in (message.raw, *message.payloads):
        if not isinstance(body, bytes):
            raise StoreFault("a body of the message is not bytes")
    if len(message.payloads) > MAX_PAYLOADS:
        raise StoreFault(f"the message has more than {MAX_PAYLOADS} payloads")
    for key in message.patient_keys:
        _whole("message.patient_keys", key, _I64)
    for digest, data in message.facts:
        _whole("message.facts", digest, _I64)
        if not isinstance(data, bytes):
            raise StoreFault("a fact of the message is not bytes")
    if message.facts and not message.patient_keys:
        raise StoreFault("the message has facts and no patient")
    for key, other, _ in message.aliases:
        _whole("message.aliases", key, _I64)
        _whole("message.aliases", other, _I64)
    for row in message.notices:
        check_notice(row)
    for each in message.assignments:
        _text("message.assignments", each.affiliate)
        _whole("message.assignments", each.patient, _I64)
        _whole("message.assignments", each.day, _I64)
        if each.npi is not None:
            _text("message.assignments", each.npi)
    for delivery in message.deliveries:
        _whole("delivery.id", delivery.id, _I64)
        _whole("delivery.position", delivery.position, _I64)
        _text("delivery.destination", delivery.destination)
        _text("delivery.channel", delivery.channel)
        if delivery.payload not in range(RAW_BODY, len(message.payloads)):
            raise StoreFault("delivery.payload is no index into the payloads of its message")
        if delivery.status not in DeliveryStatus.__members__.values():
            raise StoreFault("delivery.status is not a status")
        for key in delivery.keys:
            _whole("delivery.keys", key, _I64)


def check_notice(row: NoticeRow) -> None:
    """Raise StoreFault unless every field of a notice can be kept."""
    for name in ("patient", "subject", "number", "state", "content", "message_id"):
        _whole(f"notice.{name}", getattr(row, name), _I64)
    _text("notice.recipient", row.recipient)
    if not isinstance(row.data, bytes):
        raise StoreFault("a notice is not bytes")


def check_verdict(row: VerdictRow) -> None:
    """Raise StoreFault unless every field of a verdict can be kept."""
    for name in ("patient", "other", "message_id", "at_us"):
        _whole(f"verdict.{name}", getattr(row, name), _I64)
    for name in ("operator", "reason"):
        _text(f"verdict.{name}", getattr(row, name))


def check_seen(row: SeenRow) -> None:
    """Raise StoreFault unless every field of what was seen can be kept."""
    for name in ("source", "type", "place"):
        _text(f"seen.{name}", getattr(row, name))
    for name in ("value", "at_us", "message_id"):
        _whole(f"seen.{name}", getattr(row, name), _I64)
    if row.kind not in SeenKind.__members__.values():
        raise StoreFault("seen.kind is no kind")
    if row.concern is not None:
        _text("seen.concern", row.concern)


def news_of(message: NewMessage) -> set[int]:
    """Under which keys patients are to be looked at after a message: of its facts, and of numbers that it merges."""
    found = {key for one, other, merged in message.aliases if merged for key in (one, other)}
    if message.facts:
        found.add(message.patient_keys[0])
    return found


def check_change(change: DeliveryChange) -> None:
    """Raise StoreFault unless every field of a change can be kept."""
    for name in ("id", "attempts", "at_us"):
        _whole(f"change.{name}", getattr(change, name), _I64)
    for name in ("position", "next_us"):
        if getattr(change, name) is not None:
            _whole(f"change.{name}", getattr(change, name), _I64)
    for key in change.keys or ():
        _whole("change.keys", key, _I64)
    for name in ("code", "reason"):
        if getattr(change, name) is not None:
            _text(f"change.{name}", getattr(change, name))
    if change.status not in DeliveryStatus.__members__.values():
        raise StoreFault("change.status is not a status")
    if change.answer is not None and not isinstance(change.answer, bytes):
        raise StoreFault("change.answer is not bytes")


def once(
    messages: list[NewMessage], duplicate_of: Callable[[str, int, int, int], Earlier | None]
) -> tuple[list[NewMessage], dict[int, Earlier]]:
    """What of a batch is to be kept, and what came before instead; see `NewMessage.once_since_us`.

    `duplicate_of` is the store's question of that name.
    """
    kept: list[NewMessage] = []
    repeated: dict[int, Earlier] = {}
    for m in messages:
        since_us = m.once_since_us
        earlier = None if since_us is None else duplicate_of(m.control_id, m.sender, m.fingerprint, since_us)
        if earlier is None:
            kept.append(m)
        elif not earlier.same_bytes:
            flags = m.flags if REUSED_CONTROL_ID in m.flags else (*m.flags, REUSED_CONTROL_ID)
            kept.append(replace(m, flags=flags))
        elif earlier.answer in ACCEPTANCES:
            repeated[m.id] = earlier
        else:
            kept.append(m)
    return kept, repeated


def is_plain_acceptance(change: DeliveryChange) -> bool:
    """Whether a change is what nearly all are: accepted at the first attempt. No attempt is recorded for
    it.
    """
    return (
        change.attempts == 1
        and change.status == DeliveryStatus.SENT
        and change.answer is None
        and change.reason is None
        and change.code in ACCEPTED
        and not change.possible_duplicate
        and change.position is None
        and change.next_us is None
    )


def _whole(name: str, value: object, allowed: range) -> None:
    if not isinstance(value, int) or value not in allowed:
        raise StoreFault(f"{name} is not a whole number that fits")


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise StoreFault(f"{name} is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise StoreFault(f"{name} has characters that cannot be stored (lone surrogates)") from None

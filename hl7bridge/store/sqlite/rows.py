"""From the protocol's rows to SQLite's and back: only the shape, no statement and no connection.

Refuses to know transactions. Raises whatever the sqlite3 module or struct raises for values that do not
fit; the writer turns that into StoreFault.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from hl7bridge.store.base import (
    BODY_BITS,
    COUNTER_BITS,
    MAX_PAYLOADS,
    RAW_BODY,
    DeliveryRow,
    DeliveryStatus,
    MessageRow,
    MessageStatus,
    NewMessage,
    OpenDelivery,
    StoreFault,
)
from hl7bridge.store.rows.audit import About, Place, about_of
from hl7bridge.store.sqlite.bodies import pack
from hl7bridge.store.sqlite.names import Names, Words

#: A slice is 256 consecutive message identifiers.
SLICE_BITS = 8
NO_CODE = "---"
#: The latest date, in place of "without end"; 0 stands for "from the beginning".
_PACK = [struct.Struct(f"<{n}q") for n in range(9)]
_COUNTER = (1 << COUNTER_BITS) - 1
#: Sets what control IDs are searched by apart from what is 32 bits long by chance.
CONTROL_ID_BIT = 1 << 40
_IDS = 1 << (63 - BODY_BITS)


def packed_keys(keys: Sequence[int]) -> bytes | None:
    """64-bit keys one after the other; None for none."""
    if not keys:
        return None
    if len(keys) < 9:
        return _PACK[len(keys)].pack(*keys)
    return struct.pack(f"<{len(keys)}q", *keys)


def unpacked_keys(data: bytes | None) -> tuple[int, ...]:
    """What `packed_keys` packed."""
    return () if data is None else struct.unpack(f"<{len(data) // 8}q", data)


def control_id_key(control_id: str) -> int:
    """What a control ID is searched by; unequal ones may share it, so the rows found are compared."""
    return crc32(control_id.encode()) | CONTROL_ID_BIT


#: A delivery before it changes: its destination's number, whether it is open, what the audit trail says of it, the answer to its last
#: attempt, and how many there were.
Standing = tuple[int, bool, Place, "str | None", int]


@dataclass(slots=True)
class MessageRows:
    """The rows of a batch's messages, by table, what they add to the open deliveries of each destination, and the messages that have
    deliveries which are not open.
    """

    messages: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    several_keys: list[tuple[int, int]] = field(default_factory=list)
    search: dict[int, list[list[int]]] = field(default_factory=dict)
    slices: dict[int, list[int]] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    places: list[tuple[int, Standing]] = field(default_factory=list)
    ended: list[tuple[NewMessage, About]] = field(default_factory=list)
    size: int = 0


def message_rows(messages: Iterable[NewMessage], names: Names) -> MessageRows:
    """Everything that accepting these messages inserts. Raises StoreFault where a payload is not there."""
    rows = MessageRows()
    add_message, add_bodies, search, slices = (
        rows.messages.append,
        rows.bodies.extend,
        rows.search,
        rows.slices,
    )
    for m in messages:
        message_id, payloads, patient_keys = m.id, m.payloads, m.patient_keys
        if not 0 <= message_id < _IDS or len(payloads) > MAX_PAYLOADS:
            raise StoreFault("a message's identifier or the number of its payloads is out of range")
        bodies, numbers = pack(message_id, m.raw, payloads)
        add_bodies(bodies)
        size = len(m.raw)
        first, last, position = _add_deliveries(rows, m, numbers, names) if m.deliveries else (None, None, 0)
        slice_id = message_id >> SLICE_BITS
        keys = [slice_id, crc32(m.control_id.encode()) | CONTROL_ID_BIT, message_id]
        for key in patient_keys:
            keys += (slice_id, key, message_id)
        if len(keys) in search:
            search[len(keys)].append(keys)
        else:
            search[len(keys)] = [keys]
        add_message(
            (
                message_id,
                m.received_us,
                names[m.source],
                int(m.status),
                m.type,
                m.control_id,
                m.sender,
                m.fingerprint,
                m.answer,
                names[m.version],
                m.event_date,
                packed_keys(patient_keys),
                names[m.outcomes],
                names[m.flags],
                first,
                last,
                m.original,
                names[m.operator],
                size,
            )
        )
        rows.size += size
        for body in payloads:
            rows.size += len(body)
        if slice_id not in slices:
            slices[slice_id] = [slice_id, m.received_us, m.received_us, 0, 0, 0]
        _extend_slice(slices[slice_id], m.received_us, message_id & _COUNTER, last, position)
    return rows


def _extend_slice(have: list[int], at_us: int, counter: int, delivery_id: int | None, position: int) -> None:
    if at_us < have[1]:
        have[1] = at_us
    if at_us > have[2]:
        have[2] = at_us
    if counter > have[3]:
        have[3] = counter
    if delivery_id is not None and delivery_id & _COUNTER > have[4]:
        have[4] = delivery_id & _COUNTER
    if position > have[5]:
        have[5] = position


def _add_deliveries(
    rows: MessageRows, m: NewMessage, numbers: Sequence[int], names: Names
) -> tuple[int | None, int | None, int]:
    """The rows of one message's deliveries. Returns their lowest and highest identifier and highest
    position.
    """
    message_id, received_us, payloads, opened = m.id, m.received_us, m.payloads, rows.opened
    first = last = m.deliveries[0].id
    top = 0
    about = about_of(m)
    ended = False
    for d in m.deliveries:
        delivery_id, position, at, keys, status = d.id, d.position, d.payload, d.keys, int(d.status)
        if at == RAW_BODY:
            number, size = 0, len(m.raw)
        elif 0 <= at < len(payloads):
            number, size = numbers[at], len(payloads[at])
        else:
            raise StoreFault("delivery.payload is no index into the payloads of its message")
        key: int | None = None
        more: bytes | None = None
        if len(keys) == 1:
            key = keys[0]
        elif keys:
            more = packed_keys(keys)
            rows.several_keys.extend([(each, delivery_id) for each in keys])
        destination = names[d.destination]
        if destination is None:
            raise StoreFault("delivery.destination is not text")
        channel, scope, reason = names[d.channel], names[d.scope], names[d.reason]
        rows.deliveries.append(
            # The time of receipt twice: it is where the time of the last change and of the first attempt
            # will be.
            (
                delivery_id,
                message_id,
                position,
                destination,
                channel,
                scope,
                key,
                more,
                status,
                number,
                size,
                received_us,
                received_us,
                reason,
            )
        )
        if status < 2:
            opened[destination] = opened.get(destination, 0) + 1
            rows.places.append((delivery_id, (destination, True, (d.destination, d.scope, about), None, 0)))
        else:
            ended = True
        if delivery_id < first:
            first = delivery_id
        elif delivery_id > last:
            last = delivery_id
        if position > top:
            top = position
    if ended:
        rows.ended.append((m, about))
    return first, last, top


def _keys(key: int | None, more: bytes | None) -> tuple[int, ...]:
    return unpacked_keys(more) if key is None else (key,)


def open_delivery(row: tuple[Any, ...], destination: str, words: Words) -> OpenDelivery:
    """From the columns of the query `open_deliveries`."""
    (delivery_id, position, message_id, channel, scope, key, more, status, attempts, doubtful) = row[:10]
    (payload, size, first_us, next_us, received_us, source, kind, control_id, version) = row[10:19]
    return OpenDelivery(
        id=delivery_id,
        position=position,
        message_id=message_id,
        destination=destination,
        channel=words[channel],
        scope=words[scope],
        keys=_keys(key, more),
        status=DeliveryStatus(status),
        attempts=attempts,
        possible_duplicate=bool(doubtful),
        payload_ref=message_id << BODY_BITS | payload,
        size=size,
        received_us=received_us,
        first_attempt_us=first_us if attempts else None,
        next_us=next_us,
        source=words[source],
        type=kind,
        control_id=control_id,
        version=words[version],
        event_date=row[19],
        patient_keys=unpacked_keys(row[20]),
    )


def message_row(row: tuple[Any, ...], words: Words) -> MessageRow:
    """From the columns of `message`."""
    (message_id, received_us, source, status, kind, control_id, answer, version, event_date) = row[:9]
    return MessageRow(
        id=message_id,
        received_us=received_us,
        source=words[source],
        type=kind,
        control_id=control_id,
        status=MessageStatus(status),
        answer=answer,
        version=words[version],
        event_date=event_date,
        patient_keys=unpacked_keys(row[9]),
        outcomes=words.outcomes(row[10]),
        flags=words.flags(row[11]),
        original=row[12],
        operator=words[row[13]],
        size=row[14],
    )


def delivery_row(row: tuple[Any, ...], words: Words) -> DeliveryRow:
    """From the columns of `delivery`, with the message's time of receipt at the end."""
    (delivery_id, message_id, position, destination, channel, scope, key, more, status, attempts) = row[:10]
    (doubtful, payload, at_us, first_us, next_us, code, reason, received_us) = row[10:18]
    return DeliveryRow(
        id=delivery_id,
        position=position,
        message_id=message_id,
        destination=words[destination],
        channel=words[channel],
        scope=words[scope],
        keys=_keys(key, more),
        status=DeliveryStatus(status),
        attempts=attempts,
        possible_duplicate=bool(doubtful),
        payload_ref=message_id << BODY_BITS | payload,
        received_us=received_us,
        first_attempt_us=first_us if attempts else None,
        at_us=at_us,
        next_us=next_us,
        code=None if code == NO_CODE else code,
        reason=words[reason],
    )

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
from hl7bridge.store.bodies import pack
from hl7bridge.store.names import Names, Words

#: A slice is 1024 consecutive message identifiers.
SLICE_BITS = 10
NO_CODE = "---"
#: The latest date, in place of "without end"; 0 stands for "from the beginning".
UNBOUNDED = 99_999_999
_PACK = [struct.Struct(f"<{n}q") for n in range(9)]
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
    return crc32(control_id.encode()) | 1 << 40


@dataclass(slots=True)
class MessageRows:
    """The rows of a batch's messages, by table, and what they add to the open deliveries of each
    destination.
    """

    messages: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    several_keys: list[tuple[int, int]] = field(default_factory=list)
    search: dict[int, list[list[int]]] = field(default_factory=dict)
    slices: dict[int, list[int]] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    places: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0


def message_rows(messages: Iterable[NewMessage], names: Names) -> MessageRows:
    """Everything that accepting these messages inserts. Raises StoreFault where a payload is not there."""
    rows = MessageRows()
    add_message, search = rows.messages.append, rows.search
    for m in messages:
        message_id = m.id
        if not 0 <= message_id < _IDS or len(m.payloads) > MAX_PAYLOADS:
            raise StoreFault("a message's identifier or the number of its payloads is out of range")
        bodies, numbers = pack(message_id, m.raw, m.payloads)
        rows.bodies.extend(bodies)
        first, last, position = _add_deliveries(rows, m, numbers, names)
        slice_id = message_id >> SLICE_BITS
        keys = [slice_id, control_id_key(m.control_id), message_id]
        for key in m.patient_keys:
            keys += (slice_id, key, message_id)
        count = len(m.patient_keys) + 1
        if count in search:
            search[count].append(keys)
        else:
            search[count] = [keys]
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
                packed_keys(m.patient_keys),
                names[m.outcomes],
                names[m.flags],
                first,
                last,
                m.original,
                names[m.operator],
                len(m.raw),
            )
        )
        rows.size += len(m.raw) + sum(map(len, m.payloads))
        _extend_slice(rows.slices, slice_id, m.received_us, message_id, last or 0, position)
    return rows


def _add_deliveries(
    rows: MessageRows, m: NewMessage, numbers: Sequence[int], names: Names
) -> tuple[int | None, int | None, int]:
    first: int | None = None
    last: int | None = None
    position = 0
    payloads = m.payloads
    for d in m.deliveries:
        at = d.payload
        if at == RAW_BODY:
            number, size = 0, len(m.raw)
        elif 0 <= at < len(payloads):
            number, size = numbers[at], len(payloads[at])
        else:
            raise StoreFault("delivery.payload is no index into the payloads of its message")
        keys = d.keys
        key: int | None = None
        more: bytes | None = None
        if len(keys) == 1:
            key = keys[0]
        elif keys:
            more = packed_keys(keys)
            rows.several_keys.extend((each, d.id) for each in keys)
        destination = names[d.destination]
        if destination is None:
            raise StoreFault("delivery.destination is not text")
        status = int(d.status)
        rows.deliveries.append(
            (
                d.id,
                m.id,
                d.position,
                destination,
                names[d.channel],
                names[d.scope],
                key,
                more,
                status,
                number,
                size,
                m.received_us,
                m.received_us,
                names[d.reason],
            )
        )
        if status < 2:
            rows.opened[destination] = rows.opened.get(destination, 0) + 1
            rows.places.append((d.id, destination))
        if first is None or d.id < first:
            first = d.id
        if last is None or d.id > last:
            last = d.id
        if d.position > position:
            position = d.position
    return first, last, position


def _extend_slice(
    slices: dict[int, list[int]], slice_id: int, at_us: int, message_id: int, delivery_id: int, position: int
) -> None:
    have = slices.get(slice_id)
    counter = message_id & 0xFF_FFFF_FFFF
    delivery_id &= 0xFF_FFFF_FFFF
    if have is None:
        slices[slice_id] = [slice_id, at_us, at_us, counter, delivery_id, position]
        return
    if at_us < have[1]:
        have[1] = at_us
    if at_us > have[2]:
        have[2] = at_us
    if counter > have[3]:
        have[3] = counter
    if delivery_id > have[4]:
        have[4] = delivery_id
    if position > have[5]:
        have[5] = position


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

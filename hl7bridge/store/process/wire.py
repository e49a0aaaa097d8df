"""How the engine's process and the one that writes its store talk: frames over a socket pair.

A frame is one byte that tells its kind, one that tells whether another follows unasked, eight bytes of length,
and that many bytes. What every message needs travels as plain tuples by marshal, which costs a tenth of pickling
objects; a body of more than 64 kB follows its frame as it is, so that it is never copied into one. Everything
rarer is pickled. Both ends are the same program on the same machine, and nobody else can reach the socket.

Refuses to know what the frames ask for. Raises `Gone` when the other side has gone, and what Python raises
for rows of a wrong shape.
"""

from __future__ import annotations

import marshal
import pickle
import socket
import struct
from typing import Any

from hl7bridge.store.rows.messages import (
    Batch,
    DeliveryChange,
    DeliveryStatus,
    Earlier,
    MessageStatus,
    NewDelivery,
    NewMessage,
)
from hl7bridge.store.rows.programme import AssignmentRow, NoticeRow

_HEAD = struct.Struct("<c?Q")
#: Asked: a plain batch, or any verb with its arguments. Answered: what a plain batch left out, what a verb returned, its error.
COMMIT, CALL, REPEATED, DONE, REFUSED = b"b", b"v", b"o", b"r", b"e"
#: Bodies that are longer travel by themselves.
ALONE_BYTES = 65_536


class Gone(Exception):
    """The other side closed the socket, or died."""


def send(
    to: socket.socket, kind: bytes, data: bytes, bodies: list[bytes] | None = None, *, more: bool = False
) -> None:
    """One frame, with the long bodies that follow it. Raises Gone."""
    try:
        to.sendall(_HEAD.pack(kind, more, len(data)) + data)
        for body in bodies or ():
            to.sendall(body)
    except OSError:
        raise Gone from None


def receive(source: socket.socket) -> tuple[bytes, bool, bytes]:
    """Kind, whether another frame follows, and data of the next frame. Raises Gone."""
    kind, more, length = _HEAD.unpack(exactly(source, _HEAD.size))
    return kind, more, exactly(source, length)


def exactly(source: socket.socket, count: int) -> bytes:
    """So many bytes. Raises Gone."""
    if not count:
        return b""
    try:
        data = source.recv(count, socket.MSG_WAITALL)
        while data and len(data) < count:  # a signal may have ended the wait early
            more = source.recv(count - len(data), socket.MSG_WAITALL)
            data = data + more if more else b""
    except OSError:
        raise Gone from None
    if not data:
        raise Gone
    return data


# -- a batch -------------------------------------------------------------------------------------------------------


def is_plain(batch: Batch) -> bool:
    """Whether a batch holds only what nearly all hold: messages, claims and changes."""
    rare = batch.versions or batch.holds or batch.acts or batch.looks or batch.notices
    return not (rare or batch.verdicts or batch.held_patients or batch.views or batch.seen or batch.watched)


def packed_batch(batch: Batch) -> tuple[bytes, list[bytes]]:
    """A plain batch as a frame's data, and the long bodies that follow it."""
    long: list[bytes] = []
    messages = [_of_message(message, long) for message in batch.messages]
    changes = [_of_change(change) for change in batch.changes]
    lengths = [len(body) for body in long]
    return marshal.dumps((messages, batch.claims, changes, lengths)), long


def _of_change(c: DeliveryChange) -> tuple[Any, ...]:
    start = (c.id, int(c.status), c.attempts, c.at_us, c.code, c.reason, c.possible_duplicate)
    return (*start, c.answer, c.position, c.next_us, c.keys)


def _of_message(m: NewMessage, long: list[bytes]) -> tuple[Any, ...]:
    raw: bytes | int = m.raw
    payloads: tuple[bytes | int, ...] = m.payloads
    if len(m.raw) > ALONE_BYTES or any(map(_goes_alone, m.payloads)):
        raw, *others = [_place(body, long) for body in (m.raw, *m.payloads)]
        payloads = tuple(others)
    return (
        m.id,
        m.received_us,
        m.source,
        m.type,
        m.control_id,
        m.sender,
        m.fingerprint,
        int(m.status),
        m.answer,
        m.version,
        raw,
        payloads,
        [
            (d.id, d.position, d.destination, d.channel, d.payload, d.keys, int(d.status), d.scope, d.reason)
            for d in m.deliveries
        ],
        m.patient_keys,
        m.event_date,
        m.outcomes,
        m.flags,
        m.original,
        m.operator,
        m.once_since_us,
        m.facts,
        m.aliases,
        [tuple(notice) for notice in m.notices],
        [tuple(row) for row in m.assignments],
    )


def _goes_alone(body: bytes) -> bool:
    return len(body) > ALONE_BYTES


def _place(body: bytes, long: list[bytes]) -> bytes | int:
    """A short body itself; of a long one the place among those that follow."""
    if len(body) <= ALONE_BYTES:
        return body
    long.append(body)
    return len(long) - 1


def unpacked_batch(data: bytes, source: socket.socket) -> Batch:
    """What `packed_batch` packed; the long bodies are taken from the socket."""
    messages, claims, changes, lengths = marshal.loads(data)
    long = [exactly(source, length) for length in lengths]
    return Batch(
        messages=[_to_message(fields, long) for fields in messages],
        claims=claims,
        changes=[DeliveryChange(c[0], DeliveryStatus(c[1]), *c[2:]) for c in changes],
    )


def _to_message(fields: list[Any], long: list[bytes]) -> NewMessage:
    raw, payloads = fields[10:12]
    if long:
        raw = long[raw] if isinstance(raw, int) else raw
        payloads = tuple([long[each] if isinstance(each, int) else each for each in payloads])
    deliveries = [NewDelivery(*d) for d in fields[12]]
    for delivery in deliveries:
        delivery.status = DeliveryStatus(delivery.status)
    message = NewMessage(*[*fields[:10], raw, payloads, tuple(deliveries), *fields[13:22]])
    if fields[22]:
        message.notices = tuple([NoticeRow(*notice) for notice in fields[22]])
    if fields[23]:
        message.assignments = tuple([AssignmentRow(*row) for row in fields[23]])
    message.status = MessageStatus(message.status)
    return message


def packed_repeated(repeated: dict[int, Earlier]) -> bytes:
    """The answer to a batch: what was left out."""
    return marshal.dumps(
        [
            (id_, e.message_id, e.same_bytes, e.answer, int(e.status), e.received_us)
            for id_, e in repeated.items()
        ]
    )


def unpacked_repeated(data: bytes) -> dict[int, Earlier]:
    """What `packed_repeated` packed."""
    return {
        id_: Earlier(message_id, same_bytes, answer, MessageStatus(status), received_us)
        for id_, message_id, same_bytes, answer, status, received_us in marshal.loads(data)
    }


# -- everything rarer ----------------------------------------------------------------------------------------------


def packed(value: Any) -> bytes:
    """Any value of the protocol."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(data: bytes) -> Any:
    """What `packed` packed, by this program on this machine."""
    return pickle.loads(data)

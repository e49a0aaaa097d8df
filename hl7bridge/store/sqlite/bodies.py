"""How bodies lie in rows: the message as it came and its payloads, each under a reference of its own.

A row's first byte names its format: 0, the rest is one body as it is; 1, several small bodies share the
row, so that one message costs one row (after it the number of bodies, and the length of each in four
bytes). Formats for encrypted bodies have room here. Equal bodies of one message are kept once.

Refuses to know tables. Raises ValueError for a row in no known format.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hl7bridge.store.rows.messages import BODY_BITS

#: The first byte of a row that is one body.
PLAIN = b"\x00"
_SHARED = 1
#: Bodies share a row while all of them together are no longer than this; reading one then costs little more.
SHARED_BYTES = 6_000
_SHARED_MOST = 64
_TWO = struct.Struct("<BBII").pack


#: Bodies that are longer are given as they are, without the byte before them, so that they are not copied once more.
LONG_BYTES = 262_144


def pack(
    message_id: int, raw: bytes, payloads: tuple[bytes, ...]
) -> tuple[list[tuple[int, bytes]], Sequence[int]]:
    """The rows (id, data) of one message's bodies, and for each payload the number of its body. Data of more than `LONG_BYTES` is
    a body alone: `PLAIN` is to be written before it.
    """
    base = message_id << BODY_BITS
    if len(payloads) == 1:
        payload = payloads[0]
        if payload == raw:
            return [(base, _alone(raw))], (0,)
        if len(raw) + len(payload) <= SHARED_BYTES:
            head = _TWO(_SHARED, 2, len(raw), len(payload))
            return [(base, b"".join((head, raw, payload)))], (1,)
    distinct: dict[bytes, int] = {raw: 0}
    numbers = [distinct.setdefault(body, len(distinct)) for body in payloads]
    if 1 < len(distinct) <= _SHARED_MOST and sum(map(len, distinct)) <= SHARED_BYTES:
        head = struct.pack(f"<BB{len(distinct)}I", _SHARED, len(distinct), *map(len, distinct))
        return [(base, b"".join((head, *distinct)))], numbers
    return [(base | number, _alone(body)) for body, number in distinct.items()], numbers


def _alone(body: bytes) -> bytes:
    return body if len(body) > LONG_BYTES else PLAIN + body


def unpack(data: bytes, number: int, own_row: bool) -> bytes | None:
    """Body `number` out of a row's data, or None where the row does not hold it.

    `own_row` says that the row was found under the body's own reference, not under that of the first.
    """
    if data[0] == 0:
        return data[1:] if own_row else None
    if data[0] != _SHARED:
        raise ValueError(f"a body is kept in format {data[0]}, which is not known")
    if number >= data[1]:
        return None
    lengths = struct.unpack_from(f"<{data[1]}I", data, 2)
    start = 2 + 4 * data[1] + sum(lengths[:number])
    return data[start : start + lengths[number]]


def sizes(rows: Sequence[tuple[int, bytes, int]]) -> list[tuple[int, int]]:
    """(reference, bytes) of each body, from the rows' (id, beginning of data, length of data)."""
    found: list[tuple[int, int]] = []
    for ref, head, length in rows:
        if head[0] == _SHARED:
            lengths = struct.unpack_from(f"<{head[1]}I", head, 2)
            found.extend((ref | number, size) for number, size in enumerate(lengths))
        else:
            found.append((ref, length - 1))
    return found

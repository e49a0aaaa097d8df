"""Small things: examples in docstrings hold, errors carry their codes, hashes are keyed."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.store import base
from hl7bridge.store.base import BODY_BITS, StoreError, keyed_hash
from hl7bridge.store.sqlite import bodies, sql


@pytest.mark.parametrize("module", [base, sql])
def test_examples_hold(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = StoreError.__subclasses__()
    assert len({kind("x").code for kind in kinds}) == len(kinds) == 5


@given(
    st.lists(st.binary(max_size=5), min_size=1, max_size=4),
    st.lists(st.binary(max_size=5), min_size=1, max_size=4),
)
def test_a_hash_tells_its_parts_apart_and_needs_the_key(one: list[bytes], two: list[bytes]) -> None:
    first = keyed_hash(b"a" * 32, *one)
    assert -(1 << 63) <= first < 1 << 63
    assert (first == keyed_hash(b"a" * 32, *two)) == (one == two)
    assert first != keyed_hash(b"b" * 32, *one)


@given(
    st.integers(0, 1 << 40),
    st.binary(max_size=40),
    st.lists(st.binary(max_size=40) | st.binary(min_size=4_000, max_size=4_010), max_size=6),
)
def test_bodies_come_out_as_they_went_in(message_id: int, raw: bytes, payloads: list[bytes]) -> None:
    rows, numbers = bodies.pack(message_id, raw, tuple(payloads))
    kept = dict(rows)
    base_ref = message_id << BODY_BITS

    def read(number: int) -> bytes | None:
        ref = base_ref | number
        own = bodies.unpack(kept[ref], number, own_row=True) if ref in kept else None
        return own if own is not None else bodies.unpack(kept[base_ref], number, own_row=False)

    assert read(0) == raw
    assert [read(number) for number in numbers] == payloads
    sizes = dict(bodies.sizes([(ref, data[:300], len(data)) for ref, data in rows]))
    assert sizes == {base_ref | n: len(body) for n, body in zip([0, *numbers], [raw, *payloads], strict=True)}
    assert len(set(map(bytes, [raw, *payloads]))) == len(sizes), "equal bodies are kept once"


def test_a_body_in_an_unknown_format_is_said_to_be_so() -> None:
    with pytest.raises(ValueError, match="format 9"):
        bodies.unpack(b"\x09abc", 0, own_row=True)

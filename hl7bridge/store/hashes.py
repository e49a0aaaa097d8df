"""Keyed hashes: how the store finds patients, senders and repetitions without knowing them.

All hashes are 64 bits, signed, keyed with the store's secret. Two patients who share one would wait for
each other, no more; for a roster look-up the chance is about one in 10^12 per look-up with ten million
rows. Knows bytes only; raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from hl7bridge.store.base import keyed_hash

#: Hashes kept because the next message is often of the same patient.
REMEMBERED = 65536


class Hashes:
    """The hashes of one store. Each kind of value has its own prefix, so equal texts of two kinds differ; `fingerprint` is of a
    message's bytes.
    """

    def __init__(self, key: bytes) -> None:
        # The authority is a number's namespace.
        @lru_cache(REMEMBERED)
        def patient(authority: bytes, number: bytes) -> int:
            return keyed_hash(key, b"patient", authority, number)

        @lru_cache(REMEMBERED)
        def order(text: bytes) -> int:
            return keyed_hash(key, b"order", text)

        @lru_cache(REMEMBERED)
        def sender(source: str, application: bytes, facility: bytes) -> int:
            return keyed_hash(key, b"sender", source.encode(), application, facility)

        self.patient = patient

        def patients(authority: bytes) -> Callable[[bytes], int]:
            """`patient` for many numbers of one authority, which is taken in once for all; none of them is remembered."""
            begun = blake2b(digest_size=8, key=key, person=b"parts")
            for part in (b"patient", authority):
                begun.update(len(part).to_bytes(4, "big") + part)
            lengths = [length.to_bytes(4, "big") for length in range(256)]

            def of(number: bytes) -> int:
                if len(number) > 255:
                    return patient(authority, number)
                digest = begun.copy()
                digest.update(lengths[len(number)] + number)
                return int.from_bytes(digest.digest(), "big", signed=True)

            return of

        self.patients = patients
        self.order = order
        self.sender = sender

        def fact(data: bytes) -> int:
            return keyed_hash(key, b"fact", data)

        self.fact = fact

        def subject(text: str) -> int:
            return keyed_hash(key, b"subject", text.encode())

        self.subject = subject

        # As keyed_hash(key, raw), with the key taken in once for all messages.
        keyed = blake2b(digest_size=8, key=key, person=b"one")

        def fingerprint(raw: bytes) -> int:
            digest = keyed.copy()
            digest.update(raw)
            return int.from_bytes(digest.digest(), "big", signed=True)

        self.fingerprint = fingerprint

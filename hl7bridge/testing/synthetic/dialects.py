"""The dialects of pharmacies: where each says what the standard has no field for.

HL7 v2 has no days' supply, a filled RDS (chapter 4A) is no pick-up, and what cancels a dispense is the sender's choice; so each
dialect is a row of a table of such choices. pharmacy.py writes messages by it. Raises UnknownDialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.errors import HL7BridgeError


class UnknownDialect(HL7BridgeError):
    """There is no dialect of this name. Code: `unknown-dialect`."""


class Supply(StrEnum):
    """Where the days' supply stands."""

    ORC_7 = "ORC-7.3"  # a letter and a number: D30, W4 (TQ.3)
    RXE_1 = "RXE-1.3"  # D30, or the number alone
    TQ1_6 = "TQ1-6"  # 30^d, 4^wk
    RXD_12 = "RXD-12"  # by rights the total daily dose; an RDE does not say it
    ZRX_7 = "ZRX-7"  # four digits with zeros in front
    SIG = "sig"  # "... for 30 days"
    NOWHERE = "nowhere"


class PickUp(StrEnum):
    """What says that the patient has it."""

    ORC_25 = "ORC-25"  # SOLD; FILLED before that
    FT1 = "FT1"  # the charge comes with the pick-up (chapter 4A.3.8 allows it, and does not ask for it)
    RXD_9 = "RXD-9"  # a note, SOLD
    ZD = "ORC-1=ZD"  # RELEASED in ORC-25; a return has the same ORC-1
    NEVER = "never"


class Dialect(NamedTuple):
    """One dialect. `first` is the number of the first fill. `order` and `dispense` are MSH-9 as it is sent, RDE^O25 aside.

    `offsets`: times say how far they are from UTC; without, they are of the head office's clock. `control` is what MSH-10 is made of:
    a number of the application's (`chain`), of the store's (`store`, so that they recur between stores), or of the time (`time`).
    """

    name: str
    application: bytes
    version: bytes
    supply: Supply
    pick_up: PickUp
    first: int = 1
    order: bytes = b"RDE^O11^RDE_O11"
    dispense: bytes = b"RDS^O13^RDS_O13"
    offsets: bool = True
    control: str = "chain"
    letter: bool = True

    @property
    def tells_pick_up(self) -> bool:
        """Whether a fill that nobody is said to have picked up is still there."""
        return self.pick_up is not PickUp.NEVER

    @property
    def old(self) -> bool:
        """Of a version before 2.5: short fields, no TQ1."""
        return self.version < b"2.5"


DIALECTS: Final[dict[str, Dialect]] = {
    each.name: each
    for each in (
        Dialect("rxcentral", b"RXCENTRAL", b"2.5.1", Supply.TQ1_6, PickUp.ORC_25),
        Dialect(
            "pdx",
            b"PDX",
            b"2.3",
            Supply.ORC_7,
            PickUp.RXD_9,
            0,
            b"RDE^O01",
            b"RDS^O01",
            offsets=False,
            control="time",
        ),
        Dialect("pdx-251", b"PDX", b"2.5.1", Supply.ORC_7, PickUp.ORC_25, 0, control="time"),
        Dialect("rxone", b"RXONE", b"2.5.1", Supply.RXE_1, PickUp.FT1, 0, control="store", letter=False),
        Dialect("qsone", b"QSONE", b"2.4", Supply.ZRX_7, PickUp.FT1, 1, b"RDE^O11", b"RDS^O13"),
        Dialect("dailydose", b"RXDAILY", b"2.5.1", Supply.RXD_12, PickUp.ORC_25),
        Dialect("vista", b"PSO VISTA", b"2.4", Supply.RXE_1, PickUp.ZD, 0, b"RDE^O11", b"RDS^O13"),
        Dialect(
            "sigonly",
            b"OLDRX",
            b"2.3",
            Supply.SIG,
            PickUp.NEVER,
            1,
            b"RDE^011",
            b"RDS^O01",
            offsets=False,
            control="store",
        ),
        Dialect("bare", b"STORERX", b"2.5.1", Supply.NOWHERE, PickUp.NEVER, control="store"),
    )
}


def chosen(names: Sequence[str] = ()) -> tuple[Dialect, ...]:
    """The dialects of these names, all of them for none. Raises UnknownDialect."""
    for name in names:
        if name not in DIALECTS:
            near = get_close_matches(name, DIALECTS, 1)
            raise UnknownDialect(
                f"there is no dialect '{name}'",
                code="unknown-dialect",
                hint=f"did you mean '{near[0]}'?" if near else "there are " + ", ".join(DIALECTS),
            )
    return tuple(DIALECTS[name] for name in names or DIALECTS)

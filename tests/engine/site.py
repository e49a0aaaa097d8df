"""What tests of a site in memory have in common: an order, how it is sent, what became of it, and what an operator asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hl7bridge.engine.operating.operate import Operators
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import DeliveryQuery, DeliveryRow
from hl7bridge.testing.world import World

Site = Callable[..., World]
#: A channel that passes everything on.
WORKING = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n"


def order(number: int, patient: int = 7, *, processing: str = "P", msh: str = "") -> bytes:
    """An order of a patient's, under the control ID PATIENT-NUMBER; `msh` follows MSH-12."""
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{patient}-{number}|{processing}|2.5.1{msh}\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}\r"
    ).encode()


def deliveries(world: World) -> list[DeliveryRow]:
    """Every delivery, in the order in which they were decided."""
    return world.store.deliveries(DeliveryQuery(), None, 1000)


def statuses(world: World) -> list[str]:
    """How each of them stands."""
    return [row.status.name for row in deliveries(world)]


def send(world: World, *messages: bytes) -> None:
    """Sends them over one connection; each is answered AA."""
    client = world.client(2575)
    client.send(*messages)
    assert world.run(5, lambda: len(client.answers) == len(messages))
    assert set(client.codes) == {"AA"}


def ask(world: World, verb: str, *arguments: Any) -> list[Any]:
    """Asks as an operator and does not wait: the list is filled when the answer comes."""
    told: list[Any] = []
    getattr(Operators(world.engine), verb)(*arguments, "nurse", told.append)
    return told


def act(world: World, verb: str, *arguments: Any) -> Any:
    """Does what an operator asks and gives the result, or raises the error that was told."""
    told = ask(world, verb, *arguments)
    world.run(1, lambda: bool(told))
    if isinstance(told[0], HL7BridgeError):
        raise told[0]
    return told[0]

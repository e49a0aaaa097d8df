"""The states of a delivery, a key queue and a link, as tables.

Each table maps (state, event) to the next state. What is not in a table cannot happen: `step` refuses it. `diagram` prints a
table the way the documentation shows it, and a test keeps the two equal. This module knows no store and no socket.
"""

from __future__ import annotations

from collections.abc import Mapping

from hl7bridge.errors import HL7BridgeError

Transitions = Mapping[tuple[str, str], str]

#: A delivery: one row of the store.
DELIVERY: Transitions = {
    ("queued", "claim"): "sending",
    ("sending", "accepted"): "sent",
    ("sending", "try again"): "queued",
    ("sending", "give up"): "failed",
    ("sending", "refuse"): "cancelled",
    ("queued", "refuse"): "cancelled",
    ("queued", "cancel"): "cancelled",
    ("failed", "resend"): "queued",
    ("failed", "resend at once"): "sending",
    ("failed", "cancel"): "cancelled",
}

#: A key queue: the deliveries of one order key to one destination, in memory only while it has work.
KEY: Transitions = {
    ("idle", "claim"): "sending",
    ("sending", "done"): "idle",
    ("sending", "try again"): "waiting",
    ("waiting", "due"): "idle",
    ("sending", "failed under strict"): "stopped",
    ("stopped", "release"): "idle",
}

#: A link: the connections to one destination. `held` is the operator's, and stands beside it.
LINK: Transitions = {
    ("down", "connected"): "up",
    ("up", "last connection lost"): "down",
    ("down", "could not connect"): "down",
}


class ImpossibleStep(HL7BridgeError):
    """An event came that the machine's table does not know in this state; a mistake of ours, never of a message."""


def step(table: Transitions, state: str, event: str) -> str:
    """The state after `event`; raises ImpossibleStep where the table has none."""
    after = table.get((state, event))
    if after is None:
        raise ImpossibleStep(f"'{event}' cannot happen while '{state}'", code="impossible-step")
    return after


def diagram(table: Transitions) -> str:
    """One line for each transition, states and events aligned, in the table's order."""
    width = max(len(state) for state, _ in table)
    middle = max(len(event) for _, event in table)
    return "\n".join(
        f"{state:<{width}} --{event:-^{middle + 2}}-> {after}"
        for (state, event), after in ((key, table[key]) for key in table)
    )

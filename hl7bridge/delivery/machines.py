"""The states of a delivery, a key queue and a link, as tables.

Each table maps (state, event) to the next state; what is not in a table does not happen. The queue, the store and the connections
each do their part of it; tests hold them to the tables, and the documentation to what `diagram` prints of them. This module knows no
store and no socket.
"""

from __future__ import annotations

from collections.abc import Mapping

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

#: A link: the connections to one destination, which is dialled when there is work. `held` is the operator's, and stands beside it.
LINK: Transitions = {
    ("idle", "connected"): "up",
    ("idle", "could not connect"): "down",
    ("up", "last connection lost"): "idle",
    ("down", "connected"): "up",
    ("down", "could not connect"): "down",
}


def diagram(table: Transitions) -> str:
    """One line for each transition, states and events aligned, in the table's order."""
    width = max(len(state) for state, _ in table)
    middle = max(len(event) for _, event in table)
    return "\n".join(
        f"{state:<{width}} --{event:-^{middle + 2}}-> {after}"
        for (state, event), after in ((key, table[key]) for key in table)
    )

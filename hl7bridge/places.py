"""What lies where in an engine's data folder. Knows names only."""

from __future__ import annotations

#: The SQLite store.
STORE = "hl7bridge.db"
#: The control socket of a running engine.
SOCKET = "control.sock"
#: Locked while an engine runs; holds its process number.
LOCK = "engine.lock"
#: Which roster files the store holds, by their content.
ROSTERS = "rosters.json"

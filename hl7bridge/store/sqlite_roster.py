"""Rosters"""

from __future__ import annotations

from typing import Any


class RosterLoads:
    def __init__(self, *args: Any) -> None: ...
    def stage(self, *args: Any) -> Any: ...
    def publish(self, *args: Any) -> Any: ...

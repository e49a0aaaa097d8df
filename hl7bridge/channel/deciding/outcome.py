"""What a channel makes of a message. Only words and a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RECEIVED: Final = "RECEIVED"
FILTERED: Final = "FILTERED"
ERROR: Final = "ERROR"
REJECTED: Final = "REJECTED"


@dataclass(slots=True)
class ChannelOutcome:
    """What a channel made of the message; `reason` is a place and a rule, never a value of the message."""

    channel: str
    status: str
    reason: str | None = None

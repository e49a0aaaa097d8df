"""Words that every room says alike. Knows nothing of what they are about."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 message`, `2 messages`, `0 messages`; `many` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

"""The row of a view: somebody looked at patients' data. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class View:
    """An operator looked at patients' data: by which command, and at which message or patients (by their keys)."""

    at_us: int
    operator: str
    command: str
    message: int | None = None
    patients: tuple[int, ...] = ()

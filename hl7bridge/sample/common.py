"""Which values of coded fields so many patients have that they tell nothing of one of them.

Asked in a first pass over all messages. A field with more different values than a code list has is none. Raises nothing.
"""

from __future__ import annotations

from typing import Final

#: Different values of one field, beyond which it is no coded field, whatever its data type.
MOST_VALUES: Final = 5_000


class Common:
    """Counts of patients by field and value. `alike`: so many patients make a value common."""

    def __init__(self, alike: int) -> None:
        self._alike = alike
        self._seen: dict[str, dict[str, set[str]] | None] = {}

    def add(self, path: str, value: str, patient: str) -> None:
        """A patient has this value there."""
        values = self._seen.setdefault(path, {})
        if values is None:
            return
        patients = values.setdefault(value, set())
        if len(patients) < self._alike:
            patients.add(patient)
        if len(values) > MOST_VALUES:
            self._seen[path] = None

    def has(self, path: str, value: str) -> bool:
        """Whether a value is common."""
        values = self._seen.get(path)
        return values is not None and len(values.get(value, ())) >= self._alike

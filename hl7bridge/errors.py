"""The root of every error this software raises on purpose.

Holds one class. An error says what went wrong, where, and what to do about it; it never carries a run of
message text, because that may be a patient's. Each room defines the subclasses it raises. Raises nothing
itself.
"""

from __future__ import annotations


class HL7BridgeError(Exception):
    """Something that is wrong with a message, a file or the world, said for the person who must mend it.

    `code` is stable and kebab-case, for programs and metrics. `what` is one sentence without message values.
    `place` is `file:line:column` or a segment, field and byte offset. `hint` says what to do.
    """

    def __init__(
        self, what: str, *, code: str = "error", place: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        line = self.what if self.place is None else f"{self.place}: {self.what}"
        return line if self.hint is None else f"{line} ({self.hint})"

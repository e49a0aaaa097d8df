"""How a hospital's answer, or its silence, ends a send: four outcomes, and what each leads to.

Acknowledgment codes are those of HL7 table 0008: AA AE AR (original mode, application), CA CE CR (enhanced mode, accept).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Outcome(Enum):
    """The end of one send."""

    ACCEPTED = "accepted"  # AA, CA: the hospital has it
    ERRORED = "errored"  # AE, CE: it says it could not process it now
    REJECTED = "rejected"  # AR, CR: it says it will not
    UNKNOWN = "unknown"  # bytes left and no valid answer came: it may have it


class Next(Enum):
    """What becomes of a delivery after a send."""

    SENT = "sent"
    RETRY = "retry"
    FAIL = "fail"


#: The outcome that each code of table 0008 stands for.
OUTCOMES: Final[Mapping[str, Outcome]] = {
    "AA": Outcome.ACCEPTED,
    "CA": Outcome.ACCEPTED,
    "AE": Outcome.ERRORED,
    "CE": Outcome.ERRORED,
    "AR": Outcome.REJECTED,
    "CR": Outcome.REJECTED,
}


def outcome_of(code: str | None) -> Outcome:
    """The outcome for an acknowledgment code; no code, or one that table 0008 lacks, is UNKNOWN."""
    return OUTCOMES.get(code or "", Outcome.UNKNOWN)


def next_step(code: str | None, answers: Mapping[str, str], *, age_s: float, give_up_s: float) -> Next:
    """What a destination's policy makes of an answer.

    `answers` maps AE AR CE CR and `none` to `retry` or `fail`. A delivery older than `give_up_s` seconds (since its message was
    received) is not retried any more: it fails, and stays visible.
    """
    outcome = outcome_of(code)
    if outcome is Outcome.ACCEPTED:
        return Next.SENT
    policy = answers.get("none" if outcome is Outcome.UNKNOWN else str(code), "retry")
    if policy == "fail" or age_s >= give_up_s:
        return Next.FAIL
    return Next.RETRY

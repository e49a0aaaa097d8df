"""What the programme tells recipients, and what follows when that changes: say it, say it anew, take it back, or nothing.

A notice is an alert or a summary for one recipient. It is known by its subject, which stays the same for as long as it is about the
same thing. What was told is kept; here the two are compared. So nothing is told twice, whatever is replayed, restarted or merged.

Refuses to know messages, stores and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import IntEnum, StrEnum
from typing import NamedTuple


class State(IntEnum):
    """How what was told stands: it holds, or it was taken back."""

    TOLD = 1
    WITHDRAWN = 2


class Told(NamedTuple):
    """What was told one recipient. `patient` is the key under which it is kept, `subject` a key of what it is about.

    `number` counts how often it was told anew after it had been taken back, from 1. `content` is a digest of what was said.
    """

    patient: int
    recipient: str
    subject: int
    number: int
    state: State
    content: int
    message_id: int
    data: bytes


class Act(StrEnum):
    """What is to be done."""

    TELL = "tell"
    REPLACE = "replace"
    WITHDRAW = "withdraw"


class Step(NamedTuple):
    """Something to be done about a subject; `told` is what was told of it, None if nothing was."""

    act: Act
    subject: int
    told: Told | None


def steps(
    holds: Collection[int],
    content: Callable[[int], int],
    tellable: Collection[int],
    told: Iterable[Told],
    judged: Callable[[Told], bool],
    wrong: Callable[[Told], bool] = lambda told: False,
) -> list[Step]:
    """What is to be done for one recipient.

    `holds` are the subjects of what holds by the facts, `tellable` those that may be told now; `content` is asked for what each of
    them says now, only where something stands that may say otherwise. What was told and holds no more is withdrawn, whether or not it
    could be told again, unless it was not `judged` this time. After a merge a subject may have been told under two numbers: it holds
    for both, or is withdrawn from both. What was told of the `wrong` patient is withdrawn whether it holds or not; once it is, what
    holds is told anew of the right one.
    """
    known: dict[int, list[Told]] = {}
    for each in told:
        known.setdefault(each.subject, []).append(each)
    found: list[Step] = []
    for subject, rows in known.items():
        standing = [each for each in rows if each.state is State.TOLD]
        misfiled = [each for each in standing if wrong(each)]
        if misfiled:
            found += [Step(Act.WITHDRAW, subject, each) for each in misfiled]
        elif subject not in holds:
            found += [Step(Act.WITHDRAW, subject, each) for each in standing if judged(each)]
        elif subject in tellable:
            if not standing:
                found.append(Step(Act.TELL, subject, max(rows, key=lambda each: each.number)))
            elif {each.content for each in standing} != {content(subject)}:
                found += [Step(Act.REPLACE, subject, each) for each in standing]
    found += [
        Step(Act.TELL, subject, None) for subject in holds if subject in tellable and subject not in known
    ]
    return found

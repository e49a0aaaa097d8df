"""The queue of a destination: what is tried again and when, and what an answer means. Raises nothing."""

from __future__ import annotations

import re
from typing import Any, Final

from hl7bridge.mirth.elements import Connector
from hl7bridge.mirth.export import Element
from hl7bridge.mirth.lines import Block
from hl7bridge.mirth.notes import Notes

#: Ten years.
_LONGEST_MS: Final = 315_576_000_000


def queue_of(destination: Connector, send: Block, beside: Block, notes: Notes, where: str) -> None:
    """What the queue does, and what an answer means."""
    properties = destination.properties
    queue = properties.child("destinationConnectorProperties") or properties.child("queueConnectorProperties")
    if queue is None:
        return
    threads = queue.text("threadCount").strip()
    if re.fullmatch(r"[1-9][0-9]{0,2}", threads) and threads != "1":
        send.put("connections", threads)
    if queue.text("threadAssignmentVariable").strip():
        beside.say(notes.lose(where, "threads by a variable", "hl7bridge keeps the order of each patient"))
    queued, wait = queue.flag("queueEnabled"), milliseconds(queue.text("retryIntervalMillis"))
    count = queue.text("retryCount").strip()
    again = int(count) if re.fullmatch(r"[0-9]{1,6}", count) else 0
    retry: dict[str, Any] = {}
    if wait and (queued or again):
        retry = {"first": span(wait), "factor": "1", "most": span(wait), "jitter": "0%"}
    if not queued and again and wait:
        retry["give_up"] = span(wait * again)
    if retry:
        beside.put("retry", retry)
    if queued:
        notes.remark(
            where,
            "Mirth never gives a queued message up; here it fails after retry.give_up (3 days) and can be resent",
        )
    elif not again:
        notes.remark(where, "Mirth sends once; here a message is tried again until retry.give_up (3 days)")
    read = queue.flag("validateResponse") and destination.answered == "HL7V2"
    if "give_up" in retry and read:
        # Each way of failing is tried again so often before it is an error.
        answers = dict.fromkeys(("AE", "AR", "CE", "CR"), "retry")
    else:
        # A refusal is an error in Mirth, and is not sent again.
        answers = {"AE": "fail", "CE": "fail"}
        if queued and again and read:
            notes.remark(where, f"Mirth sent a refused message {again} times again; here it fails at once")
    if "give_up" not in retry and not properties.flag("queueOnResponseTimeout", default=True):
        answers["none"] = "fail"
    beside.put("answers", answers)
    if read:
        _checks(destination.checks, beside, notes, where)
    else:
        notes.remark(where, "Mirth took every answer as accepted; here AE, AR, CE and CR fail, and are shown")


def _checks(checks: Element | None, beside: Block, notes: Notes, where: str) -> None:
    """What Mirth looks at in an answer, where that is not what is usual."""
    if checks is None:
        return
    errors = {
        code.strip()
        for name, usual in (("errorACKCode", "AE,CE"), ("rejectedACKCode", "AR,CR"))
        for code in checks.text(name, default=usual).split(",")
    }
    for code in ("AE", "AR"):
        if code not in errors:
            beside.say(notes.lose(where, f"{code} is accepted", "hl7bridge takes it for a refusal"))
    for code in ("AA", "CA"):
        if code in errors:
            beside.say(notes.lose(where, f"{code} is an error", "hl7bridge takes it for accepted"))
    if not checks.flag("validateMessageControlId", default=True):
        notes.remark(
            where,
            "Mirth took an answer with any MSA-2; here one with another is none, and the message is sent again",
        )


def milliseconds(text: str) -> int:
    """A time of Mirth's in milliseconds; 0 where it is none."""
    return min(int(text), _LONGEST_MS) if re.fullmatch(r"[0-9]{1,20}", text.strip()) else 0


def span(time_ms: int) -> str:
    """A time of ours. Of weeks the milliseconds mean nothing, and would be more digits than a time may have."""
    time_ms = min(time_ms, _LONGEST_MS)
    if time_ms % 1000 and time_ms < 1_000_000_000:
        return f"{time_ms}ms"
    return f"{time_ms // 1000}s"

"""Logs to standard error: a line for people, or a JSON object for machines.

Events carry names, numbers and reasons; no module of this software puts a run of message text into one. An exception that nobody
expected is logged by its type and place, since its text might quote what it was working on.
"""

from __future__ import annotations

import json
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import (
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)

_OWN = "hl7bridge."


def begin(*, as_json: bool = False, level: LogLevel = LogLevel.info, stream: TextIO | None = None) -> None:
    """Starts logging for the process; once."""
    out = stream or sys.stderr
    predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    predicate.setLogLevelForNamespace("hl7bridge", level)
    write = _json_line if as_json else _line

    def observe(event: LogEvent) -> None:
        out.write(write(event) + "\n")
        out.flush()

    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(observe, [predicate])], redirectStandardIO=False, discardBuffer=True
    )


def _line(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(event["log_time"], UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    level = event["log_level"].name.upper()
    return f"{moment}Z {level:<8} {_text(event)}"


def _json_line(event: LogEvent) -> str:
    fields: dict[str, Any] = {
        key: value
        for key, value in event.items()
        if not key.startswith("log_") and isinstance(value, str | int | float | bool)
    }
    fields |= {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(),
        "level": event["log_level"].name,
        "event": str(event.get("log_namespace", "")).removeprefix(_OWN),
        "text": _text(event),
    }
    return json.dumps(fields, ensure_ascii=False)


def _text(event: LogEvent) -> str:
    failure = event.get("log_failure")
    if failure is None:
        return formatEvent(event).replace("\n", " ")
    frames = traceback.extract_tb(failure.getTracebackObject())
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:])
    )
    said = formatEvent(event).replace("\n", " ") if event.get("log_format") else ""
    return f"{said} unexpected {failure.type.__name__} at {places}".strip()

"""The newest hash of the audit trail, told once a day and at each start: to the log, and to a file that `audit: {head: FILE}` names.

Kept where whoever can write to the data folder cannot reach it, it shows that the trail was not written anew: `hl7bridge audit verify
--heads FILE`. A file that cannot be written to is an error in the log, and stops nothing.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger

from hl7bridge.store.base import AuditHead, StoreError

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.audit")


def tell_head(engine: Engine) -> None:
    """Says how far the trail has come; the file is written beside the reactor, as it may lie on another machine."""
    try:
        head = engine.store.audit_head()
    except StoreError:  # it is told again tomorrow, and at every start
        return
    if not head.sequence:
        return
    line = line_of(head, engine.wall_us())
    log.info("the audit trail has come to {head}", head=line.split(" ", 1)[1])
    name = engine.configuration.engine.audit_head
    if name is not None:
        path = engine.connector.data / name
        engine.connector.run_elsewhere(append, path, line).addErrback(
            lambda failure: log.error(
                "the head of the audit trail cannot be written to {path}: {why}",
                path=str(path),
                why=type(failure.value).__name__,
            )
        )


def line_of(head: AuditHead, at_us: int) -> str:
    """A head as a line: the time, sequence:hash."""
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()} {head.sequence}:{head.hash.hex()}"


def append(path: Path, line: str) -> None:
    """Adds a line to a file, durably. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)

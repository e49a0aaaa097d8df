"""Run as a process of its own: takes steps with a store whose disk fails on demand, and prints how each went.

    failing.py FILE STEP...

A step is `commit` (one message), `checkpoint`, `expire`, `message:OPERATION:SUFFIX:ERRNO` (the disk begins
to fail so, see disk.c), or `well`. Printed for each: `ok`, or the kind of error and what it says.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hl7bridge.store.base import Batch, MessageStatus, NewDelivery, NewMessage, StoreError
from hl7bridge.store.sqlite.store import SqliteStore


def message(number: int) -> NewMessage:
    """A small message with one delivery."""
    return NewMessage(
        id=number,
        received_us=number,
        source="feed",
        type="RDE^O11",
        control_id=f"C{number}",
        sender=1,
        fingerprint=number,
        status=MessageStatus.RECEIVED,
        answer="AA",
        version="v1",
        raw=b"raw",
        deliveries=(NewDelivery(number, number, "rush", "pharmacy", -1),),
    )


def main() -> None:
    """Take the steps."""
    store = SqliteStore(sys.argv[1])
    control = Path(os.environ["DISK_FAULT"])
    number = store.counters().message
    for step in sys.argv[2:]:
        said = "ok"
        try:
            if step == "commit":
                number += 1
                store.commit(Batch(messages=[message(number)]))
            elif step == "checkpoint":
                store.checkpoint()
            elif step == "expire":
                store.expire(1)
            elif step == "well":
                control.unlink()
            else:
                control.write_text(step.replace(":", " "))
        except StoreError as error:
            said = f"{type(error).__name__}: {error}"
        print(said, flush=True)
    # Without closing, as a process ends that has lost its store.
    os._exit(0)


if __name__ == "__main__":
    main()

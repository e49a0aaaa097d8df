"""Run as a process of its own: commits batches to a store and prints the last message's number after each.

    committing.py FILE SEED [unsafe]

It checkpoints and now and then deletes, as an engine does. `unsafe` turns synchronising off behind the
store's back, which the test of the harness needs: then messages must be seen to be lost.
"""

from __future__ import annotations

import os
import sys
from random import Random

from hl7bridge.store.base import Batch, DeliveryChange, DeliveryStatus, MessageStatus, NewDelivery, NewMessage
from hl7bridge.store.sqlite.store import SqliteStore


def message(number: int, random: Random) -> NewMessage:
    """Message `number`, with one delivery of the same number; now and then a large one."""
    size = random.choice((50, 900, 900, 5_000, 60_000))
    return NewMessage(
        id=number,
        received_us=number,
        source="feed",
        type="RDE^O11",
        control_id=f"C{random.randrange(100)}-{number}",
        sender=1,
        fingerprint=number,
        status=MessageStatus.RECEIVED,
        answer="AA",
        version="v1",
        raw=b"%d " % number + random.randbytes(size),
        payloads=(b"%d payload" % number,),
        deliveries=(NewDelivery(number, number, "rush", "pharmacy", 0, (number % 7,)),),
        patient_keys=(number % 50,),
    )


def main() -> None:
    """Until it is killed."""
    random = Random(int(sys.argv[2]))
    store = SqliteStore(sys.argv[1])
    if "unsafe" in sys.argv:
        store._database.conn.execute("PRAGMA synchronous = OFF")
    number = 0
    waiting: list[int] = []
    while True:
        batch = Batch()
        for _ in range(random.choice((1, 1, 4, 16))):
            number += 1
            batch.messages.append(message(number, random))
        for _ in range(random.randrange(len(waiting) + 1)):
            done = waiting.pop(0)
            batch.changes.append(DeliveryChange(done, DeliveryStatus.SENT, 1, done, "AA"))
        store.commit(batch)
        os.write(1, b"%d\n" % number)
        waiting.extend(each.id for each in batch.messages)
        if store.checkpoint_due():
            store.checkpoint()
        if number > 3000 and random.random() < 0.1:
            # What is deleted counts up too: everything from the printed number on must be there.
            store.expire(number - 3000)


if __name__ == "__main__":
    main()

"""Deciding stored messages again, under two configurations, with the time at which each came and the rosters of now.

Messages are decided in several processes, each with a reader of its own; one slow expression ends as it does in the engine. Nothing
is sent, and nothing is written. Raises the kinds of StoreError.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.changes.difference import concerns, differences
from hl7bridge.changes.marks import NOTHING, Accepted, Marks
from hl7bridge.changes.tally import Tally
from hl7bridge.changes.versions import Version
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.channel.deciding.plan import SourcePlan
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.channel.written.mistake import meant
from hl7bridge.engine.keeping.identity import StoredRoster
from hl7bridge.engine.operating.edited import EDITED
from hl7bridge.engine.receiving.in_time import TooLong, bounded, decide
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import BODY_BITS, MessageRow, MessageStatus, StoreReader
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.sqlite.reader import SqliteReader

#: Messages of one portion, and fewer than these are decided here: a process takes a second to begin.
PORTION: Final = 500
FEW: Final = 2_000
#: What is left out.
REPETITION: Final = "repetition"
COPY: Final = "copy"
#: Called with how many messages are done.
Progress = Callable[[int], None]


class Came(NamedTuple):
    """A message as it came."""

    id: int
    source: str
    received_us: int


class Deciding:
    """The old configuration, the new one, and a store; `channel` leaves out what other channels make of a message. What is found is
    held against what is `accepted`.
    """

    def __init__(
        self,
        reader: StoreReader,
        configurations: Iterable[Configuration],
        channel: str | None,
        accepted: Accepted,
    ) -> None:
        self._reader = reader
        self._configurations = tuple(_limited(each, channel) for each in configurations)
        self._roster = StoredRoster(reader, Hashes(reader.key))
        self._channel = channel
        self._marks = Marks(reader.key, accepted)

    def tally(self, portion: Iterable[Came]) -> Tally:
        """What a portion gives."""
        found = Tally()
        for came in portion:
            raw = self._reader.body(came.id << BODY_BITS)
            try:
                old, new = (self._decided(each, came, raw) for each in self._configurations)
            except (TooLong, Unreadable):
                found.unread += 1
                continue
            if self._channel is not None and not _looked_at(old, new):
                continue  # it is other channels' business
            found.programme += came.source == PROGRAMME
            found.count(came.id, concerns(old, new), differences(old, new), self._marks)
        return found

    def _decided(self, configuration: Configuration, came: Came, raw: bytes) -> Decision | None:
        if came.source not in configuration.plans:
            return None
        return decide(
            configuration,
            came.source,
            Message(raw, configuration.encoding(came.source)),
            received=datetime.fromtimestamp(came.received_us / 1e6, UTC),
            sequence=came.id,
            roster=self._roster,
        )


def _limited(configuration: Configuration, channel: str | None) -> Configuration:
    """As if there were no other channel; `None` is no limit."""
    if channel is None:
        return configuration
    plans = {
        name: SourcePlan(
            name,
            [each for each in plan.channels if each.name == channel],
            plan.zone,
            plan.unaccepted,
            plan.errors_answer,
        )
        for name, plan in configuration.plans.items()
    }
    return replace(configuration, plans=plans)


def _looked_at(old: Decision | None, new: Decision | None) -> bool:
    """Whether a channel looks at the message, or one of the two does not have its source."""
    return old is None or new is None or bool(old.outcomes or new.outcomes)


def came(rows: Iterable[MessageRow], left_out: Counter[str]) -> Iterator[Came]:
    """Those of these messages that are decided again. Not repetitions, nor copies that a replay made of messages that are decided
    anyway: `left_out` counts them. What a person has edited is no copy, nor what came from a file.
    """
    for row in rows:
        if row.status is MessageStatus.DUPLICATE:
            left_out[REPETITION] += 1
        elif row.is_replay and row.original is not None and EDITED not in row.flags:
            left_out[COPY] += 1
        else:
            yield Came(row.id, row.source, row.received_us)


def compare(
    store: Path,
    versions: tuple[Version, Version],
    messages: Iterable[Came],
    *,
    channel: str | None = None,
    accepted: Accepted = NOTHING,
    processes: int = 1,
    progress: Progress = lambda done: None,
) -> Tally:
    """What the second of two configurations would do otherwise than the first. Raises ConfigurationErrors, and HL7BridgeError for a
    channel that neither has.
    """
    configurations = [each.load() for each in versions]  # mistakes are said before all
    channels = [name for each in configurations for name in each.channels]
    if channel is not None and channel not in channels:
        raise HL7BridgeError(
            f"there is no channel {channel}",
            code="unknown-channel",
            hint=meant(channel, channels, ", ".join(dict.fromkeys(channels))),
        )
    found = Tally()
    messages = iter(messages)
    first = list(islice(messages, FEW + 1))
    if processes < 2 or len(first) <= FEW:
        reader = SqliteReader(store)
        try:
            with bounded():
                deciding = Deciding(reader, configurations, channel, accepted)
                for portion in _portions([first], messages):
                    found.add(deciding.tally(portion))
                    progress(found.messages + found.unread)
        finally:
            reader.close()
        return found
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _begin, (store, versions, channel, accepted)) as pool:
        waiting: list[Future[Tally]] = []
        for portion in _portions([first], messages):
            waiting.append(pool.submit(_portion, portion))
            if len(waiting) > 2 * processes:
                found.add(waiting.pop(0).result())
                progress(found.messages + found.unread)
        for future in waiting:
            found.add(future.result())
            progress(found.messages + found.unread)
    return found


def _portions(begin: Iterable[Sequence[Came]], rest: Iterator[Came]) -> Iterator[list[Came]]:
    for part in begin:
        for at in range(0, len(part), PORTION):
            yield list(part[at : at + PORTION])
    while portion := list(islice(rest, PORTION)):
        yield portion


# -- in a process of its own -----------------------------------------------------------------------------------------------

_deciding: Deciding | None = None


def _begin(store: Path, versions: tuple[Version, Version], channel: str | None, accepted: Accepted) -> None:
    global _deciding
    _deciding = Deciding(SqliteReader(store), [each.load() for each in versions], channel, accepted)
    bounded().__enter__()


def _portion(portion: list[Came]) -> Tally:
    assert _deciding is not None
    return _deciding.tally(portion)

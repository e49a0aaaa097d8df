"""Watching what feeds send: what a source's messages show that they never showed before is noted, told once a day, and alerted where a
line of the configuration is concerned.

It follows the stored messages in steps between others' work, so it costs no message anything; after a restart, or a day of much
traffic, it goes on where it was. What it says names places and messages, never what stands there. Raises nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from hl7bridge.channel.rules.reads import Read, looked_up
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.channel.settings import Drift as Settings
from hl7bridge.drift.concern import Concerns
from hl7bridge.drift.profile import Profile, type_called
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.store.base import (
    BODY_BITS,
    DAY_US,
    Batch,
    MessageQuery,
    MessageRow,
    MessageStatus,
    SeenKind,
    SeenRow,
    StoreError,
    StoreFault,
    Watched,
    keyed_hash,
)
from hl7bridge.store.rows.seen import CODE
from hl7bridge.words import counted

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine

log = Logger(namespace="hl7bridge.drift")

#: Seconds between two steps while there are messages to look at, and while there are not.
BUSY_S, IDLE_S = 0.05, 2.0
#: Messages and bytes of one step, for which acknowledgements wait.
STEP_MESSAGES, STEP_BYTES = 20, 256_000
#: Bytes, and separators between segments, fields and repetitions, of a message that is looked at. Each takes a microsecond or two, and
#: a document in one field next to nothing.
MOST_BYTES, MOST_PIECES = 16_000_000, 200_000
#: A message is looked at so long after it came: by then those with smaller numbers are kept, too. One that came later than it is
#: now, because the clock was set back, came before that.
SETTLED_US = 10_000_000
#: Messages after which it is kept how far they were looked at, though nothing was new.
KEPT_EVERY = 1_000
#: Types of messages of one source that are told apart; a sender who makes them up fills no memory.
MOST_TYPES = 200
#: Places that a digest names of one feed; and alerts of one feed in a day, and of one place of it, lest that alone uses them up.
NAMED, ALERTED, ALERTED_OF_A_PLACE = 8, 20, 5
#: News that one digest counts.
DIGESTED = 10_000
_WORDS: Final = {
    SeenKind.TYPE: "type",
    SeenKind.SEGMENT: "segment",
    SeenKind.FIELD: "field",
    SeenKind.CODE: "code",
    SeenKind.LENGTH: "length",
    SeenKind.MANY: "place with too many codes to watch",
}
Feed = tuple[str, str]


class Drift:
    """For one engine; `start` and `stop`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._profiles: dict[Feed, Profile] = {}
        self._types: dict[str, dict[str, int]] = {}
        self._concerns: dict[Feed, Concerns] = {}
        self._version = ""
        self._alerted: Counter[tuple[str, ...]] = Counter()
        # What was said of what the store has not taken yet: it is looked at again, and not said again.
        self._said: set[tuple[str | int, ...]] = set()
        self._told_day = 0
        self._begin_us: int | None = None
        self._watched: Watched | None = None
        self._kept: Watched | None = None
        self._call: Any = None

    def start(self) -> None:
        """Begins after a while."""
        self._again(IDLE_S)

    def stop(self) -> None:
        """Ends."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _again(self, seconds: float) -> None:
        self._call = self._engine.clock.callLater(seconds, self._step)

    def _step(self) -> None:
        settings = self._engine.configuration.engine.drift
        if (
            settings is None or self._engine.receiver.refusing is not None
        ):  # the last room is for results and deletes
            self._again(IDLE_S)
            return
        try:
            rows, more = self._look(settings)
        except StoreError:
            self._forget()
            self._again(IDLE_S)
            return
        watched, kept = self._watched, self._kept
        assert watched is not None
        moved = (
            kept is None or watched.through - kept.through >= KEPT_EVERY or watched.told_day != kept.told_day
        )
        if rows or moved:
            batch = Batch(seen=rows, watched=watched)
            self._engine.journal.ask("commit", (batch,), partial(self._written, watched, more))
        else:
            self._again(BUSY_S if more else IDLE_S)

    def _written(self, watched: Watched, more: bool, _: Any, error: StoreError | None) -> None:
        if error is None:
            self._kept = watched
            self._said.clear()
        else:
            self._forget()
        if self._call is not None:
            self._again(BUSY_S if more and error is None else IDLE_S)

    def _forget(self) -> None:
        """What is known is read anew: the store may not have what this remembers."""
        self._profiles.clear()
        self._types.clear()
        self._watched = self._kept = None

    # -- looking ---------------------------------------------------------------------------------------------------------------

    def _look(self, settings: Settings) -> tuple[list[SeenRow], bool]:
        """What the next messages show, and whether there are more. Raises StoreError."""
        engine = self._engine
        now_us = engine.wall_us()
        if engine.configuration.version != self._version:
            self._version = engine.configuration.version
            self._concerns.clear()
            self._profiles = {
                feed: profile
                for feed, profile in self._profiles.items()
                if profile.goes_on(_learn_us(settings), looked_up(self._reads(feed)))
            }
        if self._watched is None:
            self._watched = self._kept = engine.store.watched()
        watched = self._watched or Watched(0, (now_us - SETTLED_US) // DAY_US)
        # What an older store holds teaches as much as is learned; the rest of it is history.
        if self._begin_us is None:
            self._begin_us = now_us - _learn_us(settings)
        begin = MessageQuery(since_us=None if watched.through else self._begin_us)
        found: list[SeenRow] = []
        size = count = 0
        settled, early, profiles = True, False, len(self._profiles)
        after = watched.through or None
        for row in engine.store.messages(begin, after, STEP_MESSAGES, newest_first=False):
            if abs(now_us - row.received_us) < SETTLED_US:
                settled = False
                break
            watched = watched._replace(through=row.id)
            count += 1
            if _is_looked_at(row):
                found += self._shown_of(row, settings)
                size += row.size
            # A profile that had to be read takes a step's time by itself.
            if size > STEP_BYTES or len(self._profiles) > profiles:
                early = True
                break
        more = early or (settled and count == STEP_MESSAGES)
        if not more and not found:  # what was found is in the store, and so in the digest, with the next step
            watched = self._tell_day(watched, now_us)
        self._watched = watched
        return found, more

    def _shown_of(self, row: MessageRow, settings: Settings) -> list[SeenRow]:
        """What one message shows. Raises StoreError."""
        try:
            return list(self._shown(row, settings))
        except StoreError:
            raise
        except Exception:  # one message must not keep the others from being looked at
            log.failure(
                "{source}: message {message} could not be looked at for what is new",
                source=row.source,
                message=row.id,
            )
            return []

    def _shown(self, row: MessageRow, settings: Settings) -> Iterator[SeenRow]:
        engine = self._engine
        try:
            message = Message(
                engine.store.body(row.id << BODY_BITS), engine.configuration.encoding(row.source)
            )
        except (StoreFault, Unreadable):  # retention took it; or it is none
            return
        if _pieces(message) > MOST_PIECES:
            return
        feed = row.source, type_called(row.type)
        profile = self._profiles.get(feed)
        if profile is None:
            new = self._new_type(feed, row, settings)
            if new is not None:
                yield new
            profile = self._profile(feed, settings)
            if profile is None:
                return
        alerted: set[tuple[str, int]] = set()
        for news in sorted(profile.news(message, row.received_us), key=lambda news: news.kind):
            concern = None
            if not news.learned:
                concern = self._concern(feed).of(news, message.delimiters, message.charset)
            seen = SeenRow(
                *feed, news.place, news.kind, news.value, row.received_us, row.id, news.learned, concern
            )
            if concern is not None and settings.alert and (news.segment, news.field) not in alerted:
                alerted.add((news.segment, news.field))
                self._alert(seen)
            yield seen

    def _new_type(self, feed: Feed, row: MessageRow, settings: Settings) -> SeenRow | None:
        source, type_ = feed
        types = self._types_of(source)
        if type_ in types or len(types) >= MOST_TYPES:
            return None
        first_us = min(types.values(), default=row.received_us)
        types[type_] = row.received_us
        learned = abs(row.received_us - first_us) < settings.learn_s * 1e6
        return SeenRow(source, "", type_, SeenKind.TYPE, 0, row.received_us, row.id, learned)

    def _types_of(self, source: str) -> dict[str, int]:
        """The types of messages that a source has shown, with when each came first."""
        if source not in self._types:
            self._types[source] = {row.place: row.at_us for row in self._engine.store.seen(source, "")}
        return self._types[source]

    def _profile(self, feed: Feed, settings: Settings) -> Profile | None:
        since_us = self._types_of(feed[0]).get(feed[1])
        if since_us is None:
            return None
        store = self._engine.store
        self._profiles[feed] = profile = Profile(
            since_us,
            _learn_us(settings),
            partial(keyed_hash, store.key, CODE),
            looked_up(self._reads(feed)),
            store.seen(*feed),
        )
        return profile

    # -- what is concerned -------------------------------------------------------------------------------------------------------

    def _reads(self, feed: Feed) -> list[Read]:
        """What is read of a feed's messages."""
        source, type_ = feed
        plan = self._engine.configuration.plans.get(source)
        if plan is None:
            return []
        code, _, trigger = type_.partition("^")
        return [
            read for channel in plan.accepting(code.encode(), trigger.encode())[1] for read in channel.reads
        ]

    def _concern(self, feed: Feed) -> Concerns:
        if feed not in self._concerns:
            self._concerns[feed] = Concerns(self._reads(feed), self._engine.configuration.tables)
        return self._concerns[feed]

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def _alert(self, seen: SeenRow) -> None:
        if seen[:5] in self._said:
            return
        self._said.add(seen[:5])
        feed, place = seen[:2], seen[:3]
        if self._alerted[feed] == ALERTED or self._alerted[place] == ALERTED_OF_A_PLACE:
            return
        self._alerted.update((feed, place))
        log.critical(
            "{source} {type}: a {what} that never came before, {place}, in message {message}, concerns {concern} "
            "(hl7bridge drift --source {source})",
            source=seen.source,
            type=seen.type,
            what=_WORDS[SeenKind(seen.kind)],
            place=seen.place,
            message=seen.message_id,
            concern=seen.concern,
        )

    def _tell_day(self, watched: Watched, now_us: int) -> Watched:
        """All messages of the days before are looked at: tells what was new, once for each day that has ended."""
        today = (now_us - SETTLED_US) // DAY_US
        if watched.told_day == today:
            return watched
        if (
            watched.told_day > today or self._told_day == today
        ):  # the clock was set back; or it is told and not yet kept
            return watched._replace(told_day=today)
        self._told_day = today
        days = _days(watched.told_day, today)
        rows = self._engine.store.news(watched.told_day * DAY_US, today * DAY_US, DIGESTED)
        for line in digest(rows):
            log.info("never seen before {days}: {line}", days=days, line=line)
        if not rows:
            log.info("never seen before {days}: nothing", days=days)
        elif len(rows) == DIGESTED:
            log.warn("never seen before {days}: more than these {count}", days=days, count=DIGESTED)
        self._alerted.clear()
        return watched._replace(told_day=today)


def _learn_us(settings: Settings) -> int:
    return int(settings.learn_s * 1e6)


def _pieces(message: Message) -> int:
    separators = b"\r", b"\n", message.delimiters.field, message.delimiters.repetition
    return sum(message.raw.count(separator) for separator in separators if separator)


def _is_looked_at(row: MessageRow) -> bool:
    """Not what the engine made itself, nor what came twice or was none."""
    ours = row.source == PROGRAMME or row.is_replay or row.status is MessageStatus.DUPLICATE
    return not ours and bool(row.type) and row.size <= MOST_BYTES


def digest(rows: list[SeenRow]) -> Iterator[str]:
    """A line for each feed: how much of what was new, and where."""
    feeds: dict[Feed, list[SeenRow]] = {}
    for row in rows:
        feeds.setdefault((row.source, row.type or row.place), []).append(row)
    for (source, type_), found in sorted(feeds.items()):
        kinds = Counter(row.kind for row in found)
        counts = ", ".join(counted(kinds[kind], _WORDS[kind]) for kind in SeenKind if kinds[kind])
        places = dict.fromkeys(
            row.place for row in sorted(found, key=lambda row: row.concern is None) if row.type
        )
        named = ", ".join(islice(places, NAMED)) + (", ..." if len(places) > NAMED else "")
        yield f"{source} {type_}: {counts}" + (f" ({named})" if named else "")


def _days(first: int, end: int) -> str:
    """The days from the first to before the end, counted from 1970-01-01."""
    begin, last = _day(first), _day(end - 1)
    return f"on {begin}" if begin == last else f"from {begin} to {last}"


def _day(number: int) -> date:
    return datetime.fromtimestamp(0, UTC).date() + timedelta(days=number)

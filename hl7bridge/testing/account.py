"""The account at the end of a run: what feeds were told, what the store says, and what the hospitals counted.

Each is counted by itself, and here they are compared message by message. Raises StoreError where the store
cannot be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hl7bridge.channel.settings import DestinationSettings
from hl7bridge.hl7.message import Message
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryQuery, DeliveryRow, DeliveryStatus, MessageQuery, MessageRow
from hl7bridge.testing.site import Receiver, Site
from hl7bridge.testing.traffic import SOURCES


@dataclass(slots=True)
class FeedAccount:
    """A feed: messages it sent, the answers it got, and what the store has of them by status."""

    name: str
    sent: int
    answers: dict[str, int]
    kept: dict[str, int]
    unanswered: int = 0
    not_kept: int = 0


@dataclass(slots=True)
class DestinationAccount:
    """A destination: its deliveries by the store, and by its own count. `got` None where nobody counts."""

    name: str
    manner: str
    decided: int = 0
    sent: int = 0
    refused: int = 0
    cancelled: int = 0
    waiting: int = 0
    retried: int = 0
    possible_duplicates: int = 0
    got: int | None = None
    got_refused: int = 0
    got_again: int = 0
    missing: int = 0
    unexpected: int = 0
    reordered: int = 0
    unmarked: int = 0


@dataclass(slots=True)
class Account:
    """Both sides, and what is wrong with them, in sentences."""

    feeds: list[FeedAccount] = field(default_factory=list)
    destinations: list[DestinationAccount] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Messages whose sender was told AA."""
        return sum(feed.answers.get("AA", 0) for feed in self.feeds)

    @property
    def delivered(self) -> int:
        """Deliveries that ended well."""
        return sum(each.sent for each in self.destinations)

    @property
    def refused(self) -> int:
        """Deliveries that a hospital refused."""
        return sum(each.refused for each in self.destinations)


def of_site(site: Site) -> Account:
    """The account of a run whose engine has stopped."""
    made = Account()
    with Operations(site.data) as operations:
        rows = list(operations.messages(MessageQuery(), newest_first=False))
        by_id = {row.id: row for row in rows}
        for name in site.traffic.feeds:
            made.feeds.append(_feed(name, site, [row for row in rows if row.source == SOURCES[name]]))
        for settings in site.destinations:
            deliveries = list(operations.deliveries(DeliveryQuery(destination=settings.name)))
            made.destinations.append(_destination(settings, deliveries, by_id, site, operations))
    if site.exit_status:
        made.problems.append(f"the engine ended with status {site.exit_status}; its log is {site.engine.log}")
    for feed in made.feeds:
        made.problems += _problems(feed, _FEED_PROBLEMS)
    for each in made.destinations:
        made.problems += _problems(each, _DESTINATION_PROBLEMS)
    return made


def _feed(name: str, site: Site, rows: list[MessageRow]) -> FeedAccount:
    progress = site.progress[name]
    sent = Counter(message.control_id for message in site.traffic.feeds[name])
    kept = Counter(row.control_id for row in rows)
    return FeedAccount(
        name,
        progress.total,
        dict(progress.answers),
        dict(Counter(row.status.name for row in rows)),
        progress.total - progress.answered + progress.answers["none"],
        (sent - kept).total(),
    )


def _destination(
    settings: DestinationSettings,
    deliveries: list[DeliveryRow],
    messages: dict[int, MessageRow],
    site: Site,
    operations: Operations,
) -> DestinationAccount:
    receiver = site.receivers.get(settings.name)
    made = DestinationAccount(settings.name, "files" if receiver is None else receiver.manner)
    status = Counter(row.status for row in deliveries)
    made.decided = len(deliveries)
    made.sent = status[DeliveryStatus.SENT]
    made.refused = status[DeliveryStatus.FAILED]
    made.cancelled = status[DeliveryStatus.CANCELLED]
    made.waiting = status[DeliveryStatus.QUEUED] + status[DeliveryStatus.SENDING]
    made.retried = sum(row.attempts > 1 for row in deliveries)
    made.possible_duplicates = sum(row.possible_duplicate for row in deliveries)
    if receiver is None:
        if settings.file is not None:
            files = sum(1 for path in (site.data / settings.file.folder).rglob("*") if path.is_file())
            made.got = files
            made.missing, made.unexpected = max(0, made.sent - files), max(0, files - made.sent)
        return made
    _compare(made, receiver, settings, deliveries, messages, site, operations)
    return made


def _compare(
    made: DestinationAccount,
    receiver: Receiver,
    settings: DestinationSettings,
    deliveries: list[DeliveryRow],
    messages: dict[int, MessageRow],
    site: Site,
    operations: Operations,
) -> None:
    """The store's word against the hospital's, control ID by control ID."""
    marked = set()
    theirs: dict[str, str] = {}  # the control ID that the hospital saw, and the one that the feed gave
    by_status: dict[DeliveryStatus, set[str]] = {each: set() for each in DeliveryStatus}
    for row in deliveries:
        original = seen = messages[row.message_id].control_id
        if settings.control_id == "own":
            seen = Message(operations.body(row.payload_ref)).control_id.decode("ascii", "replace")
        theirs[seen] = original
        by_status[row.status].add(seen)
        if row.possible_duplicate:
            marked.add(seen)
    accepted, refused = set(receiver.accepted), set(receiver.refused)
    made.got, made.got_refused, made.got_again = len(accepted), len(refused - accepted), receiver.again
    made.missing = len(by_status[DeliveryStatus.SENT] - accepted)
    made.missing += len(by_status[DeliveryStatus.FAILED] - refused)
    # What was accepted but whose answer was lost is still open; anything else that it got nobody sent.
    may_have = (
        by_status[DeliveryStatus.SENT] | by_status[DeliveryStatus.QUEUED] | by_status[DeliveryStatus.SENDING]
    )
    made.unexpected = len(accepted - may_have)
    twice = {control_id for control_id, times in receiver.accepted.items() if times > 1}
    made.unmarked = len(twice - marked)
    made.reordered = _reordered((theirs.get(each, each) for each in receiver.accepted), site)


def _reordered(received: Iterable[str], site: Site) -> int:
    """How many came behind a later one of the same patient and feed; `received` in order of first arrival."""
    place = {
        message.control_id: (feed, message.patient.number, number)
        for feed, messages in site.traffic.feeds.items()
        for number, message in enumerate(messages)
    }
    last: dict[tuple[str, bytes], int] = {}
    late = 0
    for control_id in received:
        if control_id not in place:
            continue
        feed, patient, number = place[control_id]
        late += number < last.get((feed, patient), -1)
        last[feed, patient] = max(number, last.get((feed, patient), -1))
    return late


#: What must be zero of a feed and of a destination, in words.
_FEED_PROBLEMS = (
    ("unanswered", "messages without an answer"),
    ("not_kept", "messages that the store has not"),
)
_DESTINATION_PROBLEMS = (
    ("waiting", "deliveries that still wait"),
    ("missing", "deliveries that count as ended and did not arrive"),
    ("unexpected", "messages that arrived and that nobody sent"),
    ("unmarked", "messages that arrived twice and are not marked possible duplicates"),
    ("reordered", "messages that came behind a later one of their patient"),
)


def _problems(of: FeedAccount | DestinationAccount, kinds: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{of.name}: {words}: {getattr(of, field):,}" for field, words in kinds if getattr(of, field)]

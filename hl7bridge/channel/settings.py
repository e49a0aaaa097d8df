"""Settings of sources, destinations, affiliates and the engine, as dataclasses; `channel.keys` reads them.

Knows names, ports, times and policies; it opens nothing and connects to nothing. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from hl7bridge.affiliation.alerts.case import Thresholds

#: The source by which the programme's own messages enter; nothing listens for it.
PROGRAMME: Final = "programme"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """A listener's certificate and key, PEM files; with `client_ca` senders must show a certificate that it
    signed.
    """

    certificate: str
    key: str
    client_ca: str | None = None


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a hospital's certificate is checked: against `ca` (else the system's), under the name `name` (else
    the host).
    """

    ca: str | None = None
    name: str | None = None
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class MllpListener:
    """Where and how a source listens. Times in seconds; `idle_after_s` None means never."""

    port: int
    host: str = "0.0.0.0"
    tls: ServerTls | None = None
    allow: tuple[str, ...] = ()
    max_connections: int = 20_000
    max_message_bytes: int = 64_000_000
    idle_after_s: float | None = None
    encoding: str = "utf-8"
    commit_bytes: bool = False


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """Where a source's files arrive. Times in seconds: how often it is looked at, how long a file must stay as it is before it is
    taken, and how long it is kept afterwards (None: until somebody removes it). `unended_fails`: a file that does not end with a
    line end is set aside.
    """

    folder: str
    pattern: str = "*"
    every_s: float = 5.0
    settled_s: float = 5.0
    keep_s: float | None = None
    max_message_bytes: int = 64_000_000
    encoding: str = "utf-8"
    unended_fails: bool = False


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One feed, by `mllp` or by `file`. `duplicates_s` None turns the recognition of repeats off; `zone` None means UTC."""

    name: str
    mllp: MllpListener | None
    zone: ZoneInfo | None = None
    duplicates_s: float | None = 86400.0
    unaccepted: str = "AR"
    errors_answer: str = "AE"
    file: WatchedFolder | None = None

    @property
    def encoding(self) -> str:
        """The character set of messages that name none."""
        edge = self.mllp or self.file
        return "utf-8" if edge is None else edge.encoding

    @property
    def max_message_bytes(self) -> int:
        """The size of the largest message that it takes."""
        edge = self.mllp or self.file
        return 0 if edge is None else edge.max_message_bytes

    @property
    def commit_bytes(self) -> bool:
        """Whether MLLP release 2 commit bytes are sent."""
        return self.mllp is not None and self.mllp.commit_bytes


@dataclass(frozen=True, slots=True)
class MllpTarget:
    """Where a destination listens."""

    host: str
    port: int
    tls: ClientTls | None = None


@dataclass(frozen=True, slots=True)
class FileTarget:
    """The folder that a destination's files go to, and the template of their names (see
    `filename.file_name`).
    """

    folder: str
    name: str = "${date}/${id}-${MSH-10}.hl7"


@dataclass(frozen=True, slots=True)
class CoverSettings:
    """Who a cover sheet names as its sender."""

    sender: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentsTarget:
    """An outbox folder. `confirm_within_s` None: a document counts as sent when it is ready."""

    folder: str
    confirm_within_s: float | None = 259_200.0
    cover: CoverSettings | None = None


@dataclass(frozen=True, slots=True)
class SmtpTarget:
    """A mail server, and how a document is addressed. `to` is a template of paths, `subject` knows `${id}` alone."""

    host: str
    port: int
    tls: str
    sender: str
    to: str
    subject: str
    ca: str | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)
    cover: CoverSettings | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Back-off: the first wait, what it grows by, the longest, and the age at which a delivery fails.
    Seconds.
    """

    first_s: float = 5.0
    factor: float = 2.0
    most_s: float = 600.0
    jitter: float = 0.1
    give_up_s: float = 259_200.0


#: The two forms in which an affiliate may want visit summaries.
MDM: Final = "MDM"
ORU: Final = "ORU"


@dataclass(frozen=True, slots=True)
class SummaryWish:
    """That an affiliate wants visit summaries: of visits that ended on `begin` or later, as MDM or ORU."""

    begin: date
    form: str = MDM


@dataclass(frozen=True, slots=True)
class ProviderWish:
    """That summaries go to providers without an affiliation: of visits since `begin`, without what is in `withhold`."""

    begin: date
    withhold: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Affiliate:
    """What makes a destination an affiliate. `agreement` gives the day from which each scope is shared.

    `roster` is the file of its full list, `roster_deltas` a pattern of files with what is other since.
    `alerts_from`: the first day whose alerts it is told, None for none at all; `thresholds`: when they are raised.
    """

    full_name: str
    agreement: Mapping[str, date]
    states: tuple[str, ...] = ()
    authority: str | None = None
    identifier_type: str | None = None
    roster: str | None = None
    roster_deltas: str | None = None
    alerts_from: date | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    summaries: SummaryWish | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


ANSWERS = {"AE": "retry", "AR": "fail", "CE": "retry", "CR": "fail", "none": "retry"}


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """What is sent to, and how: one of `mllp`, `file`, `documents` and `smtp`. `processing` None means any MSH-11."""

    name: str
    mllp: MllpTarget | None = None
    file: FileTarget | None = None
    documents: DocumentsTarget | None = None
    smtp: SmtpTarget | None = None
    timeout_s: float = 30.0
    connections: int = 1
    order: str = "patient"
    retry: Retry = Retry()
    answers: Mapping[str, str] = field(default_factory=lambda: dict(ANSWERS))
    processing: tuple[str, ...] | None = ("P",)
    control_id: str = "kept"
    status: str = "live"
    affiliate: Affiliate | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """Noting what feeds send that they never sent before: for `learn_s` what is new in a new feed is no news."""

    learn_s: float = 14 * 86_400.0
    alert: bool = True


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What concerns the whole engine (`hl7bridge.yaml`). Times in seconds, sizes in bytes; None means without
    limit.

    `programme_zone` is the calendar by which the programme counts days, None for UTC; `settle_s` how long it waits after a start,
    and after facts came, for those that belong to them. `letterhead`: who writes visit summaries, the name first.
    """

    data: str = "data"
    free_bytes: int = 1_000_000_000
    free_share: float = 0.05
    unacknowledged_bytes: int = 256_000_000
    retention_s: float | None = None
    audit_retention_s: float | None = None
    patient_retention_s: float | None = None
    audit_head: str | None = None
    alert_queue_age_s: float = 900.0
    drift: Drift | None = Drift()
    programme_zone: ZoneInfo | None = None
    settle_s: float = 300.0
    letterhead: tuple[str, ...] = ()
    providers: ProviderWish | None = None

"""Reading a store beside its engine, read only: messages, deliveries, counts, and what is known of a patient.

Refuses to know sockets. Raises HL7BridgeError for a folder without a store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from hl7bridge.affiliation.who.known import Known, known_of
from hl7bridge.channel.written.named import Named
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations.names import must_be_known
from hl7bridge.places import STORE
from hl7bridge.store.base import (
    DeliveryQuery,
    DeliveryRow,
    MessageDetail,
    MessageQuery,
    MessageRow,
    Stats,
    StoreReader,
)
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.sqlite.reader import SqliteReader

PAGE = 500
#: Messages that are looked through for the newest copy of a replay: those that came meanwhile lie before it.
LOOKED_THROUGH = 100_000


class Reading:
    """The reading part of `Operations`, on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._reader: StoreReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the store."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @property
    def reader(self) -> StoreReader:
        """The store, read only."""
        if self._reader is None:
            self.must_be_there()
            self._reader = SqliteReader(self.data / STORE)
        return self._reader

    def must_be_there(self) -> None:
        """Raises HL7BridgeError for a folder without a store."""
        if not (self.data / STORE).exists():
            raise HL7BridgeError(
                "there is no store in this folder",
                code="no-store",
                place=str(self.data),
                hint="name the engine's folder with --data",
            )

    def patient_key(self, text: str) -> int:
        """The search key of a patient given as NUMBER^AUTHORITY or NUMBER^^^AUTHORITY. Raises HL7BridgeError."""
        number, _, authority = text.partition("^")
        authority = authority.lstrip("^")
        if not number or not authority:
            raise HL7BridgeError(
                "a patient is named by number and authority",
                code="bad-patient",
                hint="like 12345^MEDSTAR",
            )
        return Hashes(self.reader.key).patient(authority.encode(), number.encode())

    def must_be_known(self, kind: Named, name: str) -> None:
        """Raises HL7BridgeError where nothing was ever called so; for where a name found nothing."""
        must_be_known(self.reader, kind, name)

    def known(self, key: int) -> Known:
        """All that is known of the patient of a key."""
        reader = self.reader
        return known_of(key, reader.aliases, reader.facts, reader.verdicts)

    def _files(self) -> Mapping[str, bytes]:
        """Those of the newest configuration, by path."""
        versions = self.reader.versions()
        kept = self.reader.configuration(versions[-1][0]) if versions else None
        return {} if kept is None else kept.files

    def messages(
        self,
        query: MessageQuery,
        *,
        after_id: int | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> Iterator[MessageRow]:
        """Messages that match, page by page."""
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.reader.messages(query, after_id, size, newest_first)
            yield from page
            if len(page) < size:
                return
            after_id = page[-1].id
            left = None if left is None else left - len(page)

    def last_replayed(self, operator: str, since_us: int) -> int | None:
        """The original of the newest copy that this operator's replays have made since a time."""
        query = MessageQuery(since_us=since_us)
        copies = (row for row in self.messages(query, limit=LOOKED_THROUGH) if row.is_replay)
        return next((row.original for row in copies if row.operator == operator), None)

    def message(self, message_id: int) -> MessageDetail:
        """One message with its deliveries and attempts."""
        # What is larger than any identifier cannot even be asked for.
        detail = self.reader.message(message_id) if message_id.bit_length() < 64 else None
        if detail is None:
            raise HL7BridgeError(
                f"there is no message {message_id}",
                code="unknown-message",
                hint="`hl7bridge messages` lists them",
            )
        return detail

    def body(self, ref: int) -> bytes:
        """The bytes of a message or of a payload."""
        return self.reader.body(ref)

    def deliveries(self, query: DeliveryQuery, *, limit: int | None = None) -> Iterator[DeliveryRow]:
        """Deliveries that match, page by page, oldest first."""
        after, left = None, limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.reader.deliveries(query, after, size)
            yield from page
            if len(page) < size:
                return
            after = page[-1].id
            left = None if left is None else left - len(page)

    def stats(self, since_us: int) -> Stats:
        """Counts since a time."""
        return self.reader.stats(since_us)

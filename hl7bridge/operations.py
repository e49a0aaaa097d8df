"""What an operator may ask and do, for every face (command line, console): search, show, count; and acts on a running engine.

Reading opens the store beside the engine, read only. Acting goes through the engine's control socket. Faces know neither SQL nor
sockets. Raises HL7BridgeError, with what to do, for a data folder without a store or an engine that does not run.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from hl7bridge import shipped
from hl7bridge.affiliation.chart import Chart, chart_of
from hl7bridge.affiliation.facts import PersonFact
from hl7bridge.affiliation.interactionlist import Interactions
from hl7bridge.affiliation.known import Known, known_of
from hl7bridge.affiliation.medicines import Medicines
from hl7bridge.affiliation.people import Patient
from hl7bridge.channel.interactiontable import interactions_of
from hl7bridge.channel.medicinetable import medicines_of
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import STORE, socket_path
from hl7bridge.store.base import (
    DeliveryQuery,
    DeliveryRow,
    DeliveryStatus,
    MessageDetail,
    MessageQuery,
    MessageRow,
    Stats,
    StoreReader,
)
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.sqlite_reader import SqliteReader

PAGE = 500
#: Patients held for a person that are listed at once.
MOST_HELD = 10_000
_LEFT = (DeliveryStatus.SENT, DeliveryStatus.SENDING)
#: Seconds without a word after which an engine counts as stuck.
PATIENCE_S = 600.0


class Who(NamedTuple):
    """What a message newly said of who a patient is."""

    message_id: int
    numbers: list[str]
    name: str
    born: date | None
    sex: str


class Unsettled(NamedTuple):
    """A patient who is held for a person: since when, why, and who the messages say it is."""

    since_us: int
    held: str
    said: list[Who]


class Disclosure(NamedTuple):
    """A delivery that has reached an affiliate, or may have. `under_old`: the message bore the number that was merged away."""

    at_us: int
    destination: str
    status: DeliveryStatus
    message_id: int
    type: str
    under_old: bool


class NotRunning(HL7BridgeError):
    """No engine runs on this data folder. Code: `not-running`."""


class Operations:
    """On one data folder. Close it, or use it in a `with`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._reader: StoreReader | None = None

    def __enter__(self) -> Operations:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the store."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- reading -------------------------------------------------------------------------------------------------------------

    @property
    def reader(self) -> StoreReader:
        """The store, read only."""
        if self._reader is None:
            path = self.data / STORE
            if not path.exists():
                raise HL7BridgeError(
                    "there is no store in this folder",
                    code="no-store",
                    place=str(self.data),
                    hint="name the engine's folder with --data",
                )
            self._reader = SqliteReader(path)
        return self._reader

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

    def chart(self, patient: str, on: date) -> tuple[Patient, Chart]:
        """What is known of a patient, named as in `patient_key`, under all identifiers; by the tables of the newest configuration.
        Raises HL7BridgeError, also for a patient of whom no message told.
        """
        known = self.known(self.patient_key(patient))
        if not known.said:
            raise HL7BridgeError(
                "nothing is known of this patient",
                code="unknown-patient",
                hint="only channels with `programme:` tell; `hl7bridge messages --patient` lists what came",
            )
        medicines, listed = self._tables()
        return known.patient, chart_of(known.facts, known.patient.held, medicines, on, listed)

    def known(self, key: int) -> Known:
        """All that is known of the patient of a key."""
        reader = self.reader
        return known_of(key, reader.aliases, reader.facts, reader.verdicts)

    def unsettled(self, limit: int | None = None) -> Iterator[Unsettled]:
        """Those who are held for a person, the longest held first; who was settled since the last look is left out."""
        seen: set[int] = set()
        for row in self.reader.held_patients(limit=MOST_HELD if limit is None else limit):
            known = self.known(row.patient)
            if known.patient.held is None or seen.intersection(known.patient.keys):
                continue
            seen.update(known.patient.keys)
            said = [
                Who(
                    each.message_id,
                    [f"{number.number}^{number.authority}" for number in each.fact.numbers],
                    f"{each.fact.family}, {each.fact.given}",
                    each.fact.birth,
                    each.fact.sex,
                )
                for each in sorted(known.said, key=lambda each: each.message_id)
                if isinstance(each.fact, PersonFact)
            ]
            yield Unsettled(row.since_us, known.patient.held, said)

    def disclosed(self, old: int, surviving: int) -> list[Disclosure]:
        """What affiliates were sent under either number since a merge joined the two, in the order of messages; also what may have
        reached one without its answer. Empty where no merge has joined them.
        """
        joined = self.reader.joined(old, surviving)
        if joined is None or not joined.merged:
            return []
        found: dict[int, MessageRow] = {}
        for key in (old, surviving):
            query = MessageQuery(patient_key=key)
            rows = self.messages(query, after_id=joined.message_id - 1, newest_first=False)
            found.update((row.id, row) for row in rows)
        return [
            Disclosure(each.at_us, each.destination, each.status, row.id, row.type, old in row.patient_keys)
            for _, row in sorted(found.items())
            for each in self.message(row.id).deliveries
            if each.scope is not None and (each.status in _LEFT or each.possible_duplicate)
        ]

    def _tables(self) -> tuple[Medicines, Interactions]:
        versions = self.reader.versions()
        kept = self.reader.configuration(versions[-1][0]) if versions else None
        files = {} if kept is None else kept.files
        return medicines_of(files), interactions_of(files, shipped.interactions())

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

    def message(self, message_id: int) -> MessageDetail:
        """One message with its deliveries and attempts."""
        detail = self.reader.message(message_id)
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

    # -- acting --------------------------------------------------------------------------------------------------------------

    def act(self, verb: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Asks the engine; yields its progress, and at last its result under `done`. Raises HL7BridgeError."""
        request = {"verb": verb, "operator": operator(), **arguments}
        with self._connected() as connection, connection.makefile("rb") as lines:
            connection.sendall(json.dumps(request).encode() + b"\n")
            for line in lines:
                reply = json.loads(line)
                if "error" in reply:
                    raise ActRefused(reply)
                yield reply
                if "done" in reply:
                    return
        raise HL7BridgeError(
            "the engine hung up before it was done", code="hung-up", hint="see the engine's log"
        )

    def done(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """`act` without its progress."""
        result: dict[str, Any] = {}
        for reply in self.act(verb, **arguments):
            result = reply.get("done", result)
        return result

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE_S)
        try:
            path, folder = socket_path(self.data)
            try:
                connection.connect(path)
            finally:
                if folder is not None:
                    os.close(folder)
        except OSError:
            connection.close()
            raise NotRunning(
                "no engine runs on this data folder",
                code="not-running",
                place=str(self.data),
                hint="start it with `hl7bridge run`, or name its folder with --data",
            ) from None
        return connection


class ActRefused(HL7BridgeError):
    """The engine's no, in its own words; `mistakes` are those of a configuration."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["error"], code=reply.get("code", "error"))
        self.mistakes: list[str] = reply.get("mistakes", [])


def operator() -> str:
    """Who acts: the user behind sudo, or the user."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        with suppress(KeyError, OSError):
            name = getpass.getuser()
    return name or f"uid {os.getuid()}"

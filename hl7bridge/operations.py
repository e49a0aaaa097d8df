"""What an operator may ask and do, for every face (command line, console): search, show, count; and acts on a running engine.

Reading opens the store beside the engine, read only. Acting goes through the engine's control socket. Faces know neither SQL nor
sockets. What shows patients' data is told to the audit trail first (`view`). Raises HL7BridgeError, with what to do, for a data
folder without a store or an engine that does not run.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hl7bridge import shipped
from hl7bridge.affiliation.chart import Chart, chart_of
from hl7bridge.affiliation.interactionlist import Interactions
from hl7bridge.affiliation.known import known_of
from hl7bridge.affiliation.medicines import Medicines
from hl7bridge.affiliation.people import Patient
from hl7bridge.affiliation.report import Period
from hl7bridge.channel.contract import Contract, contracts_of
from hl7bridge.channel.folder import load
from hl7bridge.channel.interactiontable import interactions_of
from hl7bridge.channel.medicinetable import medicines_of
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import STORE, socket_path
from hl7bridge.store.audit_check import Verdict, check
from hl7bridge.store.base import (
    AuditHead,
    AuditRecord,
    Batch,
    DeliveryQuery,
    DeliveryRow,
    MessageDetail,
    MessageQuery,
    MessageRow,
    Stats,
    StoreReader,
    View,
    records_of,
)
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from hl7bridge.reporting.make import Report

PAGE = 500
#: Seconds without a word after which an engine counts as stuck.
PATIENCE_S = 600.0
#: The same where somebody waits to look at something.
VIEW_S = 10.0
#: How far the times of the audit trail's rows may be out of order, in microseconds.
SLACK_US = 86_400_000_000


class NotRunning(HL7BridgeError):
    """No engine runs on this data folder. Code: `not-running`."""


class Unrecorded(HL7BridgeError):
    """A view that the audit trail cannot be told of now. Code: `unrecorded`."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A disclosure or a refusal of a patient's data, with whom it concerns: the affiliate's full name (else the destination's), and
    the first day of the agreement's scope by the configuration that decided it, YYYY-MM-DD or None where there is no agreement.
    """

    record: AuditRecord
    full_name: str
    agreement_from: str | None


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
        known = known_of(self.patient_key(patient), self.reader.aliases, self.reader.facts)
        if not known.said:
            raise HL7BridgeError(
                "nothing is known of this patient",
                code="unknown-patient",
                hint="only channels with `programme:` tell; `hl7bridge messages --patient` lists what came",
            )
        medicines, listed = self._tables()
        return known.patient, chart_of(known.facts, known.patient.held, medicines, on, listed)

    def report(
        self, affiliate: str, begin: date, through: date, to: Path, *, csv: bool = True, pdf: bool = True
    ) -> Report:
        """Makes the periodic report of an affiliate in the folder `to`, by the newest configuration. Both days are inclusive.

        It is a disclosure: what it returns is what the audit trail has to say of it. Raises HL7BridgeError (see reporting.make).
        """
        from hl7bridge.reporting.make import report  # loads what draws pages

        files = self._files()
        return report(
            self.reader,
            load(files, lambda _: "", kept=True),
            interactions_of(files, shipped.interactions()),
            affiliate,
            Period(begin, through),
            to,
            csv=csv,
            pdf=pdf,
            made=datetime.now(UTC),
        )

    def _files(self) -> Mapping[str, bytes]:
        """Those of the newest configuration, by path."""
        versions = self.reader.versions()
        kept = self.reader.configuration(versions[-1][0]) if versions else None
        return {} if kept is None else kept.files

    def _tables(self) -> tuple[Medicines, Interactions]:
        files = self._files()
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

    # -- the audit trail -----------------------------------------------------------------------------------------------------

    def view(
        self,
        command: str,
        *,
        message: int | None = None,
        patients: Sequence[int] = (),
        unrecorded: bool = False,
    ) -> bool:
        """Tells the audit trail that this operator is about to look at patients' data; durable when it returns.

        The running engine does it; where none runs, this process does, as the store's one writer for that moment. Where neither is
        possible (the disk is full, the engine hangs, the folder belongs to somebody else) it raises Unrecorded, and nothing shall be
        shown. With `unrecorded` it says False instead of raising: who is paged at night must be able to look at what is broken, says
        so by the option, and answers for it.
        """
        asked = {"command": command, "message": message, "patients": list(patients)}
        try:
            try:
                for _ in self.act("view", patience_s=VIEW_S, **asked):
                    pass
            except NotRunning:
                row = View(time.time_ns() // 1000, operator(), command, message, tuple(patients))
                self._keep(row)
        except (HL7BridgeError, OSError) as error:
            if unrecorded:
                return False
            why = error.what if isinstance(error, HL7BridgeError) else "the engine does not answer"
            raise Unrecorded(
                f"the audit trail cannot be told of this view, so nothing is shown: {why}",
                code="unrecorded",
                hint="--unrecorded shows it all the same",
            ) from None
        return True

    def _keep(self, row: View) -> None:
        """Keeps a view without an engine. One that starts meanwhile waits until the store is free."""
        from hl7bridge.store.sqlite import SqliteStore  # what only this needs, and takes its time

        store = SqliteStore(self.data / STORE)
        try:
            store.commit(Batch(views=[row]))
        finally:
            store.close()

    def trail(self, since_us: int | None = None, until_us: int | None = None) -> Iterator[AuditRecord]:
        """The records of the audit trail from a time (inclusive) to another (exclusive), oldest first. Raises ValueError at a row that
        cannot be read.
        """
        for record in self._trail(since_us, until_us):
            if (since_us is None or record.at_us >= since_us) and (
                until_us is None or record.at_us < until_us
            ):
                yield record

    def _trail(self, since_us: int | None, until_us: int | None) -> Iterator[AuditRecord]:
        """The same with some more at both ends."""
        after = 0 if since_us is None else self._before(since_us)
        while page := self.reader.audit_rows(after, PAGE):
            for row in page:
                yield from records_of(row)
            after = page[-1].sequence
            if until_us is not None and page[-1].at_us > until_us + SLACK_US:
                return

    def _before(self, since_us: int) -> int:
        """A row before all that are from this time on; clocks that were set back by less than a day are allowed for."""
        low, high = self.reader.audit_anchor().sequence, self.reader.audit_head().sequence
        while low < high:
            middle = (low + high) // 2
            page = self.reader.audit_rows(middle, 1)
            if page and page[0].at_us < since_us - SLACK_US:
                low = middle + 1
            else:
                high = middle
        return low

    def head(self) -> AuditHead:
        """The newest row of the audit trail."""
        return self.reader.audit_head()

    def verify(self, heads: Iterable[AuditHead] = ()) -> Verdict:
        """Checks the audit trail; see `store.audit_check`."""
        return check(self.reader, heads)

    def known_as(self, patient: str) -> Patient:
        """All identifiers of a patient, named as in `patient_key`, those joined by merges among them."""
        return known_of(self.patient_key(patient), self.reader.aliases, self.reader.facts).patient

    def disclosures(
        self, patients: Sequence[int], since_us: int | None = None, until_us: int | None = None
    ) -> list[Disclosed]:
        """What was disclosed of these patients from a time to another, and what was refused, in the order of time."""
        after, keys = 0 if since_us is None else self._before(since_us), set(patients)
        found: list[AuditRecord] = []
        while page := self.reader.audit_of(patients, after, PAGE):
            found += [
                record
                for row in page
                for record in records_of(row)
                if record.delivery is not None
                and not keys.isdisjoint(record.patients)
                and (since_us is None or record.at_us >= since_us)
                and (until_us is None or record.at_us < until_us)
            ]
            after = page[-1].sequence
        found.sort(key=lambda record: (record.at_us, record.sequence))
        contracts: dict[str | None, dict[str, Contract]] = {}
        return [self._disclosed(record, contracts) for record in found]

    def _disclosed(self, record: AuditRecord, contracts: dict[str | None, dict[str, Contract]]) -> Disclosed:
        version, name = record.version, record.destination or ""
        if version not in contracts:
            kept = None if version is None else self.reader.configuration(version)
            contracts[version] = {} if kept is None else contracts_of(kept.files)
        contract = contracts[version].get(name, Contract(name))
        return Disclosed(record, contract.full_name, contract.first_days.get(record.scope or ""))

    # -- acting --------------------------------------------------------------------------------------------------------------

    def act(self, verb: str, *, patience_s: float = PATIENCE_S, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Asks the engine; yields its progress, and at last its result under `done`. Raises HL7BridgeError."""
        request = {"verb": verb, "operator": operator(), **arguments}
        with self._connected(patience_s) as connection, connection.makefile("rb") as lines:
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

    def _connected(self, patience_s: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(patience_s)
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

"""sample."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from hl7bridge.cli.options import (
    Moment,
    OutputFile,
    data_option,
    echo_json,
    json_option,
    tell_view,
    unrecorded_option,
)
from hl7bridge.cli.tables import table
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.operations import Operations
from hl7bridge.sample.common import Common
from hl7bridge.sample.safe import Account, Refused, Safe
from hl7bridge.sample.standins import StandIns
from hl7bridge.store.base import MessageQuery, MessageRow
from hl7bridge.words import counted

_LEAST_KEY = 32
#: Places that are named of those of which something was left out.
_NAMED = 12


@click.command()
@click.argument("to", type=OutputFile())
@data_option
@click.option("--since", "since_us", type=Moment(), default="1d", show_default=True, help="Received since.")
@click.option("--until", "until_us", type=Moment(), help="Received before that.")
@click.option("--channel", help="A channel that looked at it.")
@click.option("--source", help="The source that received it.")
@click.option("--type", "type_", help="Message type, as RDE^O11.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="The most messages.")
@click.option(
    "--alike",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="A code that is in no table of the standard, or a system that the header names, is kept where so many patients have it.",
)
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with the key of the stand-ins, made if it is not there: another sample by it has the same ones. Left out, the key is "
    "forgotten, and nobody can tell who was who.",
)
@unrecorded_option
@json_option
def sample(
    to: Path,
    data: Path,
    since_us: int,
    until_us: int | None,
    channel: str | None,
    source: str | None,
    type_: str | None,
    limit: int,
    alike: int,
    key: Path | None,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """Write stored messages, made safe to give to a vendor, to the file TO: names, numbers, addresses and telephones have stand-ins,
    days are moved (all of a patient's by as many weeks), of free text the shape is left, and what is not known is left out. A
    message in which something to be hidden is still found is refused.

    It is no expert's determination (45 CFR 164.514(b)): look through the file before it leaves.
    """
    if to.exists():
        raise HL7BridgeError(
            "this file is there already", code="file-exists", place=str(to), hint="name another"
        )
    query = MessageQuery(channel=channel, source=source, type=type_, since_us=since_us, until_us=until_us)
    account, refused = Account(), Counter[str]()
    written = 0
    with Operations(data) as operations:
        tell_view(operations, "sample", unrecorded=unrecorded)
        matching = list(operations.messages(query, limit=limit + 1, newest_first=False))
        rows = [row for row in matching[:limit] if row.size]
        patients = _Patients(operations)
        safe = Safe(StandIns(_key(key)), Common(alike), account, datetime.now(UTC).date())
        # Messages that name no patient may all be of one: what stands in them counts as nobody's.
        named = [row for row in rows if row.patient_keys]
        for message, patient in _messages(operations, named, patients):
            safe.learn(message, patient)
        with _new_file(to) as out:
            for message, patient in _messages(operations, rows, patients):
                try:
                    out.write(safe.made(message, patient) + b"\n")
                    written += 1
                except Refused as error:
                    refused[error.place or "?"] += 1
    unreadable = len(rows) - written - refused.total()
    if as_json:
        echo_json(
            {
                "written": written,
                "refused": dict(refused),
                "unreadable": unreadable,
                "left_out": dict(account.left_out),
            }
        )
    else:
        _show(to, written, refused, unreadable, account)
    if len(matching) > limit:
        click.echo(f"these are the oldest {limit:,} that match; --limit takes more", err=True)
    if not written:
        to.unlink()
        raise SystemExit(1)


class _Patients:
    """What all of a patient's numbers have in common, as text; remembered, since messages of one come together."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._known: dict[int, str] = {}

    def of(self, row: MessageRow) -> str:
        if not row.patient_keys:
            return f"message {row.id}"
        first = row.patient_keys[0]
        if first not in self._known:
            self._known[first] = str(self._operations.known(first).patient.keys[0])
        return self._known[first]


def _messages(
    operations: Operations, rows: list[MessageRow], patients: _Patients
) -> Iterator[tuple[Message, str]]:
    """What of these rows can be read, and whose it is."""
    for row in rows:
        raw = operations.body(operations.message(row.id).bodies[0][0])
        with suppress(Unreadable):
            message = Message(raw)
            yield message, patients.of(row)


def _key(path: Path | None) -> bytes:
    if path is None:
        return secrets.token_bytes(_LEAST_KEY)
    if not path.exists():
        with _new_file(path) as out:
            out.write(secrets.token_hex(_LEAST_KEY).encode())
    key = path.read_bytes().strip()
    if len(key) < _LEAST_KEY:
        raise HL7BridgeError(
            f"a key has {_LEAST_KEY} bytes or more",
            code="short-key",
            place=str(path),
            hint="name a file that is not there, to make one",
        )
    return key


def _new_file(path: Path) -> BinaryIO:
    """A file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _show(to: Path, written: int, refused: Counter[str], unreadable: int, account: Account) -> None:
    unread = f", {unreadable:,} that cannot be read" if unreadable else ""
    click.echo(f"{to}: {counted(written, 'message')} written, {refused.total():,} refused{unread}")
    if refused:
        table(
            ["a value of", "stood elsewhere, too, in"],
            [[place, counted(count, "message")] for place, count in refused.most_common()],
        )
    left_out = account.left_out.most_common(_NAMED)
    if left_out:
        table(["left out", "times"], [[place, count] for place, count in left_out])
        more = len(account.left_out) - len(left_out)
        if more:
            click.echo(f"and {counted(more, 'place')} more (--json names them)")
    click.echo("look through the file before it leaves: this is no expert's determination")

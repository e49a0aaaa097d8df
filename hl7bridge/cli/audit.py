"""audit verify, head, list; disclosures."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click

from hl7bridge.cli.options import Moment, data_option, echo_json, json_option, tell_view, unrecorded_option
from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At, iso
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import Disclosed, Operations
from hl7bridge.store.base import DISCLOSURES, KINDS, REFUSED, AuditHead, AuditRecord, MessageQuery
from hl7bridge.words import counted

_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
#: What a table says of each kind of disclosure.
_RECEIVED = {
    "sent": "received",
    "maybe": "may have been received",
    "answered": "received, not accepted",
    "refused": "refused",
}
_COLUMNS = ("when", "to", "full_name", "received", "type", "event_date", "message", "delivery", "scope")
_MORE = ("agreement_from", "version", "attempts", "possible_duplicate", "replay", "reason")


@click.group()
def audit() -> None:
    """Look at the audit trail: who received, was refused, looked at and did what."""


@audit.command()
@data_option
@click.option(
    "--head", "heads", multiple=True, metavar="SEQ:HASH", help="A head that was kept; may be given again."
)
@click.option(
    "--heads",
    "files",
    multiple=True,
    type=click.File(),
    help="A file with heads, such as that of `audit: {head: FILE}`; - reads them from standard input.",
)
@json_option
def verify(data: Path, heads: tuple[str, ...], files: tuple[TextIO, ...], as_json: bool) -> None:
    """Check the whole audit trail: its hashes, heads that were kept elsewhere, and that each sent delivery has its record.

    A chain proves that nobody changed a part of it. That nobody wrote all of it anew, only a head proves that was kept where he
    could not write.
    """
    kept = [_head(text) for text in heads]
    for file in files:
        kept += [_head(line.split()[-1]) for line in file if line.strip()]
    with Operations(data) as operations:
        verdict = operations.verify(kept)
    last = verdict.last
    if as_json:
        echo_json(
            {
                "first": verdict.first,
                "last": last.sequence,
                "hash": last.hash.hex(),
                "rows": verdict.rows,
                "records": verdict.records,
                "sent": verdict.sent,
                "heads": len(kept),
                "faults": verdict.faults,
            }
        )
    elif verdict.faults:
        for fault in verdict.faults:
            click.echo(fault)
    else:
        click.echo(
            f"rows {verdict.first} to {last.sequence} follow one another: {counted(verdict.records, 'record')}"
        )
        one = (
            "the one sent delivery" if verdict.sent == 1 else f"each of the {verdict.sent:,} sent deliveries"
        )
        click.echo(f"{one} in the store has its record")
        if kept:
            was = "was" if len(kept) == 1 else "were"
            click.echo(f"{counted(len(kept), 'kept head')} {was} compared")
        else:
            click.echo(
                "no head was compared: one kept elsewhere shows that the trail was not written anew (--head)"
            )
    if verdict.faults:
        raise SystemExit(1)


def _head(text: str) -> AuditHead:
    match = _HEAD.fullmatch(text.strip())
    if match is None:
        raise click.UsageError(f"'{text[:80]}' is no head: it is a number, a colon and 64 hexadecimal digits")
    return AuditHead(int(match[1]), 0, bytes.fromhex(match[2]))


@audit.command()
@data_option
@json_option
def head(data: Path, as_json: bool) -> None:
    """Print the audit trail's newest row and hash, to be kept where nobody who can write to the data folder can."""
    with Operations(data) as operations:
        newest = operations.head()
    if as_json:
        echo_json({"sequence": newest.sequence, "hash": newest.hash.hex(), "at_us": newest.at_us})
    else:
        click.echo(f"{newest.sequence}:{newest.hash.hex()}")


@audit.command("list")
@data_option
@click.option("--since", "since_us", type=Moment(), help="Since: an age (2h, 7d) or a date.")
@click.option("--until", "until_us", type=Moment(), help="Before that.")
@click.option("--operator", help="Only what this operator did or looked at.")
@click.option(
    "--patient", help="NUMBER^AUTHORITY: only what concerns this patient, views too; is itself a view."
)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these; may be given again."
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="The most records, the newest; 0 for all.",
)
@unrecorded_option
@json_option
def list_(
    data: Path,
    since_us: int | None,
    until_us: int | None,
    operator: str | None,
    patient: str | None,
    kinds: tuple[str, ...],
    limit: int,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """List the audit trail, oldest first. Patients stand in it as keyed hashes; --patient finds what concerns one.

    Kinds: sent (a disclosure), answered (the hospital got it and said no), maybe (it may have got it), refused, view, act; begin and
    cut tell where the trail begins and what retention removed.
    """
    with Operations(data) as operations:
        keys: set[int] = set()
        if patient is not None:
            keys = set(operations.known_as(patient).keys)
            tell_view(operations, "audit list", patients=sorted(keys), unrecorded=unrecorded)
        found = (
            record
            for record in _read(operations.trail(since_us, until_us))
            if (operator is None or record.operator == operator)
            and (not kinds or record.kind in kinds)
            and (patient is None or not keys.isdisjoint(record.patients))
        )
        shown = deque(found, limit or None)
    if as_json:
        for record in shown:
            echo_json(record)
    else:
        _table(shown)
    if limit and len(shown) == limit:
        click.echo(f"the newest {limit}; --limit 0 shows all", err=True)


def _table(shown: Iterable[AuditRecord]) -> None:
    table(
        ["row", "when", "kind", "operator", "what", "message", "delivery", "to", "remark"],
        [
            [
                str(each.sequence),
                At(each.at_us),
                each.kind,
                each.operator,
                each.verb or each.type,
                _number(each.message),
                _number(each.delivery),
                each.destination,
                _remark(each),
            ]
            for each in shown
        ],
        none="the trail has no such row",
    )


def _read(trail: Iterable[AuditRecord]) -> Iterator[AuditRecord]:
    try:
        yield from trail
    except ValueError as error:
        raise HL7BridgeError(
            str(error), code="bad-trail", hint="`hl7bridge audit verify` says which row it is"
        ) from None


def _remark(record: AuditRecord) -> str:
    words = [record.reason or record.detail or ""]
    if record.kind == "begin":
        words.append("the trail begins")
        if record.delivery:
            words.append(f"deliveries up to {record.delivery} may have been sent before")
    if record.possible_duplicate:
        words.append("possible duplicate")
    if record.replayed:
        words.append("replay")
    return "; ".join(filter(None, words))


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


@click.command()
@data_option
@click.option("--patient", required=True, help="NUMBER^AUTHORITY of the patient, as in PID-3.")
@click.option("--since", "since_us", type=Moment(), help="Disclosed since: an age (2h, 7d) or a date.")
@click.option("--until", "until_us", type=Moment(), help="Disclosed before that.")
@click.option("--refused", is_flag=True, help="What was kept back, too, and why.")
@click.option(
    "--csv", "csv_file", type=click.File("w", encoding="utf-8"), help="Into this file; - is standard output."
)
@unrecorded_option
@json_option
def disclosures(
    data: Path,
    patient: str,
    since_us: int | None,
    until_us: int | None,
    refused: bool,
    csv_file: TextIO | None,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """Tell who received what of a patient, when, and under which agreement; under all numbers of the patient.

    Asking is itself kept in the audit trail. What a destination may have received (no answer came, or the engine was stopped) counts.
    """
    with Operations(data) as operations:
        person = operations.known_as(patient)
        tell_view(operations, "disclosures", patients=person.keys, unrecorded=unrecorded)
        kinds = (*DISCLOSURES, REFUSED) if refused else DISCLOSURES
        found = [
            each for each in _told(operations, person.keys, since_us, until_us) if each.record.kind in kinds
        ]
        unknown = not found and not any(
            True for key in person.keys for _ in operations.messages(MessageQuery(patient_key=key), limit=1)
        )
    if person.held is not None:
        click.echo(
            f"held for a person: {person.held}; what is listed may concern somebody else, too", err=True
        )
    if unknown:
        click.echo(f"no message that is kept bears {patient}: look whether it is written right", err=True)
    if csv_file is not None:
        writer = csv.DictWriter(csv_file, [*_COLUMNS, *_MORE])
        writer.writeheader()
        writer.writerows(_plain(each) for each in found)
    elif as_json:
        for each in found:
            echo_json(_plain(each))
    else:
        _show(found, len(person.keys))


def _told(
    operations: Operations, keys: Sequence[int], since_us: int | None, until_us: int | None
) -> list[Disclosed]:
    try:
        return operations.disclosures(keys, since_us, until_us)
    except ValueError as error:
        raise HL7BridgeError(
            str(error), code="bad-trail", hint="`hl7bridge audit verify` says which row it is"
        ) from None


def _plain(each: Disclosed) -> dict[str, Any]:
    record = each.record
    return {
        "when": iso(record.at_us),
        "to": record.destination,
        "full_name": each.full_name,
        "received": _RECEIVED[record.kind],
        "type": record.type,
        "event_date": _day(record.event_date),
        "message": record.message,
        "delivery": record.delivery,
        "scope": record.scope,
        "agreement_from": each.agreement_from,
        "version": record.version,
        "attempts": record.attempts,
        "possible_duplicate": record.possible_duplicate,
        "replay": record.replayed,
        "reason": record.reason,
    }


def _show(found: list[Disclosed], identifiers: int) -> None:
    count = counted(identifiers, "identifier")
    if not found:
        click.echo(f"nothing was disclosed of this patient ({count})")
        return
    table(
        ["when", "to", "received", "type", "event date", "message", "under", "remark"],
        [
            [
                At(each.record.at_us),
                _whom(each),
                _RECEIVED[each.record.kind],
                each.record.type,
                _day(each.record.event_date),
                str(each.record.message),
                _under(each),
                _remark(each.record),
            ]
            for each in found
        ],
        title=f"{_counts(found)}, under {count}",
    )


def _counts(found: list[Disclosed]) -> str:
    refused = sum(each.record.kind == REFUSED for each in found)
    disclosed = counted(len(found) - refused, "disclosure")
    return f"{disclosed} and {counted(refused, 'refusal')}" if refused else disclosed


def _whom(each: Disclosed) -> str:
    name = each.record.destination or ""
    return name if each.full_name == name else f"{each.full_name} ({name})"


def _under(each: Disclosed) -> str:
    if each.record.scope is None:
        return ""
    since = f" from {each.agreement_from}" if each.agreement_from else ""
    return f"{each.record.scope}{since}"


def _day(number: int | None) -> str | None:
    return None if number is None else datetime.strptime(str(number), "%Y%m%d").date().isoformat()

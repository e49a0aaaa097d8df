"""reconcile."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import click

from hl7bridge.channel.loading.folder import any_secret, load
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.channel.written.named import Named
from hl7bridge.cli.options import OutputFile, data_option, echo_json, json_option
from hl7bridge.cli.tables import console, table
from hl7bridge.cli.times import iso
from hl7bridge.operations import Operations
from hl7bridge.reconciliation.compared import Finding, Kind
from hl7bridge.reconciliation.day import Day, day_of, zone_of
from hl7bridge.reconciliation.ends import End
from hl7bridge.reconciliation.result import Reconciliation, Sums
from hl7bridge.store.base import DeliveryStatus
from hl7bridge.words import counted

#: Reasons of one end that the table names.
MOST_REASONS: Final = 10
_EXPECTED: Final = {"failed": Kind.FAILED, "queued": Kind.QUEUED, "withheld": Kind.WITHHELD}


class Calendar(click.ParamType):
    """A day: a date, or today, or yesterday."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("today", "yesterday"):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no day: a date like 2026-11-21, today, or yesterday")


@click.command()
@click.argument("destination")
@data_option
@click.option("--day", required=True, type=Calendar(), help="The day, as 2026-11-21, or today, or yesterday.")
@click.option("--zone", help="Whose midnight.  [default: `programme: {zone}`, or the machine's]")
@click.option(
    "--their-list",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the hospital has: a control ID a line, a CSV file, or a file of HL7 messages.",
)
@click.option("--column", help="The column of --their-list with the control ID: its heading, or its number.")
@click.option(
    "--expect",
    "expected",
    type=click.Choice(list(_EXPECTED)),
    multiple=True,
    help="What ended so needs no look; may be given again.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="The most lines of each kind; 0 for all.",
)
@click.option(
    "--csv",
    "to",
    type=OutputFile(),
    help="Write every control ID to this file.",
)
@json_option
def reconcile(
    destination: str,
    data: Path,
    day: date | str,
    zone: str | None,
    their_list: Path | None,
    column: str | None,
    expected: tuple[str, ...],
    limit: int,
    to: Path | None,
    as_json: bool,
) -> None:
    """Account for every control ID that was received for DESTINATION on a day, and compare the hospital's own list.

    Each is delivered, filtered, withheld, failed, cancelled or still queued. Received for it is what a channel looked at that sends
    there, by the configuration that decided it. Replays count with their originals, repetitions of a sender apart. What they lack was
    accepted on the day, by their answer, and is not in their list.

    Exit status 1 if the sums differ or anything needs a look.
    """
    if column is not None and their_list is None:
        raise click.UsageError("--column is of --their-list")
    needs_none = {Kind.ELSEWHERE, *(_EXPECTED[each] for each in expected)}
    with Operations(data) as operations:
        when = _day(operations, day, zone)
        with Reconciliation(operations.reader, destination, when) as found:
            with console(stderr=True).status("reading messages") as status:
                found.read(
                    operations.trail(when.since_us, when.until_us),
                    None if their_list is None else (their_list, column),
                    lambda looked: status.update(f"{looked:,} messages read"),
                )
            sums = found.sums()
            if not sums.counts.received and not sums.trail:
                operations.must_be_known(Named.DESTINATION, destination)
            if to is not None:
                _write(to, found.every())
            if as_json:
                echo_json(_plain(found, sums))
                count = _each(found, needs_none)
            else:
                _show_sums(found, sums)
                count = _show(found, needs_none, limit)
    if count or not sums.agree:
        raise SystemExit(1)


def _day(operations: Operations, given: date | str, name: str | None) -> Day:
    zone, words = _zone(operations, name)
    today = datetime.now(zone).date()
    if isinstance(given, str):
        given = today - timedelta(days=given == "yesterday")
    return day_of(given, zone, words)


def _zone(operations: Operations, name: str | None) -> tuple[tzinfo | None, str]:
    """Whose day it is, and how to say that."""
    if name is not None:
        return zone_of(name), name
    versions = operations.reader.versions()
    kept = operations.reader.configuration(versions[-1][0]) if versions else None
    try:
        zone = None if kept is None else load(kept.files, any_secret, kept=True).engine.programme_zone
    except ConfigurationErrors:
        zone = None
    if zone is not None:
        return zone, f"{zone.key}, the configuration's"
    return None, f"{datetime.now().astimezone().tzname()}, the machine's"


# -- for people -----------------------------------------------------------------------------------------------------------


def _show_sums(found: Reconciliation, sums: Sums) -> None:
    day, counts = found.day, sums.counts
    click.echo(
        f"{found.destination}, {day.date} (zone {day.zone}; {iso(day.since_us)} to {iso(day.until_us)})"
    )
    came = [["received for it", counts.received + counts.repeated, None, ""]]
    if counts.repeated:
        came.append(
            ["  repeated by its sender", counts.repeated, None, "answered again, and not processed twice"]
        )
    if counts.again:
        came.append(
            ["  sent again by its sender", counts.again, None, "the first was answered with an error"]
        )
    ends = [
        [end if first else "", messages, pieces or None, reason]
        for end in End
        for first, (messages, pieces, reason) in _of(sums, end)
    ]
    total = ["accounted for", sums.accounted, sum(each.pieces for each in sums.ends), ""]
    table(["", "messages", "deliveries", "because"], [*came, *ends, total])
    click.echo(_agreement(sums))
    if counts.replays:
        click.echo(f"{counted(counts.replays, 'replay')} made on the day: each counts with its original")
    if counts.carried:
        what = counted(counts.carried, "delivery", "deliveries")
        click.echo(f"{what} of messages of other days were accepted on the day, and belong into their list")
    if counts.rejected:
        click.echo(f"{counted(counts.rejected, 'message')} were rejected: no channel took them, for nobody")
    if not counts.received:
        click.echo("no message was received for it on this day")
    if day.until_us > time.time_ns() // 1000:
        click.echo("the day is not over yet")
    for version in sums.unknown:
        click.echo(
            f"configuration {version[:12]} cannot be read: of its messages only those with a delivery count"
        )


def _of(sums: Sums, end: End) -> Iterator[tuple[bool, tuple[int, int, str]]]:
    """The lines of one end: a reason each, and the rest in one."""
    all_ = [each for each in sums.ends if each.end is end]
    shown = [(each.messages, each.pieces, each.reason) for each in all_[:MOST_REASONS]]
    if rest := all_[MOST_REASONS:]:
        messages, pieces = sum(each.messages for each in rest), sum(each.pieces for each in rest)
        shown.append((messages, pieces, f"{len(rest)} other reasons; --json has them"))
    yield from ((number == 0, line) for number, line in enumerate(shown))


def _agreement(sums: Sums) -> str:
    if sums.agree:
        accepted = counted(sums.accepted, "delivery", "deliveries")
        trail = "which does not reach this day, so they are not compared"
        says = "as the audit trail says" if sums.trail is not None else f"without the audit trail, {trail}"
        return f"the sums agree: every message has its end; {accepted} accepted on the day, {says}"
    said = []
    if sums.to_account != sums.accounted:
        said.append(f"{sums.to_account:,} messages to account for and {sums.accounted:,} accounted for")
    if sums.trail not in (None, sums.accepted):
        said.append(f"{sums.accepted:,} accepted by the deliveries and {sums.trail:,} by the audit trail")
    return f"THE SUMS DIFFER: {'; '.join(said)}"


def _show(found: Reconciliation, needs_none: set[Kind], limit: int) -> int:
    """Shows what needs a look, and gives how much that is."""
    shown: dict[Kind, list[Finding]] = {}
    counts: dict[Kind, int] = {}
    for each in found.findings():
        counts[each.kind] = counts.get(each.kind, 0) + 1
        if not limit or counts[each.kind] <= limit:
            shown.setdefault(each.kind, []).append(each)
    for kind in sorted(shown, key=list(Kind).index):
        needed = " (needs no look)" if kind in needs_none else ""
        table(
            ["control ID", "as sent", "message", "delivery", "at", "why"],
            [
                [
                    each.control_id,
                    each.sent,
                    _id(each.message),
                    _id(each.delivery),
                    "" if each.at_us is None else found.day.clock(each.at_us),
                    each.why,
                ]
                for each in shown[kind]
            ],
            title=f"{kind}: {counts[kind]:,}{needed}",
        )
        if len(shown[kind]) < counts[kind]:
            click.echo(f"the first {limit}; --limit 0 shows all")
    count = sum(number for kind, number in counts.items() if kind not in needs_none)
    click.echo(_last_line(found, count))
    return count


def _last_line(found: Reconciliation, count: int) -> str:
    theirs = found.sums().theirs
    listed = (
        "their list was not given" if theirs is None else f"their list has {counted(theirs, 'control ID')}"
    )
    if count:
        return f"{counted(count, 'finding')}; {listed}"
    return f"nothing needs a look; {listed}" + ("" if theirs is None else ", and agrees")


def _id(number: int | None) -> str:
    return "" if number is None else str(number)


# -- for machines ---------------------------------------------------------------------------------------------------------


def _each(found: Reconciliation, needs_none: set[Kind]) -> int:
    count = 0
    for each in found.findings():
        needed = each.kind not in needs_none
        count += needed
        echo_json(
            {
                "finding": str(each.kind),
                "needs_a_look": needed,
                "control_id": each.control_id,
                "sent_control_id": each.sent,
                "message": each.message,
                "delivery": each.delivery,
                "at_us": each.at_us,
                "why": each.why,
            }
        )
    return count


def _plain(found: Reconciliation, sums: Sums) -> dict[str, Any]:
    counts = sums.counts
    return {
        "destination": found.destination,
        "day": found.day.date,
        "zone": found.day.zone,
        "since_us": found.day.since_us,
        "until_us": found.day.until_us,
        "received": counts.received + counts.repeated,
        "repeated_by_sender": counts.repeated,
        "sent_again_by_sender": counts.again,
        "to_account_for": sums.to_account,
        "accounted_for": sums.accounted,
        "ends": [
            {
                "end": str(each.end),
                "reason": each.reason,
                "messages": each.messages,
                "deliveries": each.pieces,
            }
            for each in sums.ends
        ],
        "accepted": sums.accepted,
        "accepted_by_audit_trail": sums.trail,
        "agree": sums.agree,
        "replays": counts.replays,
        "of_other_days": counts.carried,
        "rejected": counts.rejected,
        "their_list": sums.theirs,
        "unknown_configurations": list(sums.unknown),
    }


def _write(to: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Every control ID with its end and deliveries; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    first = next(rows, None)
    with to.open("w", encoding="utf-8", newline="") as file:
        if first is None:
            return
        writer = csv.writer(file)
        writer.writerow([name.removesuffix("_us") for name in first])
        for row in (first, *rows):
            writer.writerow([_cell(name, value) for name, value in row.items()])


def _cell(name: str, value: Any) -> Any:
    if name.endswith("_us"):
        return iso(value)
    if name == "status":
        return "" if value is None else DeliveryStatus(value).name
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value

"""messages, show, stats."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.deliveries import everything, message_lines, tried
from hl7bridge.cli.options import (
    Moment,
    data_option,
    echo_json,
    filter_options,
    json_option,
    message_query,
    must_be_known,
    query_from,
    tell_view,
    unrecorded_option,
)
from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At, iso, zoned
from hl7bridge.operations import Operations, Wait
from hl7bridge.store.base import REPLAY, MessageDetail, MessageRow, MessageStatus


@click.command()
@data_option
@filter_options
@click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="The most rows; 0 for all."
)
@click.option("--oldest-first", is_flag=True, help="In the order in which they came.")
@unrecorded_option
@json_option
def messages(
    data: Path, limit: int, oldest_first: bool, unrecorded: bool, as_json: bool, **given: Any
) -> None:
    """List messages, newest first; filters may be combined."""
    with Operations(data) as operations:
        query = message_query(query_from(operations, given))
        if query.patient_key is not None:
            tell_view(operations, "messages", patients=[query.patient_key], unrecorded=unrecorded)
        found = operations.messages(query, limit=limit or None, newest_first=not oldest_first)
        first = next(found, None)
        if first is None:
            must_be_known(operations, given)
        found = chain([] if first is None else [first], found)
        if as_json:
            for row in found:
                echo_json(row)
            return
        rows = list(found)
        table(
            ["id", "received", "source", "type", "control ID", "status", "answer", "because"],
            [
                [
                    str(row.id),
                    At(row.received_us),
                    row.source,
                    row.type,
                    row.control_id,
                    row.status.name,
                    row.answer,
                    _because(row),
                ]
                for row in rows
            ],
            none="no message is like this" if any(given.values()) else "no message has come yet",
        )
        if limit and len(rows) == limit:
            click.echo(f"the first {limit}; --limit 0 shows all", err=True)


def _because(row: MessageRow) -> str:
    # What one channel took needs no excuse of those that did not; `show` has them all.
    taken = row.status is MessageStatus.RECEIVED
    reasons = [
        f"{channel}: {reason}" if channel else reason
        for channel, status, reason in row.outcomes
        if reason and not (taken and status == MessageStatus.FILTERED.name)
    ]
    if row.original is not None:
        reasons.append(f"{'of' if row.status.name == 'DUPLICATE' else 'replays'} {row.original}")
    return "; ".join([*reasons, *(flag for flag in row.flags if flag != REPLAY)])


@click.command()
@click.argument("message_id", type=int)
@data_option
@click.option("--raw", is_flag=True, help="Only the message, byte for byte as it came.")
@click.option("--payload", metavar="DESTINATION", help="Only what was made for this destination.")
@unrecorded_option
@json_option
def show(
    message_id: int, data: Path, raw: bool, payload: str | None, unrecorded: bool, as_json: bool
) -> None:
    """Show one message: what was decided, each delivery, each attempt, and the message itself."""
    with Operations(data) as operations:
        detail = operations.message(message_id)
        row = detail.row
        what = "show --raw" if raw else "show" if payload is None else "show --payload"
        tell_view(operations, what, message=row.id, patients=row.patient_keys, unrecorded=unrecorded)
        source_of_bytes = operations.message(row.original) if row.size == 0 and row.original else detail
        body = operations.body(source_of_bytes.bodies[0][0])
        out = sys.stdout.buffer
        if raw:
            out.write(body)
            return
        if payload is not None:
            wanted = [each for each in detail.deliveries if each.destination == payload]
            if not wanted:
                names = ", ".join(sorted({each.destination for each in detail.deliveries})) or "nobody"
                raise click.UsageError(f"nothing was made for {payload}; it was decided for {names}")
            out.write(operations.body(wanted[0].payload_ref))
            return
        if as_json:
            echo_json(
                {"message": row, "deliveries": detail.deliveries, "attempts": detail.attempts, "body": body}
            )
            return
        _show(detail, body, operations.waits(detail.deliveries))


def _show(detail: MessageDetail, body: bytes, waits: Mapping[int, Wait]) -> None:
    row = detail.row
    click.echo(f"message {row.id}  {row.type}  control ID {row.control_id or '(none)'}")
    click.echo(f"  received   {zoned(row.received_us)} by {row.source}, answered {row.answer or 'nothing'}")
    click.echo(f"  status     {row.status.name}{', ' + ', '.join(row.flags) if row.flags else ''}")
    click.echo(f"  decided by configuration {row.version[:12]}")
    if row.original is not None:
        click.echo(f"  original   {row.original}" + (f", replayed by {row.operator}" if row.operator else ""))
    for channel, status, reason in row.outcomes:
        click.echo(f"  channel    {channel or '(none)'}: {status}{' - ' + reason if reason else ''}")
    if detail.deliveries:
        table(
            ["delivery", "destination", "channel", "status", "attempts", "answer", "since", "remark"],
            [
                [
                    str(each.id),
                    each.destination,
                    each.channel,
                    each.status.name,
                    each.attempts,
                    each.code,
                    At(each.at_us),
                    everything(each, waits[each.id]),
                ]
                for each in detail.deliveries
            ],
        )
    if detail.attempts:
        table(
            ["attempt", "delivery", "at", "answer", "then", "why"],
            [
                [
                    str(each.attempts) if asked else "",
                    str(each.delivery_id),
                    At(each.at_us),
                    each.code,
                    each.status.name,
                    each.reason,
                ]
                for each, asked in tried(detail.attempts)
            ],
        )
    for attempt in detail.attempts:
        if attempt.answer:
            click.echo(f"\nanswer to attempt {attempt.attempts} of delivery {attempt.delivery_id}:")
            click.echo("\n".join(message_lines(attempt.answer)))
    click.echo("\nthe message:")
    click.echo("\n".join(message_lines(body)))


@click.command()
@data_option
@click.option("--since", "since_us", type=Moment(), default="24h", show_default=True, help="Received since.")
@json_option
def stats(data: Path, since_us: int, as_json: bool) -> None:
    """Count what came and what became of it; open deliveries are counted whenever they came."""
    with Operations(data) as operations:
        counts = operations.stats(since_us)
        if as_json:
            echo_json(
                {
                    "messages": [
                        {"source": source, "status": status, "count": count}
                        for (source, status), count in sorted(counts.messages.items())
                    ],
                    "deliveries": [
                        {"destination": destination, "status": status, "count": count}
                        for (destination, status), count in sorted(counts.deliveries.items())
                    ],
                    "open": counts.open,
                    "oldest_open": {key: iso(value) for key, value in counts.oldest_open_us.items()},
                }
            )
            return
        _count_table("source", counts.messages, "no message has come since then")
        _count_table("destination", counts.deliveries, "nothing was decided for a destination since then")
        if counts.open:
            now = time.time() * 1e6
            table(
                ["destination", "open now", "oldest waits (minutes)"],
                [
                    [name, count, round((now - counts.oldest_open_us.get(name, now)) / 6e7, 1)]
                    for name, count in sorted(counts.open.items())
                ],
            )


def _count_table(what: str, counts: dict[tuple[str, Any], int], none: str) -> None:
    statuses = sorted({status for _, status in counts})
    names = sorted({name for name, _ in counts})
    table(
        [what, *[status.name for status in statuses]],
        [[name, *[counts.get((name, status), 0) for status in statuses]] for name in names],
        none=none,
    )

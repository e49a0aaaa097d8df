"""queue list, hold, release, resend, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.options import MOST_ID, data_option, echo_json, json_option, must_be_known
from hl7bridge.cli.queue_view import show_queue
from hl7bridge.engine.operating.replaywhere import UNMADE, unmade
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryQuery, DeliveryStatus
from hl7bridge.words import counted


@click.group()
def queue() -> None:
    """Look at what waits for the hospitals, and act on it."""


@queue.command("list")
@data_option
@click.option("--destination", help="Only this one.")
@click.option(
    "--status",
    type=click.Choice([each.name for each in DeliveryStatus], case_sensitive=False),
    help="Only these; otherwise what is open or failed.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="The most rows; 0 for all."
)
@json_option
def list_(data: Path, destination: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """List deliveries that wait, are on their way or have failed.

    Under `next` stands when a delivery is tried again, or after which one: those of one patient leave one by one.
    """
    with Operations(data) as operations:
        queries = (
            [DeliveryQuery(destination=destination, status=DeliveryStatus[status.upper()])]
            if status
            else [
                DeliveryQuery(destination=destination, status=DeliveryStatus.FAILED),
                DeliveryQuery(destination=destination, open=True),
            ]
        )
        rows = [row for query in queries for row in operations.deliveries(query, limit=limit or None)]
        rows = rows[: limit or None]
        if not rows:
            must_be_known(operations, {"destination": destination})
        if as_json:
            for row in rows:
                echo_json(row)
            return
        of = f" to {destination}" if destination else ""
        none = f"is {status.upper()}" if status else "waits, is on its way or has failed"
        show_queue(operations, rows, none=f"no delivery{of} {none}")


@queue.command()
@click.argument("destination")
@data_option
@json_option
def hold(destination: str, data: Path, as_json: bool) -> None:
    """Send nothing more to DESTINATION until it is released; what comes is queued."""
    done = _done(data, "hold", destination=destination)
    _say(done, as_json, f"{destination} {'was held already' if done.get('held_before') else 'is held'}")


@queue.command()
@click.argument("destination")
@data_option
@json_option
def release(destination: str, data: Path, as_json: bool) -> None:
    """Let DESTINATION go on: after a hold, after a stop under order 'strict', or at once instead of at the next retry."""
    _say(_done(data, "release", destination=destination), as_json, f"{destination} goes on")


@queue.command()
@click.argument("deliveries", type=click.IntRange(1, MOST_ID), nargs=-1)
@click.option("--all-failed", metavar="DESTINATION", help="Every failed delivery of this destination.")
@data_option
@json_option
def resend(deliveries: tuple[int, ...], all_failed: str | None, data: Path, as_json: bool) -> None:
    """Send failed DELIVERIES again; they go last in their queues."""
    ids = list(deliveries)
    if all_failed:
        with Operations(data) as operations:
            query = DeliveryQuery(destination=all_failed, status=DeliveryStatus.FAILED)
            failed = list(operations.deliveries(query))
            never = {
                row.id
                for row in failed
                if not row.attempts and unmade(row, operations.message(row.message_id))
            }
            for row in failed:
                if row.id in never:
                    click.echo(
                        f"left out: delivery {row.id}: {UNMADE} (replay --id {row.message_id})", err=True
                    )
            ids += [row.id for row in failed if row.id not in never]
            if not failed:
                # A name that is none has nothing failed either, and 'none queued again' would sound like good news.
                must_be_known(operations, {"destination": all_failed})
    if not ids and not all_failed:
        raise click.UsageError("name deliveries, or --all-failed DESTINATION")
    result = _done(data, "resend", ids=ids) if ids else {"resent": [], "warnings": []}
    for warning in result["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    _say(result, as_json, f"{_count(result['resent'])} queued again")


@queue.command()
@click.argument("deliveries", type=click.IntRange(1, MOST_ID), nargs=-1, required=True)
@data_option
@json_option
def cancel(deliveries: tuple[int, ...], data: Path, as_json: bool) -> None:
    """Give up DELIVERIES that wait or have failed; they stay visible as CANCELLED."""
    result = _done(data, "cancel", ids=list(deliveries))
    _say(result, as_json, f"{_count(result['cancelled'])} cancelled")


def _done(data: Path, verb: str, **arguments: Any) -> dict[str, Any]:
    with Operations(data) as operations:
        return operations.done(verb, **arguments)


def _count(ids: Any) -> str:
    return counted(len(ids), "delivery", "deliveries")


def _say(result: dict[str, Any], as_json: bool, line: str) -> None:
    if as_json:
        echo_json(result)
    else:
        click.echo(line)

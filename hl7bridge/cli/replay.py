"""replay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hl7bridge.cli.options import (
    data_option,
    echo_json,
    filter_options,
    json_option,
    message_query,
    must_be_known,
    query_from,
)
from hl7bridge.cli.tables import console
from hl7bridge.operations import Operations
from hl7bridge.words import counted


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@click.option("--id", "ids", type=int, multiple=True, help="This message; may be given again.")
@filter_options
@click.option("--as-it-was", is_flag=True, help="Send the stored payloads, without the channel.")
@click.option(
    "--to", multiple=True, metavar="DESTINATION", help="Only to this destination; may be given again."
)
@click.option("--rate", default=0.0, help="Messages a second; 0: as fast as the engine has time.")
@click.option("--limit", type=int, help="The most messages.")
@click.option("--after", "after_id", type=int, help="Go on behind this message, where a replay was stopped.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--newly-entitled",
    is_flag=True,
    help="What affiliates may be told by now and never were, since rows of a roster were dated back.",
)
@click.option(
    "--affiliate",
    "affiliates",
    multiple=True,
    metavar="NAME",
    help="With --newly-entitled: only to this one; may be given again.",
)
@click.option("--dry-run", is_flag=True, help="With --newly-entitled: count, and send nothing.")
@json_option
def replay(
    files: tuple[Path, ...],
    data: Path,
    ids: tuple[int, ...],
    as_it_was: bool,
    to: tuple[str, ...],
    rate: float,
    limit: int | None,
    after_id: int | None,
    yes: bool,
    newly_entitled: bool,
    affiliates: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Send messages again: those of the store that match the filters, or those in FILES (batch files too).

    Through the channel again, by today's configuration and consent; or with --as-it-was the stored payload. Messages of FILES are
    decided as if --source had received them. What is replayed is linked to its original; copies that a replay made are left out unless
    named by --id. Ctrl-C stops a replay and says where.
    """
    with Operations(data) as operations:
        query = query_from(operations, given)
        if newly_entitled:
            if files or ids or to or as_it_was:
                raise click.UsageError("--newly-entitled goes through the channels, to affiliates only")
            request = _request(query, False, (), rate, limit, after_id)
            request |= {"newly_entitled": True, "affiliates": list(affiliates) or None}
            _newly_entitled(operations, request, dry_run, yes, as_json)
            return
        if affiliates or dry_run:
            raise click.UsageError("--affiliate and --dry-run are for --newly-entitled")
        if files:
            if not given["source"]:
                raise click.UsageError("files need --source: the source whose channels decide them")
            if as_it_was or ids:
                raise click.UsageError("--as-it-was and --id are for messages of the store")
            _files(
                operations, files, {"source": given["source"], "rate": rate, "to": list(to) or None}, as_json
            )
            return
        if not query and not ids and after_id is None and not yes:
            raise click.UsageError("this would replay every message there is: give filters, or --yes")
        if ids:
            for message_id in ids:
                operations.message(message_id)  # says so if there is none
                request = _request(query, as_it_was, to, rate, 1, message_id - 1)
                _run(operations, "replay", {**request, "replays_too": True}, 1, as_json, "")
            return
        count = sum(
            1
            for _ in operations.messages(
                message_query(query), after_id=after_id, limit=limit, newest_first=False
            )
        )
        if not count:
            must_be_known(operations, given)
            click.echo("no message matches")
            raise SystemExit(1)
        if count > 1 and not yes:
            _ask(count)
        _run(operations, "replay", _request(query, as_it_was, to, rate, limit, after_id), count, as_json, "")


def _files(operations: Operations, files: tuple[Path, ...], request: dict[str, Any], as_json: bool) -> None:
    for file in files:
        request = {**request, "path": str(file.resolve())}
        _run(operations, "replay_file", request, None, as_json, f"{file}: ")


def _newly_entitled(
    operations: Operations, request: dict[str, Any], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Counts first, asks, and then replays."""
    found = operations.done("replay", **request, dry_run=True)
    count, deliveries = found["replayed"], found["deliveries"]
    if as_json and dry_run:
        echo_json({"messages": count, "deliveries": deliveries})
    elif not as_json:
        click.echo(
            f"newly entitled: {counted(count, 'message')}, {counted(deliveries, 'delivery', 'deliveries')}"
        )
    if dry_run:
        return
    if not count:
        raise SystemExit(1)
    if not yes:
        _ask(count)
    _run(operations, "replay", request, None, as_json, "")


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this would replay {counted(count, 'message')}: --yes says so without being asked"
        )
    click.confirm(f"replay {counted(count, 'message')}?", abort=True, err=True)


def _request(
    query: dict[str, Any],
    as_it_was: bool,
    to: tuple[str, ...],
    rate: float,
    limit: int | None,
    after_id: int | None,
) -> dict[str, Any]:
    return {
        "query": query,
        "as_it_was": as_it_was,
        "to": list(to) or None,
        "rate": rate,
        "limit": limit,
        "after_id": after_id,
    }


def _run(
    operations: Operations, verb: str, request: dict[str, Any], count: int | None, as_json: bool, before: str
) -> None:
    last: dict[str, Any] = {}
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=count)
            for reply in operations.act(verb, **request):
                last = reply.get("done") or reply.get("progress") or last
                progress.update(task, completed=last.get("replayed", 0) + last.get("skipped", 0))
    except KeyboardInterrupt:
        where = f"; --after {last['last_id']} goes on" if last.get("last_id") else ""
        click.echo(f"stopped after about {counted(last.get('replayed', 0), 'message')}{where}", err=True)
        raise SystemExit(1) from None
    if as_json:
        echo_json(last)
    else:
        skipped = f", {last['skipped']:,} skipped" if last["skipped"] else ""
        failed = f", {last['failed']:,} could not be kept" if last["failed"] else ""
        click.echo(
            f"{before}{last['replayed']:,} replayed, {counted(last['deliveries'], 'delivery', 'deliveries')} queued{skipped}{failed}"
        )
    if last.get("failed"):
        raise SystemExit(1)

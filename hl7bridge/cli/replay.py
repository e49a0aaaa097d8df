"""replay."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hl7bridge.changes.preview import Wish
from hl7bridge.cli.options import (
    MOST_ID,
    Number,
    data_option,
    echo_json,
    filter_options,
    json_option,
    message_query,
    must_be_known,
    query_from,
)
from hl7bridge.cli.replay_preview import Looking
from hl7bridge.cli.tables import console
from hl7bridge.engine.operating.edited import read_edited
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import HUNG_UP, NO_ANSWER, Operations, operator
from hl7bridge.store.base import MessageRow
from hl7bridge.words import counted

#: Seconds in which the process that writes the store ends what it was doing when the engine was lost.
_LAST_COMMIT_S = 1.0
_MOST_LOOKS = 10


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@click.option("--id", "ids", type=int, multiple=True, help="This message; may be given again.")
@filter_options
@click.option("--as-it-was", is_flag=True, help="Send the stored payloads, without the channel.")
@click.option(
    "--to", multiple=True, metavar="DESTINATION", help="Only to this destination; may be given again."
)
@click.option(
    "--rate", type=Number(0), default=0.0, help="Messages a second; 0: as fast as the engine has time."
)
@click.option("--limit", type=click.IntRange(1), help="The most messages.")
@click.option(
    "--after",
    "after_id",
    type=click.IntRange(0, MOST_ID),
    help="Go on behind this message, where a replay was stopped.",
)
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
@click.option(
    "--edited",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With one --id: this file's message goes in its place, linked to it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and send nothing.")
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
    edited: Path | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Send messages again: those of the store that match the filters, or those in FILES (batch files too).

    Through the channel again, by today's configuration and consent; or with --as-it-was the stored payload. Messages of FILES are
    decided as if --source had received them. What is replayed is linked to its original; copies that a replay made are left out unless
    named by --id. Ctrl-C stops a replay and says where.

    Files go at once, and where there is no terminal what --id names. Before it asks, and with --dry-run alone, it shows what would go,
    and in what order; what was acknowledged before; which patients a destination has newer messages of; and what would be decided
    differently now.
    """
    if edited is not None and (len(ids) != 1 or as_it_was or files or newly_entitled):
        raise click.UsageError("--edited goes through the channel, in place of the message of one --id")
    chosen = {**given, "limit": limit, "after_id": after_id}
    if ids:
        # Beside a filter the engine would take the next message that matches, which is another one.
        _must_be_alone("--id", chosen)
    elif files:
        _must_be_alone("a file", {name: value for name, value in chosen.items() if name != "source"})
    with Operations(data) as operations:
        query = query_from(operations, given)
        if newly_entitled:
            if files or ids or to or as_it_was:
                raise click.UsageError("--newly-entitled goes through the channels, to affiliates only")
            request = _request(query, False, (), rate, limit, after_id)
            request |= {"newly_entitled": True, "affiliates": list(affiliates) or None}
            _newly_entitled(operations, request, dry_run, yes, as_json)
            return
        if affiliates:
            raise click.UsageError("--affiliate is for --newly-entitled")
        if files:
            if as_it_was or ids or dry_run:
                raise click.UsageError(
                    "--as-it-was, --id and --dry-run are for messages of the store; of files `hl7bridge trace` tells what would happen"
                )
            _files(
                operations, files, {"source": given["source"], "rate": rate, "to": list(to) or None}, as_json
            )
            return
        if not query and not ids and after_id is None and not yes and not dry_run:
            raise click.UsageError("this would replay every message there is: give filters, or --yes")
        copy = None if edited is None else read_edited(str(edited))
        looked = Looking(operations, Wish(as_it_was, to or None, bool(ids), copy), rate)
        if ids:
            request = _request(query, as_it_was, to, rate, None, None)
            _by_id(operations, looked, ids, request, edited, dry_run, yes, as_json)
            return
        request = _request(query, as_it_was, to, rate, limit, after_id)
        _matching(operations, looked, query, given, request, dry_run, yes, as_json)


def _must_be_alone(what: str, chosen: dict[str, Any]) -> None:
    """Raises UsageError where messages are chosen by something that would not be heeded beside `what`."""
    for option in click.get_current_context().command.params:
        if chosen.get(option.name or "") is not None:
            raise click.UsageError(
                f"{option.opts[0]} does not go with {what}, which says itself what is replayed"
            )


def _by_id(
    operations: Operations,
    looked: Looking,
    ids: tuple[int, ...],
    request: dict[str, Any],
    edited: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Messages that are named, replays among them, each once and the oldest first; `edited` goes in place of the one. On a terminal it
    asks first.
    """
    ids = tuple(sorted(set(ids)))
    rows = [operations.message(message_id).row for message_id in ids]  # says so if there is none
    if dry_run:
        looked.show(rows, array("q", ids), as_json=as_json)
        return
    if not yes and sys.stdin.isatty():
        looked.show(rows, array("q", ids), stderr=True)
        _ask(len(ids))
    if edited is not None:
        request["edited"] = str(edited.resolve())
    for message_id in ids:
        _run(operations, "replay", {**request, "message": message_id}, 1, as_json, "")


def _matching(
    operations: Operations,
    looked: Looking,
    query: dict[str, Any],
    given: dict[str, Any],
    request: dict[str, Any],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """What matches the filters: shows it, asks, and then replays."""

    def rows() -> Iterator[MessageRow]:
        wanted = message_query(query)
        return operations.messages(
            wanted, after_id=request["after_id"], limit=request["limit"], newest_first=False
        )

    among, latest_us = array("q"), 0
    for row in rows():
        among.append(row.id)
        latest_us = max(latest_us, row.received_us)
    if not among:
        must_be_known(operations, given)
        click.echo("no message matches")
        raise SystemExit(1)
    if dry_run:
        looked.show(rows(), among, as_json=as_json)
        return
    if len(among) > 1 and not yes:
        _must_be_asked(len(among))
        looked.show(rows(), among, stderr=True)
        _ask(len(among))
    # What came while somebody was asked was neither shown nor counted.
    asked = {**request, "query": {**query, "until_us": latest_us + 1}}
    _run(operations, "replay", asked, len(among), as_json, "")


def _files(operations: Operations, files: tuple[Path, ...], request: dict[str, Any], as_json: bool) -> None:
    if not request["source"]:
        raise click.UsageError("files need --source: the source whose channels decide them")
    for path, file in {file.resolve(): file for file in files}.items():  # each once, however it is named
        request = {**request, "path": str(path)}
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


def _must_be_asked(count: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this would replay {counted(count, 'message')}: --yes says so without being asked"
        )


def _ask(count: int) -> None:
    _must_be_asked(count)
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
    begun_us = time.time_ns() // 1000
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=count)
            for reply in operations.act(verb, **request):
                last = reply.get("done") or reply.get("progress") or last
                progress.update(task, completed=last.get("replayed", 0) + last.get("skipped", 0))
    except KeyboardInterrupt:
        by_filter = last.get("last_id") and not request.get("message")  # what is named goes on by its names
        where = f"; --after {last['last_id']} goes on" if by_filter else ""
        click.echo(f"stopped after about {counted(last.get('replayed', 0), 'message')}{where}", err=True)
        raise SystemExit(1) from None
    except HL7BridgeError as error:
        if error.code == HUNG_UP and verb == "replay" and not request.get("message"):
            _say_how_far(operations, begun_us, last.get("last_id") or 0)
        elif error.code in (HUNG_UP, NO_ANSWER):
            click.echo("what of it was kept, `hl7bridge messages` shows: look before it goes again", err=True)
        raise
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


def _say_how_far(operations: Operations, begun_us: int, through: int) -> None:
    """What of a replay the store has kept, where the engine can no longer say it: who begins anew would send it twice. `through`: what
    the engine had said last.
    """
    last: int | None = None
    for _ in range(_MOST_LOOKS):  # the process that writes the store ends what it was doing
        time.sleep(_LAST_COMMIT_S)
        try:
            before, last = last, operations.last_replayed(operator(), begun_us)
        except HL7BridgeError:
            return
        if last is not None and last == before and last >= through:
            click.echo(
                f"the last that was kept is the copy of message {last}: --after {last} goes on, if you replayed nothing else "
                "meanwhile",
                err=True,
            )
            return
    click.echo("what of it was kept is not known: `hl7bridge messages` shows the copies", err=True)

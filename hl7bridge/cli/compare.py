"""compare."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from hl7bridge.changes.accepted import FILE, read_accepted, write_accepted
from hl7bridge.changes.page import page
from hl7bridge.changes.result import Result, result_of
from hl7bridge.changes.traffic import came
from hl7bridge.changes.traffic import compare as compared
from hl7bridge.changes.versions import Version, version
from hl7bridge.cli.options import (
    Moment,
    OutputFile,
    data_option,
    echo_json,
    json_option,
    must_be_known,
    tell_view,
    unrecorded_option,
)
from hl7bridge.cli.tables import console, table
from hl7bridge.operations import Operations
from hl7bridge.places import STORE
from hl7bridge.store.base import MessageQuery


@click.command()
@click.argument("old")
@click.argument("new")
@data_option
@click.option("--since", "since_us", type=Moment(), default="7d", show_default=True, help="Received since.")
@click.option("--until", "until_us", type=Moment(), help="Received before that.")
@click.option("--source", help="Only what this source received.")
@click.option("--channel", help="Only what this channel makes of it.")
@click.option("--limit", type=click.IntRange(1), help="The most messages, the newest of them.")
@click.option("--values", is_flag=True, help="Show what stood in the first message of each difference.")
@click.option("--html", type=OutputFile(), help="Write a page to this file.")
@click.option(
    "--accept", is_flag=True, help="Expect these differences from now on: keep them beside the channels."
)
@click.option(
    "--accepted",
    type=OutputFile(),
    help=f"The file of accepted differences.  [default: {FILE} in NEW]",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="Processes that decide.",
    show_default=True,
)
@unrecorded_option
@json_option
def compare(
    old: str,
    new: str,
    data: Path,
    since_us: int,
    until_us: int | None,
    source: str | None,
    channel: str | None,
    limit: int | None,
    values: bool,
    html: Path | None,
    accept: bool,
    accepted: Path | None,
    processes: int,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """Decide stored messages again under two configurations, and tell where NEW differs from OLD. Nothing is sent.

    Each is a folder, a revision in git, the word running, or a version that the store has kept (`hl7bridge show` prints it). A
    revision is one of the folder that is named beside it, or of the current folder (HEAD), or says its folder as in git:
    HEAD~3:channels. Every message is decided with the time at which it came, and the rosters of now.

    Repetitions and the copies that replays made are left out, and counted. An edited copy and what came from a file are messages of
    their own, as are alerts and summaries that the programme made.

    Exit status 1 if anything differs that is not accepted, or nothing was compared. What no decision depends on is not seen: hosts,
    retries, thresholds of alerts, rosters.
    """
    with Operations(data) as operations:
        beside, versions = _versions(operations, old, new)
        accepted = accepted or beside / FILE
        key, only = operations.reader.key, (source, channel)
        expected = read_accepted(accepted, versions[0].digest, key, only)
        if expected.remark and not accept:
            click.echo(expected.remark, err=True)
        query = MessageQuery(source=source, since_us=since_us, until_us=until_us)
        left_out: Counter[str] = Counter()
        messages = islice(came(operations.messages(query), left_out), limit)
        with console(stderr=True).status("deciding messages") as status:
            tally = compared(
                data / STORE,
                versions,
                messages,
                channel=channel,
                accepted=expected,
                processes=processes,
                progress=lambda done: status.update(f"{done:,} messages decided under both"),
            )
        result = result_of(versions[0].called, versions[1].called, tally, expected, left_out)
        if not result.messages:
            must_be_known(operations, {"source": source})
        if values:
            _tell(operations, result, unrecorded)
    if html is not None:
        html.write_text(page(result, datetime.now().astimezone(), values=values), encoding="utf-8")
    if as_json:
        echo_json(result.plain(values))
    else:
        _show(result, values)
    if accept:
        count = write_accepted(accepted, versions[0].digest, key, tally, only)
        click.echo(f"{accepted}: {count} accepted", err=True)
        return
    if result.unexpected or result.unread or not result.messages:
        raise SystemExit(1)


def _versions(operations: Operations, old: str, new: str) -> tuple[Path, tuple[Version, Version]]:
    """The folder that is named, or the one where the program runs, and both configurations. Of a revision that another folder's
    repository holds it is said which.
    """
    folders = [Path(name) for name in (new, old) if Path(name).is_dir()]
    beside = folders[0] if folders else Path()
    versions = version(old, operations.reader, beside), version(new, operations.reader, beside)
    for each in versions:
        if each.in_git and each.folder != beside.resolve():
            click.echo(f"{each.called} is read from git in {each.folder}", err=True)
    return beside, versions


def _tell(operations: Operations, result: Result, unrecorded: bool) -> None:
    """The values of those messages are about to be shown."""
    for message_id in sorted({line.examples[0] for line in result.lines if line.before or line.after}):
        keys = operations.message(message_id).row.patient_keys
        tell_view(operations, "compare --values", message=message_id, patients=keys, unrecorded=unrecorded)


def _show(result: Result, values: bool) -> None:
    shown = [line for line in result.lines if not line.expected]
    if shown:
        columns = ["messages", "of", "what", *(["before", "after"] if values else []), "for example"]
        table(
            columns,
            [
                [
                    line.share,
                    line.of,
                    line.whole,
                    *([line.before, line.after] if values else []),
                    ", ".join(map(str, line.examples[:3])),
                ]
                for line in shown
            ],
        )
    click.echo(result.sentence())

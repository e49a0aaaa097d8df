"""run, reload, status."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.options import data_option, json_option
from hl7bridge.cli.times import At, zoned
from hl7bridge.operations import Operations
from hl7bridge.words import counted


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("channels"))
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="HL7BRIDGE_DATA",
    help="Where messages are kept [default: data, or what hl7bridge.yaml says].",
)
@click.option("--log-json", is_flag=True, help="Logs as JSON, one object a line.")
@click.option(
    "--accept-roster-ends",
    is_flag=True,
    help="Take a full roster although it ends over 5 % of its patients (of 100 or fewer: over half).",
)
def run(config: Path, data: Path | None, log_json: bool, accept_roster_ends: bool) -> None:
    """Run the engine with the channels in CONFIG (default: channels/).

    Stops in order on SIGTERM and SIGINT, reloads CONFIG on SIGHUP.
    """
    from hl7bridge.engine.signals import Signals

    signals = Signals()  # before all that takes time

    from hl7bridge.engine import steady

    reactor = steady.install()  # before anything else imports a reactor

    from hl7bridge.engine.process import run_engine
    from hl7bridge.observe import logs

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logs.begin(as_json=log_json)
    sys.exit(run_engine(reactor, signals, config, data, accept_roster_ends=accept_roster_ends))


@click.command()
@data_option
@json_option
@click.option(
    "--accept-roster-ends",
    is_flag=True,
    help="Take a full roster although it ends over 5 % of its patients (of 100 or fewer: over half).",
)
def reload(data: Path, as_json: bool, accept_roster_ends: bool) -> None:
    """Make the running engine take its configuration folder as it is now: wholly, or not at all."""
    from hl7bridge.cli.options import echo_json

    with Operations(data) as operations:
        result = operations.done("reload", accept_roster_ends=accept_roster_ends)
    if as_json:
        echo_json(result)
        return
    for each in result["rosters"]:
        click.echo(
            f"roster of {each['affiliate']}: {each['added']:,} added, {each['ended']:,} ended, {each['changed']:,} changed, "
            f"{each['unchanged']:,} unchanged; {each['dated_back']:,} dated back"
        )
    if result["changed"]:
        click.echo(f"reloaded: configuration {result['version'][:12]} is in force")
    elif not result["rosters"]:
        click.echo(f"nothing has changed: configuration {result['version'][:12]} stays in force")


@click.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show the running engine: its connections, queues and links."""
    from hl7bridge.cli.options import echo_json
    from hl7bridge.cli.tables import table

    with Operations(data) as operations:
        state = operations.done("status")
        if as_json:
            echo_json(state)
            return
        click.echo(f"running since {zoned(state['started_us'])} with configuration {state['version'][:12]}")
        click.echo(
            f"received {counted(state['received'], 'message')} in {counted(state['commits'], 'transaction')}"
        )
        if state["refusing"]:
            click.echo(f"takes no messages: {state['refusing']}")
        _show_sources(state)
        if state["table_misses"]:
            table(
                ["not understood (a code in no table, an order that tells nothing)", "times"],
                sorted(state["table_misses"].items()),
            )
        rows: list[list[Any]] = []
        reader, failed = operations.reader, 0
        for name, each in state["destinations"].items():
            word = "held" if each["held"] else "stopped" if each["stopped"] else each["link"]
            if name in state["late"]:
                word += ", late"
            count = reader.failed_count(name)
            failed += count
            rows.append(
                [
                    name,
                    word,
                    each["connections"],
                    reader.open_count(name),
                    count,
                    each["sent"],
                    At(each["oldest_us"]),
                    each["link_reason"] or each["oldest_reason"],
                ]
            )
        table(
            [
                "destination",
                "state",
                "connections",
                "open",
                "failed",
                "sent since start",
                "oldest open since",
                "because",
            ],
            rows,
        )
        if failed:
            click.echo(
                "what has failed waits for a person: hl7bridge queue list, then queue resend or queue cancel; "
                "until then it counts as failed, whenever that was"
            )
    if state["refusing"] or state["late"]:
        raise SystemExit(1)


def _show_sources(state: dict[str, Any]) -> None:
    from hl7bridge.cli.tables import table

    if sources := state.get("sources"):  # an engine that is older does not say it
        table(
            ["source", "connections", "last message"],
            [
                [
                    name,
                    state["connections"].get(name, ""),
                    At(each["last_message_us"]) if each["last_message_us"] else "nothing since the start",
                ]
                for name, each in sources.items()
            ],
        )
    if state["files"]:
        table(
            ["source", "files waiting", "being read", "set aside since start"],
            [
                [name, each["waiting"], each["reading"], each["set_aside"]]
                for name, each in state["files"].items()
            ],
        )

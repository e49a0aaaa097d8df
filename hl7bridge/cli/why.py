"""trace, why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hl7bridge.channel.beside import FolderRosters
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.rules.trace import Event, Trace
from hl7bridge.channel.written.mistake import meant
from hl7bridge.cli.deliveries import everything, message_lines, tried
from hl7bridge.cli.options import data_option, echo_json, json_option, tell_view, unrecorded_option
from hl7bridge.cli.times import zoned
from hl7bridge.engine.folder import load_folder
from hl7bridge.errors import HL7BridgeError
from hl7bridge.explain.lines import DID, NO, TO, YES, Line, lines
from hl7bridge.explain.stored import Explained, answer_for, explained
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message
from hl7bridge.operations import Operations, Wait
from hl7bridge.store.base import Attempt, DeliveryRow
from hl7bridge.words import counted

_COLOURS = {YES: "green", NO: "red", DID: "cyan", TO: "green"}

to_option = click.option(
    "--to", metavar="DESTINATION", help="Only what concerns this destination, and whether it gets it."
)
brief_option = click.option("--brief", is_flag=True, help="Leave out steps that changed nothing.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("config", type=click.Path(path_type=Path), default=Path("channels"))
@click.option("--source", help="The source that receives it; if left out, each that takes its type.")
@to_option
@brief_option
@json_option
def trace(file: Path, config: Path, source: str | None, to: str | None, brief: bool, as_json: bool) -> None:
    """Tell what would happen to the messages in FILE, rule by rule, by the channels in CONFIG (default: channels/) and the rosters
    beside them. Nothing is sent and nothing is kept.
    """
    configuration = load_folder(config)
    if to is not None and to not in configuration.destinations:
        hint = meant(to, configuration.destinations)
        raise HL7BridgeError(f"there is no destination {to}", code="unknown-destination", hint=hint)
    messages = _messages(file)
    rosters = FolderRosters(configuration, lambda path: (config / path).read_bytes(), messages)
    for number, message in enumerate(messages, 1):
        if len(messages) > 1 and not as_json:
            click.secho(f"message {number} of {len(messages)}", bold=True)
        for name in [source] if source else _sources_of(configuration, message):
            made = Trace()
            read = Message(message.raw, configuration.encoding(name))
            decision = _decided(configuration, name, read, rosters, made)
            if as_json:
                echo_json({"source": name, **_plain(decision), "events": _events(made.events, to, brief)})
                continue
            click.echo(f"{decision.type} by {name}: {decision.status}, answered {decision.answer}")
            _show(lines(made.events, brief=brief, only=to))


def _messages(file: Path) -> list[Message]:
    try:
        messages = [Message(raw) for raw in read_file(file.read_bytes()).messages]
    except Unreadable as error:
        raise HL7BridgeError(
            error.what, code=error.code, place=f"{file}, {error.place}", hint=error.hint
        ) from None
    if not messages:
        raise HL7BridgeError("there is no message in this file", code="no-message", place=str(file))
    return messages


def _sources_of(configuration: Configuration, message: Message) -> list[str]:
    """Those that take its type: nothing in a file says by which it comes."""
    found = [
        name
        for name, plan in configuration.plans.items()
        if name in configuration.sources and plan.accepting(message.type_code, message.trigger)[1]
    ]
    if found:
        return found
    raise HL7BridgeError(
        "no source takes messages of this type",
        code="which-source",
        hint=f"name one with --source: {', '.join(configuration.sources)}",
    )


def _decided(
    configuration: Configuration, source: str, message: Message, rosters: FolderRosters, made: Trace
) -> Decision:
    if source not in configuration.plans:
        hint = meant(source, configuration.plans, ", ".join(configuration.sources))
        raise HL7BridgeError(f"there is no source {source}", code="unknown-source", hint=hint)
    roster = rosters.usual()
    if isinstance(roster, str):
        raise HL7BridgeError(roster, code="roster")
    return decide(
        configuration, source, message, received=datetime.now(UTC), sequence=1, roster=roster, trace=made
    )


@click.command()
@click.argument("message_id", type=int)
@data_option
@to_option
@brief_option
@unrecorded_option
@json_option
def why(message_id: int, data: Path, to: str | None, brief: bool, unrecorded: bool, as_json: bool) -> None:
    """Tell why a message became what it became: each rule with what it saw and changed, by the configuration that decided it, who gets
    it under which agreement and list, who does not and why, and each attempt with the hospital's answer.

    With --to: why this destination got it, or did not.
    """
    with Operations(data) as operations:
        detail = operations.message(message_id)
        row = detail.row
        tell_view(operations, "why", message=row.id, patients=row.patient_keys, unrecorded=unrecorded)
        found = explained(operations.reader, detail)
        answer = None if to is None else answer_for(found, to)
        if as_json:
            echo_json(
                {
                    "message": row,
                    "answer": answer,
                    "instead": found.instead,
                    **_plain(found.decision),
                    "events": _events(found.events, to, brief),
                    "otherwise": found.otherwise,
                    "deliveries": [each for each in detail.deliveries if to in (None, each.destination)],
                    "attempts": detail.attempts,
                }
            )
            return
        click.secho(f"message {row.id}  {row.type}  control ID {row.control_id or '(none)'}", bold=True)
        click.echo(
            f"received {zoned(row.received_us)} by {row.source}, answered {row.answer or 'nothing'}: {row.status.name}"
        )
        click.echo(
            f"decided by configuration {row.version[:12]}; event of {found.decision.event_date or 'an unknown day'}"
        )
        if found.instead is not None or answer is not None:
            click.secho(answer or found.instead, bold=True)
        click.echo()
        _show(lines(found.events, brief=brief, only=to))
        _show_deliveries(found, to, operations.waits(detail.deliveries))
        if found.otherwise:
            click.echo("\nby the lists of now it would be decided otherwise:")
            for each in found.otherwise:
                click.echo(f"  {each}")


def _plain(decision: Decision) -> dict[str, Any]:
    return {"status": decision.status, "answer_code": decision.answer, "event_date": decision.event_date}


def _events(events: Iterable[Event], to: str | None, brief: bool) -> list[dict[str, Any]]:
    return [line._asdict() for line in lines(list(events), brief=brief, only=to)]


def _show(found: Iterable[Line]) -> None:
    for line in found:
        mark = click.style(line.mark, fg=_COLOURS.get(line.mark))
        place = click.style(f"  {line.place}", dim=True)
        click.echo(f"{'  ' * line.depth}{mark} {line.text}{place}")


def _show_deliveries(found: Explained, to: str | None, waits: Mapping[int, Wait]) -> None:
    for each in found.detail.deliveries:
        if to not in (None, each.destination):
            continue
        click.echo(
            f"\ndelivery {each.id} to {click.style(each.destination, bold=True)}: {_state(each, waits[each.id])}"
        )
        for attempt, asked in tried(found.detail.attempts):
            if attempt.delivery_id == each.id:
                click.echo(f"  {zoned(attempt.at_us)}  {_change(attempt, asked)}")
                for line in message_lines(attempt.answer or b""):
                    click.echo(f"      {line}")


def _change(attempt: Attempt, asked: bool) -> str:
    """An attempt with its answer, which most reasons begin with; or what else changed."""
    reason = attempt.reason or ""
    said = (attempt.code or "no answer") if asked else attempt.status.name
    words = (
        reason if reason.startswith(f"answered {attempt.code}") else ": ".join(filter(None, [said, reason]))
    )
    return f"attempt {attempt.attempts}: {words}" if asked else words


def _state(each: DeliveryRow, wait: Wait) -> str:
    words = [each.status.name, counted(each.attempts, "attempt")]
    if each.code and f"answered {each.code}" not in (each.reason or ""):
        words.append(f"answered {each.code}")
    return ", ".join(filter(None, [*words, everything(each, wait)]))
